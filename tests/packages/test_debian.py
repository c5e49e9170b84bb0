"""The Debian packages: lintian, contents, the same bytes twice, and a life from installation to purge in a fresh system."""
import lzma
import os
import re
import shutil
import signal
import subprocess

import pytest

import build
from helpers.documents import dead_links, documents
from helpers.paths import FIXTURES
from tools import chroot
from tools.collectd_daemon import BESIDES
from tools.process import poll
from xenmeter.front import plugins

pytestmark = pytest.mark.xdist_group("packages: debs")

NAMES = ("python3-xenmeter", "xenmeter", "collectd-xenmeter", "telegraf-xenmeter")
CASE = "credit2-2pcpu-joined-b-d1-i3-fnxvr"
UNTIL = 120.0
"""Seconds within which a daemon must have done what a test waits for."""

TEST_CONF = BESIDES + """\
<LoadPlugin uptime>
  Interval 1
</LoadPlugin>
"""
SAYING = re.compile(r"xenmeter (\w+): (?!version )(.*)")
WITHOUT_XEN = {"xentop": "there is no /dev/xen/privcmd", "vcpu": "there is no /dev/xen/privcmd",
               "xentrace": "no baker runs here"}


OUTDATED = re.compile(r": (newer-standards-version|package-supports-alternative-init-but-no-init\.d-script) ")
"""What lintian of Debian 12 says and that of 13 no longer does. The control file is of 13's policy, by which a service is a
systemd unit; on another init the baker is started as a command, by whoever writes that script."""


def test_lintian_finds_nothing(debs, system):
    """Overridden tags are argued beside the override, in packaging/debian; those of an older policy are OUTDATED."""
    (changes,) = debs.named(".changes")
    ran = system.run("lintian", "--allow-root", "-I", changes, cwd=debs.inside, check=False)
    told = [line for line in ran.stdout.splitlines() if line != "running with root privileges is not recommended!"
            and not OUTDATED.search(line)]
    assert (ran.returncode, told) == (0, [])


def test_every_override_is_argued_and_used(debs, system, source):
    for path in (source.tree / "packaging" / "debian").rglob("*lintian-overrides"):
        lines = path.read_text().splitlines()
        for before, line in zip([""] + lines, lines):
            assert line.startswith("#") or before.startswith("#"), "%s: %s" % (path, line)
    (changes,) = debs.named(".changes")
    told = system.run("lintian", "--allow-root", "-I", "--show-overrides", changes, cwd=debs.inside, check=False).stdout
    assert "unused-override" not in told and "mismatched-override" not in told


def test_the_same_commit_gives_the_same_bytes(debs, source, system, tmp_path):
    """In another folder, with the tests left out."""
    again = build.deb(source, tmp_path, system, place="/elsewhere/and/deeper", options="nocheck")
    compared = 0
    for path in again:
        if path.suffix in (".deb", ".dsc", ".gz", ".xz"):
            assert path.read_bytes() == debs.files[path.name].read_bytes(), path.name
            compared += 1
    assert compared == 8, sorted(debs.files)


def test_they_are_built_from_the_source_archive(debs, sdist, source):
    """One archive of that name, whoever has it."""
    assert debs.files["xenmeter_%s.orig.tar.gz" % source.version].read_bytes() == sdist.read_bytes()


def test_versions_come_from_one_place(source, debs):
    found = {name.split("_")[1] for name in debs.named(".deb")}
    assert found == {source.version + "-1"}
    changelog = (source.tree / "packaging" / "debian" / "changelog").read_text()
    spec = (source.tree / "packaging" / "rpm" / "xenmeter.spec").read_text()
    assert changelog.startswith("xenmeter (%s-1) " % source.version), "packaging/debian/changelog is of another version"
    assert re.search(r"^Version: +%s$" % re.escape(source.version), spec, re.MULTILINE), "the spec is of another version"


