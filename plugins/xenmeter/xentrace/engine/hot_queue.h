/* What is queued of a record, and the queues: one buffer of entries per pCPU, ascending in TSC. */
#ifndef XENMETER_HOT_QUEUE_H
#define XENMETER_HOT_QUEUE_H

#include "hot_rows.h"

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

/* Make room for so many more entries and one behind them; returns where the next one goes, NULL where there is no memory. */
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
                return NULL;
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

#endif
