"""The page of a profile: whole HTML without a script or an address, whatever a guest calls itself."""
import html.parser
import re

import pytest

from xenmeter.core.errors import SourceError
from xenmeter.front.cli import main
from xenmeter.front.report import profilepage

FOLDED = "web1;nginx;do_syscall_64;vfs_read 700000000\nweb1;<script>x</script>;0x401000 300000000\nalone 5\n"


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.data = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.data.append(data)


def test_the_command_makes_it(tmp_path, capsys):
    (tmp_path / "web.folded").write_text(FOLDED)
    assert main(["report", str(tmp_path / "web.folded"), "-o", str(tmp_path / "web.html")]) == 0
    text = (tmp_path / "web.html").read_text()
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert "script" not in names and "svg" in names and names.count("h2") == 2
    assert not any(re.match("src|href", name) for _, attributes in page.tags for name in attributes)
    assert "vfs_read" in page.data and "70.00" in page.data and "<script>x</script>" in page.data


def test_two_are_compared(tmp_path, capsys):
    (tmp_path / "before.folded").write_text(
        "web1;nginx;do_syscall_64;<i>old 300000000\nweb1;nginx;do_syscall_64;vfs_read 100000000\n")
    (tmp_path / "web.folded").write_text(FOLDED)
    target = tmp_path / "web.html"
    assert main(["report", str(tmp_path / "web.folded"), "--compare", str(tmp_path / "before.folded"), "-o", str(target)]) == 0
    page = Page(target.read_text())
    names = [tag for tag, _ in page.tags]
    assert names.count("svg") == 2 and names.count("h2") == 3 and "script" not in names and "i" not in names
    assert "+45.00" in page.data and "-75.00" in page.data and "Since before.folded" in page.data


def test_nothing_else_is_compared_so(tmp_path, capsys):
    assert main(["report", str(tmp_path / "x.csv"), "--compare", str(tmp_path / "y.folded")]) == 2
    assert "--compare" in capsys.readouterr().err


@pytest.mark.parametrize("text, said", [("", "no stack in it"), ("text\n", "no line of folded stacks"), (None, "No such file")])
def test_what_is_none(text, said, tmp_path):
    if text is not None:
        (tmp_path / "x.folded").write_text(text)
    with pytest.raises(SourceError, match="x.folded: .*" + said):
        profilepage.page_of(str(tmp_path / "x.folded"))
