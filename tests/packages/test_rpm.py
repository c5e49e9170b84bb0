"""The RPMs: built by rpmbuild, then looked at by rpm and unpacked; the spec as other distributions would read it."""
import re

import pytest

import build

NAMES = ("python3-xenmeter", "xenmeter", "collectd-xenmeter", "telegraf-xenmeter", "xenmeter-selinux")


@pytest.fixture(scope="module")
def files(rpms):
    """Package name -> file name, of the binary ones."""
    found = {re.sub(r"-[^-]+-[^-]+$", "", name): name for name in rpms.named(".rpm") if not name.endswith(".src.rpm")}
    assert sorted(found) == sorted(NAMES)
    return found


def query(system, rpms, file, *words):
    return system.run("rpm", "-qp", *words, file, cwd=rpms.inside).stdout


def test_contents(system, rpms, files, source):
    plugins = [path.name for path in sorted((source.tree / "conf.d" / "collectd").iterdir())]
    listed = {name: set(query(system, rpms, file, "--list").splitlines()) for name, file in files.items()}
    assert {"/etc/collectd.d/xenmeter-" + name for name in plugins} <= listed["collectd-xenmeter"]
    assert {"/etc/telegraf/telegraf.d/xenmeter-" + name for name in plugins} | {"/etc/sudoers.d/xenmeter-telegraf"} <= \
        listed["telegraf-xenmeter"]
    assert {"/usr/bin/xenmeter", "/usr/lib/systemd/system/xenmeter-baker.service", "/usr/lib/sysusers.d/xenmeter.conf",
            "/usr/share/man/man1/xenmeter-baker.1", "/etc/sysconfig/xenmeter",
            "/usr/share/bash-completion/completions/xenmeter"} <= listed["xenmeter"]
    assert "/usr/share/selinux/packages/xenmeter.pp" in listed["xenmeter-selinux"]
    library = {path.partition("/site-packages/")[2] for path in listed["python3-xenmeter"]}
    for path in (source.tree / "plugins").rglob("*"):
        inside = path.relative_to(source.tree / "plugins")
        if path.suffix in (".py", ".csv"):
            assert str(inside) in library
        if path.suffix == ".c":
            assert str(inside.parent / ("_%s.so" % inside.stem)) in library
    assert not any("/site-packages/" in path or path.startswith("/usr/local") for name in listed if name != "python3-xenmeter"
                   for path in listed[name])


def test_what_an_administrator_edits_is_kept(system, rpms, files):
    for name in ("collectd-xenmeter", "telegraf-xenmeter", "xenmeter"):
        configured = set(query(system, rpms, files[name], "--configfiles").split())
        listed = {path for path in query(system, rpms, files[name], "--list").split() if path.startswith("/etc/")}
        assert configured == {path for path in listed if path not in ("/etc/telegraf", "/etc/telegraf/telegraf.d")}
        flags = query(system, rpms, files[name], "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]")
        assert {line.split()[1] for line in flags.splitlines() if line.split()[0] in configured} == {"cn"}


def test_needs(system, rpms, files):
    needs = {name: query(system, rpms, file, "--requires") for name, file in files.items()}
    assert "collectd-python" in needs["collectd-xenmeter"] and "sudo" in needs["telegraf-xenmeter"]
    assert "python(abi)" in needs["python3-xenmeter"]
    assert not any("setuptools" in text for text in needs.values()), needs


def test_unpacked_it_works(system, rpms, files, source):
    """rpm2cpio, then the command of the unpacked tree, and the sudoers file's mode."""
    system.run("sh", "-c", "rm -rf /unpacked && mkdir /unpacked && cd /unpacked && for file in %s/*.rpm; do case $file in "
               "*.src.rpm) ;; *) rpm2cpio $file | cpio -idm --quiet ;; esac; done" % rpms.inside)
    (library,) = system.path("/unpacked/usr/lib").glob("python3*/site-packages")
    inside = "/" + str(library.relative_to(system.root))
    told = system.run("python3", "/unpacked/usr/bin/xenmeter", "--version", env={"PYTHONPATH": inside}, check=False)
    assert told.stdout == "xenmeter %s\n" % source.version
    assert system.path("/unpacked/etc/sudoers.d/xenmeter-telegraf").stat().st_mode & 0o777 == 0o440
    assert system.run("python3", "-c", "from xenmeter.xentrace import compiled; print(compiled.available())",
                      env={"PYTHONPATH": inside}).stdout == "True\n"


def test_scriptlets_run(system, rpms, files):
    """As rpm runs them, with 1 (installed, or the last but one removed) and 0 (the last one removed), without systemd."""
    for name, file in files.items():
        told = query(system, rpms, file, "--scripts")
        parts = re.split(r"^(\w+) scriptlet \(using /bin/sh\):\n", told, flags=re.MULTILINE)[1:]
        scriptlets = dict(zip(parts[::2], parts[1::2]))
        expected = {"xenmeter": {"preinstall", "postinstall", "preuninstall", "postuninstall"},
                    "telegraf-xenmeter": {"postinstall", "postuninstall"},
                    "xenmeter-selinux": {"postinstall", "postuninstall"}}.get(name, set())
        assert set(scriptlets) == expected
        for kind, text in scriptlets.items():
            for number in ("0", "1", "2"):
                ran = system.run("sh", "-e", "-c", text, "sh", number, check=False)
                assert ran.returncode == 0, (name, kind, number, ran.stdout)
    assert system.run("getent", "group", "xenmeter").stdout.startswith("xenmeter:")


def test_removal_stops_the_baker(system, rpms, files):
    told = query(system, rpms, files["xenmeter"], "--scripts").partition("preuninstall")[2].partition("postuninstall")[0]
    assert re.search(r"disable --now xenmeter-baker\.service", told)


@pytest.mark.parametrize("release", [("rhel 8", "dist .el8"), ("rhel 9", "dist .el9"), ("fedora 42", "dist .fc42"),
                                     ("rhel 7", "dist .xcpng8.3", "__python3 /usr/bin/python3.6",
                                      "python3_sitearch /usr/lib64/python3.6/site-packages")], ids=lambda release: release[0])
def test_the_spec_is_read_as_each_distribution_would(release, system, source):
    """Its conditions: SELinux where the policy compiler is, weak dependencies where rpm knows them."""
    spec = system.path("/xenmeter.spec")
    spec.write_text((source.tree / "packaging" / "rpm" / "xenmeter.spec").read_text())
    call = ["rpmspec", "--parse"]
    for define in release:
        call += ["--define", define]
    told = system.run(*call, "/xenmeter.spec").stdout
    assert "%package selinux" in told and "Version:        %s\n" % source.version in told
    assert ("Recommends:" in told) == (release[0] != "rhel 7")
    assert not re.search(r"%\{[?!_a-z]", told), "a macro is left as it stands"
    if len(release) > 2:
        assert "/usr/lib64/python3.6/site-packages/xenmeter\n" in told


def test_the_same_commit_gives_the_same_bytes(rpms, source, system, tmp_path):
    again = build.rpm(source, tmp_path, system)
    assert len(again) == len(NAMES) + 1
    for path in again:
        assert path.read_bytes() == rpms.files[path.name].read_bytes(), path.name
