"""xenmeter.pyz: one file for every interpreter, with its compiled parts where they can be loaded and the same figures without."""
import gzip
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import build
from helpers.paths import FIXTURES, PLUGINS
from tools.pythons import interpreters

pytestmark = pytest.mark.xdist_group("packages: wheel")

CASE = FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
FOUND = interpreters()
PLAY = ("xentop", "--source", str(CASE), "--format", "json", "--interval", "1", "--start", "2026-01-01")
#: Names of the parts that one process has loaded, as the kernel tells them. One that may not be run leaves its first segment.
LOADED = ("import re, sys; sys.argv = ['xenmeter'] + sys.argv[2:]; sys.path[0] = %r; from xenmeter.front.cli import main\n"
          "main(); found = re.findall(r' r-xp .*/(_[a-z]+)\\.so$', open('/proc/self/maps').read(), re.M)\n"
          "sys.stderr.write(' '.join(sorted(set(found))))")


@pytest.fixture(scope="session")
def pyz(source, system, tmp_path_factory):
    (path,) = build.pyz(source, tmp_path_factory.mktemp("pyz"), system)
    return path


@pytest.fixture
def cache():
    """A place for compiled parts of root's alone; /tmp is not."""
    path = "/var/cache/xenmeter-test-%d" % os.getpid()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def call(python, pyz, *words, cache="/nonexistent/xenmeter", **variables):
    """-E and -s, as the first line of the file says, and what warns is an error."""
    return subprocess.run([str(python), "-Es", "-W", "error", str(pyz), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          cwd="/", env=dict(variables, PATH=os.environ["PATH"], XENMETER_CACHE=cache), text=True)


def loaded(python, pyz, cache, *words, **more):
    """The parts that a call of it loads."""
    done = subprocess.run([str(python), "-c", LOADED % str(pyz), "x", *(words or PLAY)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd="/", env={"PATH": os.environ["PATH"], "XENMETER_CACHE": cache}, text=True,
                          **more)
    assert done.returncode == 0, done.stderr
    assert words or done.stdout == (CASE / "expected.jsonl").read_text()
    return done.stderr.split()


@pytest.mark.parametrize("version", sorted(FOUND), ids=lambda version: "%d.%d" % version)
def test_the_same_figures_on_every_interpreter(version, pyz, source, cache):
    assert call(FOUND[version], pyz, "--version").stdout == "xenmeter %s\n" % source.version
    for where in (cache, "/nonexistent/xenmeter"):
        done = call(FOUND[version], pyz, *PLAY, cache=where)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", (CASE / "expected.jsonl").read_text()), where
    assert os.listdir(cache) and not os.path.exists("/nonexistent")


@pytest.mark.parametrize("version", sorted({min(FOUND), max(FOUND)}), ids=lambda version: "%d.%d" % version)
def test_the_compiled_parts_are_loaded_from_where_only_root_writes(version, pyz, cache):
    parts = loaded(FOUND[version], pyz, cache)
    assert "_rows" in parts
    with zipfile.ZipFile(str(pyz)) as archive:
        held = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist() if name.endswith(".so")}
    for name in parts:
        with open("%s/%s.so" % (cache, name), "rb") as file:
            assert file.read() == held[name + ".so"]
    assert loaded(FOUND[version], pyz, cache) == parts, "and from then on as they are"


def test_elsewhere_python_does_the_work(pyz, cache, tmp_path):
    assert loaded(sys.executable, pyz, str(tmp_path / "cache")) == [], "below /tmp, where others can put things in the way"
    os.mkdir(cache)
    os.chown(cache, 65534, 65534)
    assert loaded(sys.executable, pyz, cache) == [] and os.listdir(cache) == []
    os.chown(cache, 0, 0)
    script = "mount -t tmpfs -o noexec,mode=755 none %s && exec \"$@\"" % cache
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", LOADED % str(pyz), "x", *PLAY],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"XENMETER_CACHE": cache}, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout == (CASE / "expected.jsonl").read_text(), "noexec"


def test_others_take_what_root_has_put_there(pyz, cache):
    """And write nothing themselves."""
    os.chmod(str(pyz.parent), 0o755)
    nobody = {"preexec_fn": lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))}
    readable = "/var/cache/xenmeter-test-%d.pyz" % os.getpid()
    shutil.copy(str(pyz), readable)
    words = ("xentop", "--source", "example", "--count", "1")
    try:
        assert loaded("/usr/bin/python3", readable, cache, *words, **nobody) == [] and not os.path.exists(cache)
        parts = loaded("/usr/bin/python3", readable, cache, *words)
        assert parts and loaded("/usr/bin/python3", readable, cache, *words, **nobody) == parts
    finally:
        os.unlink(readable)


