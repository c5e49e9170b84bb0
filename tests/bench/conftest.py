"""The daemons' stand-in of xentop serves here, too."""
import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("daemons", "publish", "xen"):
    if os.path.join(TESTS, folder) not in sys.path:
        sys.path.append(os.path.join(TESTS, folder))