def test_the_compiled_parts_are_where_they_are_looked_for(debs, source, system):
    (deb,) = [name for name in debs.named(".deb") if name.startswith("python3-xenmeter_")]
    listed = system.run("dpkg-deb", "-c", deb, cwd=debs.inside).stdout
    parts = sorted(path.relative_to(source.tree / "plugins") for path in source.tree.glob("plugins/xenmeter/**/*.c"))
    assert parts
    for part in parts:
        assert "./usr/lib/python3/dist-packages/%s/_%s.so\n" % (part.parent, part.stem) in listed


def test_the_documents_hold_all_of_conf_d_and_no_dead_link(debs, source, system):
    system.run("sh", "-c", "rm -rf /unpacked && for file in *.deb; do dpkg-deb -x $file /unpacked; done", cwd=debs.inside)
    shared = system.path("/unpacked/usr/share/doc")
    for path in (source.tree / "conf.d").rglob("*"):
        inside = shared / "xenmeter" / "examples" / path.relative_to(source.tree / "conf.d")
        assert path.is_dir() or inside.read_bytes() == path.read_bytes()
    read = {path.name.partition(".")[0] for path, _ in documents(shared)}
    assert {"README", "report"} | set(plugins.NAMES) <= read
    assert dead_links(shared) == []


@pytest.fixture
def scripts(debs, system):
    """What a script of a package asks of systemctl: scripts(package, "postinst", "configure", ...) -> lines.

    The script runs as dpkg runs it, with a systemctl that notes how it is called, and without the policy of a build
    machine; with ``runs=False`` where systemd does not run.
    """
    stub, noted, policy = system.path("/stub"), system.path("/noted"), system.path("/usr/sbin/policy-rc.d")
    stub.mkdir()
    for program, text in (("systemctl", 'echo "$@" >> /noted'), ("systemd-sysusers", "exit 0")):
        (stub / program).write_text("#!/bin/sh\n%s\n" % text)
        (stub / program).chmod(0o755)
    policy.rename(policy.with_name("policy-rc.d.away"))

    def asked(package, script, *words, runs=True):
        (deb,) = [name for name in debs.named("_all.deb") if name.startswith(package + "_")]
        system.run("rm", "-rf", "/scripts", "/run/systemd")
        system.run("dpkg-deb", "-e", deb, "/scripts", cwd=debs.inside)
        noted.write_text("")
        system.run("sh", "-c", '%s; exec "$@"' % ("mkdir -p /run/systemd/system" if runs else ":"), "sh", "/scripts/" + script,
                   *words, env={"PATH": "/stub:/usr/sbin:/usr/bin:/sbin:/bin", "DPKG_MAINTSCRIPT_PACKAGE": package,
                                "DPKG_MAINTSCRIPT_NAME": script})
        return noted.read_text().splitlines()
    yield asked
    policy.with_name("policy-rc.d.away").rename(policy)
    system.run("rm", "-rf", "/run/systemd", "/stub", "/scripts", "/noted")


@pytest.mark.parametrize("script, word", [("postinst", "configure"), ("postrm", "remove")])
def test_systemd_reads_telegrafs_drop_in_file_where_it_runs(script, word, scripts):
    assert scripts("telegraf-xenmeter", script, word) == ["--system daemon-reload"]
    assert scripts("telegraf-xenmeter", script, word, runs=False) == []


def test_an_upgrade_restarts_what_runs(scripts):
    """The baker, then its readers: the old code would not read the new one's shared file. At first nothing is started."""
    told = scripts("xenmeter", "postinst", "configure", "0.0.9-1")
    restarts = [line for line in told if "restart" in line.split() or "try-restart" in line.split()]
    assert restarts == ["try-restart xenmeter-baker.service",
                        "try-restart xenmeter-serve@*.service xenmeter-textfile@*.service"], told
    assert told.index("--system daemon-reload") < told.index(restarts[0])
    assert not [line for line in scripts("xenmeter", "postinst", "configure", "") if "start" in line]
    assert scripts("xenmeter", "postinst", "configure", "0.0.9-1", runs=False) == []


