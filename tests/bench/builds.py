"""A benchmark of two builds in turns, in one run: this tree's beside an older commit's, each by its own script.

Usage: builds.py [--base COMMIT] [--turns N] SCRIPT [ARGUMENT ...]

    builds.py direct 1000       the table of direct.py at 1000 domains: best of the turns of either build, and their ratio
    builds.py vcpu

The older one is checked out into a temporary git worktree, which is taken away at the end. Rows that only one build has stand for
themselves. What a floor is says the script.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BASE = "bc15658"
_ROW = re.compile(r"(\S.*?)\s{2,}((?:-|\d+(?:\.\d+)?)(?:\s+(?:-|\d+(?:\.\d+)?))*)\s*$")


def columns_of(text):
    """The names of a script's columns: its header ends with words, of which one is the hypercalls."""
    header = next(line for line in text.splitlines() if "hypercalls" in line)
    return [word for word in re.split(r"\s{2,}", header.strip()) if " " not in word]


def rows_of(text):
    """{title: {column: figure}} of a script's table."""
    columns, found = columns_of(text), {}
    for line in text.splitlines():
        match = _ROW.match(line)
        if match:
            figures = zip(columns, match.group(2).split())
            found[match.group(1)] = {name: float(figure) for name, figure in figures if figure != "-"}
    return found


def run(tree, script, arguments):
    command = [sys.executable, str(tree / "tests" / "bench" / (script + ".py")), *arguments]
    return subprocess.run(command, cwd=str(tree), stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout


def keep_best(best, rows):
    for title, figures in rows.items():
        kept = best.setdefault(title, {})
        for name, figure in figures.items():
            kept[name] = min(kept.get(name, figure), figure)


def tell(ours, theirs, base):
    print("%-38s %-11s %10s %10s %8s" % ("", "", base, "this", "ratio"))
    for title, figures in ours.items():
        shown = title       # once
        for name, figure in figures.items():
            old = theirs.get(title, {}).get(name)
            if old is None:
                print("%-38s %-11s %10s %10.2f" % (shown, name, "-", figure))
            else:
                print("%-38s %-11s %10.2f %10.2f %8.2f" % (shown, name, old, figure, figure / old if old else 1))
            shown = ""
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("script", choices=("direct", "vcpu"))
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    ours, theirs = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "base"
        git = ["git", "-C", str(TOP), "worktree"]
        subprocess.run([*git, "add", "--detach", str(tree), options.base], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        os.symlink(str(TOP / "build"), str(tree / "build"))     # what is provisioned there
        try:
            for _ in range(options.turns):
                keep_best(theirs, rows_of(run(tree, options.script, options.arguments)))
                keep_best(ours, rows_of(run(TOP, options.script, options.arguments)))
        finally:
            os.unlink(str(tree / "build"))
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    tell(ours, theirs, options.base)


if __name__ == "__main__":
    main()
