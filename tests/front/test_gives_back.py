"""Each front that runs for months asks glibc to give large pieces of memory back (core.memory.give_back)."""
import os
import subprocess
import sys

import pytest

from helpers.paths import PLUGINS
from helpers.stage import PATIENCE, wait_for
from tools.compiler import build_shared

#: In the place of glibc's: says what it is asked, once for each.
MALLOPT = """
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int mallopt(int parameter, int value)
{
    char line[64];
    int fd = open(getenv("MALLOPT_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (write(fd, line, snprintf(line, sizeof(line), "%d %d\\n", parameter, value)) < 0)
        abort();
    close(fd);
    return 1;
}
"""
#: M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3), by what they are set to; the baker reads pieces of a trace all the while.
ASKED = "-1 %d\n-3 %d"
LARGE = {"the baker": 1 << 19}
FOREVER = {
    "execd": ["execd", "xentop", "--source", "example", "--signal", "none", "--pace", "1"],
    "the endpoint": ["serve", "xentop", "--source", "example", "--listen", "127.0.0.1:0"],
    "a table": ["xentop", "--source", "example", "--pace", "1"],
    "a textfile": ["xentop", "--source", "example", "--pace", "1", "--textfile", "x.prom"],
    "the baker": ["baker", "--source", "fifo", "--cpu-khz", "1000000", "--shared", "shared"],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mallopt")
    (folder / "mallopt.c").write_text(MALLOPT)
    return build_shared(folder / "mallopt.c", folder / "mallopt.so", "-Wall")


def started(library, folder, words):
    os.mkfifo(str(folder / "fifo"))
    return subprocess.Popen([sys.executable, "-m", "xenmeter", *words], cwd=str(folder), stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            env=dict(os.environ, PYTHONPATH=str(PLUGINS), LD_PRELOAD=library, MALLOPT_LOG=str(folder / "log")))


@pytest.mark.parametrize("front", FOREVER)
def test_what_runs_for_months_gives_back(library, tmp_path, front):
    process = started(library, tmp_path, FOREVER[front])
    large = LARGE.get(front, 1 << 17)
    asked = set((ASKED % (large, large)).splitlines())
    try:
        wait_for(lambda: process.poll() is not None or (tmp_path / "log").exists()
                 and asked <= set((tmp_path / "log").read_text().splitlines()), PATIENCE, "mallopt of " + front)
        assert process.poll() is None, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_what_plays_a_recording_to_its_end_does_not(library, tmp_path):
    process = started(library, tmp_path, ["xentop", "--source", "example"])
    assert process.communicate()[1] == b"" and process.returncode == 0
    assert not (tmp_path / "log").exists()
