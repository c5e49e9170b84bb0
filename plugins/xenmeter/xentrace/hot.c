/* The baker's hot loop: scan.py and hot.py over again, for speed. Plain C (GNU C99, 64 bits), no Python headers: one
 * shared object serves every Python through ctypes. Anything but the common records is handed back to Python (accounts.py), so the rules
 * are written once; the tests hold both paths equal to the last nanosecond.
 *
 * Rows are int64_t arrays owned by Python; the places in them are those of layout.py (a test compares the lists).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ABI 4

enum engine {
    G_RECORDS, G_BACKWARDS, G_WILD, G_CUT, G_RESYNC, G_SKIPPED, G_LATE,
    G_LEFT, G_SKIP, G_CUR, G_PREV, G_NPCPU, G_PASS, G_PREVMAX, G_SAFE, G_MAXT, G_MINT, G_PENDING, G_DRAIN_AT, G_WILDS,
    G_BASE, G_KHZ, G_NOWT, G_NOW, G_BORDER, G_OPEN_GAPS, G_DMAX,
    G_E_TSC, G_E_CPU, G_E_KIND, G_E_A, G_E_B, G_POS, G_REF_T, G_REF_NS, G_WINDOWS, G_WILD_TSC, G_WILD_CPU,
    G_SIZE
};
enum vcpu {
    V_STATE, V_SINCE, V_BEGAN, V_SEEN, V_SUMS, V_EXECUTIONS = V_SUMS + 8, V_PREEMPTIONS, V_WAKES, V_OTHER,
    V_MIGRATIONS, V_LASTCPU, V_IDLE, V_KEY, V_DOMAIN, V_HIST, V_SIZE = V_HIST + 8
};
enum domain {
    D_SINCE, D_MASK, D_COUNTS, D_CURRENT = D_COUNTS + 9, D_GRANTS = D_CURRENT + 16, D_SLICES = D_GRANTS + 3,
    D_SLICE_SUM, D_SLICE_LIMITS, D_SIZE = D_SLICE_LIMITS + 18
};
enum pcpu {
    P_NUMBER, P_LAST, P_OCCUPANT, P_RAN, P_BUF, P_HEAD, P_COUNT, P_CAP, P_RECORDS, P_BYTES, P_PASS, P_FULL, P_LOST,
    P_LOST_BEFORE, P_MHZ, P_FREQ_CHANGES, P_CSTATE, P_CSINCE, P_CTIME, P_CCOUNT = P_CTIME + 8, P_HELD = P_CCOUNT + 8,
    P_SIZE
};
enum figure {
    F_TIMES, F_EXECUTIONS = F_TIMES + 5, F_GRANTS, F_SLICES = F_GRANTS + 3, F_SLICE_SUM, F_SLICE_MIN, F_SLICE_MAX, F_SIZE
};
enum { S_PENDING = 7 };
enum { NEED, GARBAGE, NEW_PCPU, DRAIN };        /* scan */
enum { DONE, SLOW, BORDER };                    /* drain */
enum {
    KIND_NONE = -1, KIND_CONTINUE = 16, KIND_GRANT_MAP, KIND_GRANT_UNMAP, KIND_GRANT_TRANSFER, KIND_SLICE,
    KIND_GAP_BEGIN, KIND_GAP_END, KIND_DOM_ADD, KIND_DOM_REM, KIND_SCHED_ADD, KIND_SCHED_REM, KIND_FREQUENCY,
    KIND_IDLE_ENTRY, KIND_IDLE_EXIT, KIND_LOST
};

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
#define BACKLOG 65536
#define STAMP_LIMIT ((int64_t)1 << 62)
#define IDLE_DOMAIN 0x7fff
#define MILLION 1000000
#define SUB_BITS 5
#define TOP 59
#define HIST_FIRST 2
#define HIST_SIZE (HIST_FIRST + (1 << SUB_BITS) + (TOP - SUB_BITS) * (1 << SUB_BITS))
#define C_STATES 8

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
    void *scratch;              /* npcpu struct lane, then the heap: as many TSCs and pointers */
};

