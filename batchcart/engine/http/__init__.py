"""Owns HTTP to the shops: connections, answers, forms; it does not know platforms."""
