"""The boot's id: read once, and a fault that passes is not taken for another boot."""
import builtins
import errno
import os
import re

import pytest

from xenmeter.core import boot


@pytest.fixture(autouse=True)
def nobody_has_asked():
    boot.boot_id.cache_clear()
    yield
    boot.boot_id.cache_clear()


def test_a_fault_that_passes_is_no_other_boot(monkeypatch):
    real, faults = open, [errno.EIO, errno.EMFILE]

    def opened(*arguments):
        if faults:
            number = faults.pop()
            raise OSError(number, os.strerror(number))
        return real(*arguments)
    monkeypatch.setattr(builtins, "open", opened)
    for _ in range(2):
        with pytest.raises(OSError):
            boot.boot_id()
    assert re.match(rb"[0-9a-f-]{36}\Z", boot.boot_id())
    faults.append(errno.EIO)
    assert boot.boot_id() and faults, "it was opened again"


def test_where_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(boot, "_PATH", str(tmp_path / "none"))
    assert boot.boot_id() == b""
