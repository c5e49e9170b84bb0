/* What Python and the compiled loop share: the places in the rows (those of layout.py: a test compares the lists), the
 * record kinds, and what waits in the queues. Rows are int64_t arrays owned by Python.
 */
#ifndef XENMETER_HOT_ROWS_H
#define XENMETER_HOT_ROWS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ABI 15

enum engine {
    G_RECORDS, G_BACKWARDS, G_WILD, G_CUT, G_RESYNC, G_SKIPPED, G_LATE,
    G_LEFT, G_SKIP, G_CUR, G_PREV, G_NPCPU, G_PASS, G_PREVMAX, G_SAFE, G_MAXT, G_MINT, G_PENDING, G_DRAIN_AT, G_WILDS,
    G_BASE, G_KHZ, G_NOWT, G_NOW, G_BORDER, G_OPEN_GAPS, G_DMAX,
    G_E_TSC, G_E_CPU, G_E_KIND, G_E_A, G_E_B, G_POS, G_REF_T, G_REF_NS, G_WINDOWS, G_WILD_TSC, G_WILD_CPU,
    G_QUIET, G_LOOKED, G_ORIGIN, G_WINDOW_AT, G_HURT, G_HURT_TO, G_TWICE, G_RING, G_START, G_SIZE
};
enum vcpu {
    V_IDLE, V_FREE, V_STATE, V_SINCE, V_BEGAN, V_SEEN, V_LASTCPU, V_KEY, V_DOMAIN, V_HIST, V_SUMS, V_EXECUTIONS = V_SUMS + 8,
    V_PREEMPTIONS, V_WAKES, V_OTHER, V_MIGRATIONS, V_SPARE, V_SIZE
};
enum histogram {
    H_SUM, H_MAX, H_COUNT, H_CELL, H_SIZE
};
enum domain {
    D_CAUSES, D_INDEX, D_SINCE, D_MASK, D_COUNTS, D_GRANTS = D_COUNTS + 9, D_SLICES = D_GRANTS + 3, D_SLICE_SUM, D_CURRENT,
    D_SLICE_LIMITS = D_CURRENT + 16, D_SPARE = D_SLICE_LIMITS + 18, D_SIZE = D_SPARE + 4
};
enum pcpu {
    P_NUMBER, P_LAST, P_OCCUPANT, P_RAN, P_BUF, P_HEAD, P_COUNT, P_CAP, P_RECORDS, P_BYTES, P_PASS, P_FULL, P_LOST,
    P_LOST_BEFORE, P_MHZ, P_FREQ_CHANGES, P_CSTATE, P_CSINCE, P_CTIME, P_CCOUNT = P_CTIME + 8, P_HELD = P_CCOUNT + 8,
    P_LINE, P_BEFORE, P_SIZE
};
enum cause { BY_IDLE, BY_UNKNOWN, BY_OTHER, BY_GONE, BY_FIRST };
enum line { L_HEAD, L_PCPU, L_ENTRIES };
enum wait { W_LENGTH, W_BEGAN, W_KEY, W_DOMAIN, W_PCPU, W_CAUSES, W_SIZE = W_CAUSES + 12 };
enum figure {
    F_TIMES, F_EXECUTIONS = F_TIMES + 5, F_GRANTS, F_SLICES = F_GRANTS + 3, F_SLICE_SUM, F_SLICE_MIN, F_SLICE_MAX, F_SIZE
};
enum { S_PENDING = 7 };
enum { RESTED = 2 };                            /* V_SEEN */
enum { NEED, GARBAGE, NEW_PCPU, DRAIN, NO_MEMORY, SEAM, HURT };     /* scan */
enum { SOUND, WOUND, MENDING, MENDED };         /* G_HURT */
enum { DONE, SLOW, BORDER, FULL };              /* drain */
enum {
    KIND_NONE = -1, KIND_CONTINUE = 16, KIND_GRANT_MAP, KIND_GRANT_UNMAP, KIND_GRANT_TRANSFER, KIND_SLICE,
    KIND_GAP_BEGIN, KIND_GAP_END, KIND_DOM_ADD, KIND_DOM_REM, KIND_SCHED_ADD, KIND_SCHED_REM, KIND_FREQUENCY,
    KIND_IDLE_ENTRY, KIND_IDLE_EXIT, KIND_LOST
};

