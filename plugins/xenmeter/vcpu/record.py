"""What ``xenmeter record`` writes of this plugin's sources: their samples, in the form that the plugin itself reads."""
from typing import Any, Dict, Sequence

from xenmeter.core.recorder import Part
from xenmeter.publish import jsonlines
from xenmeter.vcpu.live import LiveVcpus
from xenmeter.vcpu.records import to_json

__all__ = ("parts",)


def parts(directory: str, interval: int) -> Sequence[Part]:
    return Vcpus(directory, interval),


class Vcpus(Part):
    """What the vcpu plugin reads, in its own form."""

    name = "vcpu"
    FILE = "vcpu.jsonl"

    def _source(self) -> LiveVcpus:
        return LiveVcpus(self._interval)

    def _write(self, sample: Any) -> None:
        self._file(self.FILE).write(jsonlines.encode(to_json(sample)))

    def told(self) -> Dict[str, Dict[str, Any]]:
        return {self.name: {"file": self.FILE, "interval_s": self._interval}}
