"""batchcart: runs a JSONL file of shopping-cart operations against 3dcart, Tray and Shoplo shops."""

__version__ = "0.1.0"
