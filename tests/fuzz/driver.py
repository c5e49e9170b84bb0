"""Feeds one target until its time is up: led by coverage where Atheris is at hand, with damage of our own else.

    python3 tests/fuzz/driver.py TARGET --seconds N [--seed N] [--engine own|atheris] [--hot OBJECT] [FILE ...]

With FILEs only these are tried. A finding is kept in fixtures/fuzz/TARGET, to be tried first ever after. The last line of
the output is JSON: executions, seconds, engine, finding. Exit status 1 with a finding. ``run.py`` starts this for all.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(TOP / "plugins")]

#: CPU seconds of one input on a slow machine; more is a spin.
PATIENCE = 60
#: MiB by which a process may have grown after its first thousand inputs.
GROWTH = 200


class Watch:
    """Counts, and sees that neither descriptors nor memory grow."""

    def __init__(self, target, folder=None):
        self.target = target
        self._folder = folder
        target.texts()      # making them is no execution
        self.done = 0
        self.began = time.monotonic()
        self._first = None
        self.slowest = 0.0

    def one(self, data):
        """One input; what it raises has its bytes kept first."""
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        try:
            self.target.one(data)
        except Exception:
            traceback.print_exc()
            self.end(keep(self._folder, self.target.name, data))
            sys.stdout.flush()
            os._exit(1)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.done += 1
        if self.done == 1000:
            self._first = held()

    def end(self, finding=None):
        if self._first is not None and finding is None:
            files, memory = held()
            if files > self._first[0] + 8 or memory > self._first[1] + GROWTH:
                finding = "grew from %r to %r (descriptors, MiB)" % (self._first, (files, memory))
        told = {"target": self.target.name, "executions": self.done, "finding": finding, "slowest": round(self.slowest, 2),
                "seconds": round(time.monotonic() - self.began, 1)}
        print("\n" + json.dumps(told), flush=True)
        return 1 if finding else 0


def held():
    """(open descriptors, resident MiB) of this process."""
    with open("/proc/self/statm") as file:
        return len(os.listdir("/proc/self/fd")), int(file.read().split()[1]) * 4096 >> 20


def keep(folder, name, data):
    from fuzz.target import CORPORA
    path = pathlib.Path(folder or CORPORA, name, hashlib.sha256(data).hexdigest()[:16])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def spins(*_):
    """What takes in a loop in Python ends here, with its input kept; a loop in C shows as a hang."""
    raise AssertionError("it takes more than %d s of CPU time" % PATIENCE)


def own(watch, seconds, seed):
    """Damage without a guide."""
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    for _, data in watch.target.corpus():
        watch.one(data)
    while True:     # at least one, however long the corpus took
        watch.one(watch.target.make(chance))
        if time.monotonic() >= until:
            return watch.end()


def guided(atheris, watch, seconds, seed):
    """libFuzzer under Atheris. It would end the process without a word of ours, so the last input does that."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, data in enumerate(watch.target.texts()):
        (folder / str(number)).write_bytes(data[:watch.target.longest])
    chance = random.Random(seed)
    until = time.monotonic() + seconds

    def one(data):
        # a tenth of the inputs is our own damage: it knows the formats' words
        watch.one(watch.target.make(chance) if watch.done % 10 == 9 else data)
        if time.monotonic() >= until:
            shutil.rmtree(str(folder), ignore_errors=True)
            status = watch.end()
            sys.stdout.flush()
            os._exit(status)
    atheris.Setup([sys.argv[0], "-seed=%d" % (seed % 2 ** 31 or 1), "-max_len=%d" % watch.target.longest, "-timeout=3600",
                   "-rss_limit_mb=4096", "-verbosity=0", "-artifact_prefix=%s/" % folder, str(folder)], one)
    atheris.Fuzz()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    parser.add_argument("--keep", metavar="FOLDER", help="where findings go (default: fixtures/fuzz)")
    parser.add_argument("--objects", help="folder of the compiled parts; without it they are built")
    given = parser.parse_args()
    if given.objects:
        os.environ["XENMETER_FUZZ_OBJECTS"] = given.objects
    seed = random.SystemRandom().getrandbits(32) if given.seed is None else given.seed
    print("%s, seed %d" % (given.target, seed), flush=True)
    signal.signal(signal.SIGPROF, spins)
    if given.engine == "atheris":
        import atheris
        with atheris.instrument_imports(include=["xenmeter"]):
            from fuzz import targets
            target = targets.make(given.target)
        return guided(atheris, Watch(target, given.keep), given.seconds, seed)
    from fuzz import targets
    watch = Watch(targets.make(given.target), given.keep)
    if given.files:
        for name in given.files:
            watch.one(pathlib.Path(name).read_bytes())
        return watch.end()
    return own(watch, given.seconds, seed)


if __name__ == "__main__":
    sys.exit(main())
