"""Whose baker the screen looks at: one of its own is not to rest before a person's eyes, one that rests is said to."""
import contextlib
import os
import re
import subprocess
import sys
import threading

import pytest

from helpers.terminal_stage import KHZ, PATIENCE, Tmux, unpacked
from helpers.paths import PLUGINS
from tools import process
from xenmeter.front.cli import build_parser, main
from xenmeter.front.screen.live import Live
from xenmeter.xentrace import plugin
from xenmeter.xentrace.baker.control import ControlSocket
from xenmeter.xentrace.baker.bakery import BEAT_NS, Bakery
from xenmeter.xentrace.baker.governor import Governor
from xenmeter.xentrace.baker.writing import Writer
from xenmeter.xentrace.baker.streams import Stream

SECOND = 10 ** 9


class Started(Exception):
    """The arguments of the baker that mon would start."""


@pytest.mark.parametrize("words, share", [([], 0), (["--share", "2.5"], 2.5), (["--share", "100"], 100)])
@pytest.mark.parametrize("kind", [[], ["--count", "1"], ["--log", "x"]])
def test_its_own_baker_has_no_bound_unless_asked_for(monkeypatch, words, share, kind):
    def own(shared, wishes):
        raise Started(wishes)
    monkeypatch.setattr(plugin, "OwnBaker", own)
    arguments = build_parser().parse_args(["mon"] + words + kind)
    with pytest.raises(Started) as raised:
        arguments.run(arguments)
    assert build_parser().parse_args(["baker"] + raised.value.args[0]).share == share


@pytest.mark.parametrize("share", ["-1", "101", "nan", "x"])
def test_a_share_that_is_none(share, capsys):
    with contextlib.suppress(SystemExit):
        assert main(["mon", "--share", share]) == 2
    assert "--share" in capsys.readouterr().err


class Tired(Stream):
    """A recorded trace instead of the rings; what reading costs is more than a share of a millionth allows."""

    def rest(self):
        pass

    def resume(self):
        pass


@pytest.fixture
def resting(tmp_path):
    """The shared file of a baker that rests for minutes, as it says on its socket."""
    shared, stop = str(tmp_path / "baker"), threading.Event()
    bakery = Bakery(Tired(str(unpacked(tmp_path, "narrow-churn"))), int(KHZ), [SECOND], Writer(shared, BEAT_NS), lambda: None,
                    True, Governor(1, SECOND))
    answers = ControlSocket(shared + ".sock", bakery)
    baking = threading.Thread(target=bakery.run, args=(stop,))
    baking.start()
    try:
        process.poll(lambda: bakery.status()["rest_left_s"] > 200, PATIENCE, AssertionError)
        yield shared
    finally:
        stop.set()
        baking.join(PATIENCE)
        answers.close()
        bakery.close()


def mon(*words):
    return subprocess.run([sys.executable, "-m", "xenmeter", "mon"] + [str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(PLUGINS), LC_ALL="C.UTF-8"),
                          universal_newlines=True, timeout=PATIENCE)


@pytest.mark.daemon
def test_a_baker_that_rests_is_said_to(tmp_path, resting):
    with Tmux(tmp_path, ["mon", "--shared", resting, "--cpus", "0-1"]) as terminal:
        seen = terminal.wait("RESTING for ", "s observed; --share bounds the baker's cost", "CPU gotten",
                             "a baker runs here already: --cpus 0-1 would be for one of our own")
        left = int(seen.partition("RESTING for ")[2].partition("s")[0])
        terminal.wait("RESTING for ", gone=["RESTING for %ds" % left, "nothing new"])     # it counts down
        terminal.keys("q")
        assert terminal.restored() == 0
    ran = mon("--shared", resting, "--share", "3", "--count", "1")
    assert (ran.returncode, ran.stderr) == (0, "") and re.search(r"\n RESTING for \d+s", ran.stdout)
    assert "already: --share 3 would" in ran.stdout and "domid-2" in ran.stdout


@pytest.mark.daemon
def test_a_log_says_whose_baker_it_is(tmp_path, resting):
    log = subprocess.Popen([sys.executable, "-m", "xenmeter", "mon", "--shared", resting, "--share", "3", "--log",
                            str(tmp_path / "host")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env=dict(os.environ, PYTHONPATH=str(PLUGINS)))
    try:
        assert log.stderr.readline() == b"xenmeter: a baker runs here already: --share 3 would be for one of our own\n"
    finally:
        log.terminate()
        log.communicate(timeout=PATIENCE)


class Odd:
    """Bakers of other versions."""

    def __init__(self, told):
        self.told = told

    def status(self):
        return self.told


@pytest.mark.parametrize("told", [{}, {"rest_left_s": 3}, [], None, {"rest_left_s": None, "span_ns": 1, "elapsed_ns": 2},
                                  {"rest_left_s": 0, "span_ns": 1, "elapsed_ns": None}])
def test_who_does_not_say_does_not_rest(tmp_path, told):
    live = Live(None, str(tmp_path / "baker"))
    assert live.rest(PATIENCE) is None      # nobody is there
    answers = ControlSocket(str(tmp_path / "baker.sock"), Odd(told))
    try:
        assert Live(None, str(tmp_path / "baker")).rest(PATIENCE) is None
        answers.bakery.told = {"rest_left_s": 30, "span_ns": 5, "elapsed_ns": 7 * SECOND}
        left, observed, elapsed = Live(None, str(tmp_path / "baker")).rest(PATIENCE)
        assert 28 <= left <= 30 and observed == 5 and 7 * SECOND <= elapsed <= 9 * SECOND
    finally:
        answers.close()
