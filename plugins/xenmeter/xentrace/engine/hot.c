/* The baker's hot loop: scan.py and hot.py over again, for speed. Plain C (GNU C99, 64 bits), no Python headers: one
 * shared object serves every Python through ctypes. Anything but the common records is handed back to Python
 * (accounts.py), so the rules are written once; the tests hold both paths equal to the last nanosecond.
 *
 * One unit, so that the compiler sees all of the loop: hot_rows.h (what is shared with Python), its pieces hot_queue.inc
 * hot_rings.inc hot_stamps.inc hot_scan.inc and hot_passes.inc (bytes to entries), hot_clock.inc (TSC to ns), hot_change.inc (an entry into the
 * accounts), hot_book.inc hot_intervals.inc and hot_sets.inc (intervals into histograms), hot_tell.inc (the accounts to a picture),
 * hot_causes.inc (who made whom wait), hot_windows.inc (the figures of windows), hot_put.inc (a picture into the shared file), and
 * here the merge of the pCPUs' queues in the order of time. A piece is no header: it has code, stands on the pieces above it, and is
 * included here alone.
 */
#include "hot_rows.h"
#include "hot_queue.inc"
#include "hot_stamps.inc"
#include "hot_scan.inc"
#include "hot_passes.inc"
#include "hot_clock.inc"
#include "hot_book.inc"
#include "hot_intervals.inc"
#include "hot_change.inc"
#include "hot_sets.inc"
#include "hot_tell.inc"
#include "hot_causes.inc"
#include "hot_windows.inc"
#include "hot_rings.inc"
#include "hot_put.inc"

int64_t xenmeter_hot_abi(void) { return ABI; }
int64_t xenmeter_hot_sizes(void) { return ((int64_t)G_SIZE << 48) | V_SIZE << 24 | D_SIZE << 12 | P_SIZE; }
int64_t xenmeter_hot_histogram(void) { return H_SIZE; }

/* ---- entries in the order of time ------------------------------------------------------------------------------ */

/* A pCPU's queue: lanes lie by ascending number. ``v``: the row in the slot for the entry, so that nobody waits for it. */
struct lane {
    const struct entry *at;
    int64_t *p, *v;
};

/* Whose turn it is: a tree of losers, climbed without a branch, for which of many queues comes next cannot be foretold. A turn is
 * one number: how far the entry's TSC lies behind ``origin``, at most ``most``, above the lane's number. ``losers``: ``leaves`` of
 * them, a power of 2; the first is nobody's. */
struct turns {
    struct lane *lanes;
    uint64_t *losers, leaves, origin, most;
};
#define LANE_BITS 14
#define LANE_MASK (((uint64_t)1 << LANE_BITS) - 1)
#define FARTHEST ((uint64_t)1 << 48)
_Static_assert(MAX_PCPU <= 1 << LANE_BITS, "a lane's number has so many bits");

static inline struct entry *front(const int64_t *p) { return (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD]; }

ALWAYS uint64_t turn_at(const struct turns *m, int64_t tsc)
{
    uint64_t behind = (uint64_t)tsc - m->origin;
    return (behind < m->most ? behind : m->most) << LANE_BITS;
}

/* The lane of a turn has had its last one; gives the one that comes first. */
ALWAYS uint64_t first_turn(const struct turns *m, uint64_t turn)
{
    for (uint64_t at = (m->leaves + (turn & LANE_MASK)) >> 1; at; at >>= 1) {
        uint64_t other = m->losers[at];
        m->losers[at] = other > turn ? other : turn;
        turn = other > turn ? turn : other;
    }
    return turn;
}

/* The TSC at which it is another lane's turn, or ``second`` at the latest. */
ALWAYS int64_t turn_ends(const struct turns *m, uint64_t turn, uint64_t second)
{
    for (uint64_t at = (m->leaves + (turn & LANE_MASK)) >> 1; at; at >>= 1)
        second = m->losers[at] < second ? m->losers[at] : second;
    return (int64_t)(m->origin + (second >> LANE_BITS)) + ((turn & LANE_MASK) < (second & LANE_MASK));
}

