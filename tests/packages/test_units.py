"""What the system reads: systemd's units and their exposure, the sysusers file, the SELinux policy."""
import re

import pytest

from helpers.paths import TOP

pytestmark = pytest.mark.xdist_group("packages: debs")

UNITS = {"xenmeter-baker.service": 1.0, "xenmeter-serve@xentop.service": 2.5, "xenmeter-serve@xentrace.service": 1.5,
         "xenmeter-textfile@xentop.service": 2.5, "xenmeter-pull.service": 1.5}
"""Unit -> the exposure that `systemd-analyze security` may find at most: 0 is none, 10 all."""


@pytest.fixture(scope="module")
def root(system, debs):
    """``system`` with the command's package unpacked, and Qubes' unit; what it depends on is not there, nothing runs."""
    (name,) = [name for name in debs.named("_all.deb") if name.startswith("xenmeter_")]
    system.run("dpkg", "--force-depends", "--unpack", name, cwd=debs.inside)
    for kind, plugin in (("serve", "xentop"), ("serve", "xentrace"), ("textfile", "xentop")):
        template = system.path("/lib/systemd/system/xenmeter-%s@.service" % kind)
        template.with_name("xenmeter-%s@%s.service" % (kind, plugin)).write_text(template.read_text())
    template.with_name("xenmeter-pull.service").write_text((TOP / "packaging" / "qubes" / "xenmeter-pull.service").read_text())
    return system


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_exposure(unit, root):
    told = root.run("systemd-analyze", "security", "--offline=true", "--no-pager", unit, check=False).stdout
    found = re.search(r"Overall exposure level for %s: ([\d.]+)" % re.escape(unit), told)
    assert found, told
    print("%s: %s" % (unit, found.group(1)))
    assert float(found.group(1)) <= UNITS[unit], told
    documented = (TOP / "packaging" / "README.md").read_text()
    name = unit.replace("@xentop", "@")
    assert "| `%s` | %s | %s |" % (name, found.group(1), UNITS[unit]) in documented, "packaging/README.md has another figure"


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_systemd_understands_every_line(unit, root):
    told = root.run("systemd-analyze", "verify", "--man=no", unit, check=False).stdout
    ours = [line for line in told.splitlines() if "xenmeter" in line and "is not executable" not in line]
    assert ours == [], told


def test_a_baker_that_is_killed_is_cleaned_up_after():
    text = (TOP / "packaging" / "systemd" / "xenmeter-baker.service").read_text()
    start = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE).group(1)
    after = re.search(r"^ExecStopPost=(.*)$", text, re.MULTILINE).group(1)
    assert after == start.replace("xenmeter baker ", "xenmeter baker --restore "), "the same --shared, the same --state"


def test_the_group_is_made(root):
    root.run("systemd-sysusers", "xenmeter.conf")
    assert root.run("getent", "group", "xenmeter").stdout.startswith("xenmeter:")


def test_the_policy_compiles(system, source, tmp_path):
    folder = system.path("/selinux")
    folder.mkdir(exist_ok=True)
    for name in ("xenmeter.te", "xenmeter.fc"):
        (folder / name).write_bytes((source.tree / "packaging" / "selinux" / name).read_bytes())
    system.run("checkmodule", "-M", "-m", "-o", "xenmeter.mod", "xenmeter.te", cwd="/selinux")
    system.run("semodule_package", "-o", "xenmeter.pp", "-m", "xenmeter.mod", "-f", "xenmeter.fc", cwd="/selinux")
    assert (folder / "xenmeter.pp").stat().st_size > 1000


def test_the_policy_gives_no_right_to_a_socket_without_its_other_half():
    """Who may write to a socket's file and not connect to its owner has nothing of it."""
    text = (TOP / "packaging" / "selinux" / "xenmeter.te").read_text()
    files = re.findall(r"^allow collectd_t (\w+)_var_run_t:sock_file .*write", text, re.MULTILINE)
    owners = re.findall(r"^allow collectd_t (\w+)_t:unix_stream_socket connectto;", text, re.MULTILINE)
    assert files == owners == ["xenstored"]


def test_the_policy_lets_nothing_be_executed_but_xentop_and_that_where_somebody_says_so():
    """And the shell that ends it with collectd; source direct needs neither."""
    text = (TOP / "packaging" / "selinux" / "xenmeter.te").read_text()
    bare = re.sub(r"if \(xenmeter_collectd_xentop\) \{.*?\n\}", "", text, flags=re.DOTALL)
    allowed = [line for line in re.findall(r"^ *allow .*$", text, re.MULTILINE) if "execute" in line]
    assert not re.search(r"^ *allow .*execute", bare, re.MULTILINE) and "bin_t" not in text.replace("xentop_exec_t", "")
    assert [line.split()[2].partition(":")[0] for line in allowed] == ["xenmeter_xentop_exec_t", "shell_exec_t"]
    assert "bool xenmeter_collectd_xentop false;" in text


@pytest.mark.parametrize("equal", ["/run /var/run", "/var/run /run", ""], ids=["EL 8 and 9", "Fedora since 40", "neither"])
def test_the_label_is_found_whichever_name_of_run_a_release_takes(equal, system):
    """By libselinux, with the first name taken for the second, as the policy's file_contexts.subs_dist says."""
    folder = system.path("/labels")
    folder.mkdir(exist_ok=True)
    (folder / "file_contexts").write_text((TOP / "packaging" / "selinux" / "xenmeter.fc").read_text())
    (folder / "file_contexts.subs_dist").write_text(equal + "\n")
    for path in ("/run/xenmeter", "/run/xenmeter/baker", "/var/run/xenmeter/baker.sock"):
        told = system.run("selabel_lookup", "-b", "file", "-f", "/labels/file_contexts", "-k", path, check=False).stdout
        assert told.strip() == "Default context: system_u:object_r:xenmeter_var_run_t:s0", path
    for path in ("/usr/sbin/xentop", "/usr/bin/xentop"):
        told = system.run("selabel_lookup", "-b", "file", "-f", "/labels/file_contexts", "-k", path, check=False).stdout
        assert told.strip() == "Default context: system_u:object_r:xenmeter_xentop_exec_t:s0", path
