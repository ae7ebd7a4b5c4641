/* SPDX-License-Identifier: MIT */
/*
 * System calls, as the functions by which programs make them, each with an error that it may really have. Left out is what cannot fail when
 * it is asked rightly (timerfd_settime, signal masks, close, munmap).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

/* A function whose failure is `failure` with errno set; what a lie says went well is `success`. */
#define WRAP_LIE(type, name, parameters, arguments, failure, code, success)             \
        type name parameters {                                                          \
                static type (*real) parameters;                                         \
                Call call = faults_before(#name, code);                                 \
                type r;                                                                 \
                                                                                        \
                if (call.error) {                                                       \
                        errno = call.error;                                             \
                        return failure;                                                 \
                }                                                                       \
                if (call.lie)                                                           \
                        return success;                                                 \
                if (!real)                                                              \
                        *(void **) &real = dlsym(RTLD_NEXT, #name);                     \
                r = real arguments;                                                     \
                faults_after(&call);                                                    \
                return r;                                                               \
        }
#define WRAP(type, name, parameters, arguments, failure, code) WRAP_LIE(type, name, parameters, arguments, failure, code, failure)
#define WRAP_INT(name, parameters, arguments, code) WRAP_LIE(int, name, parameters, arguments, -1, code, 0)
#define WRAP_SIZE(name, parameters, arguments, code) WRAP(ssize_t, name, parameters, arguments, -1, code)
/* Those that return the error itself. */
#define WRAP_CODE(name, parameters, arguments, code) WRAP_LIE(int, name, parameters, arguments, call.error, code, 0)

/* ---- files. The names with 64 are the same functions here: off_t has 64 bits. ---- */

#define WRAP_OPEN(name, leading, passed)                                                \
        int name(leading, int flags, ...) {                                             \
                static int (*real)(leading, int flags, ...);                            \
                Call call = faults_before(#name, EMFILE);                               \
                mode_t mode = 0;                                                        \
                int r;                                                                  \
                                                                                        \
                if (call.error) {                                                       \
                        errno = call.error;                                             \
                        return -1;                                                      \
                }                                                                       \
                if (__OPEN_NEEDS_MODE(flags)) {                                         \
                        va_list ap;                                                     \
                                                                                        \
                        va_start(ap, flags);                                            \
                        mode = va_arg(ap, mode_t);                                      \
                        va_end(ap);                                                     \
                }                                                                       \
                if (!real)                                                              \
                        *(void **) &real = dlsym(RTLD_NEXT, #name);                     \
                r = real(passed, flags, mode);                                          \
                faults_after(&call);                                                    \
                return r;                                                               \
        }
#define COMMA ,
WRAP_OPEN(open, const char *path, path)
WRAP_OPEN(open64, const char *path, path)
WRAP_OPEN(openat, int at COMMA const char *path, at COMMA path)
WRAP_OPEN(openat64, int at COMMA const char *path, at COMMA path)

/* A disk may be broken; a timer, or a descriptor for signals, only interrupted. */
static int read_error(int fd) {
        struct statx st;

        return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) == 0 && S_ISREG(st.stx_mode) ? EIO : EINTR;
}

WRAP_SIZE(read, (int fd, void *p, size_t n), (fd, p, n), read_error(fd))
ssize_t __read_chk(int fd, void *p, size_t n, size_t size);
WRAP_SIZE(__read_chk, (int fd, void *p, size_t n, size_t size), (fd, p, n, size), EIO)
WRAP_SIZE(readv, (int fd, const struct iovec *v, int n), (fd, v, n), EIO)
WRAP_SIZE(pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), EIO)
WRAP_SIZE(pread64, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), EIO)
WRAP_SIZE(write, (int fd, const void *p, size_t n), (fd, p, n), ENOSPC)
WRAP_SIZE(writev, (int fd, const struct iovec *v, int n), (fd, v, n), ENOSPC)
WRAP_SIZE(pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), EIO)
WRAP_SIZE(pwrite64, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), EIO)
WRAP_SIZE(pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), EIO)
WRAP_INT(fsync, (int fd), (fd), EIO)
WRAP_INT(fdatasync, (int fd), (fd), EIO)
WRAP_INT(msync, (void *p, size_t n, int flags), (p, n, flags), EIO)
WRAP_INT(ftruncate, (int fd, off_t size), (fd, size), ENOSPC)
WRAP_INT(ftruncate64, (int fd, off_t size), (fd, size), ENOSPC)
WRAP_INT(fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), ENOSPC)
WRAP_INT(fallocate64, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), ENOSPC)
WRAP_CODE(posix_fallocate64, (int fd, off_t at, off_t n), (fd, at, n), ENOSPC)
WRAP_INT(stat, (const char *path, struct stat *st), (path, st), EIO)
WRAP_INT(stat64, (const char *path, struct stat64 *st), (path, st), EIO)
WRAP_INT(lstat, (const char *path, struct stat *st), (path, st), EIO)
WRAP_INT(fstat, (int fd, struct stat *st), (fd, st), EIO)
WRAP_INT(fstat64, (int fd, struct stat64 *st), (fd, st), EIO)
WRAP_INT(fstatat, (int at, const char *path, struct stat *st, int flags), (at, path, st, flags), EIO)
WRAP_INT(fstatat64, (int at, const char *path, struct stat64 *st, int flags), (at, path, st, flags), EIO)
WRAP_INT(fstatvfs, (int fd, struct statvfs *st), (fd, st), EIO)
WRAP_INT(access, (const char *path, int mode), (path, mode), EACCES)
WRAP_INT(unlink, (const char *path), (path), EIO)
WRAP_INT(rename, (const char *from, const char *to), (from, to), EIO)
WRAP_INT(mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC)
WRAP_INT(chmod, (const char *path, mode_t mode), (path, mode), EIO)
WRAP_INT(fchmod, (int fd, mode_t mode), (fd, mode), EIO)
WRAP(DIR *, opendir, (const char *path), (path), NULL, EMFILE)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL, ENOMEM)
WRAP(struct dirent *, readdir, (DIR *d), (d), NULL, EIO)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL, EMFILE)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NULL, EMFILE)
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL, ENOMEM)
WRAP(FILE *, open_memstream, (char **p, size_t *n), (p, n), NULL, ENOMEM)
WRAP_SIZE(getline, (char **line, size_t *n, FILE *f), (line, n, f), EIO)
WRAP(char *, fgets, (char *p, int n, FILE *f), (p, n, f), NULL, EIO)
WRAP(int, fflush, (FILE *f), (f), EOF, EIO)

