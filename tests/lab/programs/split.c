/* Work whose shares are known: seven parts of ten in one function, three in another, for a profiler; some of each second. How
 * long each takes it measures itself, and says so first: processors run the same loop at another speed at another place. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define APART __attribute__((noinline, noclone, no_icf))
#define SEVEN 7000
#define THREE 3000
#define TIMES 101
#define OFTEN 50

static volatile uint64_t result;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Each step needs the one before: no processor does two at once. */
APART void seven_parts(uint64_t loops)
{
    uint64_t value = loops;
    while (loops--) {
        value = value * 6364136223846793005ull + 1;
        __asm__ volatile("" : "+r"(value));
    }
    result = value;
}

APART void three_parts(uint64_t loops)
{
    uint64_t value = loops;
    while (loops--) {
        value = value * 6364136223846793005ull + 1;
        __asm__ volatile("" : "+r"(value));
    }
    result = value;
}

static int by_size(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* What each takes in half of many times is what it takes when nothing comes between. Each is done often between two looks at the
 * clock, which takes longer than either where a guest's clock is a call. */
static void tell(void)
{
    static uint64_t seven[TIMES], three[TIMES];
    for (int round = 0; round < TIMES; round++) {
        uint64_t began = now();
        for (int again = 0; again < OFTEN; again++)
            seven_parts(SEVEN);
        uint64_t between = now();
        for (int again = 0; again < OFTEN; again++)
            three_parts(THREE);
        uint64_t end = now();
        seven[round] = between - began;
        three[round] = end - between;
    }
    qsort(seven, TIMES, sizeof(*seven), by_size);
    qsort(three, TIMES, sizeof(*three), by_size);
    printf("SPLIT seven_parts %llu ns three_parts %llu ns\n", (unsigned long long)seven[TIMES / 2] / OFTEN,
           (unsigned long long)three[TIMES / 2] / OFTEN);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint64_t work = argc > 1 ? atoi(argv[1]) * 1000000ull : 400000000ull;
    tell();
    for (;;) {
        uint64_t began = now(), end = began + work;
        while (now() < end)
            for (int round = 0; round < 20; round++) {
                seven_parts(SEVEN);
                three_parts(THREE);
            }
        struct timespec rest = { 0, 1000000000ull - work };
        nanosleep(&rest, NULL);
    }
}
