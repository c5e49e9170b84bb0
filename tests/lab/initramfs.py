"""Initial RAM disks: which kernel modules, and the cpio archive ("newc", Linux Documentation/driver-api/early-userspace)."""
import gzip
import pathlib
import re
import stat

__all__ = ("Kernel", "write_initramfs")

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Kernel:
    """The unpacked kernel package: its image, and its modules with what they depend on, as they say it themselves."""

    def __init__(self, root):
        self.image = next(pathlib.Path(root, "boot").glob("vmlinuz-*"))
        self.release = self.image.name.partition("-")[2]
        folder = pathlib.Path(root, "lib", "modules", self.release)
        self._files = {_plain(file.stem): file for file in folder.rglob("*.ko")}

    def modules(self, *names):
        """Paths of the modules and all that they need, in the order in which they must be loaded."""
        order = []

        def take(name):
            file = self._files[_plain(name)]
            if file not in order:
                found = _DEPENDS.search(file.read_bytes())
                for needed in filter(None, found.group(1).decode().split(",") if found else ()):
                    take(needed)
                order.append(file)

        for name in names:
            take(name)
        return order


def _plain(name):
    return name.replace("-", "_")


def write_initramfs(path, init, busybox, modules, extra=()):
    """busybox with the links that `init` needs, /init, and the modules under /m in order; extra: (name, bytes)."""
    files = [(name, b"", stat.S_IFDIR | 0o755) for name in ("bin", "dev", "proc", "sys", "m", "newroot")]
    files.append(("bin/busybox", pathlib.Path(busybox).read_bytes(), stat.S_IFREG | 0o755))
    files.append(("bin/sh", b"busybox", stat.S_IFLNK | 0o777))
    files.append(("init", init.encode(), stat.S_IFREG | 0o755))
    files.extend((name, data, stat.S_IFREG | 0o755) for name, data in extra)
    files.extend((f"m/{number:03}-{file.name}", file.read_bytes(), stat.S_IFREG | 0o644)
                 for number, file in enumerate(modules))
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
