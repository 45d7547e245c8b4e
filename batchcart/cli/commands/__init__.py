"""Owns one module for each command; they call the packages below and print what those say."""
