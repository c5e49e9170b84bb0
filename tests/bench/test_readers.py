"""Readers of benchmark programs: real outputs, good and failed, whole and cut at every byte, and damaged ones."""
import json
import random

import pytest

from xenmeter.bench.readers import READERS, reader_named, reader_of, result_of
from xenmeter.bench.results import Unusable
from xenmeter.core.errors import BadOption

from helpers import golden
from helpers.paths import FIXTURES

CASES = sorted(folder.name for folder in (FIXTURES / "bench").iterdir() if folder.is_dir())


def case_of(name):
    """(case.json, stdout, stderr) of a fixture."""
    folder = FIXTURES / "bench" / name
    return (json.loads((folder / "case.json").read_text()), (folder / "stdout").read_text(encoding="utf-8"),
            (folder / "stderr").read_text(encoding="utf-8"))


def read(case, out, err, status=None):
    """What the reader makes of it, as JSON has it."""
    try:
        result = result_of(READERS[case["program"]], out, err, case["status"] if status is None else status)
    except Unusable as error:
        return {"unusable": str(error)}
    return {"figures": [list(figure) for figure in result.figures], "work": list(result.work) if result.work else None,
            "notes": list(result.notes)}


@pytest.mark.parametrize("name", CASES)
class TestReal:
    def test_golden(self, name, request):
        case, out, err = case_of(name)
        path = FIXTURES / "bench" / name / "expected.json"
        golden.compare((json.dumps(read(case, out, err), indent=1) + "\n").encode(), path, request.config)

    def test_cut_anywhere_it_is_the_same_or_does_not_count(self, name):
        """A program that was killed, a disk that was full: no figure of a text that is not whole, but of its whole beginning."""
        case, out, err = case_of(name)
        whole = read(case, out, err)
        for length in range(len(out)):
            assert_no_other(read(case, out[:length], err), whole)
        for length in range(len(err)):
            assert_no_other(read(case, out, err[:length]), whole)

    def test_its_status_alone_never_makes_it_good(self, name):
        case, out, err = case_of(name)
        if "unusable" in read(case, out, err):
            assert "unusable" in read(case, out, err, 0)

    def test_damaged_it_is_read_or_refused_and_nothing_else(self, name):
        case, out, err = case_of(name)
        chance = random.Random(name)
        for _ in range(200):
            read(case, damaged(out, chance), damaged(err, chance))


def assert_no_other(found, whole):
    if "unusable" not in found:
        # a program that tells its result twice rounds it in one of the two places
        known = {figure[0]: figure for figure in whole.get("figures", [])}
        for name, value, unit, better in found["figures"]:
            assert known[name] == [name, value if value is None else pytest.approx(value, rel=1e-4), unit, better]
        assert found["work"] == whole["work"]


def damaged(text, chance):
    """The text with a few places replaced, left out or doubled."""
    for _ in range(chance.randint(1, 4)):
        if not text:
            return text
        at, length = chance.randrange(len(text)), chance.randint(0, 12)
        other = chance.choice(["", "9" * 40, "-", "{", "[", '"', "\n", "nan", "1e999", text[at:at + 9] * 3])
        text = text[:at] + other + text[at + length:]
    return text


class TestWhoReads:
    @pytest.mark.parametrize("command, name", [
        (["fio", "job.fio"], "fio"), (["ssh", "root@web1", "env", "X=1", "/usr/bin/fio", "job"], "fio"),
        (["ssh", "web1", "iperf3 --json -c 10.0.0.1"], "iperf3"), (["sh", "-c", "cd x && ./Run dhry2reg"], "unixbench"),
        (["bonnie++", "-d", "/x"], "bonnie++")])
    def test_the_first_word_that_is_a_programs(self, command, name):
        assert reader_of(command).name == name

    def test_of_no_known_program_there_is_none(self):
        assert reader_of(["make", "-j4"]) is None

    def test_a_pattern_of_the_users_own(self):
        reader = reader_named(r"^(?P<name>\w+): (?P<value>[\d.,]+) (?P<unit>\S+)$")
        result = reader.read("speed: 1,200.5 MB/s\nload: 3 x\ncut: 4", "", 0)
        assert [tuple(figure)[:3] for figure in result.figures] == [("speed", 1200.5, "MB/s"), ("load", 3.0, "x")]

    def test_a_pattern_tells_the_work_and_of_times_less_is_better(self):
        reader = reader_named(r"(?P<work>\d+) (?P<work_unit>byte)s in (?P<value>[\d.]+) (?P<unit>\w+)")
        result = reader.read("4096 bytes in 2.5 s\n", "", 0)
        assert [tuple(figure) for figure in result.figures] == [("value", 2.5, "s", "less")] and result.work == (4096, "byte")

    @pytest.mark.parametrize("text", ["1e999", "-1e999", "nan", "."])
    def test_what_is_no_finite_number_is_no_figure(self, text):
        with pytest.raises(Unusable):
            result_of(reader_named(r"(?P<value>\S+) MB"), text + " MB\n", "", 0)

    def test_wrk_can_use_as_many_cpus_as_it_has_threads(self):
        out = case_of("wrk-good")[1]
        assert READERS["wrk"].threads(out) == int(out.split(" threads and")[0].split()[-1])
        assert READERS["httperf"].threads(out) == 1

    def test_iperf3_says_which_end_was_at_its_limit(self):
        case, out, err = case_of("iperf3-tcp")
        said = json.loads(out)
        said["end"]["cpu_utilization_percent"].update(host_total=99.4, remote_total=20.0)
        assert read(case, json.dumps(said), err)["notes"] == ["limited by the client: iperf3 itself took 99 % of a CPU there"]

    def test_a_pattern_that_matches_nothing_says_the_status(self):
        with pytest.raises(Unusable, match="ended with status 7"):
            reader_named(r"(?P<value>\d+) MB").read("nothing\n", "", 7)

    @pytest.mark.parametrize("text", ["fioo", "(?P<value>", "(\\d+)"])
    def test_what_is_no_reader_is_told(self, text):
        with pytest.raises(BadOption, match="--reader"):
            reader_named(text)