/* All that waits up to ``limit``; gives the first turn. */
static uint64_t gather(const struct tables *t, int64_t limit, struct turns *m)
{
    const uint64_t count = (uint64_t)t->g[G_NPCPU];
    uint64_t turn = 0;
    int64_t least = INT64_MAX;
    m->lanes = (struct lane *)t->scratch;
    m->most = m->origin = 0;
    if (!count)
        return 0;
    m->losers = (uint64_t *)(void *)(m->lanes + count);
    for (m->leaves = 1; m->leaves < count; m->leaves *= 2)
        ;
    for (uint64_t i = 0; i < count; i++) {
        int64_t *p = t->order[i];
        struct entry *e = front(p);
        m->lanes[i] = (struct lane){e, p, NULL};
        if (!p[P_COUNT])
            continue;
        m->lanes[i].v = row_for(t, e);
        e[p[P_COUNT]].tsc = INT64_MAX;      /* room() leaves room for it */
        least = e->tsc < least ? e->tsc : least;
    }
    m->origin = (uint64_t)least;
    if (least <= limit)
        m->most = (uint64_t)limit + 1 - m->origin;
    m->most = m->most < FARTHEST ? m->most : FARTHEST;
    memset(m->losers, 0, (size_t)m->leaves * sizeof *m->losers);    /* what is there first goes up to make room */
    for (uint64_t i = 0; i < m->leaves; i++)
        turn = first_turn(m, turn_at(m, i < count && m->lanes[i].v ? m->lanes[i].at->tsc : INT64_MAX) | i);
    return turn;
}

/* What has been accounted leaves the queues. */
static void release(const struct tables *t, const struct lane *lanes)
{
    for (int64_t i = 0; i < t->g[G_NPCPU]; i++) {
        int64_t *p = lanes[i].p, used = lanes[i].at - front(p);
        p[P_HEAD] += used;
        p[P_COUNT] -= used;
        t->g[G_PENDING] -= used;
        if (!p[P_COUNT])
            p[P_HEAD] = 0;
    }
}

/* The first TSC at which a window ends, that is too far away, or that needs another reference. */
static int64_t stop_at(const int64_t *g, const struct clock *c)
{
    int64_t base = g[G_BASE], stop = base + g[G_DMAX] + 1;
    unsigned __int128 border = ((unsigned __int128)(uint64_t)g[G_BORDER] * c->khz + MILLION - 1) / MILLION;
    if (border < (unsigned __int128)(stop - base))
        stop = base + (int64_t)border;
    return stop - c->tsc < (int64_t)c->reach ? stop : c->tsc + (int64_t)c->reach;
}

/* The first turn at which that TSC has come, or any where ``now`` has not. */
static uint64_t turn_of(const struct turns *m, int64_t tsc, int64_t now)
{
    return (int64_t)m->origin < now || (int64_t)m->origin >= tsc ? 0 : turn_at(m, tsc);
}

/* Places for vCPUs from which on their rows are too many to be near. */
#define MANY 4096

/* What the lane's next entries will touch, step by step as their turns come nearer: entries, the slot of a row, the row, the
 * domain's. */
ALWAYS void foresee(const struct tables *t, const struct lane *lane)
{
    const int64_t *d = (const int64_t *)(intptr_t)lane->v[V_DOMAIN], *next = row_for(t, lane->at + 1);
    __builtin_prefetch(lane->at + 8);
    __builtin_prefetch(t->slots + slot_of(t, lane->at[2].word));    /* there may be none: what stands there names some slot, too */
    __builtin_prefetch(next + V_STATE);
    __builtin_prefetch(next + V_SUMS);
    __builtin_prefetch(next + V_EXECUTIONS);
    if (!d)
        return;         /* nobody's row */
    __builtin_prefetch(d + D_SINCE);
    __builtin_prefetch(d + D_CURRENT);
}

/* PythonCore.drain; ``whole`` tells whether the clock's is more than 0, ``far`` whether rows are too many to be near; ``notes``:
 * NULL where nobody keeps who makes whom wait. */
