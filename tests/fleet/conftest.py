"""The fleet's tests use the stages of the daemons' and of Telegraf's tests."""
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
for folder in ("daemons", "publish", "xen", "vcpu", "telegraf"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))