/* What the records say: their ids in bits 0 to 27 of the header (xen/include/public/trace.h). */
enum {
    LOST_RECORDS = 0x0001f001, RUNSTATE_CHANGE = 0x00021001, CONTINUE_RUNNING = 0x00021002,
    SCHED_DOM_ADD = 0x00028001, SCHED_DOM_REM = 0x00028002, SWITCH_INFNEXT = 0x0002800f,
    DOM0_DOM_ADD = 0x00041001, DOM0_DOM_REM = 0x00041002,
    GRANT_MAP = 0x0010f001, GRANT_UNMAP = 0x0010f002, GRANT_TRANSFER = 0x0010f003,
    PM_FREQ_CHANGE = 0x00801001, PM_IDLE_ENTRY = 0x00801002, PM_IDLE_EXIT = 0x00801003
};
/* The bits of RUNSTATE_CHANGE that tell the old state (>> 8) and the new one (>> 4). */
#define STATES 0x330u

#define CPU_CHANGE_HEADER 0x2001f003u
/* RUNSTATE_CHANGE with a TSC and one word, whatever the two states */
#define RUNSTATE_MASK 0xfffffccfu
#define RUNSTATE 0x90021001u
#define MAX_PCPU (1 << 14)
#define MAX_WINDOW (1 << 30)
#define LEAP ((int64_t)1 << 32)
#define APART 32
#define JUMP ((int64_t)1 << 48)
#define WILD_RUN 8
#define OLDER ((int64_t)1 << 24)
#define BACKLOG 65536
#define STAMP_LIMIT ((int64_t)1 << 62)
#define IDLE_DOMAIN 0x7fff
#define MILLION 1000000
#define SUB_BITS 5
#define TOP 59
#define HIST_FIRST 2
#define HIST_SIZE (HIST_FIRST + (1 << SUB_BITS) + (TOP - SUB_BITS) * (1 << SUB_BITS))
#define C_STATES 8
#define ROOM 80
#define BY_MOST 1024
#define LINE 512
#define BEFORE (-((int64_t)1 << 62))
#define LONGEST 32
#define MAX_WINDOWS 8

#define ALWAYS static inline __attribute__((always_inline))
#define NEVER static __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* What is queued of a record. ``head``: of a runstate change old << 8 | new << 4, as in its header. Of any other kind it
 * is ENTRY | kind, and of a slice also << 8 the domid's 16 bits and << 24 whether its whole word was the idle domain's. */
struct entry {
    int64_t tsc;
    uint32_t word, head;
};
#define ENTRY (1u << 31)

struct book;                    /* of the histograms: hot_book.inc */

/* What Python passes besides the engine's row. */
struct tables {
    int64_t *g;
    int64_t **pcpus;            /* by number, NULL: not known yet; MAX_PCPU of them */
    int64_t **domains;          /* by domid, NULL: none or not known; 65536 of them */
    int64_t **slots;            /* by hash of the vCPU's key, open addressing: rows; size of them, a power of 2 */
    int64_t size;
    int64_t *nobody;            /* the row in free slots */
    int64_t **order;            /* the npcpu rows by ascending number */
    int64_t windows;            /* how many lengths of windows there are */
    void *scratch;              /* npcpu struct lane, then the losers: up to twice as many turns */
    int64_t *longest;           /* of waits, NULL: nobody keeps who makes whom wait */
    int64_t *sums;              /* BY_MOST, zero */
    struct book *book;
};

static const signed char class_of[8] = {0, 1, 2, 3, -1, 1, 1, -1};
static const unsigned char bit_of[8] = {1, 2, 4, 4, 8, 2, 2, 0};
static const unsigned char figure_of[8] = {0, 1, 2, 3, 4, 1, 1, 4};
static const unsigned char target_of[16] = {0, 6, 2, 3, 0, 1, 2, 3, 0, 5, 2, 3, 0, 1, 2, 3};

#endif
