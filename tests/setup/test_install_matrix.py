"""The table of `make install-matrix`: what failed, what cannot be had and what went well stand in it, and the page is one."""
import pytest

from install import run
from install.rows import HEAD, Rows, holds
from tools.debian import ProvisionError


@pytest.fixture
def rows():
    return Rows(say=lambda text: None)


def raising(error):
    raise error


def test_each_outcome_is_a_row(rows):
    assert rows.attempt("here", "a", lambda: "Python 3.6 | 9") is True
    assert rows.attempt("here", "b", raising, ProvisionError("this machine\n has none")) is False
    assert rows.attempt("there", "c", raising, AssertionError("x" * 500)) is False
    assert rows.attempt("there", "d", holds, "a text", "a word") is False
    lines = rows.table("today").splitlines()
    assert lines[2:4] == ["| here | a | Python 3.6 \\| 9 | ok | today |",
                          "| here | b | this machine has none | not to be had | today |"]
    assert lines[4].endswith(" | FAILED | today |") and len(lines[4]) < 200
    assert lines[5] == "| there | d | no 'a word' in: a text | FAILED | today |"
    assert [row.what for row in rows.failed] == ["c", "d"]


def test_a_fault_of_the_program_itself_is_no_row(rows):
    with pytest.raises(KeyError):
        rows.attempt("here", "a", raising, KeyError("x"))


def test_the_page_keeps_all_but_the_rows_that_are_new(rows, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n" + run.BEGIN + run.END + "after\n")
    rows.attempt("here", "a", lambda: "1")
    rows.attempt("here", "b", lambda: "1")
    run.write(page, rows, "then")
    again = Rows(say=lambda text: None)
    again.attempt("here", "a", lambda: "2")
    again.attempt("here", "c", lambda: "2")
    run.write(page, again, "now")
    assert page.read_text() == "before\n" + run.BEGIN + HEAD + "\n| here | a | 2 | ok | now |\n| here | b | 1 | ok | then |\n" \
        "| here | c | 2 | ok | now |\n" + run.END + "after\n"


def test_no_row_of_the_page_has_failed():
    table = run.PAGE.read_text().partition(run.BEGIN)[2].partition(run.END)[0]
    rows = table.splitlines()[2:]
    assert len(rows) > 10 and {line.split(" | ")[3] for line in rows} <= {"ok", "not to be had"}


def test_every_place_is_told_and_no_other_is_taken(capsys):
    with pytest.raises(SystemExit):
        run.main(["moon"])
    told = capsys.readouterr().err
    assert "no such place: moon; there are " + ", ".join(run.PLACES) in told
