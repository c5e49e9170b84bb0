"""What is taken from PyPI is pinned, with hashes, and nothing else is."""
import base64
import concurrent.futures
import hashlib
import pathlib
import re
import threading
import zipfile

import pytest
from tools import debian, pins, provision, pythons

from helpers.paths import TOP

FILES = sorted(pythons.REQUIREMENTS.glob("*.txt")) + sorted(pins.EXTRAS.glob("*.txt"))
ENTRY = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


def versions(path):
    """{name: versions} of a pinned file."""
    found = {}
    for name, version, _ in ENTRY.findall(path.read_text()):
        found.setdefault(name, set()).add(version)
    return found


def names(text):
    """The distributions that requirements ask for."""
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in text.splitlines()
            if line.strip() and not line.startswith(("#", "-r"))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_has_one_version_and_its_hashes(path):
    head, _, rest = path.read_text().partition("\n")
    assert head.startswith("# Written by `make pins` from ")
    assert rest and ENTRY.sub("", rest) == ""


def test_all_that_is_wanted_is_pinned():
    for text, origin, pinned in pins.sources():
        assert names(text) <= set(versions(pinned)), origin
    assert {path.stem for path in FILES} == {pinned.stem for _, _, pinned in pins.sources()}


def test_every_extra_is_pinned_with_what_the_tests_run_with():
    tests = versions(pythons.pinned("tests"))
    for name, text in pins.extras().items():
        assert names(text) <= set(tests), name
        if name in pins.FOR_PEOPLE:
            told = versions(pins.EXTRAS / (name + ".txt"))
            assert told and all(tests[library] == found for library, found in told.items())
    assert versions(pythons.pinned("lint"))["ruff"] == tests["ruff"]


def test_whatever_asks_pypi_asks_for_pinned_versions():
    """pip's words stand in one call each."""
    asking = 0
    for folder in ("tests", "packaging"):
        for path in sorted((TOP / folder).rglob("*.py")):
            for call in re.findall(r'"pip",(?:[^()]|\([^()]*\))*?"(?:install|download)"(?:[^()]|\([^()]*\))*', path.read_text()):
                assert "--require-hashes" in call or "--build-constraint" in call or "--no-index" in call, (path, call)
                asking += 1
    assert asking >= 4
    assert "--require-hashes" in (TOP / "tests" / "tools" / "pythons.py").read_text()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder with one library, in place of PyPI: the digest of its wheel."""
    files = {"tiny.py": b"", "tiny-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
             "tiny-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join("%s,sha256=%s,%d\n" % (name, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("="),
                                            len(data)) for name, data in files.items()) + "tiny-1.dist-info/RECORD,,\n"
    wheel = tmp_path / "index" / "tiny-1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(str(wheel), "w") as archive:
        for name, data in [*files.items(), ("tiny-1.dist-info/RECORD", record.encode())]:
            archive.writestr(name, data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setattr(pythons, "REQUIREMENTS", tmp_path)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def make(folder, digest):
    pythons.pinned("tests").write_text("tiny==1 \\\n    --hash=sha256:%s\n" % digest)
    pythons.make_venv(folder, lambda: debian.Archive(provision.BUILD, print), print)


def test_an_environment_takes_nothing_with_another_hash(index, tmp_path):
    make(tmp_path / "good", index)
    assert pythons.venv_ready(tmp_path / "good") and list((tmp_path / "good").rglob("site-packages/tiny.py"))
    with pytest.raises(debian.ProvisionError, match="pip cannot fetch"):
        make(tmp_path / "bad", "0" * 64)
    assert not pythons.venv_ready(tmp_path / "bad") and not list((tmp_path / "bad").rglob("tiny.py"))


def test_a_library_that_several_ask_for_at_once_is_fetched_once(index, tmp_path, monkeypatch):
    """As the workers of `make test` do on a fresh machine: none sees it half there, none takes it from under another."""
    monkeypatch.setitem(pythons.EXTRA, "tiny", "some")
    pythons.pinned("some").write_text("tiny==1 \\\n    --hash=sha256:%s\n" % index)
    told, all_there = [], threading.Barrier(3)

    def ask(_):
        all_there.wait(60)
        folder = pathlib.Path(pythons.extra_library(tmp_path, "tiny", told.append))
        return (folder / "tiny.py").stat().st_ino
    with concurrent.futures.ThreadPoolExecutor(3) as askers:
        assert len(set(askers.map(ask, range(3)))) == 1
    assert told == ["fetching tiny"]


def test_an_environment_whose_python_is_another_now_is_made_anew(index, tmp_path):
    """As after an upgrade of the machine: the link leads to another minor version, whose libraries are not there."""
    make(tmp_path / "good", index)
    (tmp_path / "python3.99").write_text("")
    (tmp_path / "good" / "bin" / "python").unlink()
    (tmp_path / "good" / "bin" / "python").symlink_to(tmp_path / "python3.99")
    assert not pythons.venv_ready(tmp_path / "good")
