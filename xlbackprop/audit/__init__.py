"""Somebody else's workbook of hand backpropagation: what it calculates, and which cell is wrong."""
