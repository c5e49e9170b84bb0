"""Every test of the engine runs twice, on the pure Python loop and on the compiled one."""
import pytest

from helpers.paths import PLUGINS
from helpers.summary import trace  # noqa: F401
from tools.compiler import build_shared
from xenmeter.xentrace.engine import compiled


@pytest.fixture(scope="session")
def shared_object(tmp_path_factory):
    """The compiled loop, built with the flags of setup.py."""
    source = PLUGINS / "xenmeter" / "xentrace" / "engine" / "hot.c"
    return build_shared(source, tmp_path_factory.mktemp("hot") / "_hot.so", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session", params=["python", "compiled"])
def core(request, shared_object):
    if request.param == "compiled":
        assert compiled.use(shared_object), compiled.reason()
    return request.param
