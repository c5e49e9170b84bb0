"""What xenstore tells about the domains of this host: names, UUIDs, start times, vifs and block devices.

A guest writes below ``/local/domain/<domid>`` (``device``, ``data``, ``attr``), so nothing of it is asked but ``name``
``vm``, ``memory/target``, ``image/device-model-domid``, ``image/device-model-pid`` and ``qemu-pid``, which only dom0 can write;
its devices are told elsewhere (xen.storedevices).
The paths are those of Xen's ``docs/misc/xenstore-paths.pandoc``.
"""
import re
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput, NoPrivilege, SourceError
from xenmeter.core.times import fraction_ns
from xenmeter.xen import whois
from xenmeter.xen.netdev import parse_net_dev, vif_order
from xenmeter.xen.storage import Volume
from xenmeter.xen.storedevices import Devices, devices_of

__all__ = ("DomainFacts", "Snapshot", "Unreadable", "DomainDirectory", "DOM0_UUID")

NodeName = Callable[[str], Optional[bytes]]

DOM0_UUID = "00000000-0000-0000-0000-000000000000"


class DomainFacts(NamedTuple):
    domid: int
    name: bytes    # any bytes but NUL
    uuid: Optional[str]    # 36 characters, lower case; of a migration's end the machine's; None: cannot be read now
    start_time_ns: Optional[int]    # ns since the epoch, by the toolstack's clock when it built the domain
    vifs: Tuple[int, ...]    # device ids, ascending
    vbds: Dict[int, str]    # device number -> its name (xvda), or the number as text where it has none
    device_model_of: Optional[str] = None    # UUID of the guest whose device model runs in this domain (a stub domain)
    qdisks: Tuple[int, ...] = ()    # those of vbds that QEMU serves itself, ascending
    empty: Tuple[int, ...] = ()    # those of vbds that are drives without a medium, ascending
    vifs_elsewhere: Tuple[int, ...] = ()    # more vifs and vbds, whose backend is in another domain, ascending
    vbds_elsewhere: Tuple[int, ...] = ()
    storage: Dict[int, Volume] = {}    # by device number, what a disk is kept on
    blocks: Dict[int, Tuple[int, int]] = {}    # by device number, (major, minor) of the block device in dom0 that a disk is
    bridges: Dict[int, str] = {}    # by device id, the bridge that a vif is connected to
    qemu: Optional[int] = None    # the process in dom0 that is its QEMU
    memory_target_kib: Optional[int] = None    # what the balloon is asked to make of the domain's memory


class Snapshot(NamedTuple):
    domains: List[DomainFacts]    # by domid
    vif_order: Optional[Dict[int, List[str]]]    # xen.netdev.vif_order; None: not known


class Unreadable(NamedTuple):
    """In the place of a snapshot: xenstore is there, but did not answer this time; ``reason`` says why."""

    reason: str


_DOMAIN = b"/local/domain/%d/%s"

_UUID = re.compile(rb"/vm/([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\Z")
_START_TIME = re.compile(rb"([0-9]{1,11})(?:\.([0-9]{1,9})[0-9]*)?\Z")
_NUMBER = re.compile(rb"(?:0|[1-9][0-9]{0,9})\Z")

_REST_S = 600.0     # facts are never older
#: Seconds for which a balloon's target is good, as names are (xen.roster).
TARGETS_REST_S = 30.0
_NO_DEVICES = Devices((), {}, (), (), (), (), {}, {}, {})


class _Known:
    """The facts of a domain that cost many questions, and when they are asked again."""

    __slots__ = ("vm", "uuid", "start_time_ns", "devices", "device_model", "qemu", "since", "due")

    def __init__(self, vm: Optional[bytes], since: float) -> None:
        self.vm = vm
        self.uuid: Optional[str] = None
        self.start_time_ns: Optional[int] = None
        self.devices = _NO_DEVICES
        self.device_model: Optional[int] = None  # the domain that emulates this one's devices, if it is not dom0
        self.qemu: Optional[int] = None
        self.since = since
        self.due = since


