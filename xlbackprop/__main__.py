"""`python -m xlbackprop` is `xlbackprop`."""

from xlbackprop.cli import main

main(prog_name="xlbackprop")
