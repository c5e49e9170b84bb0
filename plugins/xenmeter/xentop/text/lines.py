"""Single lines of ``xentop -b`` to records: the columns of a domain's row, and the lines that follow it.

Every function here gives None for a line that is not exactly what xentop prints: a damaged line never becomes a figure.
``int()`` alone would take signs, underscores and any white space; nothing reaches it that was not seen to be digits.
"""
import re
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.xentop.text.records import Columns, Net, Vbd

__all__ = ("row_of", "old_row_of", "net_of", "vbd_of", "disks", "old_vbd_of", "vcpus_of", "permille")

#: No number of xentop's has more than the 20 digits of 64 bits; int() refuses thousands of digits with an error.
_DIGITS = 20
#: How many different texts of one kind are kept with what they mean; garbage has no end.
_KEPT = 4096

_PERCENT = re.compile(rb"\d{1,20}\.\d\Z")
#: A domain row with any of the special values: "no limit", "n/a", "-", "inf", "nan", and a negative CPU(%).
_ROW = re.compile(rb"(.*) +(N) +(-?N\.\d|-?inf|-?nan) +(N) +(N\.\d) +(N|no limit) +(N\.\d|n/a) +(N) +(N) +(N) +(N) +(N)"
                  rb" +(N|-) +(N|-) +(N|-) +(N|-) +(N|-) +(N)\Z".replace(b"N", rb"\d{1,20}"), re.DOTALL).match
_NET = re.compile(rb"Net(\d{1,20}) RX: +(\d{1,20})bytes +(\d{1,20})pkts +(\d{1,20})err +(\d{1,20})drop"
                  rb"  TX: +(\d{1,20})bytes +(\d{1,20})pkts +(\d{1,20})err +(\d{1,20})drop\Z").match
_NET_LENGTH = len("NetN RX: %8dbytes %8dpkts %8derr %8ddrop  TX: %8dbytes %8dpkts %8derr %8ddrop" % ((0,) * 8))
_VBD = re.compile(rb"VBD (\S+) +(-?\d{1,20}) (?:\[ *[0-9a-f]+: *[0-9a-f]+\])?  OO:\Z").match
_VBD_LENGTH = len("%8d   RD: %8d   WR: %8d   RSECT: %10d   WSECT: %10d" % ((0,) * 5))
#: Each number of Xen 3.1 to 4.0, which have no sectors.
_OLD_VBD = re.compile(rb"(VBD .*  OO:) ( *\d{1,20})   RD: ( *\d{1,20})   WR: ( *\d{1,20})\Z").match
_OLD_WIDTH = 8
_VCPU = rb" +(\d{1,20}): +(\d{1,20})s"
#: Up to five, as in nearly every line, and any number of them.
_FIVE_VCPUS = re.compile(_VCPU + (rb"(?:" + _VCPU + rb")?") * 4 + rb"\Z").match
_ONE_VCPU = re.compile(_VCPU)
_MANY_VCPUS = re.compile(rb"(?:" + _VCPU + rb")+\Z").match

_UNSIGNED = 1 << 32

_new = tuple.__new__    # a named tuple's own __new__ only counts the fields


class _Numbers(dict):
    """Numbers that are mostly the same from row to row (memory, vCPUs, errors): looked up in half the time of int()."""

    def __missing__(self, text: bytes) -> int:
        if not text.isdigit() or len(text) > _DIGITS:
            raise ValueError(text)
        if len(self) > _KEPT:
            self.clear()
        value = self[text] = int(text)
        return value


class _Permille(dict):
    """Printed percentages to tenths."""

    def __missing__(self, text: bytes) -> int:
        if not _PERCENT.match(text):
            raise ValueError(text)
        if len(self) > _KEPT:
            self.clear()
        value = self[text] = int(text[:-2] + text[-1:])
        return value


class _Disks(dict):
    """``VBD BlkBack 51712 [ca: 0]  OO:`` to (type, device number), or None."""

    def __missing__(self, head: bytes) -> Optional[Tuple[str, int]]:
        match = _VBD(head)
        if not match:
            return None     # not kept
        if len(self) > _KEPT:
            self.clear()
        number = int(match.group(2))
        # libxenstat has an unsigned number, which xentop prints as %d
        device = self[head] = (match.group(1).decode("latin-1"), number + _UNSIGNED if number < 0 else number)
        return device


_numbers: Dict[bytes, int] = _Numbers()
permille: Dict[bytes, int] = _Permille()
#: (type, device number) of what stands before a disk's numbers, None where that is none.
disks: Dict[bytes, Optional[Tuple[str, int]]] = _Disks()


