"""Owns the SQLite file beside the results: plan, intents, answers, results; it does not know platforms or sockets."""
