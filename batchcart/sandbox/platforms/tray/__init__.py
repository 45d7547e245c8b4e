"""Owns the simulated Tray shops."""

NAME = "tray"
