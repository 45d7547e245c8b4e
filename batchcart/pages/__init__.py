"""Owns web pages as files that load nothing; what a page tells is its owner's."""
