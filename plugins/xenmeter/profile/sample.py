"""One sample, as the sampler takes it, a recording keeps it and the stacks are made from it.

In a recording it is a line of JSON: ``{"t": ns, "domain": domid, "vcpu": 0, "weight": ns, "mode": "kernel", "registers":
{"rip": ...}, "task": [1, "init"], "place": ["libc.so.6", 4096], "memory": [[address, "hex"], ...]}``. The memory is the guest's
stack, and may hold secrets.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput, printable
from xenmeter.profile.guest.mappings import Place
from xenmeter.profile.guest.tasks import Task

__all__ = ("Sample", "Remembered", "KERNEL", "USER", "NOT_SEEN", "as_record", "of_record", "REGISTERS")

KERNEL, USER, NOT_SEEN = "kernel", "user", "not seen"
#: What an unwinder starts from.
REGISTERS = ("rip", "rsp", "rbp", "rdx", "rdi", "r10", "r13")
_WORD = 1 << 64
_MOST_PIECES, _LONGEST_PIECE = 4096, 1 << 15


class Sample(NamedTuple):
    """``weight_ns`` is its part of the vCPU's CPU time, by ``weights``. ``mode`` is NOT_SEEN where its registers could not be had
    any more; then there are none. ``place``: what rip is mapped from, in user mode. Of a PV guest's kernel, rsp is that before
    the hypercall page pushed something."""

    time_ns: int
    domid: int
    vcpu: int
    weight_ns: int
    mode: str
    registers: Dict[str, int]
    task: Optional[Task]
    memory: Sequence[Tuple[int, bytes]]
    place: Optional[Place] = None


class Remembered:
    """Reads words of a sample's memory alone."""

    def __init__(self, memory: Sequence[Tuple[int, bytes]]) -> None:
        self._memory = memory

    def word(self, address: int) -> int:
        for begin, data in self._memory:
            if begin <= address and address + 8 <= begin + len(data):
                return int.from_bytes(data[address - begin:address - begin + 8], "little")
        raise LookupError("0x%x is not in the sample" % address)


def as_record(sample: Sample) -> Dict[str, Any]:
    return {"t": sample.time_ns, "domain": sample.domid, "vcpu": sample.vcpu, "weight": sample.weight_ns, "mode": sample.mode,
            "registers": sample.registers, "task": list(sample.task) if sample.task is not None else None,
            "place": list(sample.place) if sample.place is not None else None,
            "memory": [[begin, data.hex()] for begin, data in sample.memory]}


def of_record(record: Any, offset: int = 0) -> Sample:
    """BadInput where the record is none. :param offset: of its line, for the error."""
    try:
        numbers = [record[name] for name in ("t", "domain", "vcpu", "weight")]
        task, mode, registers = record["task"], record["mode"], record["registers"]
        known = {name: registers[name] for name in REGISTERS} if mode != NOT_SEEN else {}
        if mode not in (KERNEL, USER, NOT_SEEN) or not all(_is_number(number) for number in numbers + list(known.values())):
            raise ValueError("numbers")
        if task is not None and not (_is_number(task[0]) and isinstance(task[1], str) and len(task) == 2):
            raise ValueError("task")
        place = record.get("place")     # recordings of the first form have none
        if place is not None and not (isinstance(place[0], str) and _is_number(place[1]) and len(place) == 2):
            raise ValueError("place")
        memory = _pieces(record["memory"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise BadInput("this is no sample of a profile", offset)
    return Sample(numbers[0], numbers[1], numbers[2], numbers[3], mode, known,
                  Task(task[0], printable(task[1])[:64]) if task is not None else None, memory,
                  Place(printable(place[0])[:255], place[1]) if place is not None else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _WORD


def _pieces(told: Any) -> List[Tuple[int, bytes]]:
    pieces = [(begin, bytes.fromhex(text)) for begin, text in told]
    if len(pieces) > _MOST_PIECES or not all(_is_number(begin) and len(data) <= _LONGEST_PIECE for begin, data in pieces):
        raise ValueError("memory")
    return pieces