static const signed char class_of[8] = {0, 1, 2, 3, -1, 1, 1, -1};
static const unsigned char bit_of[8] = {1, 2, 4, 4, 8, 2, 2, 0};
static const unsigned char figure_of[8] = {0, 1, 2, 3, 4, 1, 1, 4};
static const unsigned char target_of[16] = {0, 6, 2, 3, 0, 1, 2, 3, 0, 5, 2, 3, 0, 1, 2, 3};

int64_t xenmeter_hot_abi(void) { return ABI; }
int64_t xenmeter_hot_sizes(void) { return ((int64_t)G_SIZE << 48) | V_SIZE << 24 | D_SIZE << 12 | P_SIZE; }

/* ---- bytes to entries ---------------------------------------------------------------------------------------- */

static inline uint32_t word(const unsigned char *p) { uint32_t w; memcpy(&w, p, 4); return w; }
static inline uint64_t stamp(const unsigned char *p) { uint64_t w; memcpy(&w, p, 8); return w; }

static int kind_of(uint32_t header)
{
    uint32_t event = header & 0x0fffffff, words = header >> 28 & 7, timed = header >> 31;
    switch (event) {
    case 0x0010f001: return words ? KIND_GRANT_MAP : KIND_NONE;
    case 0x0010f002: return words ? KIND_GRANT_UNMAP : KIND_NONE;
    case 0x0010f003: return words ? KIND_GRANT_TRANSFER : KIND_NONE;
    }
    if (!timed || !words)
        return KIND_NONE;
    if ((event & ~0x330u) == 0x00021001)
        return (event >> 8 & 3) << 2 | (event >> 4 & 3);
    switch (event) {
    case 0x00021002: return KIND_CONTINUE;
    case 0x00028001: return KIND_SCHED_ADD;
    case 0x00028002: return KIND_SCHED_REM;
    case 0x0002800f: return words >= 3 ? KIND_SLICE : KIND_NONE;
    case 0x0001f001: return words >= 4 ? KIND_LOST : KIND_NONE;
    case 0x00041001: return KIND_DOM_ADD;
    case 0x00041002: return KIND_DOM_REM;
    case 0x00801001: return words >= 2 ? KIND_FREQUENCY : KIND_NONE;
    case 0x00801002: return KIND_IDLE_ENTRY;
    case 0x00801003: return KIND_IDLE_EXIT;
    }
    return KIND_NONE;
}

/* Make room for so many more entries and one behind them; returns where the next one goes. */
static struct entry *room(int64_t *p, int64_t more)
{
    struct entry *buffer = (struct entry *)(intptr_t)p[P_BUF];
    if (p[P_HEAD] + p[P_COUNT] + more >= p[P_CAP]) {
        if (p[P_COUNT] + more < p[P_CAP] && p[P_HEAD] > p[P_CAP] / 2) {
            memmove(buffer, buffer + p[P_HEAD], p[P_COUNT] * sizeof *buffer);
        } else {
            int64_t cap = 2 * (p[P_COUNT] + more) + 1024;
            struct entry *wider = malloc(cap * sizeof *wider);
            if (!wider)
                abort();
            if (p[P_COUNT])
                memcpy(wider, buffer + p[P_HEAD], p[P_COUNT] * sizeof *wider);
            free(buffer);
            p[P_BUF] = (int64_t)(intptr_t)wider;
            p[P_CAP] = cap;
            buffer = wider;
        }
        p[P_HEAD] = 0;
    }
    return buffer + p[P_HEAD] + p[P_COUNT];
}

static inline int kind_at(const struct entry *e)
{
    return e->head & ENTRY ? e->head & 0xff : (e->head >> 6) | (e->head >> 4 & 3);
}

