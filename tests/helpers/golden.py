"""Golden cases: what a command gives of a fixture in each format, and the expected file beside the fixture."""
import gzip
import re

#: Format -> how its expected file ends.
FORMATS = {"json": "jsonl", "influx": "influx", "csv": "csv", "openmetrics": "openmetrics", "prometheus": "prom",
           "collectd": "putval", "table": "table.txt"}
_OWN = re.compile(rb"^(?:xenmeter|# \w+ xenmeter|PUTVAL \"golden/xen\w+-xenmeter/).*\n", re.MULTILINE)


def figures(out):
    """What a command wrote without the meter's own figures, which are times of this machine."""
    return _OWN.sub(b"", out)


def compare(found, path, config):
    """Bytes with the expected file, which is written anew where that is asked for (`make golden`)."""
    packed = path.suffix == ".gz"
    if config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(found, 9, mtime=0) if packed else found)
    expected = path.read_bytes()
    assert found == (gzip.decompress(expected) if packed else expected)
