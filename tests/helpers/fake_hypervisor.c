/* A hypervisor for tests, built as one shared object with two faces on the same state:
 *
 *   - the symbols of libxencall and libxenforeignmemory, for code that loads it in their place;
 *   - open, ioctl, mmap, madvise and mlock, for LD_PRELOAD: then /dev/xen/privcmd and /dev/xen/hypercall exist for a
 *     process, and the real libraries, or code that does without them, find a hypervisor behind them.
 *
 * It is as strict as Xen: a buffer that is not the hypercall's own memory is EFAULT, another interface version EACCES.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "fake_hypervisor.h"

#define PAGE 4096ul
#define RANGES 64

static struct fake_state *state;
static int state_fd = -1;
static struct { uintptr_t from, to; } owned[RANGES];    /* memory that hypercalls may use */

static void *sys_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

static int attach(void)
{
    const char *path = getenv(FAKE_PATH_VARIABLE);
    struct stat st;
    int fd;

    if ( state )
        return 0;
    fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if ( fd < 0 || fstat(fd, &st) )
        return -ENOENT;
    state = sys_mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    state_fd = fd;
    return state->magic == FAKE_MAGIC ? 0 : -EIO;
}

void fake_detach(void)      /* for tests in one process, each with its own state */
{
    struct stat st;

    if ( !state || fstat(state_fd, &st) )
        return;
    munmap(state, st.st_size);
    close(state_fd);
    state = NULL;
    memset(owned, 0, sizeof(owned));
}

static void own(void *at, size_t size)
{
    for ( unsigned int i = 0; i < RANGES; i++ )
        if ( !owned[i].from )
        {
            owned[i].from = (uintptr_t)at;
            owned[i].to = (uintptr_t)at + size;
            return;
        }
    abort();
}

static void disown(void *at)
{
    for ( unsigned int i = 0; i < RANGES; i++ )
        if ( owned[i].from == (uintptr_t)at )
            owned[i].from = owned[i].to = 0;
}

static int is_owned(uint64_t at, size_t size)
{
    for ( unsigned int i = 0; i < RANGES; i++ )
        if ( owned[i].from && at >= owned[i].from && at + size <= owned[i].to )
            return 1;
    return 0;
}

static struct fake_domain *find(unsigned int domid)
{
    struct fake_domain *d = (void *)((char *)state + state->domains_at);
    unsigned int first = 0, last = state->domains;

    while ( first < last )      /* ascending, and many: Xen has a hash of them */
    {
        unsigned int middle = (first + last) / 2;

        if ( d[middle].domid < domid )
            first = middle + 1;
        else
            last = middle;
    }
    return first < state->domains && d[first].domid == domid && !d[first].gone ? &d[first] : NULL;
}

static struct fake_vcpu *vcpu_of(const struct fake_domain *d, unsigned int id)
{
    struct fake_vcpu *v = (void *)((char *)state + state->vcpus_at);

    if ( d->max_vcpu_id == 0xffffffffu || id > d->max_vcpu_id || !v[d->first_vcpu + id].exists )
        return NULL;
    return &v[d->first_vcpu + id];
}

static int fault(int op, int cmd, int domid)
{
    for ( unsigned int i = 0; i < state->faults; i++ )
    {
        struct fake_fault *f = &state->fault[i];

        if ( (f->op != -1 && f->op != op) || (f->cmd != -1 && f->cmd != cmd) || (f->domid != -1 && f->domid != domid) )
            continue;
        if ( f->skip )
        {
            f->skip--;
            continue;
        }
        if ( !f->times )
            continue;
        if ( f->times != 0xffffffffu )
            f->times--;
        f->hits++;
        if ( f->kill >= 0 && find(f->kill) )
            find(f->kill)->gone = 1;
        if ( f->error )
            return -f->error;
    }
    return 0;
}

#define AT(type, p, offset) (*(type *)((char *)(p) + (offset)))

