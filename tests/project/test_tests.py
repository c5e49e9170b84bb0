"""How tests are laid out: a room has test modules and nothing else, what they share is in helpers/, and nobody seeks modules."""
import ast
import pathlib

import pytest

from helpers.paths import TOP

TESTS = TOP / "tests"
#: Rooms whose programs are run by hand as well, and find this checkout themselves.
OF_PROGRAMS = ("bench", "endure", "fuzz", "lab", "tools")
ROOMS = [path for path in sorted(TESTS.iterdir()) if path.is_dir() and list(path.rglob("test_*.py"))]
MODULES = [path for room in ROOMS for path in sorted(room.rglob("*.py"))
           if path.name == "conftest.py" or path.name.startswith("test_")]


def imports_of(tree):
    """Names of modules that are imported, and of what is imported from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (alias.name for alias in node.names)


def test_the_rooms_are_seen():
    assert len(ROOMS) > 15 and len(MODULES) > 200


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_module_imports_no_test_and_seeks_none(path):
    """setup.cfg says where modules are found."""
    tree = ast.parse(path.read_bytes())
    found = {name for name in imports_of(tree) if name.rpartition(".")[2].startswith("test_") or name.startswith(".")}
    assert found == set()
    changed = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (
        node.attr == "path" and isinstance(node.ctx, ast.Store) or node.attr in ("append", "insert", "extend"))]
    sought = [node.lineno for node in changed if ast.unparse(node).startswith("sys.path")]
    sought += [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
               and ast.unparse(node.value) == "sys.path"]
    assert sought == []


@pytest.mark.parametrize("room", [room for room in ROOMS if room.name not in OF_PROGRAMS], ids=lambda room: room.name)
def test_what_is_no_test_is_a_helper(room):
    others = [str(path.relative_to(room)) for path in sorted(room.glob("*.py")) if path not in MODULES]
    assert others == []


def test_the_golden_harness_is_one():
    """One reader of --update-golden: beside the option itself, helpers/golden.py."""
    readers = [path.relative_to(TESTS) for path in sorted(TESTS.rglob("*.py")) if b"update-golden" in path.read_bytes()]
    own = pathlib.Path(__file__).relative_to(TESTS)
    assert set(readers) == {pathlib.Path("conftest.py"), pathlib.Path("helpers/golden.py"), own}
