"""Function tables: activations and losses with their derivatives, as live columns and curves.

A network file of another kind (`kind = "functions"`): each of its tables is a sheet. The columns
come from the table of operations and the backward walk that training sheets come from; `reference`
tells them again in numpy, and the two meet in `verify` only.
"""