static inline struct entry *queue(struct entry *e, int64_t tsc, uint32_t word, uint32_t head)
{
    uint64_t both = word | (uint64_t)head << 32;
    e->tsc = tsc;
    memcpy(&e->word, &both, 8);
    return e + 1;
}

/* Scanner._odd_stamp */
static int64_t odd_stamp(int64_t *g, uint64_t raw, int64_t last)
{
    int64_t tsc = (int64_t)raw, most = g[G_MAXT], before = g[G_WILD_TSC], wilds = g[G_WILDS];
    g[G_WILDS] = 0;
    if (raw >= (uint64_t)STAMP_LIMIT || last - tsc > JUMP) {
        g[G_WILD]++;
        return -1;
    }
    if (tsc < last) {
        g[G_BACKWARDS]++;
        if (tsc < g[G_MINT] && last - tsc <= LEAP)
            g[G_MINT] = tsc;
        return last;
    }
    if (most < 0 || (tsc - most <= JUMP && (last >= 0 || most - tsc <= JUMP)))
        return tsc;
    if ((tsc > before ? tsc - before : before - tsc) > JUMP || (uint32_t)tsc == (uint32_t)before
        || (tsc < before && g[G_CUR] == g[G_WILD_CPU]))
        wilds = 0;
    g[G_WILD]++;
    g[G_WILDS] = wilds + 1;
    g[G_WILD_TSC] = tsc;
    g[G_WILD_CPU] = g[G_CUR];
    return g[G_WILDS] > WILD_RUN ? tsc : -1;
}

static void first_stamp(int64_t *g, int64_t *p, int64_t tsc, struct entry *end)
{
    if (g[G_MINT] < 0 || tsc < g[G_MINT])
        g[G_MINT] = tsc;
    for (struct entry *e = (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD]; e < end; e++)
        e->tsc = tsc;
}

/* Scanner._bear_out */
static void bear_out(int64_t *g, int64_t *p, struct entry *end)
{
    int64_t held = p[P_HELD];
    if (p[P_LAST] < 0)
        first_stamp(g, p, held, end);
    p[P_LAST] = held;
    p[P_HELD] = -1;
    if (held > g[G_MAXT])
        g[G_MAXT] = held;
}

/* Scanner._judge; returns the queue's end. */
static struct entry *judge(int64_t *g, int64_t *p, uint64_t raw, struct entry *end)
{
    const struct entry *start = (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD];
    int64_t held = p[P_HELD];
    if (raw + LEAP >= (uint64_t)held && raw <= (uint64_t)(held + JUMP) && (uint32_t)raw != (uint32_t)held
        && (raw + APART <= (uint64_t)held || raw >= (uint64_t)(held + APART))) {
        bear_out(g, p, end);
        return end;
    }
    p[P_HELD] = -1;
    g[G_WILD]++;
    while (end > start && end[-1].tsc == held)
        end--;
    return end;
}

static struct entry *queue_special(int64_t *p, struct entry *e, int64_t tsc, int kind, const unsigned char *w,
                                   uint32_t header, int64_t last)
{
    uint32_t a = word(w), head = ENTRY | kind;
    if (kind < 16) {
        head = header & ~RUNSTATE_MASK;
    } else if (kind == KIND_LOST) {
        uint64_t begin = stamp(w + 8);
        int64_t from = begin < (uint64_t)tsc ? (int64_t)begin : tsc;
        p[P_LOST] += a;
        if (!p[P_RECORDS])
            p[P_LOST_BEFORE] += a;
        from = from > last ? from : last;
        if (last < 0)
            for (struct entry *old = (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD]; old < e; old++)
                old->tsc = from;            /* stampless ones, from before the loss */
        e = queue(e, from, 0, ENTRY | KIND_GAP_BEGIN);
        a = word(w + 4) << 16 | word(w + 4) >> 16;
        head = ENTRY | KIND_GAP_END;
    } else if (kind == KIND_SLICE) {
        head |= (a & 0xffff) << 8 | (uint32_t)(a == IDLE_DOMAIN) << 24;
        a = word(w + ((header >> 28 & 7) >= 4 ? 12 : 8));
    } else if (kind == KIND_FREQUENCY) {
        a = word(w + 4);
    }
    return queue(e, tsc, a, head);
}

