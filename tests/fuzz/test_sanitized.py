"""Every golden trace and page, texts of xentop, and what publishers write, by the compiled parts with sanitizers on: the same
figures, no report.
"""
import os
import subprocess
import sys

import pytest

from fuzz.objects import sanitized_environment
from helpers.paths import TOP

SEEN = """
import sys
from xenmeter.xentrace.engine import compiled
assert compiled.available(), compiled.reason()
print(compiled._library._name)
"""


@pytest.mark.parametrize("golden", ["xentrace/test_golden.py", "vcpu/test_golden.py::test_pages",
                                    "xen/test_counts.py", "xen/test_blkback.py",
                                    "publish/test_writer.py", "publish/test_lists.py", "core/test_possible.py",
                                    "vcpu/test_rows.py", "xentop/test_batches.py", "xentop/test_planned.py"])
def test_golden_cases_with_sanitizers(golden, objects):
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist",
                          os.path.join(TOP, "tests", golden)],
                         cwd=TOP, env=dict(os.environ, **sanitized_environment(objects)), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False, universal_newlines=True, timeout=1200)
    assert ran.returncode == 0 and " passed" in ran.stdout and "skipped" not in ran.stdout, ran.stdout[-4000:]


def test_it_is_the_sanitized_loop_that_runs(objects):
    ran = subprocess.run([sys.executable, "-c", SEEN], stdout=subprocess.PIPE, check=True, universal_newlines=True,
                         env=dict(os.environ, PYTHONPATH=os.path.join(TOP, "plugins"), **sanitized_environment(objects)))
    assert ran.stdout.strip() == str(objects / "hot.so")
