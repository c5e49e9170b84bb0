"""A C compiler for the tests: the machine's own, or Debian's gcc unpacked under build/ where it has none."""
import os
import pathlib
import shutil
import subprocess
import typing

from tools import provision

__all__ = ("compiler", "unpacked_gcc", "build_shared")


def compiler() -> typing.List[str]:
    """The command that compiles and links C, to be followed by gcc's usual arguments."""
    own = os.environ.get("CC") or shutil.which("cc")
    if own:
        return own.split()
    return unpacked_gcc()


def unpacked_gcc() -> typing.List[str]:
    """Debian's gcc under build/, which is fetched where it is missing; the machine's where that has the package."""
    gcc = provision.program("compiler", "usr/bin/x86_64-linux-gnu-gcc")
    root = provision.root_of("compiler")
    if root == pathlib.Path("/"):
        return [gcc]
    # the linker scripts of the -dev packages name libraries that the machine has: under a sysroot that needs links
    for name in ("lib/x86_64-linux-gnu/libc.so.6", "lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libm.so.6",
                 "lib/x86_64-linux-gnu/libgcc_s.so.1", "lib/x86_64-linux-gnu/libmvec.so.1"):
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to("/" + name)
    libraries = provision.environment("compiler")["LD_LIBRARY_PATH"]     # of the compiler proper: isl, mpc, mpfr, gmp
    return ["env", "LD_LIBRARY_PATH=" + libraries, gcc, "--sysroot=%s" % root, "-B%s" % (root / "usr" / "bin")]


def build_shared(source: typing.Any, target: typing.Any, *flags: str) -> str:
    """Make a shared object as setup.py makes the plugins' compiled parts, with more of gcc's flags; gives its path."""
    subprocess.run([*compiler(), "-O2", "-std=gnu99", "-fPIC", "-shared", *flags, "-o", str(target), str(source)], check=True)
    return str(target)
