"""What the engine's figures are called, each name once: times in the states, counts, latencies.

Whoever makes or reads its rows and records (``telling``, ``picture``, the collector, the report) takes the names from here.
"""
from xenmeter.xentrace.engine.layout import (MEASURED, S_BLOCKED, S_RUNNING, S_WAIT_OTHER, S_WAIT_PREEMPT, S_WAIT_WAKE,
                                             V_EXECUTIONS, V_MIGRATIONS, V_PREEMPTIONS, V_WAKES)

__all__ = ("NOBODY", "STATES", "WINDOW_STATES", "WAITS", "COUNTS", "COUNTERS", "GRANTS", "DOMAIN_STATES", "LATENCIES", "MEASURES",
           "MEASURED")

#: ns that a vCPU spent in each state; together they are its life, as far as the trace shows it.
STATES = ("running_ns", "runnable_ns", "blocked_ns", "offline_ns", "unknown_ns")
#: The same of a domain in a window, as XenMon calls them.
WINDOW_STATES = ("running_ns", "waiting_ns", "blocked_ns", "offline_ns", "unknown_ns")
#: Parts of the runnable time whose cause is known, ns.
WAITS = ("wait_wake_ns", "wait_preempt_ns")
#: Counts of a vCPU, and their places in its row.
COUNTERS = (("executions", V_EXECUTIONS), ("preemptions", V_PREEMPTIONS), ("wakes", V_WAKES), ("migrations", V_MIGRATIONS))
COUNTS = tuple(name for name, _ in COUNTERS)
#: Counts of a domain, in the order of its row.
GRANTS = ("grant_maps", "grant_unmaps", "grant_transfers")
#: ns that a domain as a whole spent in each of its own states.
DOMAIN_STATES = ("full_run_ns", "full_contention_ns", "concurrency_hazard_ns", "blocked_ns", "partial_run_ns",
                 "partial_contention_ns")
#: Latency -> the states (layout.S_*) whose completed intervals it is made of.
LATENCIES = (("wait_wake", (S_WAIT_WAKE,)), ("wait_preempt", (S_WAIT_PREEMPT,)),
             ("wait", (S_WAIT_OTHER, S_WAIT_WAKE, S_WAIT_PREEMPT)), ("run", (S_RUNNING,)), ("blocked", (S_BLOCKED,)))
#: What made somebody wait that is no domain, in the order of layout.BY_*.
NOBODY = ("idle", "unknown", "other", "gone")
#: The states of MEASURED one by one.
MEASURES = ("run", "wait_other", "blocked", "wait_wake", "wait_preempt")
