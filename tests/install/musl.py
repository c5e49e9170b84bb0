"""A Python on musl, as Alpine has: CPython, zlib and libffi from Debian's sources, built in a fresh system with Debian's musl
compiler and linked with its C library by its own loader. Some minutes; kept under build/chroots.

What of Alpine it is: the C library, its loader and Python. What not: busybox, apk, abuild.
"""
import hashlib
import os
import subprocess

from tools import chroot
from tools.debian import ProvisionError

from .one_file import placed, same_figures

RELEASE = "trixie"
ELSEWHERE = ("bookworm",)
NEEDS = ("musl-tools", "gcc", "libc6-dev", "make", "dpkg-dev", "xz-utils", "python3", "python3-setuptools")
BUILD_NEEDS = ("autoconf", "autoconf-archive", "automake", "libltdl-dev", "libtool")
SOURCES = ("zlib", "libffi", "python3.13")
PREFIX = "/opt/musl"
#: -idirafter: the kernel's headers, which musl's own do not hold; the libraries' own configure scripts are enough for the rest.
BUILD = """\
set -e
cd /src
for name in zlib libffi python3.13; do rm -rf $name; dpkg-source --no-check -x $name*.dsc $name; done
mkdir -p %(prefix)s/bin
cat > %(prefix)s/bin/cc <<END
#!/bin/sh
case "\\$*" in -print-multiarch | --print-multiarch) echo $(uname -m)-linux-musl; exit ;; esac
exec musl-gcc -idirafter /usr/include -idirafter /usr/include/$(gcc -print-multiarch) "\\$@"
END
chmod 755 %(prefix)s/bin/cc
export CC=%(prefix)s/bin/cc
export CFLAGS='-O0 -fPIC' PKG_CONFIG=/bin/false
(cd zlib && ./configure --static --prefix=%(prefix)s && make install)
(cd libffi && autoreconf -i &&
 ./configure --disable-shared --with-pic --disable-docs --disable-multi-os-directory --prefix=%(prefix)s && make install)
cd python3.13
./configure --prefix=%(prefix)s --without-ensurepip --disable-test-modules --without-doc-strings \\
    ZLIB_CFLAGS=-I%(prefix)s/include ZLIB_LIBS='-L%(prefix)s/lib -lz' \\
    LIBFFI_CFLAGS=-I%(prefix)s/include LIBFFI_LIBS='-L%(prefix)s/lib -lffi'
make -j2
make -j2 altbininstall libinstall inclinstall sharedinstall PYTHON_FOR_BUILD=true     # true: nothing is compiled to bytecode
"""
PYTHON = PREFIX + "/bin/python3.13"


def _kept():
    recipe = hashlib.sha256((BUILD + repr((NEEDS, RELEASE))).encode()).hexdigest()[:12]
    return chroot.CHROOTS / ("musl-python-%s.tar" % recipe)


def _fetch(system):
    """The sources into /src: each of RELEASE, or of the first of ELSEWHERE where the archive lacks that."""
    lines = [line for release in (RELEASE, *ELSEWHERE) for line in chroot.sources(release) if " %s " % release in line]
    system.path("/etc/apt/sources.list.d/sources.list").write_text(
        "".join(line.replace("deb ", "deb-src ", 1) + "\n" for line in lines))
    system.apt("update")
    system.apt("install", *BUILD_NEEDS)
    system.run("mkdir", "-p", "/src")
    for name in SOURCES:
        done = [system.run("apt-get", "-qq", "source", "--download-only", "%s/%s" % (name, release), cwd="/src", check=False)
                for release in (RELEASE, *ELSEWHERE) if not list(system.path("/src").glob(name + "_*.dsc"))]
        if done[-1].returncode:
            raise RuntimeError("%s's source: %s" % (name, done[-1].stdout))


def _build(system, kept):
    try:
        _fetch(system)
        system.run("sh", "-c", BUILD % {"prefix": PREFIX}, timeout=3600)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        raise ProvisionError("no Python on musl could be built: " + str(error)[-1500:]) from error
    part = kept.with_suffix(".part")
    subprocess.run(["tar", "-cf", str(part), "-C", str(system.root), PREFIX.lstrip("/")], check=True)
    os.replace(str(part), str(kept))


def provide(system):
    """Puts it into a system of RELEASE with NEEDS, below PREFIX: what it says it is; ProvisionError where it cannot be made."""
    kept = _kept()
    if not kept.exists():
        _build(system, kept)
    subprocess.run(["tar", "-xf", str(kept), "-C", str(system.root)], check=True)
    linked = system.run("readelf", "--program-headers", PYTHON).stdout
    if "/lib/ld-musl" not in linked:
        raise ProvisionError("what was built is not on musl: " + linked[-500:])
    return system.run("dpkg-query", "-W", "-f", "musl ${Version}", "musl").stdout


def tried(rows, pyz):
    """The one file, by this Python."""
    with chroot.fresh("musl", NEEDS, wanted=RELEASE) as system:
        if not rows.attempt("musl (Debian %s)" % RELEASE, "a Python on it", provide, system):
            return
        with placed(pyz, system.root) as place:
            rows.attempt("musl (Debian %s)" % RELEASE, "xenmeter.pyz", same_figures, system.run, PYTHON, place, None)
