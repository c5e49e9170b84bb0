"""Qubes' layout, faked: dom0 without a network whose xenstore has the backends of networks in sys-net and sys-firewall, and a
stand-in for qrexec that runs dom0's service as another user."""
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.fake_hypervisor import Domain, FakeHypervisor, Vcpu, build
from helpers.fake_xenstored import FakeXenstored
from helpers.paths import PLUGINS, TOP
from tools.process import poll

FILES = TOP / "packaging" / "qubes"
UNTIL = 120.0
NOBODY = 65534
NODES = {
    b"/local/domain/0/name": b"dom0", b"/local/domain/1/name": b"sys-net", b"/local/domain/2/name": b"sys-firewall",
    b"/local/domain/3/name": b"work",
    b"/local/domain/1/backend/vif/2/0/frontend": b"/local/domain/2/device/vif/0",
    b"/local/domain/2/backend/vif/3/0/frontend": b"/local/domain/3/device/vif/0",
    b"/local/domain/2/device/vif/0/backend": b"/local/domain/1/backend/vif/2/0",
    b"/local/domain/3/device/vif/0/backend": b"/local/domain/2/backend/vif/3/0",
    b"/libxl/2/device/vif/0/backend": b"/local/domain/1/backend/vif/2/0",
    b"/libxl/3/device/vif/0/backend": b"/local/domain/2/backend/vif/3/0",
}
#: What the kernel and qrexec do between qubes: the caller's name is known, its words are an argument, its environment is not.
QREXEC = """\
#!/bin/sh
set -eu
[ "$1" = dom0 ]
service=${2%%+*}
exec env -i PATH=/usr/bin:/bin XENMETER_TEXTFILES=@FOLDER@ setpriv --reuid 65534 --regid 65534 --clear-groups \\
    "@SERVICES@/$service" "${2#*+}"
"""


