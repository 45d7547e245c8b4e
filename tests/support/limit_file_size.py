"""The command line in a process that may not write files longer than N bytes: `limit_file_size.py N ARGUMENTS…`."""

import resource
import sys

from batchcart.cli import main

if __name__ == "__main__":
    _most = int(sys.argv.pop(1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_most, _most))
    main()
