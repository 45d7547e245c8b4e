"""Owns everything one does with a run: start it, go on with it, settle it, watch it."""
