"""The fuzz target of the statistics pages, for a moment; `make fuzz` takes its time."""
import pathlib
import re
import subprocess
import sys

FUZZ = pathlib.Path(__file__).resolve().parents[1] / "fuzz" / "fuzz_pages.py"


def test_it_runs():
    """In a process of its own: a byte read beyond a page would end it."""
    ran = subprocess.run([sys.executable, str(FUZZ), "--seconds", "3", "--seed", "1"], timeout=120, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, universal_newlines=True)
    assert ran.returncode == 0, ran.stdout
    assert int(re.search(r"(\d+) pages read", ran.stdout).group(1)) > 50
