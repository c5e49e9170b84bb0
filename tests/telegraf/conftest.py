"""Telegraf's tests use the stages of the other daemons' tests, the fake hypervisor, and the strict reader of lines."""
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
for folder in ("daemons", "publish", "xen", "vcpu"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))

from stage import FakeXentop  # noqa: E402


@pytest.fixture
def xentop(tmp_path):
    """A xentop that plays one of the real captures; after the test nothing of it may run."""
    fake = FakeXentop(tmp_path / "xentop")
    yield fake
    fake.end()
