"""Owns the report's page and its charts; it does not know result files."""
