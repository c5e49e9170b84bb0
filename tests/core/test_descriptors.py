"""Our own processes may have many files open; nobody else's limit is touched."""
import os
import resource
import subprocess
import sys

import pytest

from helpers.paths import TOP

PROGRAM = """
import resource, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from xenmeter.core.descriptors import ask_for_many
ask_for_many()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize("soft, hard, expected", [(256, 4096, 4096), (4096, 4096, 4096), (64, 1 << 17, 1 << 15)])
def test_the_limit(soft, hard, expected):
    if hard > HARD != resource.RLIM_INFINITY:
        hard = expected = HARD      # a machine that has no more gives all that it has
    told = subprocess.run([sys.executable, "-c", PROGRAM, str(soft), str(hard)], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True, env=dict(os.environ, PYTHONPATH=os.path.join(TOP, "plugins"))).stdout
    assert told.split() == [str(expected), str(hard)]