def row_of(line: bytes) -> Optional[Tuple[bytes, Columns]]:
    """(what stands before the columns: name and state, the columns) of a domain's row."""
    try:
        (head, cpu, cpu_pc, mem, mem_pc, maxmem, maxmem_pc, vcpus, nets, tx, rx, vbds, oo, rd, wr, rsect, wsect,
         ssid) = line.rsplit(None, 17)
        if line[len(head):].translate(None, b"0123456789. "):
            raise ValueError("a sign or underscore, or white space that is no blank")
        return head, _new(Columns, (
            int(cpu), permille[cpu_pc], _numbers[mem], permille[mem_pc], _numbers[maxmem], permille[maxmem_pc],
            _numbers[vcpus], _numbers[nets], int(tx), int(rx), _numbers[vbds], _numbers[oo], int(rd), int(wr), int(rsect),
            int(wsect), _numbers[ssid]))
    except ValueError:
        match = _ROW(line)
        return match and (match.group(1).rstrip(b" "), _special(match.groups()[1:]))


def old_row_of(line: bytes) -> Optional[Tuple[bytes, Columns]]:
    """The row of a xentop without columns of sectors (Xen 3.1 to 4.0): they are None."""
    before, blank, ssid = line.rpartition(b" ")
    return row_of(before.rstrip(b" ") + b" - - " + ssid) if blank else None


def _special(fields: Tuple[bytes, ...]) -> Columns:
    """Columns of a row in which some have no number."""
    def number(text: bytes) -> Any:
        if text in (b"n/a", b"no limit", b"inf", b"nan") or text[:1] == b"-":
            return None     # a negative CPU(%), -0.0 among them, is one of an interval in which dom0's clock was set back
        return permille[text] if b"." in text else int(text)

    return Columns(*[number(field) for field in fields])


def vcpus_of(line: bytes, start: int) -> Optional[List[Tuple[int, int]]]:
    """(vCPU id, seconds) of what follows ``start``, ``   0:        100s  1:        200s``; nothing is no vCPU, blanks are damage.

    A line breaks before each online vCPU whose number is a multiple of five (Xen 4.0 to 4.20), so that more than five stand
    in it where such ones are offline.
    """
    match = _FIVE_VCPUS(line, start - 1)
    if match is not None:
        texts = match.groups()
        end = match.lastindex
        return [(_numbers[vcpu], int(seconds)) for vcpu, seconds in zip(texts[0:end:2], texts[1:end:2])]
    if _MANY_VCPUS(line, start - 1) is None:
        return [] if len(line) == start else None
    return [(_numbers[vcpu], int(seconds)) for vcpu, seconds in _ONE_VCPU.findall(line, start - 1)]


def net_of(line: bytes) -> Optional[Net]:
    match = _NET(line)
    if match is None or len(line) < _NET_LENGTH:
        return None
    index, rx, rx_packets, rx_errors, rx_drops, tx, tx_packets, tx_errors, tx_drops = match.groups()
    return _new(Net, (
        _numbers[index], int(rx), int(rx_packets), _numbers[rx_errors], _numbers[rx_drops],
        int(tx), int(tx_packets), _numbers[tx_errors], _numbers[tx_drops]))


def vbd_of(line: bytes) -> Optional[Vbd]:
    """Takes any white space for blanks: the caller sees to it that there is no other."""
    fields = line.rsplit(None, 9)
    device = disks[fields[0]] if len(fields) == 10 else None
    if device is None or len(line) - len(fields[0]) <= _VBD_LENGTH or line[-1:] == b" ":
        return None
    _, oo, rd_, rd, wr_, wr, rsect_, rsect, wsect_, wsect = fields
    if rd_ != b"RD:" or wr_ != b"WR:" or rsect_ != b"RSECT:" or wsect_ != b"WSECT:":
        return None
    digits = oo + rd + wr + rsect + wsect
    if digits.isdigit() and (len(digits) < 5 + _DIGITS or max(map(len, fields[1:])) <= _DIGITS):
        return _new(Vbd, (device[0], device[1], _numbers[oo], int(rd), int(wr), int(rsect), int(wsect)))
    if oo == rd == wr == rsect == wsect == b"-":
        return _new(Vbd, device + (None,) * 5)
    return None


def old_vbd_of(line: bytes) -> Optional[Vbd]:
    """As :func:`vbd_of`, of a xentop that tells no sectors (Xen 3.1 to 4.0): they are None."""
    match = _OLD_VBD(line)
    if match is None:
        return None
    device = disks[match.group(1)]
    if device is None or min(map(len, match.groups()[1:])) < _OLD_WIDTH:
        return None
    return _new(Vbd, device + tuple([int(number) for number in match.groups()[1:]]) + (None, None))
