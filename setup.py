"""For tools that still call setup.py, and for the compiled parts; all metadata is in setup.cfg.

A compiled part is plain C without Python's headers, loaded by ctypes: one object for every Python 3, so it has no ABI
suffix and the wheel no Python tag. ``plugins/xenmeter/ROOM/NAME.c`` becomes ``_NAME.so`` beside it. It is optional:
without a compiler everything installs, and works, only slower. ``XENMETER_COMPILED=0`` leaves them out: the wheel is then one
for any platform.
"""
import glob
import os

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildPlain(build_ext):
    """Names the objects as the modules that load them look for them, on every Python."""

    def get_ext_filename(self, name):
        return name.replace(".", "/") + ".so"


def extension(source):
    """The compiled part that a C file makes: plugins/xenmeter/room/name.c -> xenmeter.room._name"""
    room, name = os.path.split(os.path.splitext(source)[0])
    return Extension(".".join(room.split("/")[1:] + ["_" + name]), [source], optional=True,
                     depends=sorted(glob.glob(room + "/*.h") + glob.glob(room + "/*.inc")), extra_compile_args=["-O2", "-std=gnu99"])


commands = {"build_ext": BuildPlain}

try:
    from wheel.bdist_wheel import bdist_wheel
except ImportError:
    try:
        from setuptools.command.bdist_wheel import bdist_wheel
    except ImportError:
        bdist_wheel = None

if bdist_wheel is not None:
    class TagWheel(bdist_wheel):
        """Bound to the platform, where there are compiled parts, and not to a Python."""

        def get_tag(self):
            return "py3", "none", super().get_tag()[2]

    commands["bdist_wheel"] = TagWheel

SOURCES = [] if os.environ.get("XENMETER_COMPILED") == "0" else sorted(glob.glob("plugins/xenmeter/**/*.c", recursive=True))
setup(cmdclass=commands, ext_modules=[extension(source) for source in SOURCES])
