"""What is written by hand and names each plugin names all of them, with their ports."""
import re

import pytest

from helpers.paths import TOP
from xenmeter.front import plugins

#: File -> what it must hold of a plugin, as a regular expression with {name} and {port}.
PLACES = {
    "README.md": r"\[{name}\]\(plugins/xenmeter/{name}/README\.md\)",
    "packaging/xenmeter.default": r"\b{name} {port}\b(?s:.*)^#XENMETER_SERVE_OPTIONS_{name}="
                                  r"(?s:.*)^#XENMETER_TEXTFILE_OPTIONS_{name}=",
    "packaging/systemd/xenmeter-serve@.service": r"@{name} {port}\b",
    "packaging/systemd/xenmeter-textfile@.service": r"@{name}\b",
    "packaging/man/serve.inc": r"\b{name}\s{port}\b",
    "packaging/debian/control": r"\b{name}\b",
    "packaging/debian/xenmeter.README.Debian": r"xenmeter-serve@{name} +# {port}\b",
    "conf.d/prometheus/xenmeter.yml": r'# {name}: .*\n +# - targets: \["127\.0\.0\.1:{port}"\]',
    "conf.d/prometheus/alerts.yml": r"\([\w|]*\b{name}\b[\w|]*\)",
}


@pytest.mark.parametrize("file", PLACES)
def test_every_plugin_is_named(file):
    text = (TOP / file).read_text(encoding="utf-8")
    missing = [name for name in plugins.NAMES
               if not re.search(PLACES[file].format(name=name, port=plugins.PORTS[name]), text, re.MULTILINE)]
    assert missing == []
