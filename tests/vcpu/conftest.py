"""The fake hypervisor lives with the tests of xenmeter.xen."""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[0] / "xen"))

from fake_hypervisor import build  # noqa: E402
from fuzz.objects import built   # noqa: E402
from tools.compiler import build_shared   # noqa: E402

from xenmeter.vcpu import compiled    # noqa: E402

SOURCE = HERE.parents[1] / "plugins" / "xenmeter" / "vcpu" / "pages.c"


@pytest.fixture
def compiler():
    """What the tests run against is there."""
    build()


@pytest.fixture(scope="session")
def pages_object(tmp_path_factory):
    """The compiled reader of pages, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    return built("pages") or build_shared(SOURCE, tmp_path_factory.mktemp("pages") / "_pages.so", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session")
def compiled_read(pages_object):
    found = compiled.load(pages_object)
    assert found is not None
    return found


@pytest.fixture(params=["python", "compiled"])
def core(request, monkeypatch):
    """Every test that asks for it runs twice: on the pages' Python reader and on the compiled one."""
    if request.param == "python":
        monkeypatch.setenv("XENMETER_COMPILED", "0")
    else:
        read = request.getfixturevalue("compiled_read")
        monkeypatch.setattr(compiled, "load", lambda path=None: read)
    return request.param
