"""The compiled parts as `make fuzz` has them."""
import pytest

from fuzz.objects import SANITIZE, build_objects


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """A folder with the compiled parts, built with sanitizers."""
    folder = tmp_path_factory.mktemp("objects")
    build_objects(folder, *SANITIZE)
    return folder