static void domaininfo(const struct fake_domain *d, char *out)
{
    uint64_t cpu_time = 0;
    uint32_t online = 0;

    memset(out, 0, state->domaininfo_size);
    for ( unsigned int id = 0; d->max_vcpu_id != 0xffffffffu && id <= d->max_vcpu_id; id++ )
    {
        const struct fake_vcpu *v = vcpu_of(d, id);

        cpu_time += v ? v->cpu_time : 0;
        online += v && v->online;
    }
    AT(uint16_t, out, 0) = d->domid;
    AT(uint32_t, out, 4) = d->flags;
    AT(uint64_t, out, 8) = d->tot_pages;
    AT(uint64_t, out, 16) = d->max_pages;
    AT(uint64_t, out, 48) = ~0ull;
    AT(uint64_t, out, 56) = cpu_time;
    AT(uint32_t, out, 64) = online;
    AT(uint32_t, out, 68) = d->max_vcpu_id;
    AT(uint32_t, out, 72) = d->ssidref;
    memcpy(out + 76, d->handle, 16);
    AT(uint32_t, out, 92) = d->cpupool;
    AT(uint32_t, out, state->domaininfo_size - 8) = 1;      /* arch_config's emulation flags */
}

static int getdomaininfolist(char *p)
{
    struct fake_domain *d = (void *)((char *)state + state->domains_at);
    unsigned int first = AT(uint16_t, p, 8), max = AT(uint32_t, p, 12), found = 0;
    uint64_t buffer = AT(uint64_t, p, 16);

    for ( unsigned int i = 0; i < state->domains && found < max; i++ )     /* ascending, as Xen's list is */
    {
        char info[512];
        uint64_t at = buffer + (uint64_t)found * state->domaininfo_size;

        if ( d[i].gone || d[i].domid < first )
            continue;
        if ( !is_owned(at, state->domaininfo_size) )
            return -EFAULT;
        domaininfo(&d[i], info);
        memcpy((void *)(uintptr_t)at, info, state->domaininfo_size);
        found++;
    }
    AT(uint32_t, p, 24) = found;
    return 0;
}

/* As Xen before 4.21 does: it copies all P-states it has; nr says how many C-states there is room for. */
static int pmstat(char *p)
{
    uint32_t type = AT(uint32_t, p, 8), cpu = AT(uint32_t, p, 12), n;

    if ( cpu >= state->pcpus || state->place[cpu][0] == 0xffffffffu )
        return -EINVAL;
    if ( (type & 0xf0) == 0x10 && !state->pstates )
        return -ENODEV;
    if ( type == 0x11 )
    {
        AT(uint8_t, p, 16) = state->pstates;
        return 0;
    }
    if ( type == 0x12 )
    {
        n = state->pstates;
        if ( !is_owned(AT(uint64_t, p, 24), 8 * n * n) || !is_owned(AT(uint64_t, p, 32), 24 * n) )
            return -EFAULT;
        memset((void *)(uintptr_t)AT(uint64_t, p, 24), 0xaa, 8 * n * n);
        memcpy((void *)(uintptr_t)AT(uint64_t, p, 32), state->px, 24 * n);
        AT(uint8_t, p, 16) = AT(uint8_t, p, 17) = n;
        return 0;
    }
    if ( type != 0x22 )
        return -ENOSYS;
    if ( AT(uint32_t, p, 48) || AT(uint32_t, p, 52) )
        return -EFAULT;
    n = AT(uint32_t, p, 16) < state->cstates ? AT(uint32_t, p, 16) : state->cstates;
    if ( n && (!is_owned(AT(uint64_t, p, 32), 8 * n) || !is_owned(AT(uint64_t, p, 40), 8 * n)) )
        return -EFAULT;
    for ( uint32_t i = 0; i < n; i++ )
    {
        ((uint64_t *)(uintptr_t)AT(uint64_t, p, 32))[i] = state->cx[i][0];
        ((uint64_t *)(uintptr_t)AT(uint64_t, p, 40))[i] = state->cx[i][1];
    }
    AT(uint32_t, p, 16) = state->cstates;
    return 0;
}