/* fcntl() takes what the command says; a long has room for all of it. */
static int fcntl_error(int command) {
        switch (command) {
        case F_DUPFD: case F_DUPFD_CLOEXEC: return EMFILE;
        case F_SETLK: case F_OFD_SETLK: return ENOLCK;
        case F_ADD_SEALS: return EBUSY;
        case F_SETPIPE_SZ: return EPERM;
        }
        return 0;
}
#define WRAP_FCNTL(name)                                                                \
        int name(int fd, int command, ...) {                                            \
                static int (*real)(int, int, ...);                                      \
                Call call = {};                                                         \
                va_list ap;                                                             \
                void *argument;                                                         \
                int r;                                                                  \
                                                                                        \
                va_start(ap, command);                                                  \
                argument = va_arg(ap, void *);                                          \
                va_end(ap);                                                             \
                if (fcntl_error(command))                                               \
                        call = faults_before(#name, fcntl_error(command));              \
                if (call.error) {                                                       \
                        errno = call.error;                                             \
                        return -1;                                                      \
                }                                                                       \
                if (!real)                                                              \
                        *(void **) &real = dlsym(RTLD_NEXT, #name);                     \
                r = real(fd, command, argument);                                        \
                faults_after(&call);                                                    \
                return r;                                                               \
        }
WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

/* ---- memory ---- */

WRAP(void *, mmap, (void *p, size_t n, int protection, int flags, int fd, off_t at), (p, n, protection, flags, fd, at), MAP_FAILED, ENOMEM)
WRAP(void *, mmap64, (void *p, size_t n, int protection, int flags, int fd, off_t at), (p, n, protection, flags, fd, at), MAP_FAILED, ENOMEM)
WRAP_INT(mlock, (const void *p, size_t n), (p, n), ENOMEM)
WRAP_INT(mprotect, (void *p, size_t n, int protection), (p, n, protection), ENOMEM)
WRAP_INT(memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE)
WRAP_SIZE(getrandom, (void *p, size_t n, unsigned flags), (p, n, flags), ENOSYS)

/* ---- sockets ---- */

WRAP_INT(socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE)
WRAP_INT(socketpair, (int domain, int type, int protocol, int pair[2]), (domain, type, protocol, pair), EMFILE)
WRAP_INT(bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), EADDRINUSE)
WRAP_INT(listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
WRAP_INT(connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), ECONNREFUSED)
WRAP_INT(accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags), EMFILE)
WRAP_INT(getsockopt, (int fd, int level, int name, void *p, socklen_t *n), (fd, level, name, p, n), ENOBUFS)
WRAP_INT(setsockopt, (int fd, int level, int name, const void *p, socklen_t n), (fd, level, name, p, n), ENOBUFS)
WRAP_SIZE(recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), ECONNRESET)
WRAP_SIZE(recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), ECONNRESET)
WRAP_SIZE(send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), ENOBUFS)
WRAP_SIZE(sendto, (int fd, const void *p, size_t n, int flags, const struct sockaddr *a, socklen_t size), (fd, p, n, flags, a, size), ENOBUFS)
WRAP_SIZE(sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), ENOBUFS)

