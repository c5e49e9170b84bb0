"""The targets by name: one for every reader of bytes that others write."""
from fuzz.targets import (benchruns, dom0, fronts, profiles, recordings, settings, shared, stats_pages, store, traces,
                          xentop_text)

CLASSES = {one.name: one for one in (
    xentop_text.XentopText, xentop_text.XentopRows,
    traces.Traces, stats_pages.StatsPages, store.XenstoreAnswers, store.XenstoreDump, dom0.Qmp,
    dom0.Tapdisk, dom0.NetDev, dom0.KeptCounters, shared.SharedFile, shared.SocketQuestions, shared.SocketAnswers,
    recordings.Recordings, recordings.Lines, recordings.CsvLogs,
    benchruns.BenchOutputs, benchruns.BenchRuns, fronts.Http, settings.OptionTexts, settings.CollectdValues,
    profiles.KernelImages, profiles.GuestMemory, profiles.ProfileSamples,
    profiles.KernelTables, profiles.PerfScript)}


def make(name):
    return CLASSES[name]()
