"""Owns running planned operations: limits, retry, conversation, chains, lanes; it is given platforms and sockets."""
