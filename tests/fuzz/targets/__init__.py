"""The targets by name: one for every reader of bytes that others write."""
import importlib

_PLACES = {
    "bench-outputs": ("benchruns", "BenchOutputs"), "bench-runs": ("benchruns", "BenchRuns"),
    "block-counts": ("dom0", "BlockCounts"), "collectd-values": ("settings", "CollectdValues"),
    "csv-logs": ("csvlogs", "CsvLogs"), "folded-stacks": ("profiles", "FoldedStacks"),
    "guest-memory": ("profiles", "GuestMemory"), "health": ("judged", "HealthTexts"),
    "http": ("fronts", "Http"), "kept-counters": ("dom0", "KeptCounters"),
    "kernel-images": ("profiles", "KernelImages"), "kernel-tables": ("profiles", "KernelTables"),
    "lines": ("recordings", "Lines"), "net-dev": ("dom0", "NetDev"), "options": ("settings", "OptionTexts"),
    "pages": ("stats_pages", "StatsPages"), "perf-script": ("profiles", "PerfScript"),
    "processes": ("processes", "Processes"), "profile-samples": ("profiles", "ProfileSamples"), "qmp": ("dom0", "Qmp"),
    "recordings": ("recordings", "Recordings"),
    "rows": ("xentop_text", "XentopRows"), "shared-file": ("shared", "SharedFile"),
    "socket-answers": ("shared", "SocketAnswers"), "socket-questions": ("shared", "SocketQuestions"),
    "tapdisk": ("dom0", "Tapdisk"), "trace-reports": ("judged", "TraceReports"),
    "traces": ("traces", "Traces"), "xenstore": ("store", "XenstoreAnswers"),
    "xenstore-dump": ("store", "XenstoreDump"), "xentop": ("xentop_text", "XentopText")}


class _Classes(dict):
    """A class by its target's name: the module of the one that is asked for is imported, and what that needs, no other."""

    def __getitem__(self, name):
        module, kind = super().__getitem__(name)
        found = getattr(importlib.import_module("fuzz.targets." + module), kind)
        assert found.name == name
        return found


CLASSES = _Classes(_PLACES)


def make(name):
    return CLASSES[name]()
