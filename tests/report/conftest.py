"""Every test of the gathering runs twice, on the pure Python loop and on the compiled one; the browser is one for all."""
import os
import subprocess
import sys

import pytest

from helpers.paths import PLUGINS
from tools.compiler import build_shared
from xenmeter.xentrace.engine import compiled


@pytest.fixture(scope="session")
def hot(tmp_path_factory):
    """The compiled loop; the processes that tests start have it too."""
    target = build_shared(PLUGINS / "xenmeter" / "xentrace" / "engine" / "hot.c", tmp_path_factory.mktemp("hot") / "_hot.so")
    assert compiled.use(target), compiled.reason()
    return target


@pytest.fixture(params=["python", "compiled"])
def core(request, hot):
    return request.param


@pytest.fixture(scope="session")
def browser():
    from helpers.browser import Browser
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="session")
def xenmeter(hot):
    """Runs the command; gives the finished process."""
    def run(*arguments, **more):
        return subprocess.run([sys.executable, "-m", "xenmeter"] + [str(one) for one in arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=dict(os.environ, XENMETER_COMPILED=hot), timeout=600, **more)
    return run
