"""Resource mapping for real: the grant table, which every Xen has, and the type that is only a proposal."""
from lab.inside import dom0

__all__ = ("probe",)

SCRIPT = """
import json, sys
from xenmeter.core.errors import SourceError
from xenmeter.xen.resource import GRANT_TABLE, STATS_TABLE, DeviceMemory, open_memory

def tell(ask):
    try:
        return ask()
    except SourceError as error:
        return {"error": type(error).__name__, "text": str(error)}

def grants(memory, domid, frames):
    mapping = memory.map(domid, GRANT_TABLE, 0, frames)
    # grant_entry_v1: u16 flags, u16 domid, u32 frame
    words = mapping.view.cast("H").tolist()
    used = [(words[at], words[at + 1]) for at in range(0, len(words), 4) if words[at]]
    mapping.close()
    return {"used": len(used), "to": sorted({domid for _, domid in used})}

domid = int(sys.argv[1])
told = {}
for name, memory in (("library", open_memory()), ("device", DeviceMemory())):
    told[name] = {
        "way": memory.name,
        "grant_frames": tell(lambda: memory.frames(domid, GRANT_TABLE)),
        "grants": tell(lambda: grants(memory, domid, 4)),
        "too_many": tell(lambda: grants(memory, domid, 65)),
        "stats_frames": tell(lambda: memory.frames(domid, STATS_TABLE)),
        "stats": tell(lambda: memory.map(domid, STATS_TABLE)),
        "dom0": tell(lambda: memory.map(0, GRANT_TABLE)),
        "nobody": tell(lambda: memory.map(31000, GRANT_TABLE)),
    }
print(json.dumps(told))
"""


def probe(domid):
    dom0.run("resources", "python3", "-c", SCRIPT, domid)
