/* seam CONTROL run|serve PROGRAM ARGUMENT...
 *
 * Runs a program, and lets every system call by which it or any process below it
 * changes a file (or starts a program) wait for a decision: go on, fail, be short, be
 * slow, or be the last thing that happens. The calls of all programs that share a
 * control file are counted together, so "call number 57" is the 57th of a whole run:
 * controller, ssh, rsync, the node's shell and everything that this starts.
 *
 * The kernel does the waiting (seccomp's user notification, Linux 5.9), so it does not
 * matter what a program is written in, how it is linked, or whether it calls the C
 * library: a shim for LD_PRELOAD misses what stdio writes and what a static or Rust
 * program calls by itself.
 *
 * The control file is shared memory, `struct control`; control.rs writes and reads the
 * same places. `run` is for the program under test, and ends when `quit` is set;
 * `serve` is for an sshd, whose sessions come and go.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "add the audit architecture of this processor"
#endif

enum { SLOTS = 16, TEXT = 512, ROOTS = 4096 };

struct control {
    _Atomic uint64_t counter;  /* calls so far */
    uint64_t target;           /* the call that something happens to; 0 for none */
    uint64_t kind;             /* what happens, see below */
    uint64_t error;            /* errno of a failure */
    uint64_t slow;             /* milliseconds */
    _Atomic uint64_t fired;    /* it happened */
    _Atomic uint64_t dead;     /* nothing is to happen any more */
    uint64_t counting;         /* 1: files, 2: programs that are started, 3: both */
    uint64_t main_pid;         /* of the program under test */
    _Atomic uint64_t ended;    /* 1 once that has ended */
    uint64_t status;           /* as waitpid gives it */
    _Atomic uint64_t quit;     /* `run` is to end, with all that it started */
    _Atomic uint64_t after;    /* the process that is killed at its next call */
    uint64_t run_pid;          /* the seam around the program under test */
    uint64_t logging;          /* every call is written to the log */
    _Atomic uint64_t served;   /* how many of the next are in use */
    uint64_t serve_pid[SLOTS]; /* the seams around the sshds */
    uint64_t padding[32];
    char text[TEXT];   /* what call it was */
    char roots[ROOTS]; /* the directories that count, each with a NUL behind it */
    char log[1024];    /* the path of the log */
};

enum kind { FAIL = 1, FAIL_ON, SHORT, SLOW, KILL, KILL_AFTER, POWER, MAIN, TREE, SESSION };

enum op {
    OPEN = 1, WRITE, TRUNCATE, FSYNC, RENAME, UNLINK, LINK, SYMLINK, MKDIR, ALLOCATE, MODE, RANGE,
    SYNC, EXEC,
};

static const char *const NAMES[] = {
    "", "open", "write", "truncate", "fsync", "rename", "unlink", "link", "symlink", "mkdir",
    "allocate", "chmod", "sync_file_range", "sync", "exec",
};

struct call {
    enum op op;
    uint32_t flags;
    uint64_t a, b;
    char path[PATH_MAX], other[PATH_MAX];
    int fd;         /* written to, or -1 */
    uint64_t iov;   /* where the bytes are in the caller, or 0 */
    uint64_t count; /* bytes, or entries of a vector */
    int vector;
    int from;       /* or the file they come from, and where in it */
    int64_t from_at;
};

static struct control *control;
static int listener, log_fd = -1, serving;
static pid_t child;

