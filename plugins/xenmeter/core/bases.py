"""What devices had counted before they began again, kept so that a restart of ours does not lose it.

A vif that counted 100 GB, was plugged again and then counted 50, is told as 150. Were it told as 50 after a restart, a backend
would take that for a counter that was reset and counted 50 GB within one interval. So the counters' state is kept in a file
that outlives us and goes with the boot, one for each front and plugin, written when it changes and when we end. Nothing
depends on it: where it cannot be kept, all else goes on, and the log says so once.
"""
import json
import os
import stat
from typing import Any, Callable, Dict, List, Optional, Tuple

from xenmeter.core import files
from xenmeter.core.boot import boot_id
from xenmeter.core.clock import now_ns
from xenmeter.core.counters import Devices, Monotonic
from xenmeter.core.errors import SourceError
from xenmeter.core.identity import Life, Lives
from xenmeter.core.lockfile import LockFile

__all__ = ("Bases", "FOLDER", "VARIABLE", "open_bases")

#: Not in /run/xenmeter, which is the baker's and goes when its service is stopped.
FOLDER = "/run/xenmeter-counters"
#: An environment variable that names another folder; empty: nothing is kept.
VARIABLE = "XENMETER_COUNTERS"
_VERSION = 1
_LIMIT = 16 << 20       # bytes of a file
_PATIENCE = 30          # readings for which what no domain has claimed stays: names may be late
#: What is kept of a life, and how many counters each device of it has.
_KINDS = {"vifs": 8, "vbds": 5, "served": 5, "backed": 4, "ended": 1}
_LATER = ("backed", "ended")    # which what an earlier release has kept may lack
_LOST = "; what devices counted before they were plugged again is not kept over a restart"


def open_bases(name: str) -> "Tuple[Optional[Bases], Optional[str]]":
    """What is kept for this front and plugin, or None and in one line why it cannot be kept (None too: it shall not be)."""
    folder = os.environ.get(VARIABLE, FOLDER)
    if not folder:
        return None, None
    try:
        return Bases(folder, name), None
    except SourceError as error:
        return None, "%s%s" % (error, _LOST)
    except OSError as error:
        return None, "%s: %s%s" % (error.filename or folder, error.strerror, _LOST)


def _boot() -> str:
    return boot_id().decode("ascii", "replace")


class Bases:
    """One file, which is ours until :meth:`close`.

    :param folder: made where it is missing, for this user alone; :param name: of the file, without its ending.
    :ivar remark: what is wrong with the file, in one line, or None.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.remark: Optional[str] = None
        self._path = "%s/%s.json" % (folder, name)
        self._readings = 0
        self._source: Optional[str] = None   # which source the file's figures are of
        self._at = 0
        self._waiting: Dict[Any, Dict[str, Any]] = {}
        with files.folder(os.path.dirname(folder), make=True, mode=0o755):
            pass
        with files.folder(folder, make=True, mode=0o700) as place:
            status = os.fstat(place)
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SourceError("%s is not this user's alone" % folder)
        self._lock = LockFile(self._path + ".lock", "%s is another process's" % self._path)
        try:
            self._load()
        except FileNotFoundError:
            pass
        except OSError as error:
            self.remark = "%s: %s; it is ignored" % (self._path, error.strerror)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self.remark = "%s is not what xenmeter writes there; it is ignored" % self._path
            self._waiting = {}

    def _load(self) -> None:
        descriptor = files.own(self._path, os.O_RDONLY)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ValueError("written by others")
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise ValueError("too long")
        document = json.loads(data.decode("ascii"))
        if document["version"] != _VERSION or document["boot"] != _boot():
            return      # of another release, or of another boot, whose domains are no more
        self._source, self._at = _text(document["source"]), _whole(document["time_ns"])
        for item in document["lives"]:
            key = item["key"]
            _whole(item["cpu"]), item["domid"] is None or _whole(item["domid"])
            for kind in _KINDS:
                if kind in _LATER:
                    item.setdefault(kind, {})
                for name, device in item[kind].items():
                    _checked(name, device, _KINDS[kind])
            self._waiting[(_whole(key[0]), _text(key[1])) if isinstance(key, list) else _text(key)] = item

    def of(self, source: str) -> Callable[[Life, int], None]:
        """What a source's Lives call for each new life, with its CPU time: its devices go on where they were, if it is the
        life that the file knows."""
        def restore(life: Life, cpu: int) -> None:
            item = self._waiting.pop(life.key, None) if self._source == source else None
            if item is None or item["domid"] != life.who.domid or item["cpu"] > cpu:
                return
            for kind in _KINDS:
                devices: Devices = getattr(life, kind)
                for name, (raw, total, identity, gone) in item[kind].items():
                    device = devices.known[name] = Monotonic(devices.shape, devices.told)
                    device.restore(tuple(raw), tuple(total), identity, gone)
                    device.at = self._at
        return restore

    def after(self, lives: Lives, source: str) -> None:
        """A reading is done: what has changed is written."""
        self._readings += 1
        if self._readings == _PATIENCE:
            self._waiting = {}
        if lives.told.changed:
            lives.told.changed = False
            self._write(lives, source, False)

    def close(self, lives: Lives, source: str) -> None:
        """We end: all counters' last figures are written, for a device may be plugged again while we are away."""
        if self._readings:
            self._write(lives, source, True)
        self._lock.release()

    def _write(self, lives: Lives, source: str, all_of_them: bool) -> None:
        if self._source != source:
            self._waiting = {}
            self._source = source
        records = [record for record in [_life_to_json(life, all_of_them) for life in lives] if record is not None]
        self.remark = None
        try:
            data = json.dumps({"version": _VERSION, "boot": _boot(), "source": source, "time_ns": now_ns(),
                               "lives": records + list(self._waiting.values())}, separators=(",", ":")).encode("ascii")
            if len(data) > _LIMIT:
                raise OSError(0, "it would be larger than %d MiB" % (_LIMIT >> 20))
            files.replace(self._path, data, 0o600)
        except OSError as error:
            self.remark = "%s: %s%s" % (self._path, error.strerror, _LOST)


def _life_to_json(life: Life, all_of_them: bool) -> Optional[Dict[str, Any]]:
    """A life's devices whose totals are not their figures, or all; None where there is none."""
    record: Dict[str, Any] = {"key": list(life.key) if isinstance(life.key, tuple) else life.key, "domid": life.who.domid,
            "cpu": life.cpu}
    number = 0
    for kind in _KINDS:
        record[kind] = {name: [device.raw, device.settled(), device.identity, device.gone]
                      for name, device in getattr(life, kind).known.items()
                      if all_of_them or device.gone or device.raw != device.total or kind == "ended" and any(device.total)}
        number += len(record[kind])
    return record if number else None


def _checked(name: str, device: List[Any], width: int) -> None:
    raw, total, identity, gone = device
    if len(name) > 255 or len(raw) != width or len(total) != width or not isinstance(gone, bool):
        raise ValueError("device %.60r" % name)
    for value in list(raw) + [identity]:
        if value is not None:
            _whole(value)
    for value in total:
        _whole(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 70:
        raise ValueError("%.60r" % (value,))
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("%.60r" % (value,))
    return value