static int sysctl(char *p)
{
    uint32_t cmd = AT(uint32_t, p, 0);
    int rc;

    if ( AT(uint32_t, p, 4) != state->sysctl_version )
        return -EACCES;
    if ( (rc = fault(35, cmd, -1)) )
        return rc;
    switch ( cmd )
    {
    case 3:
        memset(p + 8, 0, 128);
        AT(uint32_t, p, 8) = AT(uint32_t, p, 12) = AT(uint32_t, p, 24) = 1;
        AT(uint32_t, p, 16) = state->pcpus;
        AT(uint32_t, p, 20) = state->pcpus - 1;
        AT(uint32_t, p, 32) = state->cpu_khz;
        AT(uint64_t, p, state->physinfo_long ? 48 : 40) = state->total_pages;
        AT(uint64_t, p, state->physinfo_long ? 56 : 48) = state->free_pages;
        return 0;
    case 4:
        AT(uint32_t, p, 8) = state->scheduler;
        return 0;
    case 6:
        return getdomaininfolist(p);
    case 8:
    {
        uint32_t n = AT(uint32_t, p, 8) < state->pcpus ? AT(uint32_t, p, 8) : state->pcpus;

        if ( n && !is_owned(AT(uint64_t, p, 16), 8 * n) )
            return -EFAULT;
        memcpy((void *)(uintptr_t)AT(uint64_t, p, 16), state->idle, 8 * n);
        AT(uint32_t, p, 24) = n;
        return 0;
    }
    case 10:
        return pmstat(p);
    case 16:
    {
        uint32_t n = AT(uint32_t, p, 8) < state->pcpus ? AT(uint32_t, p, 8) : state->pcpus;

        if ( n && !is_owned(AT(uint64_t, p, 16), 12 * n) )
            return -EFAULT;
        memcpy((void *)(uintptr_t)AT(uint64_t, p, 16), state->place, 12 * n);
        AT(uint32_t, p, 8) = n;
        return 0;
    }
    case 17:
    {
        uint32_t n = AT(uint32_t, p, 8) < state->nodes ? AT(uint32_t, p, 8) : state->nodes;

        if ( n && !is_owned(AT(uint64_t, p, 16), 16 * n) )
            return -EFAULT;
        memcpy((void *)(uintptr_t)AT(uint64_t, p, 16), state->node, 16 * n);
        AT(uint32_t, p, 8) = n;
        return 0;
    }
    case 18:        /* one cpupool per scheduler: number 0 has the boot's, number n scheduler n */
        if ( AT(uint32_t, p, 8) != 3 )
            return -ENOSYS;
        AT(uint32_t, p, 16) = AT(uint32_t, p, 12) ? AT(uint32_t, p, 12) : state->scheduler;
        AT(uint32_t, p, 28) = 1;
        return 0;
    }
    return -ENOSYS;
}

/* GNTTABOP_query_size: one struct a call, and what is wrong with the domain is said in the struct. */
static int grant_table_op(uint64_t cmd, uint64_t at, uint64_t count)
{
    char *p = (char *)(uintptr_t)at;
    struct fake_domain *d;
    int rc = fault(20, cmd, -1);

    if ( rc || cmd != 6 )
        return rc ? rc : -ENOSYS;
    if ( count != 1 )
        return -EINVAL;
    if ( !is_owned(at, 16) )
        return -EFAULT;
    d = find(AT(uint16_t, p, 0));
    AT(int16_t, p, 12) = d ? 0 : -2;
    if ( d )
    {
        AT(uint32_t, p, 4) = d->grant_frames;
        AT(uint32_t, p, 8) = d->grant_frames_max;
    }
    return 0;
}

/* XENPF_resource_op: the result is how many entries were read; one that may not be read ends it. */
static int platform_op(char *p)
{
    static const uint64_t known[] = { 0x1a2, 0x19c, 0x1b1 };
    uint32_t n = AT(uint32_t, p, 8);
    uint64_t at = AT(uint64_t, p, 16);
    int rc = fault(7, AT(uint32_t, p, 0), -1);

    if ( rc )
        return rc;
    if ( AT(uint32_t, p, 4) != 0x03000001 )
        return -EACCES;
    if ( AT(uint32_t, p, 0) != 61 )
        return -ENOSYS;
    if ( n > 3 )
        return -EINVAL;
    if ( !is_owned(at, 24 * n) )
        return -EFAULT;
    if ( state->msrs && (AT(uint32_t, p, 12) >= state->pcpus || state->place[AT(uint32_t, p, 12)][0] == 0xffffffffu) )
        return -ENODEV;
    for ( uint32_t i = 0; i < n; i++ )
    {
        char *entry = (char *)(uintptr_t)at + 24 * i;

        if ( i >= state->msrs || AT(uint64_t, entry, 8) != known[i] || AT(uint32_t, entry, 0) )
        {
            AT(int32_t, entry, 0) = -EPERM;
            return i;
        }
        AT(uint64_t, entry, 16) = state->msr[i];
    }
    return n;
}