/* Scanner._payload: the whole records of the current window in [at, end). */
static const unsigned char *payload(int64_t *g, int64_t *p, const unsigned char *at, const unsigned char *end)
{
    const unsigned char *start = at, *stop = at + g[G_LEFT];
    int64_t records = 0, own = 0, last = p[P_LAST], maxt = g[G_MAXT], wilds = g[G_WILDS];
    /* A record that is queued has 8 bytes at least, and a marker of 28 makes two entries. */
    struct entry *first = room(p, (end - at) / 8 + 2), *e = first;
    while (at + 4 <= end) {
        uint32_t header = word(at);
        int timed = header >> 31;
        int length = 4 + 8 * timed + 4 * (header >> 28 & 7);
        int kind;
        int64_t tsc, before = last;
        if ((header & RUNSTATE_MASK) == RUNSTATE && last >= 0 && p[P_HELD] < 0) {
            /* Most of what there is, and the same size each: the next header need not wait for this one. */
            const int64_t top = maxt + LEAP < STAMP_LIMIT ? maxt + LEAP : STAMP_LIMIT - 1;
            const unsigned char *from = at, *most = end - 16;
            for (; at <= most; at += 16) {
                uint32_t states = word(at) ^ RUNSTATE;
                tsc = (int64_t)stamp(at + 4);
                if (states & RUNSTATE_MASK || tsc < last || tsc > top)
                    break;
                last = tsc;
                e = queue(e, tsc, word(at + 12), states);
            }
            if (at != from) {
                records += (at - from) / 16;
                own += (at - from) / 16;
                maxt = last > maxt ? last : maxt;
                wilds = 0;
                continue;
            }
            header = word(at);
        }
        if (at + length > stop || header == CPU_CHANGE_HEADER) {
            g[G_CUT]++;
            g[G_SKIP] = header == CPU_CHANGE_HEADER ? 0 : stop - at;
            g[G_LEFT] = 0;
            goto out;
        }
        if (at + length > end)
            break;
        kind = kind_of(header);
        tsc = last > p[P_HELD] ? last : p[P_HELD];
        if (timed) {
            uint64_t raw = stamp(at + 4);
            tsc = (int64_t)raw;
            if (raw >= (uint64_t)STAMP_LIMIT || tsc < last || tsc - maxt > LEAP || p[P_HELD] >= 0 || last < 0) {
                g[G_MAXT] = maxt;
                g[G_WILDS] = wilds;
                p[P_LAST] = last;
                if (p[P_HELD] >= 0)
                    e = judge(g, p, raw, e);
                maxt = g[G_MAXT];
                before = last = p[P_LAST];
                tsc = odd_stamp(g, raw, last);
                wilds = g[G_WILDS];
                if (tsc < 0) {
                    records++;
                    own++;
                    at += length;
                    continue;
                }
                if (tsc - maxt > LEAP && maxt >= 0 && !wilds && kind != KIND_LOST)
                    p[P_HELD] = tsc;
                else if (last < 0)
                    first_stamp(g, p, tsc, e);
            }
            if (p[P_HELD] < 0) {
                last = tsc;
                if (tsc > maxt)
                    maxt = tsc;
            }
            wilds = 0;
        }
        records++;
        if (kind != KIND_NONE) {
            p[P_RECORDS] += own;
            own = kind != KIND_LOST;
            e = queue_special(p, e, tsc, kind, at + 4 + 8 * timed, header, before);
        } else {
            own++;
        }
        at += length;
    }
    g[G_LEFT] -= at - start;
out:
    g[G_RECORDS] += records;
    g[G_MAXT] = maxt;
    g[G_WILDS] = wilds;
    g[G_PENDING] += e - first;
    p[P_COUNT] += e - first;
    p[P_RECORDS] += own;
    p[P_LAST] = last;
    return at;
}

