"""What the readings of both sources have in common: the catalogue, the states and the labels."""
import itertools
import os
from typing import Any, Dict, Optional, Tuple

from xenmeter.core import catalogue

__all__ = ("CATALOGUE", "LABELS", "STATES", "UNCOUNTED", "UNKNOWN_DISKS", "UNTIMED", "domain_labels")

CATALOGUE = catalogue.load("xentop", os.path.dirname(os.path.abspath(__file__)))
CATALOGUE.expect("domain", (
    "info", "domid", "start_time_ns", "cpu_time_ns", "cpu_ppm", "vcpus", "memory_bytes", "memory_ppm",
    "memory_max_bytes", "memory_max_ppm", "state_running", "state_blocked", "state_paused", "state_shutdown",
    "state_crashed", "state_dying", "virt_state", "virt_reason", "ssid", "vifs", "rx_bytes", "tx_bytes", "vbds",
    "out_of_requests", "read_requests", "write_requests", "read_bytes", "write_bytes"))
CATALOGUE.expect("domain_vcpu", ("cpu_time_ns",))
CATALOGUE.expect("vif", ("rx_bytes", "rx_packets", "rx_errors", "rx_drops",
                         "tx_bytes", "tx_packets", "tx_errors", "tx_drops"))
CATALOGUE.expect("vbd", ("read_requests", "write_requests", "read_bytes", "write_bytes", "out_of_requests",
                         "reads_completed", "read_time_ns", "writes_completed", "write_time_ns", "errors", "in_flight"))
CATALOGUE.expect("vbd_info", ("info",))
CATALOGUE.expect("vif_info", ("info",))
CATALOGUE.expect("domain_memory", ("target_bytes", "claimed_bytes", "shared_bytes", "paged_bytes"))
CATALOGUE.expect("domain_sched", ("info", "cpupool", "weight", "cap_ppm", "pcpus"))
CATALOGUE.expect("domain_dom0", ("cpu_time_ns",))
CATALOGUE.expect("host", ("info", "domains", "memory_bytes", "memory_free_bytes", "pcpus", "memory_claimed_bytes",
                          "domains_running", "vcpus_online", "vcpus_running", "vcpus_blocked", "load_ppm"))
CATALOGUE.expect("dom0", ("memory_bytes", "memory_available_bytes"))
CATALOGUE.expect("dom0_service", ("cpu_time_ns",))
CATALOGUE.expect("pcpu", ("busy_ns", "busy_ppm"))
CATALOGUE.expect("domain_grants", ("frames", "frames_max"))
CATALOGUE.expect("node", ("memory_bytes", "memory_free_bytes"))
CATALOGUE.expect("pcpu_place", ("node",))
CATALOGUE.expect("pcpu_power", ("frequency_hertz", "temperature_celsius"))
CATALOGUE.expect("pstate", ("residency_ns", "entries"))
CATALOGUE.expect("cstate", ("residency_ns", "entries"))
CATALOGUE.expect("package", ("temperature_celsius",))


def _states() -> Dict[bytes, Tuple[int, ...]]:
    """State letters to (running, blocked, paused, shutdown, crashed, dying, virt's state, virt's reason).

    The last two are libvirt's virDomainState, which collectd's virt plugin publishes: 1 running, 2 blocked, 3 paused,
    4 being shut down, 5 shut off, 6 crashed; the strongest one counts.
    """
    table: Dict[bytes, Tuple[int, ...]] = {}
    for letters in itertools.product(*((letter, "-") for letter in "dsbcpr")):
        dying, shutdown, blocked, crashed, paused, running = [int(letter != "-") for letter in letters]
        virt = (6 if crashed else 4 if dying else 5 if shutdown else 3 if paused else 1 if running else
                2 if blocked else 0)
        table["".join(letters).encode()] = (running, blocked, paused, shutdown, crashed, dying, virt, 0)
    return table


class _Labels(dict):
    """The labels of a vCPU or domid, made once: a text that is used again need not be hashed again.

    :param more: what follows the number.
    """

    def __init__(self, more: Tuple[str, ...] = ()) -> None:
        super().__init__()
        self._more = more

    def __missing__(self, number: Optional[int]) -> Tuple[str, ...]:
        if len(self) > 16384:
            self.clear()
        labels = self[number] = ("" if number is None else str(number),) + self._more
        return labels


def domain_labels(domid: Optional[int], facts: Any) -> Tuple[str, ...]:
    """The domid, and the UUID of the guest that a stub domain works for; empty where there is none."""
    if facts is None or facts.device_model_of is None:
        return _DOMAIN_LABELS[domid]
    return LABELS[domid] + (facts.device_model_of,)


#: What the state letters mean, as the figures from state_running to virt_reason.
STATES = _states()
#: The labels of a vCPU.
LABELS: Dict[Optional[int], Tuple[str, ...]] = _Labels()
_DOMAIN_LABELS: Dict[Optional[int], Tuple[str, ...]] = _Labels(("",))
#: Of a domain whose disks cannot be told.
UNKNOWN_DISKS: Tuple[Optional[int], ...] = (None,) * 5
#: Of a host whose vCPUs were not asked for.
UNCOUNTED: Tuple[Optional[int], ...] = (None,) * 6
#: Of a disk's requests, where nobody tells of their times, nor how many are under way.
UNTIMED: Tuple[Optional[int], ...] = (None,) * 6
