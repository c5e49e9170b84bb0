"""A real host for the picture: what xentop and xentrace said on one Xen 4.17.7, one laid over the other, a reading per second."""
import json
import lzma

from helpers.stage import TOP, xenmeter

HOST = "xen1"
GUEST = "io-guest"
#: Seconds after the start: both told for all of what a rate over WINDOW needs.
SPAN = 4, 12
WINDOW = "4s"
FIXTURES = TOP / "fixtures"


def recorded(folder, start):
    """The captures as a recording's directory, with the names and UUIDs that xenstore had; ``start`` in seconds."""
    folder.mkdir()
    (folder / "xentop.txt").write_bytes((FIXTURES / "xentop" / "narrow-mask-churn-d1-i16-fnxv" / "input.txt").read_bytes())
    (folder / "trace.bin").write_bytes(lzma.decompress((FIXTURES / "xentrace" / "narrow-churn" / "trace.bin.xz").read_bytes()))
    (folder / "xenstore-ls.txt").write_bytes((FIXTURES / "xenstore" / "narrow-mask" / "xenstore-ls.txt").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "start_ns": start * 10 ** 9, "sources": {
            "xentop": {"file": "xentop.txt", "interval_s": 1, "command": "xentop -b -d1 -i16 -f -n -x -v".split()},
            "xentrace": {"file": "trace.bin", "cpu_khz": 2596120}, "xenstore": {"file": "xenstore-ls.txt"}}}))
    return folder


def recordings(folder, start):
    """{plugin: arguments of the command that play them}"""
    place = recorded(folder / HOST, start)
    vcpus = folder / "of-the-trace.jsonl"
    told = xenmeter("xentrace", "--source", place, "--interval", 1, "--per-vcpu", "true", "--format", "json").stdout
    vcpus.write_text("".join(json.dumps(_as_vcpu_tells(json.loads(line))) + "\n" for line in told.splitlines()))
    return {"xentop": ["--source", place], "xentrace": ["--source", place, "--interval", 1, "--causes", 8],
            "vcpu": ["--source", vcpus]}


def _as_vcpu_tells(reading):
    """Xen was not asked for the vCPUs' times there; the trace has every change of them."""
    found = []
    for domain in reading["domains"]:
        vcpus = [{"vcpu": int(one["vcpu"]), "running_ns": one["running_ns"], "runnable_ns": one["waiting_ns"],
                  "blocked_ns": one["blocked_ns"], "offline_ns": one["offline_ns"], "online": 1, "pcpu": None}
                 for one in reading["vcpus"] if one["domid"] == domain["domid"]]
        found.append({"domid": domain["domid"], "uuid": domain["uuid"], "name": domain["domain"], "source": "resource",
                      "shared": False, "configured": len(vcpus), "cpu_time_ns": domain["running_ns"], "runstates": None,
                      "vcpus": vcpus})
    return {"time_ns": reading["time_ns"], "domains": found}
