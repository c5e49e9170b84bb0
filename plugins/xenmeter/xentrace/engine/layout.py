"""Where each figure lies in the integer rows that the Python code and the compiled loop share.

Every row is a flat run of ``int64_t``: a list in pure Python, ``array('q')`` when the compiled loop works on it too.
``hot_rows.h`` repeats these indices, whose last is always the row's size; a test compares the two, and ``ABI`` changes
whenever one of them moves.
"""

__all__ = ("ABI",)

ABI = 15

# -- the engine itself ---------------------------------------------------------------------------------------------
(G_RECORDS, G_BACKWARDS, G_WILD, G_CUT, G_RESYNC, G_SKIPPED, G_LATE, G_LEFT, G_SKIP, G_CUR, G_PREV, G_NPCPU, G_PASS,
 G_PREVMAX, G_SAFE, G_MAXT, G_MINT, G_PENDING, G_DRAIN_AT, G_WILDS, G_BASE, G_KHZ, G_NOWT, G_NOW, G_BORDER,
 G_OPEN_GAPS, G_DMAX, G_E_TSC, G_E_CPU, G_E_KIND, G_E_A, G_E_B, G_POS, G_REF_T, G_REF_NS, G_WINDOWS, G_WILD_TSC,
 G_WILD_CPU, G_QUIET, G_LOOKED, G_ORIGIN, G_WINDOW_AT, G_HURT, G_HURT_TO, G_TWICE, G_RING, G_START, G_SIZE) = range(48)

# -- a vCPU --------------------------------------------------------------------------------------------------------
#: States of a vCPU: Xen's four, and runnable told apart by its cause. UNKNOWN: inside a loss. PENDING: the loss is
#: over, and the next record will tell which state has held since its end.
S_RUNNING, S_WAIT_OTHER, S_BLOCKED, S_OFFLINE, S_UNKNOWN, S_WAIT_WAKE, S_WAIT_PREEMPT, S_PENDING = range(8)
#: In the place of V_SEEN, of a vCPU that is not told before it has a record again.
RESTED = 2
#: States whose completed intervals have a histogram.
MEASURED = (S_RUNNING, S_WAIT_OTHER, S_BLOCKED, S_WAIT_WAKE, S_WAIT_PREEMPT)
M_RUN, M_OTHER, M_BLOCKED, M_WAKE, M_PREEMPT = range(5)
#: Xen's state of ours; -1 where there is none.
CLASS = (0, 1, 2, 3, -1, 1, 1, -1)
#: Ours of Xen's (old, new), index old * 4 + new: where a runnable vCPU came from is its cause.
TARGET = tuple(new if new != 1 else (6, 1, 5, 1)[old] for old in range(4) for new in range(4))

#: A row is some whole lines of 64 bytes, and what each change touches stands in few of them: CPython's small blocks of such a
#: size begin 16 bytes before a line, so the third item is a line's first. Elsewhere it is slower by as much as that is worth.
V_IDLE = 0
V_STATE = 2        # one of S_*
V_SINCE = 3        # ns up to which the open state has been credited
V_BEGAN = 4        # ns since which the state holds
V_SEEN = 5         # 1 where a record showed its beginning; RESTED: PENDING because nothing was recorded for a while
V_LASTCPU = 6      # pCPU of the last entry into running, so where it runs if it does; -1 unknown
V_KEY = 7          # domid << 16 | vcpu, -1: its life has ended; for the compiled loop, as the next two
V_DOMAIN = 8       # address of the domain's row
V_HIST = 9         # number of the first of its set of histograms, << 40, and 1; 0: it has none
V_SUMS = 10        # ns per state
V_EXECUTIONS, V_PREEMPTIONS, V_WAKES = 18, 19, 20
V_OTHER = 21       # changes that are none of these
V_MIGRATIONS = 22
V_FREE, V_SPARE = 1, 23     # nobody's
V_SIZE = 24

# -- a histogram of the compiled loop: what it holds stands in cells ----------------------------------------------------
PIECES = 28
#: Columns of a domain, a vCPU, a domain in a window and a pCPU, as picture.py names them.
T_DOMAIN, T_VCPU, T_WINDOW, T_PCPU = 33, 20, 46, 24
H_SUM, H_MAX, H_COUNT = 0, 1, 2
H_CELL = 3         # its first cell; 0: it has none
H_SIZE = 4

# -- a domain ------------------------------------------------------------------------------------------------------
#: Bits of the set of states that a domain's vCPUs are in; blocked and offline count alike.
BIT = (1, 2, 4, 4, 8, 2, 2, 0)
MAX_WINDOWS = 8
D_CAUSES = 0       # address of its cells, for the compiled loop; 0: nobody keeps who makes whom wait
D_INDEX = 1        # of its own cell in all of them
D_SINCE = 2        # ns up to which D_CURRENT is credited; the first of a line, as in VCPU
D_MASK = 3
D_COUNTS = 4       # vCPUs per bit (index is the bit's value)
D_GRANTS = 13      # map, unmap, transfer
D_SLICES, D_SLICE_SUM = 16, 17
D_CURRENT = 18     # ns per set of bits, since the end of the last loss; those of sets without an unknown vCPU in a line
D_SLICE_LIMITS = 34   # (min, max) over all, then per window length; -1 none
D_SPARE = 52       # nobody's
D_SIZE = 56

