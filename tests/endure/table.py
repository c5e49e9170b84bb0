"""Results: figures, and checks that fail."""


class Results:
    """:ivar failures: texts."""

    def __init__(self, title):
        self.title = title
        self._rows = []
        self.failures = []

    def figure(self, name, value, limit=None, good=True):
        """:param limit: what it must keep to, as text."""
        self._rows.append((name, value, limit or "", "" if limit is None else "yes" if good else "NO"))
        if limit is not None and not good:
            self.failures.append("%s: %s: %s, and not %s" % (self.title, name, value, limit))
        return good

    def text(self):
        rows = [("", "figure", "limit", "kept"), ("---",) * 4] + self._rows
        return "\n## %s\n\n" % self.title + "\n".join("| %s |" % " | ".join(str(cell) for cell in row) for row in rows) + "\n"
