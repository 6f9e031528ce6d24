"""What building, recalculating, verifying and drawing cost, beside other programs: `python -m benchmarks`."""
