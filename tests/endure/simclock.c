/* A library for LD_PRELOAD: clocks that run ahead. Every clock is what the kernel's is and an offset more, which whoever
 * wrote the file that SIMCLOCK names may raise at any moment, and the wall clock a second one, which may be anything: two
 * int64_t of nanoseconds. Whoever waits for a time wakes when it has come by these clocks.
 *
 * A thread sees a jump while it waits, and at no other moment: no clock that somebody has jumps between "so long is it until then"
 * and "from now on I wait so long", and who computes with both would wait for what the jump has skipped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ll
#define FIRST_SLICE 1000000ll   /* ns for which something is waited for before the clock is looked at again, growing */
#define LAST_SLICE 16000000ll
#define TURN 50000000ll         /* ns */
#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static volatile int64_t *shown;
static int64_t nothing[2];
/* As this thread knows it. */
static __thread int64_t seen[2];
static __thread int knows;

static void __attribute__((constructor)) open_clock(void)
{
    const char *path = getenv("SIMCLOCK");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = fd < 0 ? MAP_FAILED : (void *)syscall(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    shown = page == MAP_FAILED ? nothing : page;
    if (fd >= 0)
        syscall(SYS_close, fd);
}

static void look(void)
{
    if (!shown)
        open_clock();
    seen[0] = shown[0];
    seen[1] = shown[1];
    knows = 1;
}

static int64_t ahead(clockid_t clock)
{
    if (!knows)
        look();
    switch (clock) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: return seen[0] + seen[1];
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: case CLOCK_BOOTTIME: return seen[0];
    }
    return 0;
}

static int64_t of(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }
static struct timespec as(int64_t ns) { struct timespec t = {ns / SECOND, ns % SECOND}; return t; }

int clock_gettime(clockid_t clock, struct timespec *t)
{
    NEXT(clock_gettime);
    int failed = next(clock, t);
    if (!failed)
        *t = as(of(t) + ahead(clock));
    return failed;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return of(&t);
}

/* How long to wait now, by the kernel's clock; the slice of next time. 0: the time has come. */
static int64_t slice(int64_t deadline, clockid_t clock, int64_t *most)
{
    int64_t left, length;
    look();
    left = deadline - now(clock);
    length = left < *most ? left : *most;
    if (*most < LAST_SLICE)
        *most *= 2;
    return length > 0 ? length : 0;
}

static int64_t in(int64_t ns) { return ns > INT64_MAX / 2 ? INT64_MAX : now(CLOCK_MONOTONIC) + ns; }

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    NEXT(poll);
    if (ms <= 0) {
        int ready = next(fds, n, ms);
        look();
        return ready;
    }
    int64_t deadline = in(ms * 1000000ll), most = FIRST_SLICE;
    for (;;) {
        int64_t length = slice(deadline, CLOCK_MONOTONIC, &most);
        int ready = next(fds, n, (int)((length + 999999) / 1000000));
        look();
        if (ready || !length)
            return ready;
    }
}

int select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *t)
{
    NEXT(select);
    if (!t) {
        int ready = next(n, r, w, x, t);
        look();
        return ready;
    }
    int64_t deadline = in(t->tv_sec * SECOND + t->tv_usec * 1000), most = FIRST_SLICE;
    fd_set r0, w0, x0;
    if (r) r0 = *r;
    if (w) w0 = *w;
    if (x) x0 = *x;
    for (;;) {
        int64_t length = slice(deadline, CLOCK_MONOTONIC, &most);
        struct timeval part = {length / SECOND, length % SECOND / 1000};
        int ready = next(n, r, w, x, &part);
        look();
        if (ready || !length)
            return ready;
        if (r) *r = r0;
        if (w) *w = w0;
        if (x) *x = x0;
    }
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
    NEXT(clock_nanosleep);
    int64_t deadline = flags & TIMER_ABSTIME ? of(t) : now(clock) + of(t), most = FIRST_SLICE, length;
    while ((length = slice(deadline, clock, &most)) > 0) {
        struct timespec part = as(length);
        int failed = next(CLOCK_MONOTONIC, 0, &part, NULL);
        if (failed) {
            if (left && !(flags & TIMER_ABSTIME))
                *left = as(deadline > now(clock) ? deadline - now(clock) : 0);
            return failed;
        }
    }
    return 0;
}

int nanosleep(const struct timespec *t, struct timespec *left)
{
    int failed = clock_nanosleep(CLOCK_MONOTONIC, 0, t, left);
    errno = failed ? failed : errno;
    return failed ? -1 : 0;
}

int sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *t)
{
    static int (*next)(sem_t *, clockid_t, const struct timespec *);
    if (!next)
        next = (int (*)(sem_t *, clockid_t, const struct timespec *))dlsym(RTLD_NEXT, "sem_clockwait");
    int64_t deadline = of(t), most = FIRST_SLICE;
    for (;;) {
        int64_t length = slice(deadline, clock, &most);
        struct timespec until = as(now(CLOCK_MONOTONIC) - ahead(CLOCK_MONOTONIC) + length);
        int failed = next(sem, CLOCK_MONOTONIC, &until);
        look();
        if (!failed)
            return 0;
        if (errno != ETIMEDOUT || !length)
            return -1;
    }
}

int sem_timedwait(sem_t *sem, const struct timespec *t) { return sem_clockwait(sem, CLOCK_REALTIME, t); }

/* Whose clock a condition has is not told; times since 1970 and since the boot look different. A wait that ends early, with
 * nothing said, is what POSIX allows. What is as short as TURN is Python's, for a turn of its interpreter: a thread that has one
 * taken from it between two looks at the clock does not wait for a time. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *t)
{
    NEXT(pthread_cond_timedwait);
    clockid_t clock = t->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    int64_t most = LAST_SLICE, length = of(t) - now(clock), waits = length > TURN;
    if (waits)
        length = slice(of(t), clock, &most);
    struct timespec until = as(now(clock) - ahead(clock) + (length < 0 ? 0 : length));
    int failed = next(condition, mutex, &until);
    if (waits)
        look();
    return failed == ETIMEDOUT && now(clock) < of(t) ? 0 : failed;
}