# -- a domain's figures in a window: ns in running, waiting, blocked, offline, unknown, then counts --------------------
F_TIMES, F_EXECUTIONS, F_GRANTS, F_SLICES, F_SLICE_SUM, F_SLICE_MIN, F_SLICE_MAX, F_SIZE = 0, 5, 6, 9, 10, 11, 12, 13
#: Which of the times takes each state.
STATES = (0, 1, 2, 3, 4, 1, 1, 4)

# -- a pCPU --------------------------------------------------------------------------------------------------------
C_STATES = 8
P_NUMBER = 0
P_LAST = 1         # TSC of its last record, -1
P_OCCUPANT = 2     # domid << 16 | vcpu of the non-idle or idle vCPU running there, -1
P_RAN = 3          # 1 once something but the idle vCPU was seen running
P_BUF, P_HEAD, P_COUNT, P_CAP = 4, 5, 6, 7      # the compiled loop's queue
P_RECORDS = 8      # without lost-records markers
P_BYTES, P_PASS, P_FULL = 9, 10, 11             # of the present pass; FULL: the ring may have been full when read
P_LOST, P_LOST_BEFORE = 12, 13
P_MHZ, P_FREQ_CHANGES, P_CSTATE, P_CSINCE, P_CTIME, P_CCOUNT = 14, 15, 16, 17, 18, 26
P_HELD = 34        # a TSC that leapt, until the next one bears it out; -1 none
P_LINE = 35        # address of who has had it, for the compiled loop
P_BEFORE = 36      # bytes in its ring when it was read last
P_SIZE = 37

# -- who made whom wait (causes.py) --------------------------------------------------------------------------------
#: A domain's cells: ns that the pCPUs were idle, or not known, or had by others that have no cell, or by some that are gone;
#: and by each domain.
BY_IDLE, BY_UNKNOWN, BY_OTHER, BY_GONE, BY_FIRST = range(5)
BY_MOST = 1024
#: Who has had a pCPU: how often it has changed hands, its number, and for the last LINE times (since when, ns; whose cell).
#: The first says that nobody knows who has had it BEFORE.
L_HEAD, L_PCPU, L_ENTRIES = range(3)
LINE = 512
BEFORE = -(1 << 62)
#: The longest waits that are over: the shortest length of these, then for each LONGEST times its cells.
W_LENGTH, W_BEGAN, W_KEY, W_DOMAIN, W_PCPU = range(5)
W_CAUSES = 5       # six of (whose cell, ns), the heaviest first
W_SIZE = 17
LONGEST = 32

#: An entry of the compiled loop's queue, ``struct entry``: names and types in numpy's words; and the bit of ``head`` that tells a
#: kind from a runstate change.
ENTRY = (("tsc", "<i8"), ("word", "<u4"), ("head", "<u4"))
ENTRY_KIND = 1 << 31

#: What ``scan`` answers.
NEED, GARBAGE, NEW_PCPU, DRAIN, NO_MEMORY, SEAM, HURT = range(7)
#: Damage (G_HURT, damage.py): none; found and not told yet; told, in the pass in which it was found; in the one after that.
SOUND, WOUND, MENDING, MENDED = range(4)
#: What ``drain`` answers: done, an entry for the slow path, a window border before the entry in E_*, no memory.
DONE, SLOW, BORDER, FULL = range(4)

#: A TSC that is ahead of all others by more than 2**32 cycles (1.4 s at 3 GHz) waits for the pCPU's next one, and is no TSC
#: where that does not go on from there.
LEAP = 1 << 32
#: Nor does one that is as near as no two records are: such come of records read from a wrong place.
APART = 32
#: One that leaves the others by more than 2**48 cycles (a day at 3 GHz) is no TSC ...
JUMP = 1 << 48
STAMP_LIMIT = 1 << 62
#: ... unless more than so many in a row agree: none is further from the one before, and on a pCPU they ascend. Records read
#: from a wrong place do not: there the TSC's upper half is the same each time, and stands in the lower.
WILD_RUN = 8
#: A window that begins so much before its pCPU's last record (6 ms at 3 GHz) may be another recording's.
OLDER = 1 << 24
#: With so many entries waiting, a pCPU's window after one of its own is taken for a new pass: the others are silent.
#: Otherwise it may as well be a second window of the same pass.
BACKLOG = 65536
NEVER = (1 << 63) - 1
