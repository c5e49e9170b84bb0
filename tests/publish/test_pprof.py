"""Google's own pprof reads what we write."""
import re
import subprocess

import pytest
from tools import gopprof

from xenmeter.publish import pprof

HOSTILE = 'a "b"\\;\x1b[2J<&'
STACKS = [
    ({"domain": "web1", "vcpu": "0", "process": "nginx"}, ("entry", "do_syscall_64", "vfs_read"), 7, 700000000),
    ({"domain": "web1", "vcpu": "1", "process": "nginx"}, ("entry", "do_syscall_64"), 1, 100000000),
    ({"domain": HOSTILE, "vcpu": "1", "process": HOSTILE}, ("entry", "0x401000"), 2, 200000000)]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """said(words): what pprof says of the stacks."""
    path = tmp_path_factory.mktemp("pprof") / "web.pb.gz"
    path.write_bytes(pprof.encode(STACKS, 1700000000 * 10 ** 9, 3 * 10 ** 9, 10101010, ["a comment"]))
    program = str(gopprof.pprof())

    def run(*words):
        return subprocess.run([program, *words, str(path)], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"HOME": str(path.parent), "PATH": "/usr/bin:/bin"}, text=True, timeout=120).stdout
    return run


def rows(text):
    """{function: (flat, cum)}"""
    return {name: (flat, total) for flat, total, name in re.findall(
        r"^ *([\d.]+\w*) +[\d.]+% +[\d.]+% +([\d.]+\w*) +[\d.]+% +(.*?) *$", text, re.MULTILINE)}


def test_time_by_function(said):
    text = said("-top")
    assert rows(text) == {"vfs_read": ("700ms", "700ms"), "0x401000": ("200ms", "200ms"),
                          "do_syscall_64": ("100ms", "800ms"), "entry": ("0", "1000ms")}
    assert "Type: cpu" in text and "Duration: 3s, Total samples = 1000ms" in text


def test_samples_by_function(said):
    assert rows(said("-top", "-sample_index=samples"))["vfs_read"] == ("7", "7")


def test_labels(said):
    assert set(rows(said("-top", "-tagfocus=domain=web1"))) == {"vfs_read", "do_syscall_64", "entry"}
    text = said("-tags")
    assert "nginx" in text and "domain: Total" in text and "vcpu: Total" in text and "process: Total" in text


def test_comments(said):
    assert "a comment" in said("-comments")
