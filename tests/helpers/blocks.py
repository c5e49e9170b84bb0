"""What our pages show to be copied: the indented block below a heading, as a user would paste it."""
import re
import textwrap

from helpers.stage import TOP


def block(page, heading, number=0, **changes):
    """The block below ``## heading`` of a page under conf.d, number 0 being the first.

    :param changes: what stands in it (any key) as (old, new): each must be there, else the page no longer says what is tested.
    """
    text = (TOP / "conf.d" / page).read_text(encoding="utf-8")
    section = re.search(r"^##+ %s\n(.*?)(?=^##* |\Z)" % re.escape(heading), text, re.DOTALL | re.MULTILINE).group(1)
    found = textwrap.dedent(re.findall(r"(?:^(?: {4}.*)?\n)*^ {4}.*\n(?:^(?: {4}.*)?\n)*", section, re.MULTILINE)[number])
    for old, new in changes.values():
        assert old in found, (page, heading, old)
        found = found.replace(old, str(new))
    return found.strip("\n") + "\n"
