/* TSC to nanoseconds, without a division for nearly every record. */
#ifndef XENMETER_HOT_CLOCK_H
#define XENMETER_HOT_CLOCK_H

#include "hot_rows.h"

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

#endif
