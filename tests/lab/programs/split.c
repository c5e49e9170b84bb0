/* Work whose shares are known: seven parts of ten in one function, three in another, for a profiler; some of each second. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define APART __attribute__((noinline, noclone, no_icf))

static volatile uint64_t count;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

APART void seven_parts(uint64_t loops)
{
    while (loops--)
        count++;
}

APART void three_parts(uint64_t loops)
{
    while (loops--)
        count++;
}

int main(int argc, char **argv)
{
    uint64_t work = argc > 1 ? atoi(argv[1]) * 1000000ull : 400000000ull;
    for (;;) {
        uint64_t began = now(), end = began + work;
        while (now() < end)
            for (int round = 0; round < 20; round++) {
                seven_parts(7000);
                three_parts(3000);
            }
        struct timespec rest = { 0, 1000000000ull - work };
        nanosleep(&rest, NULL);
    }
}
