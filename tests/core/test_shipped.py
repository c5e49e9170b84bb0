"""What lies beside our modules, read from a folder and from one file; and whose compiled parts root loads."""
import os
import stat
import types
import zipfile
import zipimport

import pytest

from helpers.paths import PLUGINS
from xenmeter.core import shipped
from xenmeter.core.errors import EXAMPLE_PATH

CORE = str(PLUGINS / "xenmeter" / "core")
CONTENT = b"\x7fELF, in a manner of speaking"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """We are imported from one file: the folder that a module of core has there."""
    path = str(tmp_path / "one.pyz")
    with zipfile.ZipFile(path, "w") as made:
        for name, data in (("xenmeter/__init__.py", b""), ("xenmeter/core/metrics.csv", b"a,b\n"),
                           ("xenmeter/core/_part.so", CONTENT), ("xenmeter/example/manifest.json", b"{}"),
                           ("xenmeter/example/trace.bin", b"t"), ("xenmeter/example/more/deep", b"d")):
            made.writestr(name, data)
    loader = zipimport.zipimporter(path)
    monkeypatch.setattr(shipped, "xenmeter", types.SimpleNamespace(__spec__=types.SimpleNamespace(loader=loader)))
    return path + "/xenmeter/core"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A place for the cache whose parents are root's alone, as /var is: only root has such a thing."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files of root's and of others")
    made = tmp_path / "var"
    made.mkdir(mode=0o755)
    monkeypatch.setenv("XENMETER_CACHE", str(made / "cache"))
    below = str(tmp_path)
    real = os.lstat

    def lstat(path, *words, **more):
        """The tests' own folder lies in one that everybody may write to: that much is taken for safe."""
        seen = real(path, *words, **more)
        if below.startswith(str(path)) or str(path) == below:
            return os.stat_result((stat.S_IFDIR | 0o755, *seen[1:4], 0, *seen[5:10]))
        return seen
    monkeypatch.setattr(shipped.os, "lstat", lstat)
    return made / "cache"


def test_text_from_a_folder_and_from_one_file(archive, monkeypatch):
    assert shipped.text(archive, "metrics.csv") == "a,b\n"
    with pytest.raises(OSError):
        shipped.text(archive, "none.csv")
    monkeypatch.undo()
    assert shipped.text(CORE, "metrics.csv").startswith("entity,figure,")
    with pytest.raises(OSError):
        shipped.text(CORE, "none.csv")


def test_a_folder_is_itself_or_a_copy(archive, monkeypatch):
    made = shipped.folder(os.path.dirname(archive) + "/example")
    assert sorted(os.listdir(made)) == ["manifest.json", "trace.bin"] and shipped.folder(
        os.path.dirname(archive) + "/example") == made
    monkeypatch.undo()
    assert shipped.folder(EXAMPLE_PATH) == EXAMPLE_PATH


def test_a_part_that_is_a_file_is_taken_as_it_is(tmp_path):
    (tmp_path / "_part.so").write_bytes(b"x")
    assert shipped.library(str(tmp_path), "_part.so") == str(tmp_path / "_part.so")
    assert shipped.library(str(tmp_path), "_none.so") is None


def test_root_keeps_it_and_others_find_it(archive, cache, monkeypatch):
    path = shipped.library(archive, "_part.so")
    assert path == str(cache / "_part.so") and (cache / "_part.so").read_bytes() == CONTENT
    assert cache.stat().st_mode & 0o777 == 0o755 and (cache / "_part.so").stat().st_mode & 0o777 == 0o644
    monkeypatch.setattr(shipped.os, "geteuid", lambda: 1000)
    assert shipped.library(archive, "_part.so") == path
    (cache / "_part.so").unlink()
    assert shipped.library(archive, "_part.so") is None and os.listdir(str(cache)) == []


def test_another_release_is_written_over(archive, cache):
    cache.mkdir()
    (cache / "_part.so").write_bytes(b"an older one")
    assert shipped.library(archive, "_part.so") and (cache / "_part.so").read_bytes() == CONTENT


@pytest.mark.parametrize("spoil", [
    lambda cache: cache.mkdir() or cache.chmod(0o777), lambda cache: cache.mkdir() or cache.chmod(0o775),
    lambda cache: cache.mkdir() or os.chown(str(cache), 1000, 1000), lambda cache: cache.parent.chmod(0o777),
    lambda cache: os.chown(str(cache.parent), 1000, 1000), lambda cache: cache.write_bytes(b"a file"),
    lambda cache: cache.parent.chmod(0o1777)], ids=["all write", "a group writes", "another's", "all write above",
                                                    "another's above", "no directory", "as /tmp is"])
def test_where_others_can_write_nothing_is_loaded_nor_written(spoil, archive, cache):
    spoil(cache)
    assert shipped.library(archive, "_part.so") is None
    assert not (cache / "_part.so").exists()


@pytest.mark.parametrize("spoil", [lambda path: path.chmod(0o666), lambda path: os.chown(str(path), 1000, 1000)],
                         ids=["all write", "another's"])
def test_a_file_that_others_can_change_is_made_anew(spoil, archive, cache):
    cache.mkdir()
    path = cache / "_part.so"
    path.write_bytes(CONTENT)
    spoil(path)
    held = os.open(str(path), os.O_WRONLY)      # whoever has it open can write on, but not into the new one
    assert shipped.library(archive, "_part.so") == str(path)
    os.write(held, b"other")
    os.close(held)
    assert path.read_bytes() == CONTENT and path.stat().st_uid == 0 and path.stat().st_mode & 0o777 == 0o644


def test_no_link_is_followed_to_the_file(archive, cache, tmp_path):
    cache.mkdir()
    (tmp_path / "other").write_bytes(CONTENT)
    (cache / "_part.so").symlink_to(tmp_path / "other")
    assert shipped.library(archive, "_part.so") == str(cache / "_part.so")
    assert not (cache / "_part.so").is_symlink() and (tmp_path / "other").read_bytes() == CONTENT


def test_a_disk_that_takes_nothing(archive, cache, monkeypatch):
    def full(*words, **more):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(shipped.files, "replace", full)
    assert shipped.library(archive, "_part.so") is None
