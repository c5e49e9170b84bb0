"""Every fuzz target for a moment, with its corpus first; `make fuzz` takes its time."""
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fuzz import run, targets
from fuzz.objects import SANITIZE
from tools.compiler import build_shared

SECONDS, SEED = 1.5, 1


@pytest.mark.parametrize("name", sorted(targets.CLASSES))
def test_nothing_is_found(name, objects, tmp_path):
    """In a process of its own: a byte that is read where none may be would end it."""
    _, told, text = run.run(name, SimpleNamespace(seconds=SECONDS, seed=SEED, keep=tmp_path), objects, None)
    assert told["finding"] is None, text
    assert told["executions"] >= len(targets.CLASSES[name].corpus(targets.CLASSES[name])) + 1


def test_a_finding_is_one(tmp_path):
    """A reader with a fault is found out, its input is kept, and the status says so."""
    script = tmp_path / "faulty.py"
    script.write_text(f"""
import pathlib, sys
sys.path[:0] = [{str(pathlib.Path(run.__file__).parents[1])!r}]
from fuzz import driver, target
class Faulty(target.Target):
    name = "faulty"
    def seeds(self):
        return [b"abcdef"]
    def check(self, data, chance):
        assert b"a" in data[:1], "no a"
sys.exit(driver.own(driver.Watch(Faulty(), {str(tmp_path)!r}), 60, 1))
""")
    ran = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                         universal_newlines=True, timeout=120)
    assert ran.returncode == 1, ran.stdout
    (kept,) = (tmp_path / "faulty").iterdir()
    assert kept.read_bytes()[:1] != b"a" and kept.name in ran.stdout


@pytest.mark.parametrize("fault, said", [("heap", b"AddressSanitizer"), ("number", b"runtime error")])
def test_the_sanitizers_watch(fault, said, objects, tmp_path):
    """What they have to say is an end."""
    source = tmp_path / "faults.c"
    source.write_text("""
#include <stdlib.h>
int heap(int at) { char *volatile p = malloc(4); free(p); return p[at & 3]; }
int number(int at) { return 0x7fffffff + at; }
""")
    library = build_shared(source, tmp_path / "faults.so", *SANITIZE)
    options = SimpleNamespace(seconds=1, seed=1, keep=None)
    _, environment, _ = run.command("traces", options, objects, None)
    ran = subprocess.run([sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])[sys.argv[2]](7)", library, fault],
                         env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120)
    assert ran.returncode != 0 and said in ran.stdout