static int domctl(char *p)
{
    uint32_t cmd = AT(uint32_t, p, 0), domid = AT(uint16_t, p, 8);
    struct fake_domain *d;
    struct fake_vcpu *v;
    int rc;

    if ( !(state->unique_ids && cmd == 90 && !AT(uint32_t, p, 4)) && AT(uint32_t, p, 4) != state->domctl_version )
        return -EACCES;
    if ( (rc = fault(36, cmd, domid)) )
        return rc;
    d = find(domid);
    if ( !d )
        return -ESRCH;
    if ( state->unique_ids && cmd == 90 )
    {
        AT(uint16_t, p, 16) = 1;
        AT(uint16_t, p, 18) = 0;
        AT(uint64_t, p, 24) = d->unique_id;
        return 0;
    }
    if ( state->runstate_domctl && cmd == state->runstate_domctl )
    {
        memcpy(p + 16, d->runstate, 8 * state->runstate_words);
        return 0;
    }
    if ( state->vcpu_runstates && cmd == 91 )
    {
        v = vcpu_of(d, AT(uint32_t, p, 16));
        if ( !v )
            return -ENOENT;
        AT(uint32_t, p, 20) = v->state;
        AT(uint64_t, p, 24) = v->state_entry_time;
        memcpy(p + 32, v->time, 32);
        if ( state->vcpu_runstates > 1 )
            AT(uint64_t, p, 64) = v->state_entry_time + 1;
        return 0;
    }
    if ( cmd == 16 )
    {
        uint32_t scheduler = AT(uint32_t, p, 16);

        if ( scheduler != (d->cpupool ? d->cpupool : state->scheduler) || AT(uint32_t, p, 20) != 1 )
            return -EINVAL;
        AT(uint16_t, p, 24) = d->weight;
        AT(uint16_t, p, 26) = d->cap;
        return 0;
    }
    if ( cmd != 14 && cmd != 25 )
        return -ENOSYS;
    if ( AT(uint32_t, p, 16) > d->max_vcpu_id )
        return -EINVAL;
    if ( cmd == 25 )
    {
        uint32_t bytes = (AT(uint32_t, p, 32) + 7) / 8;

        if ( AT(uint32_t, p, 20) != 1 )
            return -EINVAL;
        if ( !is_owned(AT(uint64_t, p, 24), bytes) )
            return -EFAULT;
        memcpy((void *)(uintptr_t)AT(uint64_t, p, 24), &d->affinity, bytes < 8 ? bytes : 8);
        return 0;
    }
    v = vcpu_of(d, AT(uint32_t, p, 16));
    if ( !v )
        return state->domctl_version >= 0x18 ? -ENOENT : -ESRCH;
    AT(uint8_t, p, 20) = v->online;
    AT(uint8_t, p, 21) = v->blocked;
    AT(uint8_t, p, 22) = v->running;
    AT(uint64_t, p, 24) = v->cpu_time;
    AT(uint32_t, p, 32) = v->cpu;
    return 0;
}

static int vcpu_op(int cmd, unsigned int id, char *p)
{
    struct fake_domain *d = find(state->own_domid);
    struct fake_vcpu *v = d ? vcpu_of(d, id) : NULL;
    int rc = fault(24, cmd, state->own_domid);

    if ( rc || cmd != 4 )
        return rc ? rc : -ENOSYS;
    if ( !v )
        return -ENOENT;
    AT(int32_t, p, 0) = v->state;
    AT(uint64_t, p, 8) = v->state_entry_time;
    memcpy(p + 16, v->time, 32);
    return 0;
}

static int one_hypercall(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
    int rc;

    switch ( op )
    {
    case 17:
        if ( (rc = fault(17, a, -1)) )
            return rc;
        if ( a == 0 )
            return state->xen_version;
        if ( a != 1 )
            return -ENOSYS;
        if ( !is_owned(b, 16) )
            return -EFAULT;
        memcpy((void *)(uintptr_t)b, state->extra, 16);
        return 0;
    case 7:
        return is_owned(a, 136) ? platform_op((char *)(uintptr_t)a) : -EFAULT;
    case 20:
        return grant_table_op(a, b, c);
    case 24:
        return is_owned(c, 48) ? vcpu_op(a, b, (char *)(uintptr_t)c) : -EFAULT;
    case 35:
        return is_owned(a, 136) ? sysctl((char *)(uintptr_t)a) : -EFAULT;
    case 36:
        return is_owned(a, 144) ? domctl((char *)(uintptr_t)a) : -EFAULT;
    }
    return -ENOSYS;
}