@pytest.fixture
def dom0(tmp_path):
    """Its folder of textfiles, with the service that writes xentop's."""
    build()
    os.chmod(str(tmp_path), 0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_mode & 0o001 == 0 and str(folder).startswith("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    folder, store = tmp_path / "textfiles", str(tmp_path / "store")
    folder.mkdir()
    domains = [Domain(0)] + [Domain(domid, vcpus=[Vcpu(cpu_time=domid * 10 ** 9)]) for domid in (1, 2, 3)]
    with FakeHypervisor(str(tmp_path / "xen"), domains) as xen, FakeXenstored(NODES, store):
        environment = xen.preload(XENSTORED_PATH=store, PYTHONPATH=str(PLUGINS), XENMETER_COUNTERS="")
        service = subprocess.Popen(["unshare", "--net", sys.executable, "-m", "xenmeter", "xentop", "--source", "direct",
                                    "--interval", "1", "--textfile", str(folder / "xenmeter-xentop.prom")],
                                   env=environment, stderr=subprocess.PIPE)
        try:
            poll(lambda: (folder / "xenmeter-xentop.prom").exists() and b"sys-net" in (
                folder / "xenmeter-xentop.prom").read_bytes(), UNTIL, AssertionError)
            yield folder, service
        finally:
            service.kill()
            service.communicate()


@pytest.fixture
def pull(dom0, tmp_path):
    """What the qube that monitors runs: pull(plugin...) -> (status, what it said, its folder)."""
    there, services, programs = tmp_path / "qube", tmp_path / "qubes-rpc", tmp_path / "bin"
    for folder in (there, services, programs):
        folder.mkdir()
    shutil.copy(str(FILES / "xenmeter.Textfile"), str(services))
    (programs / "qrexec-client-vm").write_text(QREXEC.replace("@FOLDER@", str(dom0[0])).replace("@SERVICES@", str(services)))
    (programs / "qrexec-client-vm").chmod(0o755)

    def run(*plugins):
        ran = subprocess.run([str(FILES / "xenmeter-pull"), *plugins], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={"PATH": "%s:/usr/bin:/bin" % programs, "XENMETER_TEXTFILES": str(there)}, timeout=UNTIL)
        assert ran.stdout == ""
        return ran.returncode, ran.stderr, there
    return run


def samples(path):
    return {(sample.name, sample.labels.get("domain")): sample.value
            for family in text_string_to_metric_families(path.read_text()) for sample in family.samples}


def test_the_figures_come_and_what_another_qube_counts_is_absent(pull):
    status, said, folder = pull("xentop")
    assert (status, said) == (0, "") and os.listdir(str(folder)) == ["xenmeter-xentop.prom"]
    found = samples(folder / "xenmeter-xentop.prom")
    for domid, name in ((1, "sys-net"), (2, "sys-firewall"), (3, "work")):
        assert found["xen_domain_cpu_seconds_total", name] == domid
    assert (found["xen_domain_vifs", "work"], found["xen_domain_vifs", "sys-firewall"]) == (1, 1)
    counted = {domain for name, domain in found if re.match("xen_(domain|vif).*(receive|transmit)", name)}
    assert not counted & {"work", "sys-firewall"}, "nobody here counts them"
    assert (folder / "xenmeter-xentop.prom").stat().st_mode & 0o777 == 0o644


def test_what_has_ended_in_dom0_does_not_stay_here(pull, dom0):
    assert pull("xentop")[0] == 0
    dom0[1].send_signal(signal.SIGTERM)
    dom0[1].communicate(timeout=UNTIL)
    status, said, folder = pull("xentop")
    assert status == 1 and os.listdir(str(folder)) == []
    assert "xenmeter-pull: dom0 gives no textfile of xentop; is xenmeter-textfile@xentop on there" in said


def test_one_that_is_missing_does_not_keep_the_others_back(pull):
    status, said, folder = pull("vcpu", "xentop")
    assert status == 1 and "no textfile of vcpu" in said and os.listdir(str(folder)) == ["xenmeter-xentop.prom"]


@pytest.mark.parametrize("attack, answers", [
    # before: the name that a process with this number would take is a link
    ('ln -s "$victim" "$folder/.xenmeter-xentop.$$"', "echo figures"),
    # while it comes: whatever new file is there is a link in the end
    (":", 'for file in "$folder"/tmp.*; do rm -f "$file"; ln -s "$victim" "$file"; done; echo figures')])
def test_who_owns_the_folder_chooses_no_file_of_roots(tmp_path, attack, answers):
    folder, programs, victim = tmp_path / "collector", tmp_path / "bin", tmp_path / "victim"
    for one in (folder, programs):
        one.mkdir()
    victim.write_text("root's\n")
    victim.chmod(0o600)
    (programs / "qrexec-client-vm").write_text("#!/bin/sh\n" + answers + "\n")
    (programs / "qrexec-client-vm").chmod(0o755)
    subprocess.run(["sh", "-c", attack + "; exec " + str(FILES / "xenmeter-pull")], check=False, timeout=UNTIL,
                   env={"PATH": "%s:/usr/bin:/bin" % programs, "XENMETER_TEXTFILES": str(folder), "folder": str(folder),
                        "victim": str(victim)})
    assert victim.read_text() == "root's\n" and victim.stat().st_mode & 0o777 == 0o600
    assert (folder / "xenmeter-xentop.prom").exists()


@pytest.fixture
def alone(tmp_path):
    """The puller beside a qrexec of one's own: alone(folder, what qrexec does) -> (status, what it said)."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "roots").mkdir()

    def run(folder, answers="echo figures", **more):
        for name, text in dict({"qrexec-client-vm": answers}, **more).items():
            (programs / name).write_text("#!/bin/sh\n" + text + "\n")
            (programs / name).chmod(0o755)
        ran = subprocess.run([str(FILES / "xenmeter-pull")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             timeout=UNTIL, env={"PATH": "%s:/usr/bin:/bin" % programs, "XENMETER_TEXTFILES": str(folder)})
        assert ran.stdout == ""
        return ran.returncode, ran.stderr
    return run


def test_a_folder_that_a_link_leads_to_is_refused(alone, tmp_path):
    """The folder's own name, and one on the way: whoever owns the folder above could choose one of root's."""
    (tmp_path / "prometheus").mkdir()
    for link, folder in ((tmp_path / "prometheus" / "collector", tmp_path / "prometheus" / "collector"),
                         (tmp_path / "lib", tmp_path / "lib" / "below")):
        (tmp_path / "roots" / "below").mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "roots")
        status, said = alone(folder)
        assert status == 1 and said.startswith("xenmeter-pull: %s leads to %s" % (folder, tmp_path / "roots"))
        assert os.listdir(str(tmp_path / "roots")) == ["below"] and os.listdir(str(tmp_path / "roots" / "below")) == []
    assert alone(tmp_path / "nowhere") == (
        1, "xenmeter-pull: there is no folder %s; XENMETER_TEXTFILES names node_exporter's\n" % (tmp_path / "nowhere"))


def test_a_textfile_that_is_a_link_to_a_folder_is_replaced(alone, tmp_path):
    folder = tmp_path / "collector"
    folder.mkdir()
    (folder / "xenmeter-xentop.prom").symlink_to(tmp_path / "roots")
    assert alone(folder) == (0, "")
    assert os.listdir(str(tmp_path / "roots")) == [] and (folder / "xenmeter-xentop.prom").read_text() == "figures\n"
    assert os.listdir(str(folder)) == ["xenmeter-xentop.prom"]


def test_what_stands_in_the_way_of_a_textfile_leaves_nothing_behind(alone, tmp_path):
    folder = tmp_path / "collector"
    (folder / "xenmeter-xentop.prom").mkdir(parents=True)
    assert alone(folder)[0] == 1 and os.listdir(str(folder)) == ["xenmeter-xentop.prom"]


def test_a_dom0_that_does_not_answer_is_not_waited_for(alone, tmp_path):
    """What it gave last goes; a timer of systemd's would never start the service again that still runs."""
    folder = tmp_path / "collector"
    folder.mkdir()
    assert alone(folder) == (0, "")
    status, said = alone(folder, "echo figures; exec sleep 600", timeout='shift; exec /usr/bin/timeout 0.2 "$@"')
    assert status == 1 and "dom0 gives no textfile of xentop" in said and os.listdir(str(folder)) == []


def test_one_that_is_ended_leaves_nothing_behind(alone, tmp_path):
    folder = tmp_path / "collector"
    folder.mkdir()
    status, _ = alone(folder, "echo figures; kill -TERM $(ps -o ppid= $PPID)", timeout='shift; "$@"')
    assert status == 1 and os.listdir(str(folder)) == []


@pytest.mark.parametrize("argument", ["../../etc/shadow", "xentop/../../x", "", "xentop vcpu", "*"])
def test_the_service_takes_no_path(argument, dom0):
    ran = subprocess.run([str(FILES / "xenmeter.Textfile"), argument], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env={"PATH": "/usr/bin:/bin", "XENMETER_TEXTFILES": str(dom0[0])})
    if argument:
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"", b"xenmeter.Textfile: there are xentop, vcpu and xentrace\n")
    else:
        assert ran.returncode == 0 and b"xen_domain" in ran.stdout, "none means xentop's"


def test_the_policy_names_one_qube_and_the_service_that_there_is():
    lines = [line.split() for line in (FILES / "30-xenmeter.policy").read_text().splitlines() if not line.startswith("#")]
    assert [line[4] for line in lines] == ["allow", "deny"] and {line[0] for line in lines} == {"xenmeter.Textfile"}
    assert lines[0][2:4] == ["sys-monitor", "@adminvm"] and lines[1][2:4] == ["@anyvm", "@anyvm"]
