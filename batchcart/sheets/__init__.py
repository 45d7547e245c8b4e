"""Owns spreadsheets as files: rows in and out, as CSV, workbook or Parquet; it does not know jobs or results."""
