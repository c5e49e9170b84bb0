"""conf.d/zabbix in the real Zabbix agent 2: its key gives the figures of our endpoint."""
import json
import re
import subprocess
import sys

import pytest

from helpers.stage import PLUGINS, Running, TOP
from tools import provision

pytestmark = pytest.mark.daemon

#: What the agent needs to start at all.
CONFIG = """\
LogType=console
Hostname=testhost
Server=127.0.0.1
Timeout=30
ControlSocket=%(folder)s/control
PluginSocket=%(folder)s/plugins
Include=%(folder)s/xenmeter.conf
"""


def test_the_agent_has_the_hosts_figures(tmp_path):
    shipped = (TOP / "conf.d" / "zabbix" / "xenmeter.conf").read_text()
    with Running("serve", "all", "--source", "example", "--listen", "127.0.0.1:0") as served:
        url = served.wait_err(rb"(http://127\.0\.0\.1:\d+/metrics)\n").group(1).decode()
        ours = "env PYTHONPATH=%s %s -m xenmeter" % (PLUGINS, sys.executable)
        (tmp_path / "xenmeter.conf").write_text(shipped.replace("/usr/bin/xenmeter", ours).replace(
            "http://127.0.0.1:9778/metrics", url))
        (tmp_path / "agent.conf").write_text(CONFIG % {"folder": tmp_path})
        ran = subprocess.run([provision.program("zabbix-agent2", "usr/sbin/zabbix_agent2"), "-c", str(tmp_path / "agent.conf"),
                              "-t", "xenmeter.host"], env=provision.environment("zabbix-agent2"), timeout=120,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    found = re.search(r"^xenmeter\.host +\[s\|(.*)\]$", ran.stdout, re.MULTILINE)
    assert found, ran.stdout
    told = json.loads(found.group(1))
    assert told["status"] == 0 and told["figures"]["domains"] == 5
    assert {"burner", "two vcpus"} <= {one["name"] for one in told["domains"]} and all(one["uuid"] for one in told["domains"])
