"""Owns moving carts between platforms: export, convert, run, verify; it does not know the command line."""
