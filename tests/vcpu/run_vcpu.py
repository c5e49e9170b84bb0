"""``xenmeter vcpu ...`` as a process of its own, whether or not the list of plugins names it."""
import sys

from xenmeter.front import cli, plugins

if "vcpu" not in plugins.NAMES:
    plugins.NAMES += ("vcpu",)
sys.exit(cli.main(["vcpu"] + sys.argv[1:]))
