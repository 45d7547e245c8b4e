"""Owns the words that all packages share; it imports nothing of ours."""
