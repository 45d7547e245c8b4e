"""Owns the simulated 3dcart shops."""

NAME = "3dcart"
