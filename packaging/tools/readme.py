#!/usr/bin/env python3
"""Writes a README for a package's documents, where links to other files and pictures lead nowhere: readme.py README.md FILE"""
import pathlib
import re
import sys

__all__ = ("plain",)


def plain(text):
    """A picture goes, with its line; of a link to a file the text stays."""
    text = re.sub(r"^!\[[^]]*\]\([^)]*\)\n\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(plain(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")), encoding="utf-8")
