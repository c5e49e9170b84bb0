/* Work that is known: a guest of the lab runs it.
 *
 *   work burn [MS PERIOD]     use the processor without end, or MS out of every PERIOD milliseconds
 *   work wake HZ              wake up HZ times a second, at fixed times, and do nothing
 *   work disk DEVICE HZ       HZ times a second read 64 KiB and write 4 KiB, past the page cache
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void sleep_until(uint64_t when)
{
    struct timespec t = { when / 1000000000ull, when % 1000000000ull };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* The next multiple of a period; times that passed meanwhile are left out, so a late guest does not catch up. */
static uint64_t next(uint64_t when, uint64_t period)
{
    uint64_t passed = now();
    return when + (passed > when ? (passed - when) / period + 1 : 1) * period;
}

static void burn(uint64_t work, uint64_t period)
{
    volatile uint64_t count = 0;
    uint64_t when = now();
    for (;;) {
        uint64_t end = now() + work;
        while (!work || now() < end)
            for (int i = 0; i < 1000; i++)
                count++;
        sleep_until(when = next(when, period));
    }
}

static void wake(uint64_t period)
{
    uint64_t when = now();
    for (;;)
        sleep_until(when = next(when, period));
}

static int disk(const char *device, uint64_t period)
{
    void *buffer;
    int fd = open(device, O_RDWR | O_DIRECT);
    if (fd < 0 || posix_memalign(&buffer, 4096, 65536)) {
        perror(device);
        return 1;
    }
    memset(buffer, 'x', 65536);
    uint64_t when = now();
    for (uint64_t n = 0;; n++) {
        off_t at = (n % 128) * 65536;
        if (pread(fd, buffer, 65536, at) != 65536 || pwrite(fd, buffer, 4096, at) != 4096) {
            perror(device);
            return 1;
        }
        sleep_until(when = next(when, period));
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "burn"))
        burn(0, 1);
    else if (argc == 4 && !strcmp(argv[1], "burn"))
        burn(atoi(argv[2]) * 1000000ull, atoi(argv[3]) * 1000000ull);
    else if (argc == 3 && !strcmp(argv[1], "wake"))
        wake(1000000000ull / atoi(argv[2]));
    else if (argc == 4 && !strcmp(argv[1], "disk"))
        return disk(argv[2], 1000000000ull / atoi(argv[3]));
    fprintf(stderr, "work burn [MS PERIOD] | wake HZ | disk DEVICE HZ\n");
    return 2;
}