/* ---- events ---- */

WRAP_INT(epoll_create1, (int flags), (flags), EMFILE)
WRAP_INT(epoll_ctl, (int fd, int op, int other, struct epoll_event *e), (fd, op, other, e), op == EPOLL_CTL_ADD ? ENOSPC : ENOMEM)
WRAP_INT(epoll_wait, (int fd, struct epoll_event *e, int n, int timeout), (fd, e, n, timeout), EINTR)
WRAP_INT(poll, (struct pollfd *p, nfds_t n, int timeout), (p, n, timeout), EINTR)
WRAP_INT(ppoll, (struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *s), (p, n, t, s), EINTR)
WRAP_INT(eventfd, (unsigned value, int flags), (value, flags), EMFILE)
WRAP_INT(timerfd_create, (int clock, int flags), (clock, flags), EMFILE)
WRAP_INT(signalfd, (int fd, const sigset_t *s, int flags), (fd, s, flags), EMFILE)
WRAP_INT(inotify_init1, (int flags), (flags), EMFILE)
WRAP_INT(inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), ENOSPC)
WRAP_INT(pipe2, (int pair[2], int flags), (pair, flags), EMFILE)
WRAP_INT(dup2, (int from, int to), (from, to), EBUSY)

/* ---- processes and threads ---- */

WRAP(pid_t, fork, (void), (), -1, EAGAIN)
WRAP_CODE(posix_spawn, (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
          (pid, path, actions, attributes, argv, envp), EAGAIN)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1, EINTR)
WRAP_CODE(pthread_create, (pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *p), (thread, attributes, run, p), EAGAIN)

/* ---- who is who ---- */

WRAP_CODE(getpwnam_r, (const char *name, struct passwd *out, char *p, size_t n, struct passwd **ret), (name, out, p, n, ret), EIO)
WRAP_CODE(getpwuid_r, (uid_t uid, struct passwd *out, char *p, size_t n, struct passwd **ret), (uid, out, p, n, ret), EIO)
WRAP_CODE(getgrnam_r, (const char *name, struct group *out, char *p, size_t n, struct group **ret), (name, out, p, n, ret), EIO)
WRAP_CODE(getgrgid_r, (gid_t gid, struct group *out, char *p, size_t n, struct group **ret), (gid, out, p, n, ret), EIO)
WRAP(struct passwd *, getpwnam, (const char *name), (name), NULL, EIO)
WRAP(struct passwd *, getpwuid, (uid_t uid), (uid), NULL, EIO)
WRAP_INT(getgrouplist, (const char *user, gid_t group, gid_t *groups, int *n), (user, group, groups, n), ENOMEM)

/* Those that libc has no function for (pidfds, robust lists): up to six arguments. */
long syscall(long number, ...) {
        static long (*real)(long, ...);
        Call call = faults_before("syscall", ENOSYS);
        long a[6], r;
        va_list ap;

        if (call.error) {
                errno = call.error;
                return -1;
        }
        va_start(ap, number);
        for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (!real)
                *(void **) &real = dlsym(RTLD_NEXT, "syscall");
        r = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        faults_after(&call);
        return r;
}
