"""The SELinux policy, linked into the whole of Debian's and searched by setools: what collectd may do with it, and no more."""
import bz2
import re
import subprocess

import pytest

from helpers.paths import TOP
from tools import provision

PYTHON = "/usr/bin/python3"     # setools is a module of Debian's own
XENTOP = "xenmeter_collectd_xentop"


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """``search(words...)``: the rules that sesearch finds."""
    folder = tmp_path_factory.mktemp("selinux")
    provision.ensure("selinux")
    root, environment = provision.root_of("selinux"), provision.environment("selinux")
    environment.update(PATH="%s:%s" % (root / "usr" / "bin", environment["PATH"]),
                       PYTHONPATH=str(root / "usr" / "lib" / "python3" / "dist-packages"))

    def run(*words):
        return subprocess.run(words, cwd=str(folder), env=environment, check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=600).stdout
    for name in ("xenmeter.te", "xenmeter.fc"):
        (folder / name).write_bytes((TOP / "packaging" / "selinux" / name).read_bytes())
    run("checkmodule", "-M", "-m", "-o", "xenmeter.mod", "xenmeter.te")
    run("semodule_package", "-o", "xenmeter.pp", "-m", "xenmeter.mod", "-f", "xenmeter.fc")
    for packed in (root / "usr" / "share" / "selinux" / "default").glob("*.pp.bz2"):
        (folder / packed.name[:-len(".bz2")]).write_bytes(bz2.decompress(packed.read_bytes()))
    modules = sorted(path.name for path in folder.glob("*.pp") if path.name != "base.pp")
    run("semodule_link", "-o", "linked", "base.pp", *modules)
    run("semodule_expand", "linked", "policy")
    return lambda *words: run(PYTHON, str(root / "usr" / "bin" / "sesearch"), "-A", *words, "policy").splitlines()


def test_collectd_may_use_xens_devices(search):
    rule, = search("-s", "collectd_t", "-t", "xen_device_t")
    assert set(re.search(r"\{ (.*) \}", rule).group(1).split()) == {"getattr", "open", "read", "write", "ioctl", "map"}


def test_it_reads_the_bakers_file_and_nothing_else_of_ours(search):
    own = "allow collectd_t xenmeter_var_run_t:"        # what any domain may do with any file is not ours
    rules = [rule for rule in search("-s", "collectd_t", "-t", "xenmeter_var_run_t") if rule.startswith(own)]
    rights = dict(re.search(r"xenmeter_var_run_t:(\w+) \{ (.*) \}", rule).groups() for rule in rules)
    assert {kind: set(words.split()) for kind, words in rights.items()} == {
        "file": {"getattr", "open", "read", "map"}, "dir": {"getattr", "open", "read", "search"}}


def test_it_executes_xentop_and_a_shell_where_somebody_says_so(search):
    """Beside its own program and the loader's libraries, which any domain may."""
    rules = [rule for rule in search("-s", "collectd_t", "-c", "file", "-p", "execute_no_trans")
             if rule.startswith("allow collectd_t")]
    programs = sorted(re.match(r"allow collectd_t (\w+):", rule).group(1) for rule in rules)
    assert programs == ["shell_exec_t", "xenmeter_xentop_exec_t"]
    assert all("[ %s ]:True" % XENTOP in rule for rule in rules)
