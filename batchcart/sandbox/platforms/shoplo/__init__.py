"""Owns the simulated Shoplo shops."""

NAME = "shoplo"
