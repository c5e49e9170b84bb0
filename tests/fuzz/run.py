"""All fuzz targets, or those that are named, so many seconds each: `make fuzz SECONDS=600`. Prints a table.

    python3 tests/fuzz/run.py --seconds N [--seed N] [--jobs N] [TARGET ...]

The compiled parts are built with AddressSanitizer and UndefinedBehaviorSanitizer, and their targets run under these.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
MEMORY = "/dev/shm"
sys.path[:0] = [str(HERE.parent), str(TOP / "plugins")]

from fuzz import targets    # noqa: E402
from fuzz.objects import SANITIZE, SANITIZERS_END, build_objects, runtime   # noqa: E402
from tools import provision, pythons   # noqa: E402


def atheris_path():
    """Where Atheris is, or None where it cannot be had: then damage of our own must do."""
    try:
        return pythons.extra_library(provision.BUILD, "atheris", lambda text: print(text, file=sys.stderr))
    except provision.ProvisionError as error:
        print("no coverage leads: %s" % error, file=sys.stderr)
        return None


def command(name, options, objects, atheris):
    """(argv, environment) of a target's run."""
    target = targets.CLASSES[name]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(TOP / "plugins"), atheris])))
    words = [sys.executable, str(HERE / "driver.py"), name, "--seconds", "%g" % options.seconds, "--objects", str(objects)]
    if options.seed is not None:
        words += ["--seed", str(options.seed)]
    if options.keep:
        words += ["--keep", str(options.keep)]
    engine = "own"
    if target.compiled:
        environment.update(SANITIZERS_END, LD_PRELOAD=runtime())
        engine = "own, sanitizers"
    elif atheris and target.guided:
        engine = "coverage"
        words += ["--engine", "atheris"]
    return words, environment, engine


def run(name, options, objects, atheris):
    """(engine, what the driver said last, all output)."""
    words, environment, engine = command(name, options, objects, atheris)
    # of many an execution writing the input's files is a large part: in memory, where that can be
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as scratch:
        ran = subprocess.run(words, env=dict(environment, TMPDIR=scratch), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=options.seconds * 3 + 600, check=False)
    text = ran.stdout.decode("utf-8", "replace")
    try:
        told = json.loads(text.rstrip().rpartition("\n")[2])
    except ValueError:
        told = {"executions": 0, "seconds": 0, "finding": "ended with status %d" % ran.returncode}
    if ran.returncode and not told["finding"]:
        told["finding"] = "ended with status %d" % ran.returncode
    return engine, told, text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, or some of: " + ", ".join(sorted(targets.CLASSES)))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", metavar="FOLDER", help="where findings go (default: fixtures/fuzz)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time")
    options = parser.parse_args()
    names = options.targets or sorted(targets.CLASSES)
    atheris = atheris_path()
    status = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as objects:
        build_objects(objects, *SANITIZE)
        print("| target | what it reads | led by | executions | seconds | finding |\n|---|---|---|---|---|---|")
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for name, (engine, told, text) in zip(names, pool.map(lambda one: run(one, options, objects, atheris), names)):
                print("| %s | %s | %s | %d | %.0f | %s |" % (name, targets.CLASSES[name].reads, engine, told["executions"],
                                                           told["seconds"], told["finding"] or "none"), flush=True)
                if told["finding"]:
                    status = 1
                    print(text[-4000:], file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