def test_what_comes_along_works_from_inside(pyz, cache, tmp_path):
    """The recording with its trace, the catalogue, and the baker."""
    copies = tmp_path / "copies"
    copies.mkdir()
    for words in (("xentop", "--source", "example", "--count", "2"), ("bake", "--cpu-khz", "2596120", str(trace(tmp_path))),
                  ("metrics", "xentrace"), ("vcpu", "--source", "example", "--count", "1"), ("xentrace", "--source", "example")):
        done = call(sys.executable, pyz, *words, cache=cache, TMPDIR=str(copies))
        assert (done.returncode, done.stderr) == (0, "") and done.stdout, words
    assert os.listdir(str(copies)) == [], "the copy of the recording has gone"
    done = call(sys.executable, pyz, "baker", "--source", str(trace(tmp_path)), "--cpu-khz", "2596120", "--shared",
                str(tmp_path / "run" / "baker"), cache=cache)
    assert done.returncode == 0, done.stderr


def trace(folder):
    path = folder / "trace.bin"
    if not path.exists():
        path.write_bytes(gzip.decompress((PLUGINS / "xenmeter" / "example" / "trace.bin.gz").read_bytes()))
    return path


def test_it_runs_by_its_own_first_line_from_anywhere(pyz, source, tmp_path):
    """Under another name, through a link, by a relative path and after the working directory has changed."""
    program = tmp_path / "bin" / "xenmeter"
    program.parent.mkdir()
    shutil.copy(str(pyz), str(program))
    (tmp_path / "link").symlink_to(program)
    for path, folder in (("./link", tmp_path), (str(program), "/"), ("bin/xenmeter", tmp_path)):
        done = subprocess.run([path, *PLAY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=str(folder), text=True)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", (CASE / "expected.jsonl").read_text())


def test_nothing_is_imported_from_the_working_directory(pyz, tmp_path):
    (tmp_path / "csv.py").write_text("raise SystemExit('a stranger')\n")
    done = subprocess.run([str(pyz), *PLAY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=str(tmp_path), text=True,
                          env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", ["(2, 7)", "(3, 5)"])
def test_an_older_python_is_told_in_one_line(version, pyz, tmp_path):
    with zipfile.ZipFile(str(pyz)) as archive:
        text = archive.read("__main__.py").decode()
    script = tmp_path / "main.py"
    script.write_text(text.replace("import sys\n", "import sys\nsys.version_info = %s\n" % version, 1))
    done = subprocess.run([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and re.match(r"xenmeter: this wants Python 3\.6 or newer, not \d\.\d; .*\n\Z", done.stderr)


def test_it_holds_what_the_wheel_holds(pyz, wheel):
    def held(path):
        with zipfile.ZipFile(str(path)) as archive:
            return {name: archive.read(name) for name in archive.namelist() if name.startswith("xenmeter/")}
    assert held(pyz) == held(wheel)
    with zipfile.ZipFile(str(pyz)) as archive:
        assert {name for name in archive.namelist() if not name.startswith("xenmeter/")} == {"__main__.py", "LICENSE"}


def test_the_same_commit_gives_the_same_bytes(pyz, source, system, tmp_path):
    (again,) = build.pyz(source, tmp_path, system, place="/elsewhere/and/deeper")
    assert again.read_bytes() == pyz.read_bytes() and os.access(str(again), os.X_OK)