/* Each entry: op, result, six arguments. As a debug build of Xen, it leaves nothing of an entry but the result. */
static int multicall(uint64_t at, uint64_t calls)
{
    int rc = fault(13, -1, -1);

    if ( rc || !state->multicall )
        return rc ? rc : -ENOSYS;
    if ( !is_owned(at, 64 * calls) )
        return -EFAULT;
    for ( uint64_t i = 0; i < calls && state->multicall == 1; i++ )
    {
        uint64_t *entry = (uint64_t *)(uintptr_t)at + 8 * i;
        int64_t result = entry[0] == 13 ? -EINVAL : one_hypercall(entry[0], entry[2], entry[3], entry[4]);

        memset(entry, 0xaa, 64);
        entry[1] = (uint64_t)result;
    }
    return 0;
}

static int hypercall(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
    __atomic_add_fetch(&state->hypercalls, 1, __ATOMIC_RELAXED);
    return op == 13 ? multicall(a, b) : one_hypercall(op, a, b, c);
}

/* XENMEM_acquire_resource, by way of the kernel: the size in frames where frames is 0, else maps at the address. */
static int64_t resource(unsigned int domid, unsigned int type, unsigned int id, uint64_t frame, uint64_t frames, void *at)
{
    struct fake_domain *d;
    int rc;

    __atomic_add_fetch(&state->resource_calls, 1, __ATOMIC_RELAXED);
    if ( !state->resource_ioctl )
        return -ENOTTY;
    if ( !frames && !state->size_query )
        return -EINVAL;
    if ( (rc = fault(12, frames ? 28 : 0, domid)) )
        return rc;
    if ( domid == state->own_domid )
        return -EPERM;
    d = find(domid);
    if ( !d )
        return -ESRCH;
    if ( type != 3 || !d->stats_frames )
        return frames ? -(state->size_quirk ? EOPNOTSUPP : EINVAL) : state->size_quirk ? 0xffffffa1ll : -EINVAL;
    if ( id )
        return -EINVAL;
    if ( !frames )
        return d->stats_frames;
    if ( frame + frames > d->stats_frames )
        return -EINVAL;
    if ( sys_mmap(at, frames * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, state_fd,
                  d->stats_at + frame * PAGE) == MAP_FAILED )
        return -ENOMEM;
    return 0;
}

static int done(int64_t rc)
{
    if ( rc >= 0 )
        return (int)rc;
    errno = (int)-rc;
    return -1;
}

/* --- libxencall.so.1 and libxenforeignmemory.so.1 --- */

static void *open_handle(void)
{
    int rc = attach();

    if ( !rc && state->open_error )
        rc = -(int)state->open_error;
    if ( rc )
    {
        errno = -rc;
        return NULL;
    }
    return state;
}

void *xencall_open(void *logger, unsigned int flags) { return open_handle(); }
int xencall_close(void *h) { return 0; }
int xencall1(void *h, unsigned int op, uint64_t a) { return done(hypercall(op, a, 0, 0)); }
int xencall2(void *h, unsigned int op, uint64_t a, uint64_t b) { return done(hypercall(op, a, b, 0)); }
int xencall3(void *h, unsigned int op, uint64_t a, uint64_t b, uint64_t c) { return done(hypercall(op, a, b, c)); }

void *xencall_alloc_buffer(void *h, size_t size)
{
    void *p = aligned_alloc(PAGE, (size + PAGE - 1) & ~(PAGE - 1));

    if ( p )
    {
        own(p, size);
        state->buffers++;
    }
    return p;
}

void xencall_free_buffer(void *h, void *p)
{
    if ( !p )
        return;
    disown(p);
    state->buffers--;
    free(p);
}

struct mapping { void *at; size_t size; };

void *xenforeignmemory_open(void *logger, unsigned int flags) { return open_handle(); }
int xenforeignmemory_close(void *h) { return 0; }

