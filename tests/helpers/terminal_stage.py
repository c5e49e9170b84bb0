"""A real terminal for the screen: tmux with a server of its own, what is on it, keys, sizes, and its end."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

from helpers.captures import unpacked
from helpers.paths import PLUGINS, TOP
from tools import process, provision

__all__ = ("Tmux", "unpacked", "recording", "KHZ", "START")

KHZ = "2596120"
START = "2026-11-20T16:35:00Z"
#: Seconds for anything to appear: a busy machine with two slow cores is no finding.
PATIENCE = 60


def recording(path, start=START, pace=0):
    """Arguments of mon for a trace of the captures, at once and with times that are the same in each run."""
    return ["mon", "--source", str(path), "--cpu-khz", KHZ, "--start", start, "--pace", str(pace)]


class Tmux:
    """A window in which ``words`` (of the command xenmeter) run in a shell; a context manager.

    :param size: columns and lines; :param term: the type that programs see; :param env: more of their variables.
    """

    def __init__(self, tmp_path, words, size=(80, 24), term="screen-256color", env=(), code=None):
        self._program = provision.program("tmux", "usr/bin/tmux")
        self._socket = str(pathlib.Path(str(tmp_path)) / "tmux")
        command = [sys.executable] + (["-c", code] if code else ["-m", "xenmeter"]) + [str(word) for word in words]
        variables = dict({"TERM": term, "PYTHONPATH": str(PLUGINS), "LC_ALL": "C.UTF-8"}, **dict(env))
        # The shell stays, so that what the program leaves behind can be looked at.
        script = "cd %s; echo before; %s %s; echo status $?; stty -a; cat" % (
            shlex.quote(str(TOP)), " ".join("%s=%s" % (name, shlex.quote(value)) for name, value in variables.items()),
            " ".join(map(shlex.quote, command)))
        self._size = size
        self._script = script

    def __enter__(self):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TMUX")}
        self._env = dict(clean, LC_ALL="C.UTF-8", **{name: value for name, value in provision.environment(
            "tmux").items() if name == "LD_LIBRARY_PATH"})
        self.tmux("-f", os.devnull, "new-session", "-d", "-x", self._size[0], "-y", self._size[1], "sh", "-c", self._script)
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check=False)

    def tmux(self, *words, check=True):
        """What a tmux command prints."""
        ran = subprocess.run([self._program, "-S", self._socket] + [str(word) for word in words], env=self._env, check=False,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
        assert ran.returncode == 0 or not check, ran.stderr.decode()
        return ran.stdout.decode("utf-8")

    def screen(self, *options):
        """What is on the screen: one string, lines without the blanks at their end."""
        return self.tmux("capture-pane", "-p", *options)

    def wait(self, *texts, gone=(), seconds=PATIENCE, history=False, holds=bool):
        """Wait until all of the texts are on the screen, and none of ``gone``; the screen, or with what has left it.

        :param holds: what else must be true of the screen.

        A screen counts when it is seen twice: a terminal may show the top of a new one first."""
        seen = [""]

        def look():
            last, seen[0] = seen[0], self.screen(*(["-S", "-"] if history else []))
            return (last == seen[0] and all(text in last for text in texts) and not any(text in last for text in gone)
                    and holds(last))
        process.poll(look, seconds, lambda text: AssertionError("%s: %r gone %r in\n%s" % (text, texts, gone, seen[0])))
        return seen[0]

    def keys(self, *keys):
        """Press keys by tmux's names: q, Up, Escape, Space."""
        self.tmux("send-keys", *keys)

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", columns, "-y", lines)

    def pid(self):
        """Process id of the xenmeter that runs in the window."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        children = pathlib.Path("/proc/%s/task/%s/children" % (shell, shell)).read_text().split()
        return int(children[0])

    def restored(self):
        """Wait for the shell: its screen is back, a cursor is seen and what one types is echoed. The exit status."""
        self.resize(200, 50)
        seen = self.wait("before", "status ", " echo ", history=True)
        assert " icanon " in seen and "-echo " not in seen, seen
        assert self.tmux("display-message", "-p", "#{cursor_flag} #{alternate_on}").split() == ["1", "0"]
        return int(re.search(r"status (\d+)", seen).group(1))
