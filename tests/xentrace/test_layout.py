"""hot.c and layout.py name the same places: the enums are read out of the source."""
import glob
import os
import re

from helpers.paths import TOP as ROOT
from xenmeter.xentrace.engine import compiled, layout, records

SOURCES = os.path.join(ROOT, "plugins", "xenmeter", "xentrace", "engine", "hot*.[chi]*")


def enums():
    text = ""
    for source in sorted(glob.glob(SOURCES)):
        with open(source) as stream:
            text += stream.read()
    found = {}
    for body in re.findall(r"enum \w* ?\{(.*?)\};", text, re.S):
        value = -1
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
        for part in body.split(","):
            name, _, start = part.strip().partition(" = ")
            if name:
                value = eval(start, dict(found)) if start else value + 1
                found[name] = value
    return found, text


def test_the_places_are_the_same():
    have, text = enums()
    compared = 0
    for name, value in have.items():
        assert getattr(layout, name, getattr(records, name, None)) == value, name
        compared += 1
    assert compared > 100
    assert int(re.search(r"#define ABI (\d+)", text).group(1)) == layout.ABI


def test_tables_are_the_same():
    _, text = enums()
    for name, table in (("class_of", layout.CLASS), ("bit_of", layout.BIT), ("target_of", layout.TARGET),
                        ("figure_of", layout.STATES)):
        numbers = re.search(name + r"\[\d+\] = \{(.*?)\}", text).group(1)
        assert tuple(int(number) for number in numbers.split(",")) == table


def test_an_entry_of_the_queue_is_the_same():
    _, text = enums()
    body = re.search(r"struct entry \{(.*?)\};", text, re.S).group(1)
    members = [(name.strip(), {"int64_t": "<i8", "uint32_t": "<u4"}[kind])
               for kind, names in re.findall(r"(\w+) ([\w, ]+);", body) for name in names.split(",")]
    assert tuple(members) == layout.ENTRY
    assert int(re.search(r"#define ENTRY \((\d+)u << 31\)", text).group(1)) << 31 == layout.ENTRY_KIND


def test_an_object_of_another_release_is_not_used(tmp_path, shared_object):
    if shared_object is None:
        return
    (tmp_path / "broken.so").write_bytes(b"this is no object")
    try:
        assert not compiled.use(str(tmp_path / "missing.so")) and compiled.reason()
        assert not compiled.use(str(tmp_path / "broken.so")) and compiled.reason()
        layout_abi, compiled.ABI = compiled.ABI, compiled.ABI + 1
        assert not compiled.use(shared_object) and "another release" in compiled.reason()
        compiled.ABI = layout_abi
    finally:
        compiled.ABI = layout.ABI
        assert compiled.use(shared_object)
