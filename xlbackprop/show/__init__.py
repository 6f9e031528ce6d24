"""What people look at outside the workbook."""
