"""Shell scripts that are shipped: shellcheck finds nothing in them. And Alpine's and OpenRC's say what the others say."""
import re
import subprocess

import pytest

from helpers.paths import TOP
from tools import provision

pytestmark = pytest.mark.xdist_group("packages: system")

PACKAGING = TOP / "packaging"
ALPINE = [PACKAGING / "alpine" / "APKBUILD", *sorted((PACKAGING / "alpine").glob("xenmeter.*"))]
OPENRC = sorted((PACKAGING / "openrc").glob("*.initd"))
SCRIPTS = [*ALPINE, *OPENRC, PACKAGING / "xcp-ng" / "install.sh", PACKAGING / "qubes" / "xenmeter.Textfile",
           PACKAGING / "qubes" / "xenmeter-pull", PACKAGING / "tools" / "install.sh"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path):
    program = provision.program("shellcheck", "usr/bin/shellcheck")
    told = subprocess.run([program, "--shell=sh", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=provision.environment("shellcheck"))
    assert (told.returncode, told.stdout) == (0, "")


def test_every_script_that_is_shipped_is_looked_at():
    begins = {path for path in PACKAGING.rglob("*")
              if path.is_file() and re.match(rb"#!.*\b(sh|openrc-run)\n", path.read_bytes())}
    maintainers = {path for path in begins if "debian" in path.relative_to(PACKAGING).parts}     # lintian looks at these
    assert begins - maintainers <= set(SCRIPTS)


def test_openrc_starts_what_systemd_starts():
    """The same command, as the same group, and the same clean-up."""
    for path in OPENRC:
        name = path.name[:-len(".initd")]
        (unit,) = (PACKAGING / "systemd").glob(name + "*.service")
        wanted = re.search(r"^ExecStart=/usr/bin/xenmeter (.*)$", unit.read_text(), re.MULTILINE).group(1)
        told = path.read_text()
        given = re.search(r'^command_args="(.*)"$', told, re.MULTILINE).group(1)
        wanted = wanted.replace("%i", "$plugin").replace("${XENMETER_TEXTFILE_DIRECTORY}",
                                                         "${directory:-/var/lib/prometheus/node-exporter}")
        wanted = [word for word in wanted.split() if not word.startswith("$XENMETER_")]
        assert [word for word in given.split() if word not in ("$baker", "${options:-}")] == wanted, name
        assert "command=/usr/bin/xenmeter\n" in told and "command_user=root:xenmeter\n" in told
        for counters in re.findall(r"^Environment=(XENMETER_COUNTERS=\S+)", unit.read_text(), re.MULTILINE):
            assert counters.replace("%i", "$plugin") in told.replace('"', "")
    assert 'baker --restore --shared-group xenmeter' in (PACKAGING / "openrc" / "xenmeter-baker.initd").read_text()


def test_the_versions_are_those_of_the_others(source):
    for name, pattern in (("alpine/APKBUILD", r"^pkgver=(.*)$"), ("rpm/xenmeter-opt.spec", r"^Version: +(.*)$")):
        text = (source.tree / "packaging" / name).read_text()
        assert re.findall(pattern, text, re.MULTILINE) == [source.version], name