void *xenforeignmemory_map_resource(void *h, uint16_t domid, unsigned int type, unsigned int id, unsigned long frame,
                                    unsigned long frames, void **address, int prot, int flags)
{
    struct mapping *m = malloc(sizeof(*m));
    int64_t rc;

    m->size = frames * PAGE;
    m->at = sys_mmap(NULL, m->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    rc = m->at == MAP_FAILED ? -ENOMEM : resource(domid, type, id, frame, frames, m->at);
    if ( rc < 0 )
    {
        if ( m->at != MAP_FAILED )
            munmap(m->at, m->size);
        free(m);
        errno = rc == -ENOTTY ? EOPNOTSUPP : (int)-rc;
        return NULL;
    }
    state->mapped++;
    *address = m->at;
    return m;
}

int xenforeignmemory_unmap_resource(void *h, struct mapping *m)
{
    munmap(m->at, m->size);
    free(m);
    state->mapped--;
    return 0;
}

int xenforeignmemory_resource_size(void *h, uint16_t domid, unsigned int type, unsigned int id, size_t *size)
{
    int64_t rc = resource(domid, type, id, 0, 0, NULL);

    if ( rc < 0 )
        return done(rc == -ENOTTY ? -EOPNOTSUPP : rc);
    *size = (uint64_t)rc * PAGE;
    return 0;
}

/* --- the kernel's devices, where this object is preloaded --- */

static int device_fd[64], device_kind[64];      /* 1 privcmd, 2 hypercall */
static unsigned int devices;

static int kind_of(int fd)
{
    for ( unsigned int i = 0; i < devices && i < 64; i++ )
        if ( device_kind[i] && device_fd[i] == fd )
            return device_kind[i];
    return 0;
}

static int open_at(int folder, const char *path, int flags, int mode)
{
    int kind = !strcmp(path, "/dev/xen/privcmd") ? 1 : !strcmp(path, "/dev/xen/hypercall") ? 2 : 0;
    int fd;

    if ( !kind )
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    fd = attach();
    if ( !fd && state->open_error )
        fd = -(int)state->open_error;
    if ( !fd && kind == 2 && !state->buffer_device )
        fd = -ENOENT;
    if ( fd )
        return done(fd);
    fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
    device_fd[devices % 64] = fd;
    device_kind[devices++ % 64] = kind;
    return fd;
}

#define MODE int mode = 0; if ( flags & (O_CREAT | O_TMPFILE) ) { va_list ap; va_start(ap, flags); mode = va_arg(ap, int); \
             va_end(ap); }
int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE return open_at(folder, path, flags, mode); }

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    char *p;
    int64_t rc;

    va_start(ap, request);
    p = va_arg(ap, char *);
    va_end(ap);
    if ( kind_of(fd) != 1 )
        return (int)syscall(SYS_ioctl, fd, request, p);
    if ( request == 0x00305000 )
        return done(hypercall(AT(uint64_t, p, 0), AT(uint64_t, p, 8), AT(uint64_t, p, 16), AT(uint64_t, p, 24)));
    if ( request != 0x00205007 )
        return done(-ENOTTY);
    if ( !AT(uint64_t, p, 16) != !AT(uint64_t, p, 24) )
        return done(-EINVAL);
    rc = resource(AT(uint16_t, p, 0), AT(uint32_t, p, 4), AT(uint32_t, p, 8), AT(uint32_t, p, 12),
                  AT(uint64_t, p, 16), (void *)(uintptr_t)AT(uint64_t, p, 24));
    if ( rc < 0 )
        return done(rc);
    if ( !AT(uint64_t, p, 16) )
        AT(uint64_t, p, 16) = (uint64_t)rc;
    return 0;
}

static void *device_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    int kind = (flags & MAP_ANONYMOUS) ? 0 : kind_of(fd);
    void *p;

    if ( !kind )
        return sys_mmap(at, size, prot, flags, fd, offset);
    p = sys_mmap(at, size, kind == 2 ? prot : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ( kind == 2 && p != MAP_FAILED )
        own(p, size);
    return p;
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return device_mmap(at, size, prot, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return device_mmap(at, size, prot, flags, fd, offset);
}

int munmap(void *at, size_t size)
{
    disown(at);
    return (int)syscall(SYS_munmap, at, size);
}

int close(int fd)
{
    for ( unsigned int i = 0; i < devices && i < 64; i++ )
        if ( device_fd[i] == fd )
            device_kind[i] = 0;
    return (int)syscall(SYS_close, fd);
}

int madvise(void *at, size_t size, int advice)
{
    if ( advice == MADV_DONTFORK )      /* how libxencall readies its memory where there is no device for it */
        own(at, size);
    else if ( advice == MADV_DOFORK )
        disown(at);
    return (int)syscall(SYS_madvise, at, size, advice);
}
