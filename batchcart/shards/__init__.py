"""Owns one run in several processes: each account has one of them, the journal stays with the process that began."""
