"""`make test` on several workers: a test that does not run is a failure there too, and what shares a fixture shares a worker."""
import os
import re
import subprocess
import sys

from helpers.paths import PLUGINS, TOP

TESTS = '''
import os

import pytest


@pytest.fixture(scope="module")
def dear():
    return os.getpid()


@pytest.mark.parametrize("number", range(20))
def test_shares(dear, number):
    print("shares:", dear)


def test_is_left_out():
    pytest.skip("for a reason")
'''


def run(folder, **variables):
    """What pytest says of these tests, with the conftest of all tests."""
    (folder / "test_tried.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "XENMETER_NO_SKIP"))}
    environment.update(variables, PYTHONPATH="%s:%s" % (PLUGINS, TOP / "tests"))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-c", str(TOP / "setup.cfg"), "-rA",
         "--rootdir", str(folder), "--numprocesses", "3", "--dist", "loadscope", "--no-loadscope-reorder", str(folder)],
        cwd=str(TOP), check=False, text=True, stdout=subprocess.PIPE, env=environment, timeout=300)


def test_a_skipped_test_is_a_failure_where_nothing_may_be_skipped(tmp_path):
    ran = run(tmp_path, XENMETER_NO_SKIP="1")
    assert ran.returncode == 1 and "it must not be skipped where XENMETER_NO_SKIP is set: for a reason" in ran.stdout
    assert "1 failed, 20 passed" in ran.stdout


def test_who_shares_a_fixture_shares_a_worker(tmp_path):
    ran = run(tmp_path)
    assert ran.returncode == 0 and "20 passed, 1 skipped" in ran.stdout
    assert len(set(re.findall(r"shares: (\d+)", ran.stdout))) == 1
