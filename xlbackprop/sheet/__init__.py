"""The mathematics on paper: where each quantity stands, its formula, and the workbook around it."""
