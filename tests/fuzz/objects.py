"""The compiled parts for the targets that run them: built once, with sanitizers where those are told to be on."""
import os
import pathlib
import subprocess
import tempfile

from fuzz.target import PLUGINS
from tools.compiler import build_shared, compiler

#: Any report of the sanitizers is the end of the process.
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
SOURCES = {"hot": PLUGINS / "xenmeter" / "xentrace" / "engine" / "hot.c", "pages": PLUGINS / "xenmeter" / "vcpu" / "pages.c",
           "counts": PLUGINS / "xenmeter" / "xen" / "counts.c",
           "reading": PLUGINS / "xenmeter" / "core" / "reading.c",
           "times": PLUGINS / "xenmeter" / "vcpu" / "times.c",
           "lists": PLUGINS / "xenmeter" / "publish" / "lists.c",
           "planned": PLUGINS / "xenmeter" / "xentop" / "planned.c",
           "rows": PLUGINS / "xenmeter" / "xentop" / "text" / "rows.c",
           "writer": PLUGINS / "xenmeter" / "publish" / "writer.c"}
_VARIABLE = "XENMETER_FUZZ_OBJECTS"
#: A report is the end of a process that hosts the objects. What Python itself never frees is no finding, nor is what the
#: sanitizer keeps of freed memory: by default 256 MiB, which would hide that a process grows.
SANITIZERS_END = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:quarantine_size_mb=16",
                  "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "PYTHONMALLOC": "malloc"}


def build_objects(folder, *flags):
    for name, source in SOURCES.items():
        build_shared(source, pathlib.Path(folder) / (name + ".so"), *flags)


def built(name):
    """The path of a compiled part that whoever started this process has built for it, or None."""
    return os.path.join(os.environ[_VARIABLE], name + ".so") if _VARIABLE in os.environ else None


def sanitized_environment(folder):
    """What a process needs besides so that its compiled parts are those of the folder, which were built with SANITIZE."""
    return dict(SANITIZERS_END, LD_PRELOAD=runtime(), XENMETER_COMPILED=str(pathlib.Path(folder) / "hot.so"),
                **{_VARIABLE: str(folder)})


def object_of(name):
    """The path of a compiled part, which is built without sanitizers where nobody has built it."""
    if _VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="fuzz-")
        build_objects(folder)
        os.environ[_VARIABLE] = folder
    return built(name)


def runtime():
    """What must be loaded before Python, which was not built with sanitizers, and would not find them of an unpacked compiler."""
    found = [subprocess.run([*compiler(), "-print-file-name=" + name], stdout=subprocess.PIPE, check=True,
                            universal_newlines=True).stdout.strip() for name in ("libasan.so", "libubsan.so")]
    return ":".join(map(os.path.realpath, found))
