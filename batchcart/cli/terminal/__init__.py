"""Owns what a run shows on a terminal while it works: progress, dashboard, waits."""
