"""The RPMs: built by rpmbuild, then looked at by rpm and unpacked; the spec as other distributions would read it."""
import re

import pytest

import build
from helpers.documents import dead_links
from helpers.systemd219 import SYSTEMD_219

pytestmark = pytest.mark.xdist_group("packages: rpms")

NAMES = ("python3-xenmeter", "xenmeter", "collectd-xenmeter", "telegraf-xenmeter", "xenmeter-selinux")
UNITS = ("xenmeter-baker.service", "xenmeter-serve@.service", "xenmeter-textfile@.service")


@pytest.fixture(scope="module")
def files(rpms):
    """Package name -> file name, of the binary ones."""
    found = {re.sub(r"-[^-]+-[^-]+$", "", name): name for name in rpms.named(".rpm") if not name.endswith(".src.rpm")}
    assert sorted(found) == sorted(NAMES)
    return found


def query(system, rpms, file, *words):
    return system.run("rpm", "-qp", *words, file, cwd=rpms.inside).stdout


def test_they_are_built_from_the_source_archive(system, rpms, sdist):
    """One archive of that name, whoever has it."""
    (name,) = rpms.named(".src.rpm")
    system.run("sh", "-c", "rm -rf /source && mkdir /source && cd /source && rpm2cpio %s/%s | cpio -id --quiet" % (
        rpms.inside, name))
    assert system.path("/source/" + sdist.name).read_bytes() == sdist.read_bytes()


def test_contents(system, rpms, files, source):
    plugins = [path.name for path in sorted((source.tree / "conf.d" / "collectd").glob("*.conf"))]
    listed = {name: set(query(system, rpms, file, "--list").splitlines()) for name, file in files.items()}
    assert {"/etc/collectd.d/xenmeter-" + name for name in plugins} <= listed["collectd-xenmeter"]
    assert {"/etc/telegraf/telegraf.d/xenmeter-" + name for name in plugins} | {"/etc/sudoers.d/xenmeter-telegraf"} <= \
        listed["telegraf-xenmeter"]
    assert {"/usr/bin/xenmeter", "/usr/lib/systemd/system/xenmeter-baker.service", "/usr/lib/sysusers.d/xenmeter.conf",
            "/usr/share/man/man1/xenmeter-baker.1", "/etc/sysconfig/xenmeter",
            "/usr/share/bash-completion/completions/xenmeter"} <= {
                re.sub(r"(/man1/.*)\.gz$", r"\1", path) for path in listed["xenmeter"]}      # newer releases of rpm pack them
    assert "/usr/share/selinux/packages/xenmeter.pp" in listed["xenmeter-selinux"]
    documents = {re.sub(r"^/usr/share/doc/xenmeter[^/]*/", "", path) for path in listed["xenmeter"]}
    assert {str(path.relative_to(source.tree)) for path in (source.tree / "conf.d").rglob("*")} <= documents
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
    assert system.run("python3", "-c", "from xenmeter.xentrace.engine import compiled; print(compiled.available())",
                      env={"PYTHONPATH": inside}).stdout == "True\n"


def test_no_link_of_the_documents_is_dead(system, rpms, files):
    system.run("sh", "-c", "rm -rf /read && mkdir /read && cd /read && rpm2cpio %s/%s | cpio -idm --quiet" % (
        rpms.inside, files["xenmeter"]))
    (folder,) = system.path("/read/usr/share/doc").iterdir()
    assert (folder / "README.md").exists() and dead_links(folder) == []


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


def scriptlet(system, rpms, file, kind):
    """The text of one: "postuninstall"."""
    told = query(system, rpms, file, "--scripts")
    pattern = r"^%s scriptlet \(using /bin/sh\):\n(.*?)(?=^\w+ scriptlet |\Z)" % kind
    return re.search(pattern, told, re.MULTILINE | re.DOTALL).group(1)


def test_an_upgrade_restarts_what_runs(system, rpms, files):
    """The baker and its readers, one of which with the old code would not read the new one's shared file."""
    system.run("mkdir", "-p", "/stub", "/run/systemd/system")
    system.path("/stub/systemctl").write_text('#!/bin/sh\necho "$@"\n')
    system.path("/stub/systemctl").chmod(0o755)

    def asked(left):
        return system.run("sh", "-e", "-c", scriptlet(system, rpms, files["xenmeter"], "postuninstall"), "sh", left,
                          env={"PATH": "/stub:/usr/sbin:/usr/bin:/sbin:/bin"}).stdout.splitlines()
    assert asked("1") == [
        "daemon-reload", "try-restart xenmeter-baker.service xenmeter-serve@*.service xenmeter-textfile@*.service"]
    assert asked("0") == []
    system.run("rm", "-rf", "/run/systemd", "/stub")


