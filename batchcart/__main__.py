"""`python -m batchcart` is the command `batchcart`."""

from batchcart.cli import main

main()
