"""Owns the config, its secrets, and what an account remembers between runs; it does not know jobs."""