@pytest.mark.parametrize("status", [0, 1])
def test_a_policy_that_does_not_load_is_told_and_stops_nothing(status, system, rpms, files):
    system.run("mkdir", "-p", "/stub")
    system.path("/stub/semodule").write_text("#!/bin/sh\nexit %d\n" % status)
    system.path("/stub/semodule").chmod(0o755)
    ran = system.run("sh", "-e", "-c", scriptlet(system, rpms, files["xenmeter-selinux"], "postinstall"), "sh", "1", check=False,
                     env={"PATH": "/stub:/usr/sbin:/usr/bin:/sbin:/bin"})
    system.run("rm", "-r", "/stub")
    assert ran.returncode == 0 and ("xenmeter-selinux: the policy is not loaded" in ran.stdout) == bool(status)


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
    assert re.findall(r"^BuildRequires: +(systemd.*)$", told, re.MULTILINE) == [
        "systemd" if release[0] in ("rhel 7", "rhel 8") else "systemd-rpm-macros"]
    assert not re.search(r"%\{[?!_a-z]", told), "a macro is left as it stands"
    if len(release) > 2:
        assert "/usr/lib64/python3.6/site-packages/xenmeter\n" in told


UNPRIVILEGED = "xenmeter-serve@xentrace.service.d/unprivileged.conf"


def unit_of(system, package, unit):
    """Settings of a unit as it is in a package, [(name, value)], without those that only empty a list."""
    path = "./usr/lib/systemd/system/" + unit
    text = system.run("sh", "-c", "rpm2cpio %s | cpio -i --quiet --to-stdout %s" % (package, path)).stdout
    return [(name, value) for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE) if value]


@pytest.fixture(scope="module")
def of_el_7(source, system, tmp_path_factory):
    """The command's package as XCP-ng 8.3 would build it, but for its Python: its path in ``system``."""
    built = build.rpm(source, tmp_path_factory.mktemp("el7"), system, defines=("rhel 7",))
    (path,) = [path for path in built if re.match(r"xenmeter-\d.*(?<!\.src)\.rpm$", path.name)]
    system.path("/el7.rpm").write_bytes(path.read_bytes())
    return "/el7.rpm"


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_of_el_7_say_what_systemd_219_knows(of_el_7, system, unit):
    told = unit_of(system, of_el_7, unit)
    assert {name for name, _ in told} <= SYSTEMD_219
    values = dict(told)
    assert values["ProtectSystem"] in ("yes", "full") and values["Type"] in ("simple", "notify")
    assert values["LimitMEMLOCK"].isdigit(), "suffixes are of a later systemd"
    assert not [value for name, value in told if value.startswith(("@", "~@"))], "219 knows no groups of calls"


def test_the_endpoint_of_xentrace_has_a_user_of_its_own_only_where_systemd_makes_one(of_el_7, system, rpms, files):
    """219 does not know DynamicUser=, and would start nothing as a user that there is not."""
    told = unit_of(system, of_el_7, UNPRIVILEGED)
    assert {name for name, _ in told} <= SYSTEMD_219 and not {"User", "DynamicUser"} & {name for name, _ in told}
    assert ("Group", "xenmeter") in told and ("PrivateDevices", "yes") in told
    ours = dict(unit_of(system, rpms.inside + "/" + files["xenmeter"], UNPRIVILEGED))
    assert (ours["DynamicUser"], ours["User"]) == ("yes", "xenmeter-serve")


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_of_el_7_differ_only_in_that(of_el_7, system, rpms, files, unit):
    told = dict(unit_of(system, of_el_7, unit))
    ours = dict(unit_of(system, rpms.inside + "/" + files["xenmeter"], unit))
    assert "SystemCallFilter" in ours, "elsewhere it stays"
    others = {"MemoryLimit": ours["MemoryMax"], "ProtectSystem": "full", "LimitMEMLOCK": str(64 << 20),
              "Type": ours["Type"].replace("exec", "simple")}
    assert told == dict({name: value for name, value in ours.items() if name in SYSTEMD_219}, **others)


@pytest.mark.parametrize("release, knows", [("rhel 7", False), ("rhel 8", False), ("rhel 9", True), ("fedora 42", True)])
def test_type_exec_is_where_systemd_knows_it(release, knows, system, source):
    spec = system.path("/xenmeter.spec")
    spec.write_text((source.tree / "packaging" / "rpm" / "xenmeter.spec").read_text())
    assert ("Type=simple" in system.run("rpmspec", "--parse", "--define", release, "/xenmeter.spec").stdout) != knows


def test_the_same_commit_gives_the_same_bytes(rpms, source, system, tmp_path):
    again = build.rpm(source, tmp_path, system)
    assert len(again) == len(NAMES) + 1
    for path in again:
        assert path.read_bytes() == rpms.files[path.name].read_bytes(), path.name
