"""``python3 -m xenmeter``: the same as the ``xenmeter`` command."""
import sys

from xenmeter.front.cli import main

if __name__ == "__main__":
    sys.exit(main())
