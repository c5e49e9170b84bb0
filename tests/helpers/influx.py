"""A real influxd, what a database of it holds, and names that are hard to store."""
import pytest

from tools import daemons

#: (name as a domain has it, name as the backend must have it): what cannot be seen is "_", no other change.
HOSTILE = [
    ("plain", "plain"), ("a b", "a b"), (" lead", " lead"), ("trail ", "trail "), (" ", " "), ("a,b", "a,b"), ("a=b", "a=b"),
    ("a,b=c d", "a,b=c d"), (",", ","), ("=", "="), ("#comment", "#comment"), ('quo"te', 'quo"te'), ('"', '"'),
    ("it's", "it's"),
    ("a\\b", "a\\b"), ("\\n", "\\n"), ("end\\", "end_"), ("\\", "_"), ("\\\\", "__"), ("a\\ b", "a_ b"),
    ("a\\,b=\\", "a_,b=_"),
    ("a\\=b", "a_=b"), ('a\\"b', 'a_"b'), ("nl\nnl", "nl_nl"), ("x 1i 5\nxen_domain,domain=y up=1i",
    "x 1i 5_xen_domain,domain=y up=1i"),
    ("cr\rlf", "cr_lf"), ("tab\there", "tab_here"), ("\x00nul", "_nul"), ("\x1b[2Jesc", "_[2Jesc"), ("\x7fdel", "_del"),
    ("\x85nel", "_nel"), ("\u202egnp.exe", "_gnp.exe"), ("a\u2066b\u2069", "a_b_"), ("zero\u200bwidth", "zero_width"),
    ("line\u2028sep", "line_sep"), ("\ufeffbom", "_bom"), ("\udcff\udcfe", "__"), ("\ud800", "_"), ("日本語", "日本語"),
    ("😀", "😀"),
    ("e\u0301", "e\u0301"), ("$i", "$i"), ("select * from x", "select * from x"), ("true", "true"), ("12i", "12i"),
    ("%s%n", "%s%n"),
]


def stored(influx, db):
    """{(measurement, tags, time): fields} of all that a database holds, with values of their own types."""
    found = {}
    for series in influx.query(db, "SELECT * FROM /.*/ GROUP BY *")["results"][0].get("series", []):
        tags = tuple(sorted((key, value) for key, value in series.get("tags", {}).items() if value))
        for row in series["values"]:
            fields = {key: value for key, value in zip(series["columns"], row) if value is not None}
            key = (series["name"], tags, fields.pop("time"))
            assert key not in found
            found[key] = fields
    return found


@pytest.fixture(scope="module")
def influx(tmp_path_factory):
    with daemons.Influxd(tmp_path_factory.mktemp("influx")) as running:
        yield running
