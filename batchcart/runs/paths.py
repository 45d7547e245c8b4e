"""Owns the names of the files that stand beside a result file."""

from pathlib import Path


def journal_path(results: Path) -> Path:
    """The journal beside a result file."""
    return Path(f"{results}.journal")


def sandbox_path(results: Path) -> Path:
    """Where the embedded sandbox keeps its carts, so that a run against it survives a kill as well."""
    return Path(f"{results}.sandbox")
