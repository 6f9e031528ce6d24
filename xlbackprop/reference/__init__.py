"""The same run told again, in numpy with matrices, from the textbook's definitions.

Nothing here comes from the graph of cells or its table of operations: the two tellings meet in
`spec` and in `verify` only, and what both say is believed because of that.
"""
