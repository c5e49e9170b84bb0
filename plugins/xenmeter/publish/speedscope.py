"""Stacks as speedscope opens them: JSON by its schema (speedscope.app/file-format-schema.json), a profile per domain."""
import json
from typing import Any, Dict, Iterable, List

__all__ = ("encode",)


def encode(stacks: Iterable[Any], name: str, unit: str = "ns") -> bytes:
    """:param stacks: (labels, frames from the outermost, samples, ns). The process is the outermost frame. :param unit: of what
    is told instead of ns, where that is no time."""
    places: Dict[str, int] = {}
    profiles: Dict[str, Dict[str, Any]] = {}
    for labels, frames, _, ns in stacks:
        profile = profiles.setdefault(labels["domain"], {
            "type": "sampled", "name": labels["domain"], "unit": "nanoseconds" if unit == "ns" else "none", "startValue": 0,
            "endValue": 0, "samples": [], "weights": []})
        profile["samples"].append([places.setdefault(frame, len(places)) for frame in [labels["process"]] + list(frames)])
        profile["weights"].append(ns)
        profile["endValue"] += ns
    names: List[Dict[str, str]] = [{"name": frame} for frame in places]
    return json.dumps({"$schema": "https://www.speedscope.app/file-format-schema.json", "exporter": "xenmeter", "name": name,
                       "shared": {"frames": names}, "profiles": list(profiles.values())}).encode() + b"\n"
