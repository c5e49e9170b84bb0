/* Reads the statistics pages of all domains in one pass: page.py's PageReader over again, for speed. Plain C (GNU C99, 64
 * bits, little endian), no Python headers, as xentrace's hot.c. The tests hold both equal.
 *
 * The rows of the plan and the figures are arrays that Python owns (vcpu/compiled.py).
 */
#include <stdint.h>

#define ABI 2
#define TRIES 64                /* of an entry that is being written; the hypervisor needs a few instructions for it */
#define INACTIVE ((uint64_t)1 << 63)
#define UNKNOWN UINT64_MAX
#define COUNTERS 6
#define FIRST 8                 /* of an entry: where its counters begin */
#define AHEAD 8                 /* pages whose memory is asked for while another one is read */

enum { SAME, CHANGED, BAD };

struct page {
    const unsigned char *base;
    uint32_t magic, offset, size, stride;   /* what the header said when the page was mapped */
    int64_t entries, counters;
    int64_t at;                             /* of its first figure in out */
    int64_t status;                         /* out: one of the above */
    int64_t torn;                           /* out: entries that changed at each try */
};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* The counters of one entry, all of one moment; 0: they are not known now, -1: it changed at each try. */
static int read_entry(const unsigned char *entry, int64_t counters, uint64_t *now)
{
    const uint32_t *seq = (const void *)entry;
    const uint64_t *counter = (const void *)(entry + FIRST);

    for (int i = 0; i < TRIES; i++) {
        uint32_t before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);

        if (before & 1) {
            relax();
            continue;
        }
        for (int64_t c = 0; c < counters; c++)
            now[c] = __atomic_load_n(counter + c, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(seq, __ATOMIC_RELAXED) == before)
            return before != 0;
    }
    return -1;
}

static void read_page(struct page *p, uint64_t *out)
{
    const uint32_t *header = (const void *)p->base;
    const unsigned char *entry = p->base + p->offset;
    uint64_t now[COUNTERS];

    p->status = SAME;
    p->torn = 0;
    if (header[0] != p->magic || header[1] != p->offset || header[2] != p->size || header[3] != p->stride) {
        p->status = BAD;
        return;
    }
    for (int64_t i = 0; i < p->entries; i++, entry += p->stride, out += p->counters) {
        int known = read_entry(entry, p->counters, now);

        p->torn += known < 0;
        for (int64_t c = 0; c < p->counters; c++) {
            uint64_t value = known > 0 && now[c] < INACTIVE ? now[c] : UNKNOWN;

            if (out[c] != value) {
                out[c] = value;
                p->status = CHANGED;
            }
        }
    }
}

/* Read all pages of the plan; how many of them do not say what they said before. */
int64_t xenmeter_pages_read(struct page *plan, int64_t pages, uint64_t *out)
{
    int64_t different = 0;

    for (int64_t i = 0; i < pages; i++) {
        if (i + AHEAD < pages) {
            const struct page *next = &plan[i + AHEAD];

            __builtin_prefetch(next->base);
            for (int64_t e = 0; e < next->entries && e < AHEAD; e++)
                __builtin_prefetch(next->base + next->offset + e * next->stride);
        }
        read_page(&plan[i], out + plan[i].at);
        different += plan[i].status != SAME;
    }
    return different;
}

int64_t xenmeter_pages_abi(void)
{
    return (int64_t)ABI << 32 | sizeof(struct page);
}