/* Scanner.bear_out */
void xenmeter_hot_bear_out(struct tables *t)
{
    for (int64_t i = 0; i < t->g[G_NPCPU]; i++) {
        int64_t *p = t->order[i];
        if (p[P_HELD] >= 0)
            bear_out(t->g, p, (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD] + p[P_COUNT]);
    }
}

static void begin_window(int64_t *g, int64_t *p, int64_t size)
{
    int64_t over;
    if (p[P_PASS] != g[G_PASS]) {
        p[P_PASS] = g[G_PASS];
        p[P_BYTES] = 0;
    }
    p[P_BYTES] += size;
    over = (p[P_BYTES] + 8) % 4096;
    p[P_FULL] = p[P_BYTES] > 0 && (over == 0 || over > 4096 - 80);
    g[G_WINDOWS]++;
}

/* Scanner.scan */
int64_t xenmeter_hot_scan(struct tables *t, const unsigned char *data, int64_t start, int64_t end)
{
    int64_t *g = t->g, pos = start;
    for (;;) {
        uint32_t pcpu, size;
        int64_t *p;
        g[G_POS] = pos;
        if (g[G_SKIP]) {
            int64_t step = g[G_SKIP] < end - pos ? g[G_SKIP] : end - pos;
            g[G_POS] = pos += step;
            g[G_SKIP] -= step;
            if (g[G_SKIP])
                return NEED;
        }
        if (g[G_LEFT]) {
            int64_t size = g[G_LEFT] < end - pos ? g[G_LEFT] : end - pos;
            g[G_POS] = pos = payload(g, t->pcpus[g[G_CUR]], data + pos, data + pos + (size & ~3)) - data;
            if (g[G_SKIP])
                continue;
            if (g[G_LEFT])
                return NEED;
        }
        if (end - pos < 12)
            return NEED;
        pcpu = word(data + pos + 4);
        size = word(data + pos + 8);
        if (word(data + pos) != CPU_CHANGE_HEADER || pcpu >= MAX_PCPU || size > MAX_WINDOW || size & 3)
            return GARBAGE;
        if (g[G_PENDING] >= g[G_DRAIN_AT])
            return DRAIN;
        p = t->pcpus[pcpu];
        if (!p) {
            g[G_CUR] = pcpu;
            return NEW_PCPU;
        }
        if (pcpu < g[G_PREV] || (pcpu == g[G_PREV] && (g[G_NPCPU] == 1 || g[G_PENDING] >= BACKLOG))) {
            g[G_SAFE] = g[G_PREVMAX];
            g[G_PREVMAX] = g[G_MAXT];
            g[G_PASS]++;
        }
        g[G_PREV] = g[G_CUR] = pcpu;
        g[G_LEFT] = size;
        begin_window(g, p, size);
        pos += 12;
    }
}

void xenmeter_hot_free(int64_t *p)
{
    free((void *)(intptr_t)p[P_BUF]);
    p[P_BUF] = p[P_HEAD] = p[P_COUNT] = p[P_CAP] = 0;
}

/* ---- entries to accounts --------------------------------------------------------------------------------------- */

/* (tsc - BASE) * 10^6 / khz, rounded down, in integers only: a multiplication, from a reference near by.
 *
 * At the reference that quotient has no remainder. 10^6 / khz is whole and a fraction; part = ceil(2^64 * fraction), so
 * ahead * part / 2^64 is too much by less than ahead / 2^64. The quotient's own fraction is at most 1 - 1 / khz: as long
 * as ahead <= 2^64 / khz, rounding down gives the same integer.
 */
struct clock {
    int64_t tsc, ns;
    uint64_t whole, part, reach, khz;
};

