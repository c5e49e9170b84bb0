"""Sets of pCPUs, as people write them."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.cpulist import format_cpus, parse_cpus
from xenmeter.core.errors import BadOption


@pytest.mark.parametrize("text, cpus, shortest", [
    ("all", None, "all"), (" ALL ", None, "all"), ("3", [3], "3"), ("0-3,7", [0, 1, 2, 3, 7], "0-3,7"),
    ("7, 0 - 1,1", [0, 1, 7], "0-1,7"), ("16383", [16383], "16383")])
def test_lists(text, cpus, shortest):
    assert parse_cpus(text, "--cpus") == cpus and format_cpus(cpus) == shortest


@pytest.mark.parametrize("text", ["", "x", "1,", "3-1", "-3", "3-", "1;2", "16384", "0x1", "1-2-3"])
def test_what_is_no_list(text):
    with pytest.raises(BadOption, match="--cpus: .* takes: all, or a list"):
        parse_cpus(text, "--cpus")


@given(st.sets(st.integers(0, 300), min_size=1))
def test_what_is_written_is_read(cpus):
    assert parse_cpus(format_cpus(cpus), "x") == sorted(cpus)
