/* A library for LD_PRELOAD: calls of functions that can fail do so, as FAILING says, a file of plans: lines "NAME N ERRNO", by
 * each of which the N-th call fails once. N counts from 1 since the file was read, whatever the other plans are; that is done again when
 * it is another file. "write N -1" is a short write or read: one byte. Plans that have come true are told in FAILING_LOG.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <poll.h>
#include <unistd.h>

static struct { char name[24]; long left; int error; } told[64];
static int count;
static struct stat seen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void look(void)
{
    const char *path = getenv("FAILING");
    struct stat st;
    char text[4096], *at, *rest = NULL;
    long got;
    int fd;

    if ( !path || syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) )
        return;
    if ( st.st_ino == seen.st_ino && st.st_mtim.tv_sec == seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == seen.st_mtim.tv_nsec )
        return;
    seen = st;
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof(text) - 1);
    syscall(SYS_close, fd);
    text[got > 0 ? got : 0] = 0;
    count = 0;
    for ( at = strtok_r(text, "\n", &rest); at && count < 64; at = strtok_r(NULL, "\n", &rest) )
        if ( sscanf(at, "%23s %ld %d", told[count].name, &told[count].left, &told[count].error) == 3 )
            count++;
}

/* Whether a call comes from Python, one of its modules or what ctypes calls with: what else a daemon is made of has its own faults. */
static int is_python(const void *caller)
{
    Dl_info there;

    return dladdr(caller, &there) && there.dli_fname
           && (strstr(there.dli_fname, "python") || strstr(there.dli_fname, "libffi"));
}

static void tell(const char *name, int error)
{
    const char *log = getenv("FAILING_LOG");
    int fd = log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    char line[64];
    int size = snprintf(line, sizeof(line), "%s %d\n", name, error);

    if ( fd < 0 )
        return;
    syscall(SYS_write, fd, line, size);
    syscall(SYS_close, fd);
}

/* The errno with which this call fails, 0: it does not, -1: short. Of two plans for the same call the first one comes true. */
static int fails(const char *name, const void *caller)
{
    int error = 0;

    if ( !is_python(caller) || pthread_mutex_trylock(&lock) )
        return 0;
    look();
    for ( int i = 0; i < count; i++ )
        if ( told[i].left > 0 && !strcmp(told[i].name, name) && !--told[i].left && !error )
            tell(name, error = told[i].error);
    pthread_mutex_unlock(&lock);
    return error;
}

#define NEXT(name) static __typeof__(&name) next; if ( !next ) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(name, value) int e = fails(name, __builtin_return_address(0)); if ( e > 0 ) { errno = e; return value; }
#define SHORT(size) (e < 0 && (size) > 1 ? 1 : (size))

ssize_t read(int fd, void *to, size_t size) { NEXT(read); FAIL("read", -1); return next(fd, to, size); }
ssize_t write(int fd, const void *from, size_t size) { NEXT(write); FAIL("write", -1); return next(fd, from, SHORT(size)); }
ssize_t pread64(int fd, void *to, size_t size, off_t at) { NEXT(pread64); FAIL("read", -1); return next(fd, to, SHORT(size), at); }
ssize_t pwrite64(int fd, const void *from, size_t size, off_t at) { NEXT(pwrite64); FAIL("write", -1); return next(fd, from, SHORT(size), at); }
ssize_t recv(int fd, void *to, size_t size, int flags) { NEXT(recv); FAIL("recv", -1); return next(fd, to, size, flags); }
ssize_t send(int fd, const void *from, size_t size, int flags) { NEXT(send); FAIL("send", -1); return next(fd, from, SHORT(size), flags); }
int poll(struct pollfd *fds, nfds_t n, int ms) { NEXT(poll); FAIL("poll", -1); return next(fds, n, ms); }
int socket(int a, int b, int c) { NEXT(socket); FAIL("socket", -1); return next(a, b, c); }
int connect(int fd, const struct sockaddr *to, socklen_t size) { NEXT(connect); FAIL("connect", -1); return next(fd, to, size); }
int accept4(int fd, struct sockaddr *a, socklen_t *size, int flags) { NEXT(accept4); FAIL("accept", -1); return next(fd, a, size, flags); }
int ftruncate64(int fd, off_t size) { NEXT(ftruncate64); FAIL("ftruncate", -1); return next(fd, size); }
int posix_fallocate64(int fd, off_t at, off_t size)
{
    NEXT(posix_fallocate64);
    int e = fails("fallocate", __builtin_return_address(0));
    return e > 0 ? e : next(fd, at, size);
}
int rename(const char *a, const char *b) { NEXT(rename); FAIL("rename", -1); return next(a, b); }
int renameat(int at, const char *a, int bt, const char *b) { NEXT(renameat); FAIL("rename", -1); return next(at, a, bt, b); }
int unlinkat(int at, const char *path, int flags) { NEXT(unlinkat); FAIL("unlink", -1); return next(at, path, flags); }
int fchmod(int fd, mode_t mode) { NEXT(fchmod); FAIL("fchmod", -1); return next(fd, mode); }
int fstat64(int fd, struct stat64 *st) { NEXT(fstat64); FAIL("stat", -1); return next(fd, st); }
int fstatat64(int at, const char *path, struct stat64 *st, int flags) { NEXT(fstatat64); FAIL("stat", -1); return next(at, path, st, flags); }
DIR *opendir(const char *path) { NEXT(opendir); FAIL("opendir", NULL); return next(path); }
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *p)
{
    NEXT(pthread_create);
    int e = fails("thread", __builtin_return_address(0));
    return e > 0 ? e : next(t, a, f, p);
}
int pipe2(int fds[2], int flags) { NEXT(pipe2); FAIL("pipe", -1); return next(fds, flags); }
pid_t fork(void) { NEXT(fork); FAIL("fork", -1); return next(); }
/* Nobody can stand between vfork and its caller; Python takes fork where the kernel allows no vfork (EINVAL). */
pid_t vfork(void)
{
    NEXT(vfork);
    if ( !is_python(__builtin_return_address(0)) )
        return fork();
    errno = EINVAL;
    return -1;
}

#define MODE int mode = 0; if ( flags & (O_CREAT | O_TMPFILE) ) { va_list ap; va_start(ap, flags); mode = va_arg(ap, int); va_end(ap); }
int open(const char *path, int flags, ...) { MODE NEXT(open); FAIL("open", -1); return next(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE NEXT(open64); FAIL("open", -1); return next(path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE NEXT(openat64); FAIL("open", -1); return next(at, path, flags, mode); }
void *mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    NEXT(mmap64);
    FAIL("mmap", MAP_FAILED);
    return next(at, size, prot, flags, fd, offset);
}
int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    char *p;

    va_start(ap, request);
    p = va_arg(ap, char *);
    va_end(ap);
    NEXT(ioctl);
    FAIL("ioctl", -1);
    return next(fd, request, p);
}