class DomainDirectory:
    """All domains of the host, asked anew for their names at each snapshot and for the rest rarely.

    What does not change in a domain's life is kept per domid and vm path, so a domid that is used again begins anew. A
    toolstack writes start time and devices while the domain already exists, and a device may be plugged in later:
    kept facts are asked again when they are as old as the domain was then, at most every ten minutes.

    What a balloon is to make of a domain's memory changes at any time, and is asked again after TARGETS_REST_S.

    :param store: a ``Xenstore`` or ``DumpStore``.
    :param read_net_dev: gives the bytes of /proc/net/dev (``netdev.read_net_dev``), or None: no ``vif_order``.
    :param read_nodename: ``netdev.read_nodename``, for vifs that were renamed, or None.
    :param clock: ``float`` seconds that never run backwards.
    :param whole: False: names and UUIDs alone are wanted, and nothing else is asked for.
    """

    def __init__(self, store: Any, read_net_dev: Optional[Callable[[], bytes]] = None, read_nodename: Optional[NodeName] = None,
                 clock: Callable[[], float] = time.monotonic, whole: bool = True) -> None:
        self._store = store
        self._read_net_dev = read_net_dev
        self._read_nodename = read_nodename
        self._clock = clock
        self._whole = whole
        self._known: Dict[int, _Known] = {}
        self._targets: Dict[int, Optional[int]] = {}
        self._targets_due = clock()

    def snapshot(self) -> Snapshot:
        """The domains that have a name now. Raises what the store raises; a domain that ends meanwhile is no error."""
        domids = sorted(int(name) for name in self._store.directory(b"/local/domain") if _NUMBER.match(name))
        values = self._store.read_many([_DOMAIN % (domid, node) for node in (b"name", b"vm") for domid in domids])
        listed = [(domid, name, vm) for domid, name, vm in zip(domids, values, values[len(domids):]) if name]
        now = self._clock()
        known: Dict[int, _Known] = {}
        for domid, _, vm in listed:
            kept = self._known.get(domid)
            known[domid] = kept if kept is not None and kept.vm == vm else _Known(vm, now)
        due = [(domid, facts) for domid, facts in known.items() if facts.due <= now]
        if due:
            self._ask(due)
            for _, facts in due:    # only now: what raised before is asked again at the next snapshot
                facts.due = now + min(max(now - facts.since, 1.0), _REST_S)
        self._known = known
        targets = self._memory_targets([domid for domid, _, _ in listed], now)
        served = {facts.device_model: facts.uuid for facts in known.values() if facts.device_model}
        domains = []
        for domid, name, _ in listed:
            facts = known[domid]
            devices = facts.devices
            domains.append(DomainFacts(domid, name, facts.uuid, facts.start_time_ns, devices.vifs, devices.vbds,
                                       served.get(domid), *devices[2:], facts.qemu, targets[domid]))
        return Snapshot(domains, self._vif_order())

    def _memory_targets(self, domids: Sequence[int], now: float) -> Dict[int, Optional[int]]:
        """What the balloons are to make of the domains' memory, KiB; no older than TARGETS_REST_S."""
        if not self._whole:
            return dict.fromkeys(domids)
        if now >= self._targets_due:
            self._targets, self._targets_due = {}, now + TARGETS_REST_S
        new = [domid for domid in domids if domid not in self._targets]
        values = self._store.read_many([_DOMAIN % (domid, b"memory/target") for domid in new]) if new else []
        self._targets.update(zip(new, map(_number, values)))
        self._targets = {domid: self._targets[domid] for domid in domids}
        return self._targets

    def refresh(self, domid: int) -> None:
        """The next snapshot asks for all of this domain's facts: a device was seen that they do not name."""
        facts = self._known.get(domid)
        if facts is not None:
            facts.due = facts.since     # which is past

    def _ask(self, due: Sequence[Tuple[int, _Known]]) -> None:
        if self._whole:
            self._ask_more(due)
        real = self._real_uuids([facts.vm for _, facts in due])
        for domid, facts in due:
            uuid = self._uuid(domid, facts.vm)
            # what was told once stays: xenopsd takes it away a moment before it takes the temporary UUID away
            facts.uuid = real.get(uuid) or (facts.uuid if uuid and facts.uuid and whois.is_temporary(uuid, facts.uuid) else uuid)

    def _ask_more(self, due: Sequence[Tuple[int, _Known]]) -> None:
        """What is neither name nor UUID."""
        store = self._store
        starts = store.read_many([(facts.vm or b"") + b"/start_time" for _, facts in due if _is_vm(facts.vm)])
        models = store.read_many([_DOMAIN % (domid, b"image/device-model-domid") for domid, _ in due])
        # libxl's and xenopsd's word for it
        nodes = b"image/device-model-pid", b"qemu-pid"
        qemus = store.read_many([_DOMAIN % (domid, node) for node in nodes for domid, _ in due])
        devices = devices_of(store, [domid for domid, _ in due])
        start = iter(starts)
        for (domid, facts), model, qemu, xapis in zip(due, models, qemus, qemus[len(due):]):
            facts.device_model = _number(model)
            facts.qemu = _number(qemu) or _number(xapis)
            facts.start_time_ns = _start_time(next(start)) if _is_vm(facts.vm) else None
            facts.devices = devices[domid]

    def _real_uuids(self, vms: Sequence[Optional[bytes]]) -> Dict[Optional[str], str]:
        """Of the temporary UUIDs that xenopsd gives the ends of a migration, whose they are."""
        asked: List[Tuple[str, bytes]] = []
        for vm in vms:
            match = _UUID.match(vm or b"")
            uuid = match.group(1).decode("ascii").lower() if match else ""
            end = whois.end_of(uuid)
            if vm is not None and end is not None:
                asked.append((uuid, vm + b"/" + end))
        machines = self._store.read_many([path for _, path in asked])
        matches = [_UUID.match(b"/vm/" + (value or b"")) for value in machines]
        return {uuid: match.group(1).decode("ascii").lower() for (uuid, _), match in zip(asked, matches) if match}

    def _uuid(self, domid: int, vm: Optional[bytes]) -> Optional[str]:
        if vm is None and domid == 0:
            try:
                # read_many does not tell a node that is not there, as under xl, from one that we may not read
                return DOM0_UUID if self._store.read(_DOMAIN % (0, b"vm")) is None else None
            except NoPrivilege:
                return None
        match = _UUID.match(vm or b"")
        return match.group(1).decode("ascii").lower() if match else None

    def _vif_order(self) -> Optional[Dict[int, List[str]]]:
        if self._read_net_dev is None:
            return None
        try:
            names = [name for name, _ in parse_net_dev(self._read_net_dev())]
        except (BadInput, SourceError, OSError):
            return None     # then vifs are known by position; no reason to lose the domains
        return vif_order(names, self._read_nodename)


def _number(text: Optional[bytes]) -> Optional[int]:
    return int(text) if text and _NUMBER.match(text) else None


def _is_vm(vm: Optional[bytes]) -> bool:
    return vm is not None and _UUID.match(vm) is not None


def _start_time(text: Optional[bytes]) -> Optional[int]:
    """``1795192454.58`` in ns, digit by digit: a float would be off by some hundred ns."""
    match = _START_TIME.match(text or b"")
    if not match:
        return None
    seconds, fraction = match.groups()
    return int(seconds) * 10 ** 9 + fraction_ns(fraction)