@pytest.fixture(scope="module")
def bare():
    """A fresh Debian with nothing but apt."""
    with chroot.fresh("bare") as made:
        made.apt("update")
        yield made


def install(system, built):
    """The packages by their files; what they depend on comes from Debian."""
    folder = system.path("/debs")
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir()
    names = []
    for name, path in built.named(".deb").items():
        if "dbgsym" not in name:
            shutil.copy(str(path), str(folder / name))
            names.append("./" + name)
    assert len(names) == len(NAMES)
    system.run("sh", "-c", "cd /debs && apt-get -qq -y --no-install-recommends install %s" % " ".join(sorted(names)))


def versions(system):
    """Package -> (state, version), for ours."""
    told = system.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev} ${Version}\n", *NAMES, check=False).stdout
    rows = [line.split() for line in told.splitlines()]
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3 and row[0] in NAMES}


class Collectd:
    """The distribution's collectd with its own configuration, in the foreground of a system of its own."""

    def __init__(self, system):
        self.log = system.path("/var/log/collectd.log")
        self.out = system.path("/var/log/collectd.out")
        self.csv = system.path("/var/lib/collectd/csv")
        self.command = system.command("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "/usr/sbin/collectd", "-f")

    def __enter__(self):
        self.log.unlink(missing_ok=True)
        shutil.rmtree(str(self.csv), ignore_errors=True)
        with open(str(self.out), "wb") as sink:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                assert self.process.poll() is None, self.told()
                with open("/proc/{0}/task/{0}/children".format(self.process.pid)) as children:
                    os.kill(int(children.read().split()[0]), signal.SIGTERM)
                assert self.process.wait(UNTIL) == 0, self.told()
        finally:
            self.process.kill()
            self.process.wait()

    def told(self):
        """Its own words."""
        return "".join(path.read_text(errors="replace")[-4000:] for path in (self.out, self.log) if path.exists())

    def sayings(self):
        """[(plugin, what)] of ours in the log, without the greeting."""
        return SAYING.findall(self.log.read_text(errors="replace")) if self.log.exists() else []

    def samples(self, pattern):
        """How many lines the csv files of a pattern have, headers left out."""
        return sum(len(path.read_text().splitlines()) - 1 for path in self.csv.glob("*/" + pattern))

    def wait(self, look):
        """Until look() is true; fails where collectd ends before."""
        def seen():
            assert self.process.poll() is None, "collectd ended\n" + self.told()
            return look()
        poll(seen, UNTIL, lambda why: AssertionError(why + "\n" + self.told()))


FOLDERS = ("/etc/collectd/collectd.conf.d", "/etc/telegraf/telegraf.d")
ALL = {"xenmeter-%s.conf" % name for name in plugins.NAMES}
LEFT = ALL - {"xenmeter-vcpu.conf"}
"""What is there once the administrator has taken one away."""


def links(system):
    """{name} of the links in the daemons' folders, of each: what the daemons read of ours."""
    return [{path.name for path in system.path(folder).glob("xenmeter-*.conf")} for folder in FOLDERS]


def conffile(name):
    return "/etc/collectd/xenmeter/%s.conf" % name


@pytest.fixture(scope="module")
def installed(bare, old_debs):
    """The older release on a fresh system, each plugin told to read every second; nothing else differs from the package.

    libmnl0 is what the distribution's own default configuration of collectd needs and collectd only recommends.
    """
    install(bare, old_debs)
    bare.apt("install", "libmnl0")
    for name in plugins.NAMES:
        path = bare.path(conffile(name))
        path.write_text(path.read_text().replace("# Interval 10", "Interval 1"))
    bare.path("/etc/collectd/collectd.conf.d/test.conf").write_text(TEST_CONF)
    return bare


class TestLife:
    """One system through its life; the tests stand in the order of the events."""

    def test_installed(self, installed):
        assert versions(installed) == {name: ("ii", "0.0.9-1") for name in NAMES}
        assert installed.run("xenmeter", "--version").stdout == "xenmeter 0.0.9\n"
        assert re.search(r"^xentop +no ", installed.run("xenmeter", "check", check=False).stdout, re.MULTILINE)
        assert installed.run("getent", "group", "xenmeter").stdout.startswith("xenmeter:x:")
        assert installed.run("dpkg", "--audit").stdout == ""

    def test_each_daemons_folder_has_a_link_to_each_file(self, installed):
        assert links(installed) == [ALL, ALL]
        for folder in FOLDERS:
            for name in ALL:
                assert os.readlink(str(installed.path(folder + "/" + name))) == "../xenmeter/" + name[len("xenmeter-"):]

    def test_the_manual_and_the_completion_are_found(self, installed):
        assert installed.path("/usr/share/man/man1/xenmeter-baker.1.gz").exists()
        assert installed.path("/usr/share/bash-completion/completions/xenmeter").exists()

    def test_without_xen_each_plugin_says_so_once(self, installed):
        with Collectd(installed) as daemon:
            daemon.wait(lambda: len(daemon.sayings()) >= len(WITHOUT_XEN))
            before = daemon.samples("uptime/uptime*")
            daemon.wait(lambda: daemon.samples("uptime/uptime*") >= before + 3)     # as many readings of ours
        told = daemon.sayings()
        assert sorted(plugin for plugin, _ in told) == sorted(WITHOUT_XEN), told
        for plugin, what in told:
            assert what.startswith(WITHOUT_XEN[plugin])

    def test_the_packages_own_tests_pass(self, installed, old_source):
        """Those that a distribution runs (autopkgtest), in an unpacked source."""
        shutil.copytree(str(old_source.tree / "packaging" / "debian" / "tests"), str(installed.path("/source/debian/tests")))
        shutil.copytree(str(FIXTURES / "xentop" / CASE), str(installed.path("/source/fixtures/xentop/" + CASE)))
        control = installed.path("/source/debian/tests/control").read_text()
        (tests,) = re.findall(r"^Tests: (.*)$", control, re.MULTILINE)
        assert set(re.findall(r"^ ([\w-]+),$", control, re.MULTILINE)) <= set(NAMES)
        for name in tests.split():
            ran = installed.run("debian/tests/" + name, cwd="/source", env={"AUTOPKGTEST_TMP": "/tmp"})
            assert ran.stdout == "", "autopkgtest takes what a test says on stderr for a failure"

    def test_a_recording_through_collectd(self, installed):
        shutil.copytree(str(FIXTURES / "xentop" / CASE), str(installed.path("/recording")))
        path = installed.path(conffile("xentop"))
        path.write_text(path.read_text().replace('# Source "auto"', 'Source "/recording"'))
        with Collectd(installed) as daemon:
            daemon.wait(lambda: daemon.samples("xentop-*/virt_cpu_total*") > 0)

    def test_the_compiled_part_and_without_it(self, installed, tmp_path):
        """A real trace through the installed baker, then with its object taken away: the same figures."""
        trace = lzma.decompress((FIXTURES / "xentrace" / "narrow-churn" / "trace.bin.xz").read_bytes())
        installed.path("/trace.bin").write_bytes(trace)
        call = ("xenmeter", "bake", "/trace.bin", "--cpu-khz", "2596120")
        object_ = installed.path("/usr/lib/python3/dist-packages/xenmeter/xentrace/engine/_hot.so")
        probe = ("python3", "-c", "from xenmeter.xentrace.engine import compiled; print(compiled.available())")
        assert installed.run(*probe).stdout == "True\n"
        compiled = installed.run(*call).stdout
        object_.rename(object_.with_suffix(".away"))
        try:
            assert installed.run(*probe).stdout == "False\n"
            assert installed.run(*call).stdout == compiled
        finally:
            object_.with_suffix(".away").rename(object_)
        assert '"runstate"' in compiled

    def test_telegrafs_user_may_run_what_the_file_allows_and_nothing_else(self, installed):
        assert "xenmeter-telegraf: parsed OK" in installed.run("visudo", "-c").stdout
        installed.run("useradd", "--system", "--no-create-home", "telegraf")

        def as_telegraf(*words):
            return installed.run("setpriv", "--reuid", "telegraf", "--regid", "telegraf", "--clear-groups", "sudo", "-n",
                                 "/usr/bin/xenmeter", *words, check=False)
        allowed = as_telegraf("execd", "xentop")        # stdin has ended, and so does it
        assert (allowed.returncode, allowed.stdout) == (0, "")
        assert as_telegraf("execd", "vcpu").returncode == 0
        for words in (("execd", "xentop", "--source", "/etc/shadow"), ("execd", "xentrace"), ("check",), ("baker",)):
            refused = as_telegraf(*words)
            assert refused.returncode == 1 and "password" in refused.stdout, words

    def test_upgraded(self, installed, debs, source):
        for folder in FOLDERS:
            installed.path(folder + "/xenmeter-vcpu.conf").unlink()
        own = installed.path(FOLDERS[1] + "/xenmeter-xentop.conf")
        own.unlink()
        own.write_text("# the administrator's own\n")
        install(installed, debs)
        assert links(installed) == [LEFT, LEFT], "what the administrator took away is back"
        assert own.read_text() == "# the administrator's own\n"
        assert versions(installed) == {name: ("ii", source.version + "-1") for name in NAMES}
        assert installed.run("xenmeter", "--version").stdout == "xenmeter %s\n" % source.version
        text = installed.path(conffile("xentop")).read_text()
        assert "Interval 1\n" in text and 'Source "/recording"' in text, "the administrator's changes are gone"
        assert installed.run("dpkg", "--audit").stdout == ""
        with Collectd(installed) as daemon:
            daemon.wait(lambda: daemon.samples("xentop-*/virt_cpu_total*") > 0)

    def test_removed_and_collectd_starts_all_the_same(self, installed):
        """dpkg keeps the files in /etc; a configuration that names a module which is gone would end collectd."""
        installed.apt("remove", *NAMES)
        left = versions(installed)      # those with files in /etc, or with something to do when purged
        assert sorted(left) == ["collectd-xenmeter", "python3-xenmeter", "telegraf-xenmeter", "xenmeter"]
        assert {state for state, _ in left.values()} == {"rc"}
        assert installed.path(conffile("xentop")).exists()
        assert not installed.path("/usr/bin/xenmeter").exists()
        assert not installed.path("/usr/lib/python3/dist-packages/xenmeter").exists()
        assert links(installed) == [set(), {"xenmeter-xentop.conf"}], "a file in a link's place is the administrator's"
        with Collectd(installed) as daemon:
            daemon.wait(lambda: daemon.samples("uptime/uptime*") > 0)
        assert daemon.sayings() == []

    def test_installed_again_it_is_as_it_was_left(self, installed, debs):
        install(installed, debs)
        assert links(installed) == [LEFT, LEFT]
        assert not [path for folder in FOLDERS for path in installed.path(folder).glob("*.removed")]
        installed.path(FOLDERS[1] + "/xenmeter-xentop.conf").unlink()
        installed.apt("remove", *NAMES)
        assert links(installed) == [set(), set()]

    def test_purged_leaves_nothing_but_the_group(self, installed):
        installed.apt("purge", *NAMES)
        assert versions(installed) == {}
        found = installed.run("find", "/", "-xdev", "-path", "/debs", "-prune", "-o", "-path", "/var/cache/apt", "-prune", "-o",
                              "-path", "/var/lib/collectd", "-prune", "-o", "-name", "*xenmeter*", "-print").stdout
        assert found == ""

    def test_purged_and_installed_it_begins_anew(self, installed, debs):
        install(installed, debs)
        assert links(installed) == [ALL, ALL]
