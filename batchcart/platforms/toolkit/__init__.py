"""Owns what adapters have in common; it knows no platform's words."""
