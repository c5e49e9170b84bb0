"""Globs on names that guests choose: what they match is what fnmatch matches, and no name makes them slow."""
import fnmatch
import re
import time

import pytest
from hypothesis import example, given, settings, strategies as st

from xenmeter.core.select import _linear, domain_filter

TEXT = st.text("ab-[]!*?\\.\n^", max_size=12)


@settings(max_examples=2000, deadline=None)
@given(TEXT, TEXT)
@example("*", "")
@example("**", "x")
@example("a*[*]b*", "a--*b")
@example("[!*]*", "b*")
@example("*[]]*", "a]b")
def test_it_matches_what_fnmatch_matches(glob, name):
    assert bool(re.compile(_linear(glob)).match(name)) == bool(re.compile(fnmatch.translate(glob)).match(name))


@pytest.mark.parametrize("glob, name", [("*-*-*-x", "-" * 1000), ("*a*a*a*a*a*a*b", "a" * 100000), ("*[ab]*[ab]*c", "ab" * 5000)])
def test_no_name_makes_it_slow(glob, name):
    """On Pythons before 3.9, whose fnmatch goes back over all that stars have passed, too: the pattern has nothing to go back
    over, but at most for its last star."""
    wanted = domain_filter([glob], [], True)
    began = time.process_time()
    for number in range(20):
        assert not wanted(name, "%d" % number, 1)       # what one domain's answer is, is kept
    assert time.process_time() - began < 0.5
    assert _linear(glob).count(".*?") == glob.count("*") - 1


def test_a_regular_expression_that_goes_back_and_forth_does_so_once_for_a_name():
    """Whoever writes one knows nothing of a name of 255 hyphens; each reading would take as long again."""
    wanted = domain_filter(["/^.*-.*-.*-x$/"], [], True)

    def spent(times):
        began = time.process_time()
        for _ in range(times):
            assert not wanted("-" * 300, None, 1)
        return time.process_time() - began
    once = spent(1)
    assert spent(100) < 10 * once
