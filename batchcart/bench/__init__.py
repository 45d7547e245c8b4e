"""Owns benchmark runs: a synthetic job, the ordinary engine, and what was measured; it sends nothing by itself."""
