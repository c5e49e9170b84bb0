/* Bytes to entries: scan.py over again. Finds the windows, walks their records, and queues per pCPU what the accounts
 * need.
 */
#ifndef XENMETER_HOT_SCAN_H
#define XENMETER_HOT_SCAN_H

#include "hot_queue.h"

/* Scanner._hurt */
static void hurt(int64_t *g)
{
    if (g[G_HURT] != MENDING)
        g[G_HURT] = WOUND;
}

/* Scanner._odd_stamp */
static int64_t odd_stamp(int64_t *g, uint64_t raw, int64_t last)
{
    int64_t tsc = (int64_t)raw, most = g[G_MAXT], before = g[G_WILD_TSC], wilds = g[G_WILDS];
    g[G_WILDS] = 0;
    if (raw >= (uint64_t)STAMP_LIMIT || last - tsc > JUMP) {
        g[G_WILD]++;
        hurt(g);
        return -1;
    }
    if (tsc < last) {
        g[G_BACKWARDS]++;
        hurt(g);
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
    hurt(g);
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
    hurt(g);
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

/* Scanner._payload: the whole records of the current window in [at, end); NULL where there is no memory. */
static const unsigned char *payload(int64_t *g, int64_t *p, const unsigned char *at, const unsigned char *end)
{
    const unsigned char *start = at, *stop = at + g[G_LEFT];
    int64_t records = 0, own = 0, last = p[P_LAST], maxt = g[G_MAXT], wilds = g[G_WILDS];
    /* A record that is queued has 8 bytes at least, and a marker of 28 makes two entries. */
    struct entry *first = room(p, (end - at) / 8 + 2), *e = first;
    if (!first)
        return NULL;
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
            hurt(g);
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

/* Scanner._seam: whether the window of ``p`` at ``at`` may be another recording's. */
static int seam(const int64_t *g, const int64_t *p, const unsigned char *at, uint32_t size)
{
    int64_t tsc;
    if (size < 12 || !(word(at) >> 31) || g[G_MAXT] < 0)
        return 0;
    tsc = (int64_t)stamp(at + 4);
    return tsc < p[P_LAST] - OLDER || tsc - g[G_MAXT] > g[G_QUIET];
}

/* Scanner.scan */
int64_t xenmeter_hot_scan(struct tables *t, const unsigned char *data, int64_t start, int64_t end)
{
    int64_t *g = t->g, pos = start;
    for (;;) {
        uint32_t pcpu, size;
        int64_t *p, again;
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
            const unsigned char *done = payload(g, t->pcpus[g[G_CUR]], data + pos, data + pos + (size & ~3));
            if (!done)
                return NO_MEMORY;
            g[G_POS] = pos = done - data;
            if (g[G_HURT] == WOUND)
                return HURT;
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
        if (!g[G_LOOKED] && end - pos < 12 + (size < 12 ? size : 12))
            return NEED;
        if (!g[G_LOOKED] && seam(g, p, data + pos + 12, size))
            return SEAM;
        g[G_LOOKED] = 0;
        again = pcpu == g[G_PREV];
        if (pcpu < g[G_PREV] || (again && (g[G_TWICE] || g[G_NPCPU] == 1 || g[G_PENDING] >= BACKLOG))) {
            again = 0;
            g[G_SAFE] = g[G_PREVMAX];
            g[G_PREVMAX] = g[G_MAXT];
            g[G_PASS]++;
            if (g[G_HURT] == MENDED)
                g[G_HURT_TO] = g[G_MAXT];
            g[G_HURT] = g[G_HURT] == MENDING ? MENDED : SOUND;
        }
        g[G_TWICE] = again;
        g[G_PREV] = g[G_CUR] = pcpu;
        g[G_LEFT] = size;
        g[G_WINDOW_AT] = g[G_ORIGIN] + pos;
        begin_window(g, p, size);
        pos += 12;
    }
}

void xenmeter_hot_free(int64_t *p)
{
    free((void *)(intptr_t)p[P_BUF]);
    p[P_BUF] = p[P_HEAD] = p[P_COUNT] = p[P_CAP] = 0;
}

#endif
