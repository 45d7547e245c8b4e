"""Owns one run in several processes: a hub that keeps journal and secrets, and seats that talk to the shops."""
