"""Moving carts between platforms: exporting, verifying, and the whole way in one; carts themselves are neutral.py's."""
