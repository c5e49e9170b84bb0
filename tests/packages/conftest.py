"""The packages of the last commit, built once for all tests here, and the systems in which they are looked at and tried.

As on every machine that builds packages, this needs root. Nothing here is skipped: what is missing is a failure.
"""
import pytest

import build
from tools import chroot

OLD = "0.0.9"


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The last commit's tree."""
    return build.Source("HEAD", tmp_path_factory.mktemp("source") / "tree")


@pytest.fixture(scope="session")
def old_source(tmp_path_factory):
    """The same tree as an older release."""
    return build.Source("HEAD", tmp_path_factory.mktemp("old") / "tree", OLD)


@pytest.fixture(scope="session")
def system():
    """Where packages are built, with what looks at them."""
    with chroot.fresh("packages", build.BUILD_NEEDS + build.CHECK_NEEDS) as made:
        yield made


class Built:
    """What one build gave. :ivar folder: seen from outside. :ivar inside: the same, seen from ``system``."""

    def __init__(self, folder, files, system):
        self.folder = folder
        self.files = {path.name: path for path in files}
        self.inside = "/built/" + folder.name
        target = system.path(self.inside)
        target.mkdir(parents=True)
        for path in files:
            (target / path.name).write_bytes(path.read_bytes())

    def named(self, ending):
        """Files whose name ends so."""
        return {name: path for name, path in self.files.items() if name.endswith(ending)}


@pytest.fixture(scope="session")
def debs(source, system, tmp_path_factory):
    """The Debian packages, with the tests that run in their build."""
    folder = tmp_path_factory.mktemp("debs")
    return Built(folder, build.deb(source, folder, system), system)


@pytest.fixture(scope="session")
def old_debs(old_source, system, tmp_path_factory):
    """An older release's, built the same way."""
    folder = tmp_path_factory.mktemp("old_debs")
    return Built(folder, build.deb(old_source, folder, system, options="nocheck"), system)


@pytest.fixture(scope="session")
def rpms(source, system, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rpms")
    return Built(folder, build.rpm(source, folder, system), system)


@pytest.fixture(scope="session")
def wheel(source, system, tmp_path_factory):
    """The path of the wheel with compiled parts."""
    (path,) = build.wheel(source, tmp_path_factory.mktemp("wheel"), system)
    return path


@pytest.fixture(scope="session")
def pure_wheel(source, system, tmp_path_factory):
    """The path of the one without."""
    (path,) = build.pure_wheel(source, tmp_path_factory.mktemp("pure"), system)
    return path


@pytest.fixture(scope="session")
def sdist(source, system, tmp_path_factory):
    """The source distribution's path."""
    (path,) = build.sdist(source, tmp_path_factory.mktemp("sdist"), system)
    return path
