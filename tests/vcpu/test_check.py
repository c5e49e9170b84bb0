"""`xenmeter check` as a process, on a faked host and on one without Xen."""
import errno
import json
import pathlib
import subprocess
import sys

import pytest
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from helpers.vcpu_host import Host, dom0, guest

from xenmeter.core.errors import NoPrivilege, NotXen, Unsupported
from xenmeter.front.commands import check
from xenmeter.vcpu.page import encode
from xenmeter.xentop import probes

TOP = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("compiler")


def asked(environment, *words, status=0, columns="160"):
    ran = subprocess.run([sys.executable, "-m", "xenmeter", "check"] + list(words), env=dict(
        environment, PYTHONPATH=str(TOP / "plugins"), COLUMNS=columns, XENMETER_COMPILED="0"), timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert (ran.returncode, ran.stderr) == (status, "")
    return ran


def told(environment, columns="160", status=0):
    ran = asked(environment, status=status, columns=columns)
    table, _, choice = ran.stdout.rstrip("\n").rpartition("\n\n")
    assert all(len(line) <= int(columns) and line == line.rstrip() for line in table.splitlines())
    rows = {}
    for line in table.splitlines():
        if not line.startswith(" "):
            name = line.split()[0]
            rows[name] = (line.split()[1], "")
        rows[name] = (rows[name][0], rows[name][1] + " " + " ".join(line.split()))
    return rows, choice


@pytest.fixture
def xen(tmp_path):
    with Host(tmp_path / "state", [dom0(), guest(1, 100, 200), guest(2, 300)]) as fake:
        with FakeXenstored(xenstore_of(2), str(tmp_path / "socket")) as store:
            yield fake, fake.preload(XENSTORED_PATH=store.path)


def test_a_host(xen):
    rows, choice = told(xen[1])
    assert list(rows)[0] == "SOURCE"
    assert {name for name, (usable, _) in rows.items() if usable == "yes"} == {
        "xenstore", "direct", "direct_more", "grants", "numa", "hypervisor", "own_runstate", "getvcpuinfo", "profile"}
    assert "7 hypercalls: 1 per 1024 vCPUs, 4 for the host" in rows["direct"][1]     # the list, and all grant tables
    assert "grant table of 3 domains, the fullest" in rows["grants"][1] and "1 nodes" in rows["numa"][1]
    assert "P-states: Xen answers: No such device" in rows["power"][1]
    assert "domains and 5 online vCPUs" in rows["direct"][1]
    assert "no release of Xen has pages" in rows["resource"][1]
    assert choice == "Source auto takes: xentop: direct; vcpu: getvcpuinfo and own_runstate for dom0."


def test_a_xen_without_multicall(xen):
    xen[0].set(multicall=0)
    rows, _ = told(xen[1])
    why = "1 per vCPU, for there is no multicall (Xen answers: Function not implemented)"
    assert "13 hypercalls: " + why in rows["direct"][1]     # 5 vCPUs, 3 grant tables, 4, and the list
    assert why in rows["own_runstate"][1] and why in rows["getvcpuinfo"][1]


def test_a_host_with_pages(xen):
    xen[0].show([dom0(), Domain(2, [Vcpu()], stats=encode([(2, 1, 2, 3, 4, 5)]))])
    rows, choice = told(xen[1])
    assert rows["resource"][0] == "yes" and "offline, state" in rows["resource"][1]
    assert choice.endswith("vcpu: resource and own_runstate for dom0.")


@pytest.mark.parametrize("code, text", [(errno.ENOENT, "there is no /dev/xen/privcmd"), (errno.EACCES, "run as root")])
def test_no_xen(xen, code, text):
    xen[0].set(open_error=code)
    rows, choice = told(dict(xen[1], XENSTORED_PATH="/nowhere"), "80", status=3)
    assert {usable for name, (usable, _) in rows.items() if name != "SOURCE"} == {"no"}
    assert text in rows["direct"][1] and "for the same reason" in rows["hypervisor"][1]
    assert choice.startswith("There is nothing to measure here.")


def test_for_programs(xen):
    found = json.loads(asked(xen[1], "--format", "json").stdout)
    assert found["auto"] == {"xentop": "direct", "vcpu": "getvcpuinfo and own_runstate for dom0"}
    sources = {one["source"]: one for one in found["sources"]}
    assert sources["direct"]["usable"] is True and "hypercalls" in sources["direct"]["costs"]
    assert set(sources["resource"]) == {"source", "usable", "reason"} and sources["resource"]["usable"] is False
    rows, _ = told(xen[1])
    assert list(sources) == [name for name in rows if name != "SOURCE"]


def test_for_programs_where_there_is_nothing(xen):
    xen[0].set(open_error=errno.ENOENT)
    found = json.loads(asked(dict(xen[1], XENSTORED_PATH="/nowhere"), "--format", "json", status=3).stdout)
    assert not any(found["auto"].values()) and not any(one["usable"] for one in found["sources"])
    assert "there is no /dev/xen/privcmd" in [one["reason"] for one in found["sources"] if one["source"] == "direct"][0]


class TestXentopIsTried:
    def script(self, tmp_path, text):
        path = tmp_path / "xentop"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return [str(path)]

    def test_it_works(self, tmp_path):
        measures, costs = probes.xentop(self.script(tmp_path, "echo '  NAME  STATE   CPU(sec)'; echo ' Domain-0 -----r'"))
        assert "1 domains" in measures and "child" in costs

    @pytest.mark.parametrize("text, error, words", [
        ("echo 'xencall: error: Could not obtain handle: Permission denied' >&2; exit 1", NoPrivilege, "run as root"),
        ("echo 'Failed to initialize xenstat library' >&2; exit 1", NotXen, "finds no Xen"),
        ("exec sleep 60", Unsupported, "timed out")])
    def test_it_does_not(self, tmp_path, monkeypatch, text, error, words):
        monkeypatch.setattr(probes, "_TIMEOUT", 1.0)
        with pytest.raises(error, match=words):
            probes.xentop(self.script(tmp_path, text))


def test_each_source_stands_once():
    names = [name for name, _ in check.probes()]
    assert len(set(names)) == len(names)
