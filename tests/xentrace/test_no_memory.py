"""Where there is no memory for what waits in the compiled part: an error, and not the end of the process that we are in."""
import os
import subprocess
import sys

from helpers import encoding
from helpers.captures import KHZ
from helpers.paths import PLUGINS

SCRIPT = """
import resource, sys
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine import compiled
assert compiled.use(sys.argv[1]), compiled.reason()
from xenmeter.xentrace.engine.windowed import Baking
baking = Baking(%d, [10 ** 9])
data = %r * (1 << 20)
baking.engine.feed_rings([(0, data[:1600])])
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 20), resource.RLIM_INFINITY))
try:
    baking.engine.feed_rings([(0, data)])
    print("it went well")
except SourceError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
baking.close()
""" % (KHZ, encoding.runstate(1000, 1, 0, 1, 0))


def test_it_is_one_error(shared_object):
    ran = subprocess.run([sys.executable, "-c", SCRIPT, str(shared_object)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=dict(os.environ, PYTHONPATH=str(PLUGINS)), universal_newlines=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "there is no memory for the records that wait until all pCPUs have told theirs\n"
