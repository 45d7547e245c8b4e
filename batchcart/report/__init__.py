"""Owns the report of runs that began: figures folded from result files, and how they are drawn; it sends nothing."""
