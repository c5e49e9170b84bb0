"""Which domains are wanted."""
import fnmatch

import pytest
from hypothesis import example, given, settings, strategies as st

from xenmeter.core.errors import BadOption
from xenmeter.core.select import domain_filter


def test_filters():
    assert domain_filter([], [], True) is None
    wanted = domain_filter(["web*", "/^db[0-9]$/"], ["*-old"], False)
    assert [name for name in ("web1", "web-old", "db1", "db12", "Web1", "mail") if wanted(name, None, 5)] == ["web1", "db1"]
    assert not domain_filter([], [], False)("renamed dom0", "u", 0)
    assert not domain_filter([], [], False)("Domain-0", None, None)
    assert domain_filter([], [], False)("Domain-0", "u", 7)     # a guest may be called that
    assert domain_filter(["49468355-*"], [], True)("web", "49468355-6d7b-4686-9e4b-b3b0db0b2831", 1)
    with pytest.raises(BadOption, match="regular expression"):
        domain_filter(["/(/"], [], True)


@settings(deadline=None)
@given(st.text("ab-*?[]!", max_size=12), st.text("ab-*[]!\n", max_size=20))
@example("*-*-*-x", "-" * 200 + "x")
@example("[!*]*[*]", "a*")
def test_a_glob_matches_what_pythons_does(glob, name):
    """Also where ours never goes back over what a star has passed."""
    assert bool(domain_filter([glob], [], True)(name, None, 5)) == fnmatch.fnmatchcase(name, glob)


def test_of_an_endless_name_the_beginning_counts():
    assert domain_filter(["web*"], [], True)("web" + "-" * 10 ** 6, None, 5)
    assert not domain_filter(["*-x"], [], True)("-" * 10 ** 6 + "x", None, 5)
