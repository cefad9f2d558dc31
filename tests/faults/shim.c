/* Loaded into a server with LD_PRELOAD: moves its wall clock, and makes the disk under some of its files fail to sync.
 *
 * Both are ruled by a page that is mapped from the file in FAULTS_PAGE, so that whoever tests can change them while the
 * server runs. The monotonic clock is never touched: timers go on as they do when an operator sets the clock. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

/* What shim.py writes, in this order. */
struct page {
    int64_t clock_nanoseconds;
    /* 0 lets every sync succeed, 1 fails every one, N every Nth. */
    int64_t fail_every;
    /* Counted here for shim.py: syncs of the named files, and those that failed. */
    int64_t syncs;
    int64_t failed;
};

static struct page nothing;
static struct page *page = &nothing;
static const char *named;

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static void find(void) {
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
}

__attribute__((constructor)) static void begin(void) {
    find();
    const char *file = getenv("FAULTS_PAGE");
    named = getenv("FAULTS_FILES");
    int opened = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (opened < 0) {
        fprintf(stderr, "shim: cannot open FAULTS_PAGE\n");
        _exit(125);
    }
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
    close(opened);
    if (page == MAP_FAILED) {
        fprintf(stderr, "shim: cannot map FAULTS_PAGE\n");
        _exit(125);
    }
}

static int is_wall(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!real_clock_gettime) find();
    int ended = real_clock_gettime(clock, at);
    int64_t by = __atomic_load_n(&page->clock_nanoseconds, __ATOMIC_RELAXED);
    if (ended == 0 && by != 0 && is_wall(clock)) {
        int64_t moved = at->tv_sec * SECOND + at->tv_nsec + by;
        at->tv_sec = moved / SECOND;
        at->tv_nsec = moved % SECOND;
    }
    return ended;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* Whether this sync is one that has to fail. */
static int fails(int file) {
    char link[64], path[4096];
    if (!named) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, named)) return 0;
    int64_t count = __atomic_add_fetch(&page->syncs, 1, __ATOMIC_RELAXED);
    int64_t every = __atomic_load_n(&page->fail_every, __ATOMIC_RELAXED);
    if (every == 0 || count % every != 0) return 0;
    __atomic_add_fetch(&page->failed, 1, __ATOMIC_RELAXED);
    return 1;
}

int fsync(int file) {
    if (!real_fsync) find();
    if (fails(file)) {
        errno = EIO;
        return -1;
    }
    return real_fsync(file);
}

int fdatasync(int file) {
    if (!real_fdatasync) find();
    if (fails(file)) {
        errno = EIO;
        return -1;
    }
    return real_fdatasync(file);
}