ALWAYS int64_t drain(const struct tables *t, int64_t limit, struct clock c, int whole, int far, struct note *notes)
{
    int64_t *g = t->g, answer = DONE, now = g[G_NOWT], ns = g[G_NOW];
    /* Heads from here on are not for change(): while a loss lasts, none is. */
    const uint32_t others = g[G_OPEN_GAPS] ? 0 : ENTRY;
    struct book *b = t->book;
    uint64_t *next = b->at;
    struct turns turns;
    uint64_t turn = gather(t, limit, &turns), stop = turn_of(&turns, stop_at(g, &c), now);
    uint32_t noted = 0;
    for (;;) {
        struct lane *lane = turns.lanes + (turn & LANE_MASK);
        const struct entry *e;
        int64_t *p, *v, bound, occupant, number;
        if (unlikely(turn >= stop)) {
            if (turn >> LANE_BITS >= turns.most) {
                if (turns.most < FARTHEST)
                    break;
                release(t, turns.lanes);
                turn = gather(t, limit, &turns);
                stop = turn_of(&turns, stop_at(g, &c), now);
                continue;
            }
            if (lane->at->tsc >= now) {
                int64_t at;
                if (lane->at->tsc - g[G_BASE] > g[G_DMAX]) {
                    g[G_WILD]++;
                    e = lane->at + 1;
                    v = row_for(t, e);
                    goto over;
                }
                at = nanoseconds(&c, g[G_BASE], lane->at->tsc);
                if (at >= g[G_BORDER]) {
                    g[G_E_TSC] = at;        /* it stays: Python closes the window and calls again */
                    answer = BORDER;
                    break;
                }
                stop = turn_at(&turns, stop_at(g, &c));
            }
        }
        e = lane->at;
        p = lane->p;
        v = lane->v;
        occupant = p[P_OCCUPANT];
        number = p[P_NUMBER];
        if (unlikely(e->tsc < now)) {
            g[G_LATE] += e->head != (ENTRY | KIND_GAP_BEGIN) || e->tsc > g[G_START];   /* a loss may be older than the trace */
        } else {
            now = e->tsc;
            ns = ahead(&c, now, whole);
        }
        /* One by one where it is mostly another one's turn each time, and to see whether a domain runs */
        bound = far || unlikely(!p[P_RAN]) ? INT64_MIN : turn_ends(&turns, turn, stop);
        for (;;) {
            if (likely(e->head < others)) {
                if (unlikely(v[V_KEY] != e->word) && !(v = find_further(t, e->word)))
                    break;
                if (notes)
                    take_note(notes + noted, v, ns, p);
                if (unlikely(!change(v, number, &occupant, ns, e->head, e->word, &next, b)))
                    break;
                if (notes && keep_note(notes, &noted, e->head)) {
                    blame(t, notes, noted);
                    noted = 0;
                }
            } else if (!rare(t, e, p, ns)) {
                break;
            }
            e++;
            v = row_for(t, e);
            if (e->tsc >= bound) {
                p[P_OCCUPANT] = occupant;
                if (unlikely(!p[P_RAN]))
                    p[P_RAN] = occupant >= 0 && occupant >> 16 != IDLE_DOMAIN;
                goto over;
            }
            now = e->tsc;
            ns = ahead(&c, now, whole);
        }
        hand_over(g, e, number);
        lane->at = e + 1;
        p[P_OCCUPANT] = occupant;
        answer = SLOW;
        break;
over:
        lane->at = e;
        lane->v = v;
        if (far && e->tsc <= limit)
            foresee(t, lane);
        turn = first_turn(&turns, turn_at(&turns, e->tsc) | (turn & LANE_MASK));
    }
    if (notes)
        blame(t, notes, noted);
    b->at = next;
    release(t, turns.lanes);
    g[G_NOWT] = now;
    g[G_NOW] = ns;
    g[G_REF_T] = c.tsc;
    g[G_REF_NS] = c.ns;
    return answer;
}

/* DONE, or SLOW: the entry in E_* is for Python, or BORDER: a window ends at or before E_TSC (ns), or FULL: there is no
 * memory for intervals. */
int64_t xenmeter_hot_drain(struct tables *t, int64_t limit)
{
    struct clock c = start_clock(t->g);
    struct note notes[NOTES] = {{0}};
    if (!intervals_room(t->book, t->g[G_PENDING]))
        return FULL;
    if (t->longest && t->size < MANY)
        return c.whole ? drain(t, limit, c, 1, 0, notes) : drain(t, limit, c, 0, 0, notes);
    if (t->longest)
        return c.whole ? drain(t, limit, c, 1, 1, notes) : drain(t, limit, c, 0, 1, notes);
    if (t->size < MANY)
        return c.whole ? drain(t, limit, c, 1, 0, NULL) : drain(t, limit, c, 0, 0, NULL);
    return c.whole ? drain(t, limit, c, 1, 1, NULL) : drain(t, limit, c, 0, 1, NULL);
}