static void die(const char *what) {
    fprintf(stderr, "seam: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* ---- processes ---- */

static pid_t parent_of(pid_t pid, char *name) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t got = read(fd, line, sizeof line - 1);
    close(fd);
    if (got <= 0) return -1;
    line[got] = 0;
    char *open_at = strchr(line, '('), *close_at = strrchr(line, ')');
    if (!open_at || !close_at) return -1;
    if (name) snprintf(name, 32, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    int parent = -1;
    char state;
    if (sscanf(close_at + 1, " %c %d", &state, &parent) != 2) return -1;
    return parent;
}

static int is_below(pid_t pid, pid_t top) {
    for (int depth = 0; depth < 64 && pid > 1; depth++) {
        pid = parent_of(pid, NULL);
        if (pid == top) return 1;
    }
    return 0;
}

/* Kills what is below a process, but for one; only those of a name, where one is given. */
static void kill_below(pid_t top, pid_t spare, const char *only) {
    /* More than once: something may be started while the list is read. */
    for (int round = 0; round < 3; round++) {
        DIR *dir = opendir("/proc");
        struct dirent *entry;
        int found = 0;
        while (dir && (entry = readdir(dir))) {
            pid_t pid = atoi(entry->d_name);
            char name[32] = "";
            if (pid <= 1 || pid == spare || pid == getpid() || !is_below(pid, top)) continue;
            parent_of(pid, name);
            if (only && strncmp(name, only, strlen(only))) continue;
            kill(pid, SIGKILL);
            found = 1;
        }
        if (dir) closedir(dir);
        if (!found) break;
    }
}

static pid_t process_of(pid_t thread) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    FILE *file = fopen(path, "re");
    int pid = thread;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Tgid: %d", &pid) == 1) break;
    if (file) fclose(file);
    return pid;
}

/* ---- reading the caller ---- */

static ssize_t peek(pid_t pid, uint64_t at, void *to, size_t length) {
    struct iovec here = {to, length}, there = {(void *)(uintptr_t)at, length};
    return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

/* A text, in pieces that end with a page: what follows may not be mapped. */
static int peek_text(pid_t pid, uint64_t at, char *to) {
    size_t done = 0;
    while (done < PATH_MAX - 1) {
        size_t piece = 4096 - (at + done) % 4096;
        if (piece > PATH_MAX - 1 - done) piece = PATH_MAX - 1 - done;
        ssize_t got = peek(pid, at + done, to + done, piece);
        if (got <= 0) return -1;
        char *end = memchr(to + done, 0, got);
        if (end) return 0;
        done += got;
    }
    return -1;
}

static int link_text(const char *path, char *to) {
    ssize_t got = readlink(path, to, PATH_MAX - 1);
    if (got < 0) return -1;
    to[got] = 0;
    return 0;
}

static int path_of_fd(pid_t pid, int fd, char *to) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
    return link_text(path, to);
}

/* Takes `//`, `.`, `..` and a slash at the end away, without looking for links. */
static void tidy(char *path) {
    char *to = path;
    for (const char *from = path; *from;) {
        while (*from == '/') from++;
        size_t length = strcspn(from, "/");
        if (length == 2 && from[0] == '.' && from[1] == '.') {
            while (to > path && *--to != '/') {
            }
        } else if (length && !(length == 1 && from[0] == '.')) {
            *to++ = '/';
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    if (to == path) *to++ = '/';
    *to = 0;
}

/* What a path through an open descriptor, /proc/self/fd/N/NAME, stands for. */
static void through_proc(pid_t pid, char *path) {
    static const char self[] = "/proc/self/";
    char seen[PATH_MAX], real[PATH_MAX];
    char *name = strrchr(path, '/');
    if (strncmp(path, self, sizeof self - 1)) return;
    snprintf(seen, sizeof seen, "/proc/%d/%.*s", pid, (int)(name - path - (sizeof self - 1)),
             path + sizeof self - 1);
    if (!realpath(seen, real)) return;
    if (snprintf(seen, sizeof seen, "%s%s", real, name) < PATH_MAX) strcpy(path, seen);
}

static int path_at(pid_t pid, int dir, uint64_t at, char *to) {
    char name[PATH_MAX], base[PATH_MAX], path[64];
    if (peek_text(pid, at, name)) return -1;
    if (name[0] == '/') {
        strcpy(to, name);
    } else {
        if (dir == AT_FDCWD) {
            snprintf(path, sizeof path, "/proc/%d/cwd", pid);
            if (link_text(path, base)) return -1;
        } else if (path_of_fd(pid, dir, base)) {
            return -1;
        }
        if (snprintf(to, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return -1;
    }
    tidy(to);
    through_proc(pid, to);
    return 0;
}

static int counts(const char *path) {
    for (const char *root = control->roots; *root; root += strlen(root) + 1) {
        size_t length = strlen(root);
        if (!strncmp(path, root, length) && (path[length] == '/' || !path[length])) return 1;
    }
    return 0;
}

static void place_of(pid_t pid, int fd, uint64_t *at, int *appends) {
    char path[64], line[256];
    unsigned flags = 0;
    unsigned long long pos = 0;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "pos: %llu", &pos);
        sscanf(line, "flags: %o", &flags);
    }
    if (file) fclose(file);
    *at = pos;
    *appends = (flags & O_APPEND) != 0;
}

static int fd_of(pid_t thread, int fd) {
    int pidfd = syscall(SYS_pidfd_open, process_of(thread), 0);
    if (pidfd < 0) return -1;
    int ours = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    close(pidfd);
    return ours;
}

/* ---- what a call is about ---- */

/* An open file is written to at its own place. */
static int to_fd(struct call *call, pid_t pid, int fd, int where_it_is) {
    call->fd = fd;
    if (path_of_fd(pid, fd, call->path) || !counts(call->path)) return 0;
    if (where_it_is) {
        int appends;
        struct stat facts;
        place_of(pid, fd, &call->a, &appends);
        if (appends && !stat(call->path, &facts)) call->a = facts.st_size;
    }
    return 1;
}

static int at_path(struct call *call, pid_t pid, int dir, uint64_t text) {
    return !path_at(pid, dir, text, call->path) && counts(call->path);
}

static int two_paths(struct call *call, pid_t pid, int from, uint64_t a, int to, uint64_t b) {
    if (path_at(pid, from, a, call->path) || path_at(pid, to, b, call->other)) return 0;
    return counts(call->path) || counts(call->other);
}

#define CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/* True if it changes something in a directory that counts. */
static int understand(const struct seccomp_notif *n, struct call *call) {
    const uint64_t *arg = (const uint64_t *)n->data.args;
    pid_t pid = n->pid;
    memset(call, 0, offsetof(struct call, path));
    call->path[0] = call->other[0] = 0;
    call->fd = call->from = -1;
    call->iov = call->count = call->vector = 0;
    call->from_at = -1;
    switch (n->data.nr) {
#ifdef __NR_open
    case __NR_open:
        call->op = OPEN, call->flags = arg[1];
        return at_path(call, pid, AT_FDCWD, arg[0]);
    case __NR_creat:
        call->op = OPEN, call->flags = O_CREAT | O_WRONLY | O_TRUNC;
        return at_path(call, pid, AT_FDCWD, arg[0]);
    case __NR_unlink:
        call->op = UNLINK;
        return at_path(call, pid, AT_FDCWD, arg[0]);
    case __NR_rmdir:
        call->op = UNLINK, call->flags = 1;
        return at_path(call, pid, AT_FDCWD, arg[0]);
    case __NR_mkdir:
        call->op = MKDIR;
        return at_path(call, pid, AT_FDCWD, arg[0]);
    case __NR_rename:
        call->op = RENAME;
        return two_paths(call, pid, AT_FDCWD, arg[0], AT_FDCWD, arg[1]);
    case __NR_link:
        call->op = LINK;
        return two_paths(call, pid, AT_FDCWD, arg[0], AT_FDCWD, arg[1]);
    case __NR_symlink:
        call->op = SYMLINK;
        return !peek_text(pid, arg[0], call->other) && at_path(call, pid, AT_FDCWD, arg[1]);
    case __NR_chmod:
        call->op = MODE;
        return at_path(call, pid, AT_FDCWD, arg[0]);
#endif
#ifdef __NR_renameat
    case __NR_renameat:
        call->op = RENAME;
        return two_paths(call, pid, arg[0], arg[1], arg[2], arg[3]);
#endif
    case __NR_renameat2:
        call->op = RENAME, call->flags = arg[4];
        return two_paths(call, pid, arg[0], arg[1], arg[2], arg[3]);
    case __NR_openat:
        call->op = OPEN, call->flags = arg[2];
        return at_path(call, pid, arg[0], arg[1]);
    case __NR_openat2: {
        uint64_t flags = 0;
        if (peek(pid, arg[2], &flags, sizeof flags) != sizeof flags) return 0;
        call->op = OPEN, call->flags = flags;
        return (flags & CHANGES) && at_path(call, pid, arg[0], arg[1]);
    }
    case __NR_unlinkat:
        call->op = UNLINK, call->flags = arg[2] & AT_REMOVEDIR ? 1 : 0;
        return at_path(call, pid, arg[0], arg[1]);
    case __NR_mkdirat:
        call->op = MKDIR;
        return at_path(call, pid, arg[0], arg[1]);
    case __NR_linkat:
        call->op = LINK;
        return two_paths(call, pid, arg[0], arg[1], arg[2], arg[3]);
    case __NR_symlinkat:
        call->op = SYMLINK;
        return !peek_text(pid, arg[0], call->other) && at_path(call, pid, arg[1], arg[2]);
    case __NR_fchmodat:
        call->op = MODE;
        return at_path(call, pid, arg[0], arg[1]);
    case __NR_fchmod:
        call->op = MODE;
        return to_fd(call, pid, arg[0], 0);
    case __NR_truncate:
        call->op = TRUNCATE, call->a = arg[1];
        return at_path(call, pid, AT_FDCWD, arg[0]);
    case __NR_ftruncate:
        call->op = TRUNCATE, call->a = arg[1];
        return to_fd(call, pid, arg[0], 0);
    case __NR_fallocate:
        call->op = ALLOCATE, call->flags = arg[1], call->a = arg[2], call->b = arg[3];
        return to_fd(call, pid, arg[0], 0);
    case __NR_fsync:
    case __NR_fdatasync:
        call->op = FSYNC;
        return to_fd(call, pid, arg[0], 0);
    case __NR_syncfs:
        call->op = SYNC;
        return to_fd(call, pid, arg[0], 0);
    case __NR_sync:
        call->op = SYNC;
        return 1;
    case __NR_sync_file_range:
        call->op = RANGE;
        return to_fd(call, pid, arg[0], 0);
    case __NR_write:
        call->op = WRITE, call->iov = arg[1], call->count = arg[2];
        return to_fd(call, pid, arg[0], 1);
    case __NR_pwrite64:
        call->op = WRITE, call->iov = arg[1], call->count = arg[2], call->a = arg[3];
        return to_fd(call, pid, arg[0], 0);
    case __NR_writev:
        call->op = WRITE, call->iov = arg[1], call->count = arg[2], call->vector = 1;
        return to_fd(call, pid, arg[0], 1);
    case __NR_pwritev:
        call->op = WRITE, call->iov = arg[1], call->count = arg[2], call->vector = 1,
        call->a = arg[3];
        return to_fd(call, pid, arg[0], 0);
    case __NR_copy_file_range:
        call->op = WRITE, call->from = arg[0], call->count = arg[4];
        if (arg[1] && peek(pid, arg[1], &call->from_at, 8) != 8) return 0;
        if (!to_fd(call, pid, arg[2], !arg[3])) return 0;
        return !arg[3] || peek(pid, arg[3], &call->a, 8) == 8;
    case __NR_sendfile:
        call->op = WRITE, call->from = arg[1], call->count = arg[3];
        if (arg[2] && peek(pid, arg[2], &call->from_at, 8) != 8) return 0;
        return to_fd(call, pid, arg[0], 1);
    case __NR_execve:
        call->op = EXEC;
        /* A search along PATH tries what is not there. */
        return !path_at(pid, AT_FDCWD, arg[0], call->path) && !access(call->path, X_OK);
    default:
        return 0;
    }
}

/* ---- the log ---- */

/* The bytes that a call writes; NULL if it cannot be told. */
static char *bytes_of(pid_t pid, const struct call *call, uint64_t *length) {
    struct iovec vector[64];
    *length = 0;
    if (call->from >= 0) {
        int ours = fd_of(pid, call->from);
        uint64_t at = call->from_at;
        int appends;
        if (ours < 0) return NULL;
        if (call->from_at < 0) place_of(pid, call->from, &at, &appends);
        struct stat facts;
        if (fstat(ours, &facts)) facts.st_size = 0;
        uint64_t left = facts.st_size > (off_t)at ? facts.st_size - at : 0;
        uint64_t want = call->count < left ? call->count : left;
        char *bytes = malloc(want + 1);
        ssize_t got = pread(ours, bytes, want, at);
        close(ours);
        *length = got < 0 ? 0 : got;
        return bytes;
    }
    if (!call->vector) {
        vector[0].iov_base = (void *)(uintptr_t)call->iov;
        vector[0].iov_len = call->count;
    } else if (call->count > 64 ||
               peek(pid, call->iov, vector, call->count * sizeof *vector) < 0) {
        return NULL;
    }
    int parts = call->vector ? (int)call->count : 1;
    uint64_t whole = 0;
    for (int at = 0; at < parts; at++) whole += vector[at].iov_len;
    char *bytes = malloc(whole + 1);
    for (int at = 0; at < parts; at++) {
        ssize_t got = peek(pid, (uintptr_t)vector[at].iov_base, bytes + *length,
                           vector[at].iov_len);
        if (got > 0) *length += got;
    }
    return bytes;
}

static void write_log(pid_t pid, const struct call *call) {
    if (log_fd < 0)
        log_fd = open(control->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    uint64_t length = 0;
    char *bytes = call->op == WRITE ? bytes_of(pid, call, &length) : NULL;
    uint32_t first = strlen(call->path), second = strlen(call->other);
    uint32_t head[6] = {call->op, call->flags, pid, first, second, length};
    uint64_t places[2] = {call->a, call->b};
    struct iovec all[] = {
        {head, sizeof head},          {places, sizeof places}, {(void *)call->path, first},
        {(void *)call->other, second}, {bytes, length},
    };
    if (writev(log_fd, all, 5) < 0) die("log");
    free(bytes);
}

/* ---- what becomes of a call ---- */

static void answer(uint64_t id, int error, int64_t value, uint32_t flags) {
    struct seccomp_notif_resp response = {id, value, error, flags};
    /* Whoever asked may be gone. */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void go_on(uint64_t id) { answer(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }

/* Does the first half of a write for whoever asked. */
static void be_short(const struct seccomp_notif *n, struct call *call) {
    uint64_t length;
    char *bytes = call->op == WRITE ? bytes_of(n->pid, call, &length) : NULL;
    int ours = bytes && length > 1 && call->from < 0 ? fd_of(n->pid, call->fd) : -1;
    if (ours < 0) {
        free(bytes);
        go_on(n->id);
        return;
    }
    int moves = n->data.nr == __NR_write || n->data.nr == __NR_writev;
    ssize_t done = moves ? write(ours, bytes, length / 2)
                         : pwrite(ours, bytes, length / 2, call->a);
    int error = done < 0 ? -errno : 0;
    close(ours);
    free(bytes);
    answer(n->id, error, done, 0);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* The call that is slow, and until when. */
static uint64_t slow_id, slow_until;

static void kill_sessions(void) {
    for (uint64_t at = 0; at < control->served && at < SLOTS; at++) {
        pid_t seam = control->serve_pid[at];
        /* The one that listens is the seam's own child. */
        DIR *dir = opendir("/proc");
        struct dirent *entry;
        while (dir && (entry = readdir(dir))) {
            pid_t pid = atoi(entry->d_name);
            char name[32] = "";
            if (pid <= 1 || parent_of(pid, name) == seam || !is_below(pid, seam)) continue;
            if (!strncmp(name, "sshd", 4)) kill(pid, SIGKILL);
        }
        if (dir) closedir(dir);
    }
}

static void end_all(void) { kill_below(getpid(), serving ? child : 0, NULL); }

static int fails(const struct call *call) {
    /* What needs no room works on a full disk. */
    if (control->error != ENOSPC) return 1;
    switch (call->op) {
    case WRITE:
    case ALLOCATE:
    case MKDIR:
    case LINK:
    case SYMLINK:
        return 1;
    case OPEN:
        return (call->flags & O_CREAT) != 0 && access(call->path, F_OK);
    default:
        return 0;
    }
}

static void tell(pid_t pid, const struct call *call, uint64_t number) {
    char name[32] = "?";
    parent_of(pid, name);
    snprintf(control->text, TEXT, "%llu: %s %.200s%s%.200s by %s", (unsigned long long)number,
             NAMES[call->op], call->path, call->other[0] ? " " : "", call->other, name);
}

static void decide(const struct seccomp_notif *n) {
    static struct call call;
    pid_t pid = process_of(n->pid);
    if (control->after && control->after == (uint64_t)pid) {
        kill(pid, SIGKILL);
        answer(n->id, -EIO, 0, 0);
        return;
    }
    if (control->dead && pid != child) {
        kill(pid, SIGKILL);
        answer(n->id, -EIO, 0, 0);
        return;
    }
    if (!control->counting || !understand(n, &call) ||
        !(control->counting & (call.op == EXEC ? 2 : 1))) {
        go_on(n->id);
        return;
    }
    uint64_t number = ++control->counter;
    uint64_t target = control->target, kind = control->kind;
    int hit = target && (number == target || (kind == FAIL_ON && number > target));
    if (control->logging && call.op != EXEC) write_log(n->pid, &call);
    if (!hit) {
        go_on(n->id);
        return;
    }
    if (number == target) tell(n->pid, &call, number);
    control->fired = 1;
    switch (kind) {
    case FAIL_ON:
        if (!fails(&call)) break;
        /* fall through */
    case FAIL:
        answer(n->id, -(int)control->error, 0, 0);
        return;
    case SHORT:
        be_short(n, &call);
        return;
    case SLOW:
        slow_id = n->id;
        slow_until = now_ms() + control->slow;
        return;
    case KILL:
        kill(pid, SIGKILL);
        answer(n->id, -EIO, 0, 0);
        return;
    case KILL_AFTER:
        control->after = pid;
        break;
    case POWER:
        control->dead = 1;
        kill(pid, SIGKILL);
        answer(n->id, -EIO, 0, 0);
        end_all();
        return;
    case MAIN:
        kill(control->main_pid, SIGKILL);
        break;
    case TREE:
        kill_below(control->run_pid, 0, NULL);
        break;
    case SESSION:
        kill_sessions();
        break;
    }
    go_on(n->id);
}

/* ---- the filter ---- */

static int install(void) {
    static const int always[] = {
#ifdef __NR_open
        __NR_creat, __NR_unlink, __NR_rmdir, __NR_mkdir, __NR_rename, __NR_link, __NR_symlink,
        __NR_chmod,
#endif
#ifdef __NR_renameat
        __NR_renameat,
#endif
        __NR_renameat2, __NR_openat2, __NR_unlinkat, __NR_mkdirat, __NR_linkat, __NR_symlinkat,
        __NR_fchmodat, __NR_fchmod, __NR_truncate, __NR_ftruncate, __NR_fallocate, __NR_fsync,
        __NR_fdatasync, __NR_syncfs, __NR_sync, __NR_sync_file_range, __NR_write, __NR_pwrite64,
        __NR_writev, __NR_pwritev, __NR_copy_file_range, __NR_sendfile, __NR_execve,
    };
    /* Of opening, only what may change something. */
    static const int opens[][2] = {
#ifdef __NR_open
        {__NR_open, 1},
#endif
        {__NR_openat, 2},
    };
    struct sock_filter code[256];
    int at = 0;
#define ADD(...) code[at++] = (struct sock_filter)__VA_ARGS__
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    for (size_t each = 0; each < sizeof opens / sizeof *opens; each++) {
        ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, opens[each][0], 0, 4));
        ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                     offsetof(struct seccomp_data, args) + 8 * opens[each][1]));
        ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CHANGES, 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (size_t each = 0; each < sizeof always / sizeof *always; each++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, always[each], 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    }
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {at, code};
    /* Without privileges the kernel wants this, and an sshd of root can do without. */
    if (geteuid()) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                     &program);
    if (fd < 0 && errno == EINVAL)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                     &program);
    return fd;
}

static void reap(void) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != child) continue;
        if (serving) exit(0);
        control->status = status;
        control->ended = 1;
    }
}

