"""A fake xentop for each test that asks for one."""
import os
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("publish", "xen"):   # the strict reader of line protocol, the fake xenstored
    if os.path.join(TESTS, folder) not in sys.path:
        sys.path.append(os.path.join(TESTS, folder))

from stage import FakeXentop  # noqa: E402


@pytest.fixture
def xentop(tmp_path):
    """A xentop that plays one of the real captures; after the test nothing of it may run."""
    fake = FakeXentop(tmp_path / "xentop")
    yield fake
    fake.end()
