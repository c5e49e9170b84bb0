"""A recording's directory with names of our choice beside a capture."""
import json

from helpers.captures import KHZ, capture

#: What a guest's owner may write: markup, scripts, Bokeh's own templates and mathematics, bidi and control characters.
HOSTILE = ("</script><script>window.pwned=1</script>", "\"><img src=x onerror=window.pwned=2>", "$$\\frac{1}{2}$$",
           "@name{safe} <b>bold</b> &amp; {{7*7}}", "right\u202eto left \x1b[31mred", "n" * 400, "' onmouseover='window.pwned=3")


def recorded(folder, case, names, start_ns=1790000000 * 10 ** 9):
    """A directory as `xenmeter record` makes it; ``names``: domid -> name."""
    folder.mkdir()
    (folder / "trace.bin").write_bytes(capture(case))
    told = {"iteration": 0, "vif_order": None, "domains": [
        {"domid": domid, "name": name.encode().decode("latin-1"), "start_time_ns": None, "vifs": [], "vbds": {},
         "uuid": "%08x-0000-4000-8000-000000000000" % (domid + 1)} for domid, name in sorted(names.items())]}
    (folder / "names.jsonl").write_text(json.dumps(told) + "\n")
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "start_ns": start_ns, "sources": {
            "xentrace": {"file": "trace.bin", "cpu_khz": KHZ}, "names": {"file": "names.jsonl"}}}))
    return folder
