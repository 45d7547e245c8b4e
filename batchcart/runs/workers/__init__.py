"""Owns one run in several processes: who keeps the journal, and what the processes say to one another."""
