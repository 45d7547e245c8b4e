"""Owns taking back what a run did to its shops: what it left behind, and the job that undoes it; it sends no write."""
