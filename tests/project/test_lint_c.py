"""`make lint` looks at the compiled parts, and sees."""
import pytest

from tools import lint_c

FAULTS = {"a leak, by the analyzer": ("void leak(int early) { char *p = malloc(4); if (!p || early) return; free(p); }",
                                      "Werror=analyzer-malloc-leak"),
          "a number that loses bits": ("int lose(long number) { return number; }", "Werror=conversion"),
          "a name that hides another": ("int hide(int a) { if (a) { int a = 1; return a; } return 0; }", "Werror=shadow"),
          "cppcheck's own": ("int same(int a) { return a == 1 || a == 1; }", "[duplicateExpression]")}


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_fault_is_told(kind, tmp_path):
    code, word = FAULTS[kind]
    source = tmp_path / "fault.c"
    source.write_text("#include <stdlib.h>\n" + code + "\n")
    assert word in lint_c.complaints([source])


def test_all_compiled_parts_are_looked_at():
    names = {file.name for file in lint_c.sources()}
    assert {"counts.c", "hot.c", "lists.c", "pages.c", "planned.c", "reading.c", "rows.c", "times.c", "writer.c"} <= names
