"""Initial RAM disks: which kernel modules, and the cpio archive ("newc", Linux Documentation/driver-api/early-userspace)."""
import gzip
import lzma
import pathlib
import re
import stat
import struct
import subprocess

__all__ = ("Kernel", "unpacked_image", "write_archive", "write_initramfs")

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Kernel:
    """The unpacked kernel package: its image, and its modules with what they depend on, as they say it themselves."""

    def __init__(self, root):
        self.image = next(pathlib.Path(root, "boot").glob("vmlinuz-*"))
        self.release = self.image.name.partition("-")[2]
        folder = next(filter(pathlib.Path.is_dir, (pathlib.Path(root, top, "lib", "modules", self.release)
                                                   for top in ("usr", ""))))
        self._plain_files = pathlib.Path(root, "plain-modules")     # newer releases pack each with xz
        self._files = {_plain(file.name.partition(".")[0]): file for file in folder.rglob("*.ko*")}
        self._built_in = {_plain(pathlib.Path(line).stem) for line in (folder / "modules.builtin").read_text().splitlines()}

    def modules(self, *names):
        """Paths of the modules and all that they need, in the order in which they must be loaded; built-in ones have none."""
        order = []

        def take(name):
            if _plain(name) in self._built_in:
                return
            file = self._unpacked(_plain(name))
            if file not in order:
                found = _DEPENDS.search(file.read_bytes())
                for needed in filter(None, found.group(1).decode().split(",") if found else ()):
                    take(needed)
                order.append(file)

        for name in names:
            take(name)
        return order

    def _unpacked(self, name):
        file = self._files[name]
        if file.suffix == ".xz":
            self._plain_files.mkdir(exist_ok=True)
            plain = self._plain_files / file.stem
            plain.write_bytes(lzma.decompress(file.read_bytes()))
            self._files[name] = file = plain
        return file


def unpacked_image(path, tools):
    """The ELF in a bzImage (Linux Documentation/arch/x86/boot.rst: payload_offset and payload_length), which Debian packs with
    xz up to 12 and with zstd in 13; arm64's image as it is (Documentation/arch/arm64/booting.rst: "ARM\\x64" at 56).

    :param tools: the tree with zstd's program: Python has none before 3.14.
    """
    data = pathlib.Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[56:60] == b"ARM\x64":
        return data
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[((data[0x1f1] or 4) + 1) * 512 + offset:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    # the last four bytes are the unpacked size
    return subprocess.run([str(tools.program("zstd")), "-dcq"], input=payload[:-4], stdout=subprocess.PIPE,
                          check=True, env=tools.environment()).stdout


def _plain(name):
    return name.replace("-", "_")


def write_initramfs(path, init, busybox, modules, extra=(), more=()):
    """busybox with the links that `init` needs, /init, and the modules under /m in order, more of them under /d; extra: (name,
    bytes)."""
    files = [(name, b"", stat.S_IFDIR | 0o755) for name in ("bin", "dev", "proc", "sys", "m", "d", "newroot")]
    files.append(("bin/busybox", pathlib.Path(busybox).read_bytes(), stat.S_IFREG | 0o755))
    files.append(("bin/sh", b"busybox", stat.S_IFLNK | 0o777))
    files.append(("init", init.encode(), stat.S_IFREG | 0o755))
    files.extend((name, data, stat.S_IFREG | 0o755) for name, data in extra)
    files.extend((f"{folder}/{number:03}-{file.name}", file.read_bytes(), stat.S_IFREG | 0o644)
                 for folder, those in (("m", modules), ("d", more)) for number, file in enumerate(those))
    write_archive(path, files)


def write_archive(path, files):
    """An archive of files, packed: (name, bytes, mode) of each. Linux unpacks one that stands behind another over its files."""
    with open(str(path), "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0) as out:
        for number, (name, data, mode) in enumerate(files, 1):
            out.write(_entry(number, name, data, mode))
        out.write(_entry(0, "TRAILER!!!", b"", 0))


def _entry(number, name, data, mode):
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return _pad(head) + _pad(data)


def _pad(data):
    return data + bytes(-len(data) % 4)
