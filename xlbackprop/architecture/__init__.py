"""Architecture calculators: sizes, receptive field and parameters of a list of layers, live in a workbook and verified.

`spec` is what the user wrote; `formulas` and `sheet` tell it as live cells, `reference` as plain
Python, and the two meet in `verify` alone.
"""
