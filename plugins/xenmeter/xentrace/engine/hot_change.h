/* One entry into the accounts: what hot.py does to a runstate change, and the simple ones of the other kinds. Anything
 * else is for Accounts.handle.
 */
#ifndef XENMETER_HOT_CHANGE_H
#define XENMETER_HOT_CHANGE_H

#include "hot_queue.h"

static inline uint64_t slot_of(const struct tables *t, uint32_t key)
{
    return (uint64_t)(key * 0x9e3779b1u) * (uint64_t)t->size >> 32;
}

/* The row of a vCPU that lives, NULL: none. */
NEVER int64_t *find_further(const struct tables *t, uint32_t key)
{
    for (uint64_t at = slot_of(t, key); t->slots[at] != t->nobody; at = (at + 1) & (t->size - 1))
        if (t->slots[at][V_KEY] == key)
            return t->slots[at];
    return NULL;
}

ALWAYS int64_t *find_vcpu(const struct tables *t, uint32_t key)
{
    int64_t *v = t->slots[slot_of(t, key)];
    return likely(v[V_KEY] == key) ? v : find_further(t, key);
}

NEVER void measure_far(int64_t *hist, int64_t length)
{
    hist[0] += length;
    hist[HIST_SIZE - 1]++;
    if (length > hist[1])
        hist[1] = length;
}

ALWAYS void measure(int64_t *hist, int64_t length)
{
    int shift = (63 ^ __builtin_clzll((uint64_t)length | 1 << SUB_BITS)) - SUB_BITS;
    int64_t place = HIST_FIRST + ((int64_t)shift << SUB_BITS) + (length >> shift);
    if (unlikely(place >= HIST_SIZE)) {
        measure_far(hist, length);
        return;
    }
    hist[0] += length;
    hist[place]++;
    if (unlikely(length > hist[1]))
        hist[1] = length;
}

/* What a runstate change does to a vCPU in a state; made of the tables above. The masks (all bits or none) choose without
 * a branch: which change comes next cannot be foretold. */
struct move {
    int64_t occupant;           /* ored to the key: who must have the pCPU before, if it switches */
    int64_t switches, enters, leaves;
    int64_t counter;
    int64_t from, to;           /* the domain's bits */
    uint32_t target, measured;
};
/* By state, and old and new state as they lie in the header. */
static struct move moves[8][64];

static void __attribute__((constructor)) make_moves(void)
{
    for (int state = 0; state < 8; state++)
        for (int kind = 0; kind < 16; kind++) {
            int old = kind >> 2, new = kind & 3, wrong = class_of[state] != old || old == new;
            struct move *m = &moves[state][old << 4 | new];
            m->enters = -(new == 0);
            m->leaves = -(old == 0);
            m->occupant = wrong ? (int64_t)1 << 40 : m->enters;     /* nobody's key */
            m->switches = -(wrong || old == 0 || new == 0);
            m->measured = old != 1 || new == 0;
            m->counter = new == 0 ? V_EXECUTIONS : kind == 1 ? V_PREEMPTIONS : kind == 9 ? V_WAKES : V_OTHER;
            m->target = target_of[kind];
            m->from = bit_of[state];
            m->to = bit_of[m->target];
        }
}

/* hot.change: 0 where the record is not what it should be, or the vCPU runs for the first time: for Accounts. What an
 * idle vCPU has no use for goes to rows that nobody reads (compiled.Store). */
ALWAYS int change(int64_t *v, int64_t number, int64_t *occupant, int64_t ns, uint32_t states, int64_t key)
{
    const int64_t state = v[V_STATE], last = v[V_LASTCPU], moved = last ^ number;
    const struct move *m = (const struct move *)((const char *)moves[state] + states * (sizeof *m / 16));
    int64_t *d, mask, entered;
    if (unlikely((((key | m->occupant) ^ *occupant) & m->switches) | (moved & m->leaves)))
        return 0;
    entered = moved & m->enters;
    if (unlikely(last < 0 && entered))
        return 0;
    *occupant ^= ~key & m->switches;        /* the pCPU was free, or its own: then it is its own, or free */
    v[m->counter]++;
    v[V_MIGRATIONS] += entered != 0;
    v[V_LASTCPU] = last ^ entered;
    v[V_SUMS + state] += ns - v[V_SINCE];
    if (likely(m->measured & v[V_SEEN]))
        measure((int64_t *)(intptr_t)v[V_HIST + state], ns - v[V_BEGAN]);
    v[V_SEEN] = 1;
    v[V_STATE] = m->target;
    v[V_SINCE] = v[V_BEGAN] = ns;
    d = (int64_t *)(intptr_t)v[V_DOMAIN];
    mask = d[D_MASK];
    d[D_CURRENT + mask] += ns - d[D_SINCE];
    d[D_SINCE] = ns;
    mask &= ~(m->from & -(int64_t)(--d[D_COUNTS + m->from] == 0));      /* none is left in that state */
    d[D_COUNTS + m->to]++;
    d[D_MASK] = mask | m->to;
    return 1;
}

static inline int slice(const struct tables *t, int64_t *d, uint32_t ns)
{
    d[D_SLICES]++;
    d[D_SLICE_SUM] += ns;
    for (int64_t i = 0; i <= t->windows; i++) {
        int64_t *limits = d + D_SLICE_LIMITS + 2 * i;
        if (limits[0] < 0 || ns < limits[0])
            limits[0] = ns;
        if (ns > limits[1])
            limits[1] = ns;
    }
    return 1;
}

/* Accounts.handle for the other kinds that are simple; 0 for all that is not. */
NEVER int rare(const struct tables *t, const struct entry *e, int64_t *there, int64_t ns)
{
    int64_t *row;
    switch (kind_at(e)) {
    case KIND_GRANT_MAP: case KIND_GRANT_UNMAP: case KIND_GRANT_TRANSFER:
        if (e->word == IDLE_DOMAIN)
            return 1;
        if (!(row = t->domains[e->word & 0xffff]))
            return 0;
        row[D_GRANTS + kind_at(e) - KIND_GRANT_MAP]++;
        return 1;
    case KIND_SLICE:
        if (e->head >> 24 & 1 || e->word & 0x80000000)
            return 1;
        row = t->domains[e->head >> 8 & 0xffff];
        return row && slice(t, row, e->word);
    case KIND_CONTINUE:
        row = find_vcpu(t, e->word);
        return row && row[V_STATE] == 0 && row[V_LASTCPU] == there[P_NUMBER];
    case KIND_IDLE_ENTRY:
        there[P_CSTATE] = e->word < C_STATES ? e->word : C_STATES - 1;
        there[P_CSINCE] = ns;
        there[P_CCOUNT + there[P_CSTATE]]++;
        return 1;
    case KIND_IDLE_EXIT:
        if (there[P_CSTATE] >= 0)
            there[P_CTIME + there[P_CSTATE]] += ns - there[P_CSINCE];
        there[P_CSTATE] = -1;
        return 1;
    }
    return 0;
}

/* For Python: the entry as Accounts.handle takes it. */
static void hand_over(int64_t *g, const struct entry *e, int64_t number)
{
    g[G_E_CPU] = number;
    g[G_E_KIND] = kind_at(e);
    g[G_E_A] = g[G_E_B] = e->word;
    if (g[G_E_KIND] == KIND_SLICE)      /* anything but the idle domain that has these 16 bits */
        g[G_E_A] = e->head >> 24 & 1 ? IDLE_DOMAIN : (1 << 16 | (e->head >> 8 & 0xffff));
}

#endif
