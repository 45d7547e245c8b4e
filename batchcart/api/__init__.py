"""Owns the Python interface: one function a command, which the command calls too; what it does is the rooms' below."""
