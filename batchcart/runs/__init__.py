"""Owns everything one does with a run: start it, resume it, settle it, watch it."""
