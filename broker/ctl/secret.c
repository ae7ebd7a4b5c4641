/* SPDX-License-Identifier: MIT */
/*
 * Reading secrets. Owns the terminal's echo while it asks: signals that would end or stop the program are taken by a
 * signalfd meanwhile, so that the terminal is put right before they have their way.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "secret.h"
#include "token.h"

void secret_wipe(Secret *s) {
        explicit_bzero(s, sizeof(*s));
}

/* One line end that a shell's echo or the Enter key left behind. */
static void secret_chomp(Secret *s) {
        if (s->size > 0 && s->data[s->size - 1] == '\n')
                s->size--;
        s->data[s->size] = '\0';
}

int secret_read_fd(Secret *s, int fd) {
        s->size = 0;
        for (;;) {
                ssize_t n = read(fd, s->data + s->size, sizeof(s->data) - s->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                s->size += (size_t) n;
                if (s->size == sizeof(s->data) && s->data[SECRET_MAX] != '\n')
                        return -EMSGSIZE;
                if (s->size == sizeof(s->data))
                        break;
        }
        secret_chomp(s);
        return s->size > 0 ? 0 : -ENODATA;
}

static int write_all(int fd, const char *text) {
        size_t size = strlen(text);

        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        text += n;
                        size -= (size_t) n;
                }
        }
        return 0;
}

typedef struct Question {
        const char *prompt;
        bool echo;
} Question;

static int echo_set(int tty, const struct termios *before, bool echo) {
        struct termios quiet = *before;

        if (!echo)
                quiet.c_lflag &= ~(tcflag_t) (ECHO | ECHOE | ECHOK);
        quiet.c_lflag |= (echo ? ECHO | ECHOE | ECHOK : ECHONL) | ICANON | ISIG;
        return tcsetattr(tty, TCSAFLUSH, &quiet) < 0 ? -errno : 0;
}

/* Echo first: the change throws away what has been typed, and whoever sees the prompt may type. */
static int ask(int tty, const struct termios *before, const Question *q) {
        int r = echo_set(tty, before, q->echo);

        return r < 0 ? r : write_all(tty, q->prompt);
}

/* Let a signal that came while echo was off do what it does, with the terminal as it was. After a stop, and where it is
 * ignored, ask again. */
static int signal_obey(int tty, const struct termios *before, int number, const Question *q) {
        sigset_t one;

        tcsetattr(tty, TCSAFLUSH, before);
        (void) write_all(tty, "\n");
        sigemptyset(&one);
        sigaddset(&one, number);
        raise(number);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        /* Still here: the signal is ignored, or it stopped us and somebody let us go on. */
        sigprocmask(SIG_BLOCK, &one, NULL);
        return ask(tty, before, q);
}

static int line_wait(int tty, int signals, const struct termios *before, const Question *q) {
        for (;;) {
                struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = tty, .events = POLLIN } };
                struct signalfd_siginfo info;
                int r;

                if (poll(fds, ELEMENTSOF(fds), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (!fds[0].revents)
                        return 0;
                if (read(signals, &info, sizeof(info)) != sizeof(info))
                        return -EIO;
                r = signal_obey(tty, before, (int) info.ssi_signo, q);
                if (r < 0)
                        return r;
        }
}

/* A terminal in line mode hands out one line at a read; it cannot be longer than the kernel's 4095 bytes. */
static int line_read(Secret *s, int tty, int signals, const struct termios *before, const Question *q) {
        ssize_t n;
        int r;

        r = line_wait(tty, signals, before, q);
        if (r < 0)
                return r;
        n = read(tty, s->data, SECRET_MAX);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -ENODATA;        /* the end of the input: somebody has given up */
        s->size = (size_t) n;
        secret_chomp(s);
        return 0;
}

static int secret_ask(Secret *s, int tty, const Question *q) {
        _cleanup_close_ int signals = -EBADF;
        struct termios before;
        sigset_t mask, old;
        int r;

        if (tcgetattr(tty, &before) < 0)
                return -errno;
        sigemptyset(&mask);
        for (size_t i = 0; i < 5; i++)
                sigaddset(&mask, (const int[]) { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP }[i]);
        signals = signalfd(-1, &mask, SFD_CLOEXEC);
        if (signals < 0)
                return -errno;
        sigprocmask(SIG_BLOCK, &mask, &old);

        r = ask(tty, &before, q);
        if (r >= 0)
                r = line_read(s, tty, signals, &before, q);
        tcsetattr(tty, TCSAFLUSH, &before);
        sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
}

int secret_read(Secret *s, const char *prompt) {
        _cleanup_close_ int tty = -EBADF;
        int r;

        s->size = 0;
        if (!isatty(STDIN_FILENO))
                return secret_read_fd(s, STDIN_FILENO);
        tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        r = secret_ask(s, tty >= 0 ? tty : STDIN_FILENO, &(Question) { .prompt = prompt });
        return r == 0 && s->size == 0 ? -ENODATA : r;
}

int secret_ask_line(Secret *s, const char *prompt, bool echo) {
        _cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

        s->size = 0;
        return tty < 0 ? -ENOTTY : secret_ask(s, tty, &(Question) { .prompt = prompt, .echo = echo });
}

int secret_say(const char *line) {
        _cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        int r;

        if (tty < 0)
                return -ENOTTY;
        r = write_all(tty, line);
        return r < 0 ? r : write_all(tty, "\n");
}

static int base64url_value(char c) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const char *p = c ? strchr(alphabet, c) : NULL;

        return p ? (int) (p - alphabet) : -1;
}

/* The 48 bits of milliseconds at the beginning lie between 2020 and 2100: those of a digest or a long word do not. */
static bool body_has_time(const char *body) {
        unsigned long long ms = 0;

        for (size_t i = 0; i < 8; i++)
                ms = ms << 6 | (unsigned long long) base64url_value(body[i]);
        return ms > 1577836800000ULL && ms < 4102444800000ULL;
}

bool secret_looks_like_token(const char *word) {
        size_t run = 0;

        /* The prefix before the 64 characters may look like them: what counts is how a run of such characters ends. */
        for (const char *p = word;; p++) {
                if (base64url_value(*p) >= 0) {
                        run++;
                        continue;
                }
                if (run >= TOKEN_BODY_SIZE && body_has_time(p - TOKEN_BODY_SIZE))
                        return true;
                if (!*p)
                        return false;
                run = 0;
        }
}
