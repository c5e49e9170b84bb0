"""Every test of the engine runs twice, on the pure Python loop and on the compiled one."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "plugins"), os.path.join(ROOT, "tests"), HERE]

from tools.compiler import build_shared  # noqa: E402
from xenmeter.xentrace.engine import compiled    # noqa: E402


@pytest.fixture(scope="session")
def shared_object(tmp_path_factory):
    """The compiled loop, built with the flags of setup.py."""
    source = os.path.join(ROOT, "plugins", "xenmeter", "xentrace", "engine", "hot.c")
    return build_shared(source, tmp_path_factory.mktemp("hot") / "_hot.so", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session", params=["python", "compiled"])
def core(request, shared_object):
    if request.param == "compiled":
        assert compiled.use(shared_object), compiled.reason()
    return request.param
