"""The document of a trace as `xenmeter bake` makes it, and a fixture with its file."""
import os
import subprocess
import sys

import pytest

from helpers.captures import unpacked
from helpers.paths import PLUGINS


def run(*arguments, **options):
    command = [sys.executable, "-m", "xenmeter", "bake"] + list(arguments)
    environment = dict(os.environ, PYTHONPATH=str(PLUGINS))
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options)


@pytest.fixture
def trace(tmp_path):
    """The path of a capture's file."""
    return lambda case: str(unpacked(tmp_path, case))