static struct clock start_clock(const int64_t *g)
{
    struct clock c = {g[G_REF_T], g[G_REF_NS], 0, 0, 0, (uint64_t)g[G_KHZ]};
    unsigned __int128 one = (unsigned __int128)1 << 64;
    if (c.tsc < 0) {
        c.tsc = g[G_BASE];
        c.ns = 0;
    }
    c.whole = MILLION / c.khz;
    c.part = (uint64_t)((one * (MILLION % c.khz) + c.khz - 1) / c.khz);
    one /= c.khz;
    c.reach = one < (uint64_t)1 << 40 ? (uint64_t)one : (uint64_t)1 << 40;
    return c;
}

/* Far from the reference: divide, and take another reference. */
NEVER int64_t refer(struct clock *c, int64_t base, int64_t tsc)
{
    unsigned __int128 all = (unsigned __int128)(uint64_t)(tsc - base) * MILLION;
    uint64_t periods = (uint64_t)(tsc - base) / c->khz;
    c->tsc = base + (int64_t)(periods * c->khz);
    c->ns = (int64_t)(periods * MILLION);
    return (int64_t)(all / c->khz);
}

/* Within the reference's reach; ``whole``: whether there is a whole part. */
ALWAYS int64_t ahead(const struct clock *c, int64_t tsc, int whole)
{
    uint64_t cycles = (uint64_t)(tsc - c->tsc);
    uint64_t ns = (uint64_t)((unsigned __int128)cycles * c->part >> 64);
    return c->ns + (int64_t)(whole ? cycles * c->whole + ns : ns);
}

static inline int64_t nanoseconds(struct clock *c, int64_t base, int64_t tsc)
{
    return (uint64_t)(tsc - c->tsc) >= c->reach ? refer(c, base, tsc) : ahead(c, tsc, 1);
}

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

/* A pCPU's queue: lanes lie by ascending number. */
struct lane {
    const struct entry *at;
    int64_t *p;
};

/* Those that have something due, the earliest on top: by the TSC of what is next, then by number. Two arrays, and no
 * copies of structs: a wide load of what was just stored in two parts would wait for both. */
struct heap {
    int64_t n, *tsc;
    struct lane **lane;
};

static inline struct entry *front(const int64_t *p) { return (struct entry *)(intptr_t)p[P_BUF] + p[P_HEAD]; }

ALWAYS int first(const struct heap *h, int64_t x, int64_t tsc, const struct lane *lane)
{
    return h->tsc[x] < tsc || (h->tsc[x] == tsc && h->lane[x] < lane);
}

