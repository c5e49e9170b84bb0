"""The C compiler for the processor of a lab's machine: this machine's own, or Debian's cross compiler, under build/lab."""
import subprocess

from lab import packages
from lab.arches import AMD64
from lab.paths import BUILD
from tools import chroot
from tools.compiler import compiler

__all__ = ("compiled", "compiler_for")

CROSS = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")


def compiler_for(arch, say=print):
    """The command that compiles and links C, to be followed by gcc's usual arguments."""
    if arch is AMD64:
        return compiler()
    tree = packages.fetch_for_here(BUILD / "cross", chroot.codename(), CROSS, say)
    return ["env", "LD_LIBRARY_PATH=" + tree.environment()["LD_LIBRARY_PATH"],
            str(tree.root / "usr" / "bin" / "aarch64-linux-gnu-gcc"), f"--sysroot={tree.root}"]


def compiled(arch, source, target, *flags):
    """Compile one file; CalledProcessError where it does not."""
    subprocess.run([*compiler_for(arch), "-O2", *flags, "-o", str(target), str(source)], check=True)
