"""The wheel and the source distribution, installed into environments that hold nothing else."""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import build
from helpers.paths import FIXTURES
from tools import chroot, provision
from tools.compiler import compiler
from tools.pythons import extra_library, interpreters, pinned

pytestmark = pytest.mark.xdist_group("packages: wheel")

CASE = FIXTURES / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
FOUND = interpreters()
INSTALL = ("install", "--quiet", "--disable-pip-version-check", "--no-index")
PROBE = "import xenmeter.xentrace.engine.compiled as c; print(c.available())"


def environment(folder, python=sys.executable):
    """The bin folder of a new environment, without pip."""
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin"


def install(bin_folder, *words, **variables):
    """pip of the tests' own environment installs into another."""
    subprocess.run([sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "install", "--quiet",
                    "--disable-pip-version-check", "--build-constraint", str(pinned("build"))] + [str(word) for word in words],
                   check=True, env=dict(os.environ, PYTHONPATH="", **variables))


def run(program, *words, status=0):
    done = subprocess.run([str(program)] + [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          cwd="/", env={"PATH": os.environ["PATH"]}, text=True)
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


def works(bin_folder, version, compiled):
    """The command runs, a recording becomes what it must, and the compiled part is there or not."""
    assert run(bin_folder / "xenmeter", "--version") == "xenmeter %s\n" % version
    assert re.search("^xentop ", run(bin_folder / "xenmeter", "check", status=3), re.MULTILINE)
    told = run(bin_folder / "xenmeter", "xentop", "--source", CASE, "--format", "json", "--interval", "1", "--start",
               "2026-01-01")
    assert told == (CASE / "expected.jsonl").read_text()
    assert run(bin_folder / "python", "-c", PROBE) == "%s\n" % compiled


def test_the_wheel_in_a_bare_environment(wheel, source, tmp_path):
    bin_folder = environment(tmp_path / "env")
    install(bin_folder, "--no-index", wheel)
    works(bin_folder, source.version, True)


@pytest.mark.parametrize("version", sorted(FOUND), ids=lambda version: "%d.%d" % version)
def test_the_same_wheel_on_every_interpreter(version, wheel, source, tmp_path):
    """Its content only: today's pip runs no more on the old ones."""
    with zipfile.ZipFile(str(wheel)) as archive:
        archive.extractall(str(tmp_path))
    for words, expected in ((("-c", PROBE), "True\n"), (("-m", "xenmeter", "--version"), "xenmeter %s\n" % source.version)):
        done = subprocess.run([str(FOUND[version])] + list(words), stdout=subprocess.PIPE, cwd=str(tmp_path), text=True,
                              env=dict(os.environ, PYTHONPATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1"))
        assert (done.returncode, done.stdout) == (0, expected)


def test_the_wheel_holds_the_package_and_nothing_else(wheel, source):
    with zipfile.ZipFile(str(wheel)) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    tree = source.tree / "plugins"
    without = (".svg", ".png", ".h", ".inc")    # pictures of the READMEs, and what only the compiler reads
    files = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file() and path.suffix not in without}
    expected = {str(path.parent / ("_%s.so" % path.stem)) if path.suffix == ".c" else str(path) for path in files}
    assert held == expected


def test_the_pure_wheel_holds_the_same_but_for_the_compiled_parts(wheel, pure_wheel, source):
    def held(path):
        with zipfile.ZipFile(str(path)) as archive:
            return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    compiled, pure = held(wheel), held(pure_wheel)
    assert pure == {name: data for name, data in compiled.items() if not name.endswith(".so")} and len(pure) < len(compiled)
    assert pure_wheel.name == "xenmeter-%s-py3-none-any.whl" % source.version


@pytest.fixture
def shelf(wheel, pure_wheel, tmp_path):
    """Both wheels in one folder, as `make packages` leaves them."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for path in (wheel, pure_wheel):
        shutil.copy(str(path), str(folder))
    return folder


def test_of_both_wheels_pip_takes_the_one_with_compiled_parts(shelf, source, tmp_path):
    bin_folder = environment(tmp_path / "env")
    install(bin_folder, "--no-index", "--find-links", shelf, "xenmeter")
    works(bin_folder, source.version, True)


def test_the_pip_of_the_oldest_interpreter_takes_the_one_whose_name_it_knows(shelf, source, tmp_path):
    """With Python 3.6 comes 18.1, which takes the pure one."""
    bin_folder = environment(tmp_path / "env", FOUND[min(FOUND)])
    pip = [str(bin_folder / "python"), *provision.pip(str(bin_folder / "python"))]
    version = version_of(subprocess.run([*pip, "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout)
    assert version >= (18, 0)
    subprocess.run([*pip, *INSTALL, "--find-links", str(shelf), "xenmeter"], check=True)
    works(bin_folder, source.version, version >= (19, 3))


def test_a_pip_of_before_the_compiled_wheels_name_takes_the_pure_one(shelf, source):
    """9.0.3: of EL 8, and of what EL 7 has for Python 3.6. It runs with no Python after 3.9: that is bullseye's."""
    with chroot.fresh("old-python", ("python3", "python3-distutils"), wanted="bullseye") as system:
        shutil.copytree(str(shelf), str(system.path("/shelf")))
        shutil.copytree(extra_library(provision.BUILD, "oldpip", print), str(system.path("/oldpip")))
        env = {"PYTHONPATH": "/oldpip:/made"}
        assert version_of(system.run("python3", "-m", "pip", "--version", env=env).stdout) == (9, 0)
        system.run("python3", "-m", "pip", *INSTALL, "--find-links", "/shelf", "--target", "/made", "xenmeter", env=env)
        assert system.run("python3", "-m", "xenmeter", "--version", env=env).stdout == "xenmeter %s\n" % source.version
        assert system.run("python3", "-c", PROBE, env=env).stdout == "False\n"
        assert "burner" in system.run("python3", "-m", "xenmeter", "xentop", "--source", "example", env=env).stdout


def version_of(said):
    """Of what `pip --version` says."""
    return tuple(map(int, re.match(r"pip (\d+)\.(\d+)", said).groups()))


def test_auditwheel_agrees_with_the_wheels_name(wheel):
    """The tag is ours by reading what the objects need; here the well-kept tool reads the same."""
    platform = wheel.name.rpartition("-")[2][:-len(".whl")]
    assert platform.startswith("manylinux")
    told = subprocess.run([sys.executable, "-m", "auditwheel", "show", str(wheel)], stdout=subprocess.PIPE, check=True,
                          text=True).stdout
    consistent = re.findall(r"manylinux_(\d+)_(\d+)_\w+", told.partition("This constrains")[0])
    legacy = {name: newest for newest, name in build.MANYLINUX}
    name = platform[:-len("_x86_64")] if platform.endswith("_x86_64") else platform
    ours = legacy.get(name) or tuple(map(int, re.findall(r"\d+", name)[:2]))
    assert consistent and all(tuple(map(int, found)) <= ours for found in consistent), told


def test_a_machine_without_a_compiler_installs_too(sdist, source, tmp_path):
    bin_folder = environment(tmp_path / "env")
    install(bin_folder, sdist, CC="/nonexistent/cc")
    works(bin_folder, source.version, False)


def test_a_machine_with_a_compiler_has_the_compiled_part(sdist, source, tmp_path):
    bin_folder = environment(tmp_path / "env")
    install(bin_folder, sdist, CC=" ".join(compiler()))
    works(bin_folder, source.version, True)


def test_the_source_distribution_holds_what_it_is_made_of(sdist, source):
    with tarfile.open(str(sdist)) as archive:
        held = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    for folder in ("plugins", "conf.d", "packaging", "fixtures", "tests"):
        for path in (source.tree / folder).rglob("*"):
            assert path.is_dir() or str(path.relative_to(source.tree)) in held, path
    assert {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "setup.py", "setup.cfg", "pyproject.toml"} <= held


def test_the_same_commit_gives_the_same_bytes(sdist, wheel, pure_wheel, source, system, tmp_path):
    for first, make in ((sdist, build.sdist), (wheel, build.wheel), (pure_wheel, build.pure_wheel)):
        (again,) = make(source, tmp_path, system, place="/elsewhere/and/deeper")
        assert again.name == first.name and again.read_bytes() == first.read_bytes(), first.name
