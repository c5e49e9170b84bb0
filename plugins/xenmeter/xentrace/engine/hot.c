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

/* Those that have something due, the earliest on top: by the TSC of what is next, then by number. Two arrays, and no
 * copies of structs: a wide load of what was just stored in two parts would wait for both. */
struct heap {
    int64_t n, *tsc;
    struct lane **lane;
};

static inline struct entry *front(const int64_t *p) { return (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD]; }

ALWAYS int comes_first(const struct heap *h, int64_t x, int64_t tsc, const struct lane *lane)
{
    return h->tsc[x] < tsc || (h->tsc[x] == tsc && h->lane[x] < lane);
}

ALWAYS void sink(struct heap *h, int64_t at, int64_t tsc, struct lane *lane)
{
    int64_t child;
    while ((child = 2 * at + 1) < h->n) {
        if (child + 1 < h->n && comes_first(h, child + 1, h->tsc[child], h->lane[child]))
            child++;
        if (!comes_first(h, child, tsc, lane))
            break;
        h->tsc[at] = h->tsc[child];
        h->lane[at] = h->lane[child];
        at = child;
    }
    h->tsc[at] = tsc;
    h->lane[at] = lane;
}

static struct heap gather(const struct tables *t, int64_t limit, struct lane *lanes)
{
    int64_t count = t->g[G_NPCPU];
    struct heap h = {0, (int64_t *)(lanes + count), NULL};
    h.lane = (struct lane **)(h.tsc + count);
    for (int64_t i = 0; i < count; i++) {
        int64_t *p = t->order[i];
        struct entry *e = front(p);
        lanes[i].p = p;
        lanes[i].at = e;
        if (!p[P_COUNT])
            continue;
        lanes[i].v = row_for(t, e);
        e[p[P_COUNT]].tsc = INT64_MAX;      /* room() leaves room for it */
        if (e->tsc <= limit) {
            h.tsc[h.n] = e->tsc;
            h.lane[h.n++] = &lanes[i];
        }
    }
    for (int64_t i = h.n / 2 - 1; i >= 0; i--)
        sink(&h, i, h.tsc[i], h.lane[i]);
    return h;
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

/* Places for vCPUs from which on their rows are too many to be near. */
#define MANY 4096

/* What the lane's next entry will touch, before its turn comes; and the row that the one behind it will lead to. */
ALWAYS void foresee(const struct tables *t, const struct lane *lane)
{
    const int64_t *d = (const int64_t *)(intptr_t)lane->v[V_DOMAIN], *next = row_for(t, lane->at + 1);
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
    int64_t *g = t->g, answer = DONE, now = g[G_NOWT], ns = g[G_NOW], stop = stop_at(g, &c);
    const int64_t base = g[G_BASE];
    /* Heads from here on are not for change(): while a loss lasts, none is. */
    const uint32_t others = g[G_OPEN_GAPS] ? 0 : ENTRY;
    struct lane *lanes = (struct lane *)t->scratch;
    struct book *b = t->book;
    uint64_t *next = b->at;
    struct heap heap = gather(t, limit, lanes);
    uint32_t noted = 0;
    while (heap.n) {
        struct lane *lane = heap.lane[0];
        const struct entry *e = lane->at;
        int64_t *p = lane->p, *v = lane->v, bound = limit + 1, occupant = p[P_OCCUPANT];
        const int64_t number = p[P_NUMBER];
        if (heap.n > 1) {
            int64_t second = heap.n > 2 && comes_first(&heap, 2, heap.tsc[1], heap.lane[1]) ? 2 : 1;
            int64_t turn = heap.tsc[second] + (lane < heap.lane[second]);   /* up to that, this pCPU's come first */
            bound = turn < bound ? turn : bound;
        }
        if (unlikely(e->tsc < now)) {
            g[G_LATE] += e->head != (ENTRY | KIND_GAP_BEGIN) || e->tsc > g[G_START];   /* a loss may be older than the trace */
            bound = INT64_MIN;                                      /* each late one by itself */
        } else if (unlikely(e->tsc >= stop)) {
            int64_t at;
            if (e->tsc - base > g[G_DMAX]) {
                g[G_WILD]++;
                e++;
                v = row_for(t, e);
                goto turn;
            }
            at = nanoseconds(&c, base, e->tsc);
            if (at >= g[G_BORDER]) {
                g[G_E_TSC] = at;        /* it stays: Python closes the window and calls again */
                answer = BORDER;
                goto out;
            }
            now = e->tsc;
            ns = at;
            stop = stop_at(g, &c);
            bound = stop < bound ? stop : bound;
        } else {
            now = e->tsc;
            ns = ahead(&c, now, whole);
            bound = stop < bound ? stop : bound;
        }
        if (unlikely(!p[P_RAN]))
            bound = INT64_MIN;                                      /* one by one, to see whether a domain runs */
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
                p[P_RAN] |= occupant >= 0 && occupant >> 16 != IDLE_DOMAIN;
                goto turn;
            }
            now = e->tsc;
            ns = ahead(&c, now, whole);
        }
        hand_over(g, e, number);
        lane->at = e + 1;
        p[P_OCCUPANT] = occupant;
        answer = SLOW;
        goto out;
turn:
        p[P_OCCUPANT] = occupant;
        lane->at = e;
        lane->v = v;
        if (e->tsc <= limit) {
            if (far)
                foresee(t, lane);
            sink(&heap, 0, e->tsc, lane);
        } else {
            heap.n--;
            sink(&heap, 0, heap.tsc[heap.n], heap.lane[heap.n]);
        }
    }
out:
    if (notes)
        blame(t, notes, noted);
    b->at = next;
    release(t, lanes);
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
