"""Owns running planned operations: limits, retry, conversation, chains, sessions; it is given platforms and sockets."""