ALWAYS void sink(struct heap *h, int64_t at, int64_t tsc, struct lane *lane)
{
    int64_t child;
    while ((child = 2 * at + 1) < h->n) {
        if (child + 1 < h->n && first(h, child + 1, h->tsc[child], h->lane[child]))
            child++;
        if (!first(h, child, tsc, lane))
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

/* PythonCore.drain; ``whole`` tells whether the clock's is more than 0. */
ALWAYS int64_t drain(const struct tables *t, int64_t limit, struct clock c, int whole)
{
    int64_t *g = t->g, answer = DONE, now = g[G_NOWT], ns = g[G_NOW], stop = stop_at(g, &c);
    const int64_t base = g[G_BASE];
    /* Heads from here on are not for change(): while a loss lasts, none is. */
    const uint32_t others = g[G_OPEN_GAPS] ? 0 : ENTRY;
    struct lane *lanes = (struct lane *)t->scratch;
    struct heap heap = gather(t, limit, lanes);
    while (heap.n) {
        struct lane *lane = heap.lane[0];
        const struct entry *e = lane->at;
        int64_t *p = lane->p, bound = limit + 1, occupant = p[P_OCCUPANT];
        const int64_t number = p[P_NUMBER];
        if (heap.n > 1) {
            int64_t second = heap.n > 2 && first(&heap, 2, heap.tsc[1], heap.lane[1]) ? 2 : 1;
            int64_t turn = heap.tsc[second] + (lane < heap.lane[second]);   /* up to that, this pCPU's come first */
            bound = turn < bound ? turn : bound;
        }
        if (unlikely(e->tsc < now)) {
            g[G_LATE] += e->head != (ENTRY | KIND_GAP_BEGIN) || now > base;
            bound = INT64_MIN;                                      /* each late one by itself */
        } else if (unlikely(e->tsc >= stop)) {
            int64_t at;
            if (e->tsc - base > g[G_DMAX]) {
                g[G_WILD]++;
                e++;
                goto next;
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
                int64_t *v = find_vcpu(t, e->word);
                if (unlikely(!v || !change(v, number, &occupant, ns, e->head, e->word)))
                    break;
            } else if (!rare(t, e, p, ns)) {
                break;
            }
            e++;
            if (e->tsc >= bound) {
                p[P_RAN] |= occupant >= 0 && occupant >> 16 != IDLE_DOMAIN;
                goto next;
            }
            now = e->tsc;
            ns = ahead(&c, now, whole);
        }
        hand_over(g, e, number);
        lane->at = e + 1;
        p[P_OCCUPANT] = occupant;
        answer = SLOW;
        goto out;
next:
        p[P_OCCUPANT] = occupant;
        lane->at = e;
        if (e->tsc <= limit) {
            sink(&heap, 0, e->tsc, lane);
        } else {
            heap.n--;
            sink(&heap, 0, heap.tsc[heap.n], heap.lane[heap.n]);
        }
    }
out:
    release(t, lanes);
    g[G_NOWT] = now;
    g[G_NOW] = ns;
    g[G_REF_T] = c.tsc;
    g[G_REF_NS] = c.ns;
    return answer;
}

/* DONE, or SLOW: the entry in E_* is for Python, or BORDER: a window ends at or before E_TSC (ns). */
int64_t xenmeter_hot_drain(struct tables *t, int64_t limit)
{
    struct clock c = start_clock(t->g);
    return c.whole ? drain(t, limit, c, 1) : drain(t, limit, c, 0);
}

/* ---- windows ------------------------------------------------------------------------------------------------- */

/* windows.Cut.take. ``plan``: which length, how many domains, how many of them have ended; then for each the addresses
 * of its row and of its base, how many vCPUs, and the addresses of their rows. */
void xenmeter_hot_cut(const int64_t *plan, int64_t border, int64_t *told)
{
    int64_t place = D_SLICE_LIMITS + 2 + 2 * plan[0], count = plan[1], gone = plan[2];
    plan += 3;
    for (int64_t i = 0; i < count; i++, told += F_SIZE) {
        int64_t *d = (int64_t *)(intptr_t)plan[0], *base = (int64_t *)(intptr_t)plan[1], vcpus = plan[2];
        int64_t now[F_SIZE] = {0};
        plan += 3;
        for (int64_t j = 0; j < vcpus; j++) {
            int64_t *v = (int64_t *)(intptr_t)plan[j];
            if (i >= gone && v[V_STATE] != S_PENDING) {
                v[V_SUMS + v[V_STATE]] += border - v[V_SINCE];
                v[V_SINCE] = border;
            }
            for (int state = 0; state < S_PENDING; state++)
                now[figure_of[state]] += v[V_SUMS + state];
            now[F_EXECUTIONS] += v[V_EXECUTIONS];
        }
        plan += vcpus;
        for (int k = 0; k < 5; k++)
            now[F_GRANTS + k] = d[D_GRANTS + k];    /* the three, D_SLICES and D_SLICE_SUM */
        for (int k = 0; k < F_SLICE_MIN; k++) {
            told[k] = now[k] - base[k];
            base[k] = now[k];
        }
        told[F_SLICE_MIN] = d[place];
        told[F_SLICE_MAX] = d[place + 1];
        d[place] = d[place + 1] = -1;
    }
}
