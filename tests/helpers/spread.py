"""How the tests are spread over several workers (pytest-xdist), and what ran, in the log's end.

What a fixture makes once for several tests is made in one worker: the tests of a module that has such a fixture go there
together, and so do all that have a mark xdist_group of one name. All others go one by one to whoever is free. The rooms with the
longest tests begin, a test of each in turn, so that what is left at the end is short and no two workers wait for one thing that
is made under a lock.

xdist's own --dist loadgroup does not do: 3.8.0 writes the group into an attribute that pytest 9 no longer has, and says nothing.
"""
import collections
import functools
import re

import pytest

#: Rooms whose tests start programs, build or wait: they begin, in this order. Of the others no test takes long.
SLOW_ROOMS = ("packages", "dashboards", "setup", "project", "fuzz", "report", "telegraf", "fleet", "screen", "endure", "daemons")
_MARK = re.compile(r"^pytestmark = .*xdist_group\(\"([^\"]+)\"\)", re.MULTILINE)
_SHARES = re.compile(r"^@pytest\.fixture\(scope=\"module\"", re.MULTILINE)
_BACKEND = re.compile(r"\[(collectd|influxdb|prometheus)\b")


@functools.lru_cache(maxsize=None)
def _group_of_file(root, file):
    text = (root / file).read_text(encoding="utf-8")
    mark = _MARK.search(text)
    return mark.group(1) if mark else file if _SHARES.search(text) else None


def group_of(root, nodeid):
    """The name of the tests with which this one shares what a fixture makes; its own id where it stands alone."""
    file, _, test = nodeid.partition("::")
    backend = _BACKEND.search(test) if "/dashboards/" in file else None
    return "dashboards: " + backend.group(1) if backend else _group_of_file(root, file) or nodeid


class Order:
    """A plugin of pytest: in which order tests are handed out, and what ran."""

    def pytest_collection_modifyitems(self, config, items):
        """The order in which tests are handed out. It is the same in each worker: xdist wants that of all."""
        if not hasattr(config, "workerinput"):
            return
        order = {room: number for number, room in enumerate(SLOW_ROOMS)}
        of_room = collections.defaultdict(dict)     # rank of a room -> its groups, each with its place in the room
        places = {}
        for item in items:
            rank, group = order.get(item.path.parent.name, len(order)), group_of(config.rootpath, item.nodeid)
            places[item] = (rank == len(order), of_room[rank].setdefault(group, len(of_room[rank])), rank)
        items.sort(key=places.get)

    def pytest_terminal_summary(self, terminalreporter):
        """What ran: each file's tests and seconds, which the dots of several workers do not show."""
        tests, seconds = collections.Counter(), collections.Counter()
        for reports in terminalreporter.stats.values():
            for report in reports:
                if isinstance(report, pytest.TestReport):
                    file = report.nodeid.partition("::")[0]
                    seconds[file] += report.duration
                    tests[file] += report.when == "call"
        if len(tests) > 1:
            terminalreporter.section("tests and seconds of each file")
            for file in sorted(tests):
                terminalreporter.write_line("%6d %8.1f s  %s" % (tests[file], seconds[file], file))


class Spread:
    """A plugin of pytest where xdist is, which is not everywhere: Debian's build runs some tests without."""

    def pytest_xdist_make_scheduler(self, config, log):
        """Of --dist loadscope: whatever is of one group is one scope."""
        from xdist.scheduler import LoadScopeScheduling

        class ByGroup(LoadScopeScheduling):
            def _split_scope(self, nodeid):
                return group_of(config.rootpath, nodeid)
        return ByGroup(config, log) if config.getvalue("dist") == "loadscope" else None