int main(int count, char **words) {
    if (count < 4) return 2;
    int fd = open(words[1], O_RDWR | O_CLOEXEC);
    if (fd < 0) die(words[1]);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) die("mmap");
    serving = !strcmp(words[2], "serve");
    /* The number of the listening descriptor, from the child: it can write nowhere. */
    _Atomic int *given = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    /* Orphans come to us, so that they are known to be below. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t self = getpid();
    child = fork();
    if (child < 0) die("fork");
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != self) _exit(125);
        setpgid(0, 0);
        int notify = install();
        *given = notify < 0 ? -errno : notify;
        if (notify < 0) _exit(125);
        execvp(words[3], words + 3);
        _exit(127);
    }
    while (!*given) {
        usleep(100);
        if (waitpid(child, NULL, WNOHANG) == child && !*given) return 125;
    }
    if (*given < 0) {
        errno = -*given;
        die("seccomp with user notification (Linux 5.9 or newer)");
    }
    listener = fd_of(child, *given);
    if (listener < 0) die("pidfd_getfd");
    if (serving) {
        uint64_t slot = control->served++;
        if (slot < SLOTS) control->serve_pid[slot] = self;
    } else {
        control->run_pid = self;
        control->main_pid = child;
    }
    uint64_t was_dead = 0;
    while (1) {
        struct pollfd wait = {listener, POLLIN, 0};
        int ready = poll(&wait, 1, 5);
        reap();
        if (control->dead && !was_dead) end_all();
        was_dead = control->dead;
        if (slow_id && now_ms() >= slow_until) {
            go_on(slow_id);
            slow_id = 0;
        }
        if (!serving && control->quit) break;
        if (ready <= 0) continue;
        if (wait.revents & (POLLHUP | POLLERR | POLLNVAL)) {
            /* Nobody is left who has the filter. */
            usleep(1000);
            continue;
        }
        struct seccomp_notif n;
        memset(&n, 0, sizeof n);
        if (!ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n)) decide(&n);
    }
    kill_below(self, 0, NULL);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    return 0;
}
