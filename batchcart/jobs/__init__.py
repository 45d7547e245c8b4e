"""Owns the way from a job file to a checked plan; it sends nothing."""
