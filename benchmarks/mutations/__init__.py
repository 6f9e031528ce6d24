"""What the auditor of other people's workbooks finds: one mistake in each of many: `python -m benchmarks.mutations`."""
