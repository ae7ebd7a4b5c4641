/* SPDX-License-Identifier: MIT */
/* The PAM stacks that the services name, read as libpam reads them: /etc/pam.d, else /usr/lib/pam.d, with includes. Reads files. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "judge.h"
#include "small-file.h"

#define LINES_MAX 128u
#define DEPTH_MAX 8u

typedef struct Stack {
        PamLine lines[LINES_MAX];
        char *words[LINES_MAX][3];      /* what the lines point to */
        size_t n;
        const char *type;               /* within an include: only lines of this type; NULL: all */
        char path[256];                 /* of the outermost file */
        char error[256];                /* "" while all is well */
        char missing[128];
} Stack;

static void stack_done(Stack *s) {
        for (size_t i = 0; i < s->n; i++)
                for (size_t k = 0; k < 3; k++)
                        free(s->words[i][k]);
}

static const char *const module_folders[] = {
        "/usr/lib/*/security", "/lib/*/security", "/usr/lib/security", "/lib/security", "/usr/lib64/security",
};

static bool is_installed(const char *module) {
        if (module[0] == '/') {
                char byte[2];

                return small_file_read(module, byte, sizeof(byte)) > 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(module_folders); i++) {
                char pattern[256];
                glob_t found = {};
                bool is_there;

                snprintf(pattern, sizeof(pattern), "%s/%s", module_folders[i], module);
                is_there = glob(pattern, 0, NULL, &found) == 0;
                globfree(&found);
                if (is_there)
                        return true;
        }
        return false;
}

static void read_file(Stack *s, const char *name, unsigned depth);

static void include(Stack *s, const char *name, const char *type, unsigned depth) {
        const char *before = s->type;

        if (type)
                s->type = type;
        read_file(s, name, depth + 1);
        s->type = before;
}

/* The next word; what is in brackets is one. */
static char *next_word(char **cursor) {
        char *p = *cursor + strspn(*cursor, " \t"), *end;

        if (*p == '[' && (end = strchr(p, ']'))) {
                p++;
        } else {
                end = p + strcspn(p, " \t");
                if (end == p)
                        return NULL;
        }
        *cursor = *end ? end + 1 : end;
        *end = '\0';
        return p;
}

static void add(Stack *s, const char *type, const char *control, const char *module, bool optional) {
        const char *base = strrchr(module, '/') ? strrchr(module, '/') + 1 : module;
        char **words;

        if (s->n == LINES_MAX)
                return;
        words = s->words[s->n];
        words[0] = strdup(type);
        words[1] = strdup(control);
        words[2] = strdup(base);
        if (!words[0] || !words[1] || !words[2]) {
                for (size_t k = 0; k < 3; k++)
                        free(words[k]);
                return;
        }
        s->lines[s->n++] = (PamLine) { words[0], words[1], words[2] };
        if (!optional && !*s->missing && !is_installed(module))
                snprintf(s->missing, sizeof(s->missing), "%s", module);
}

static void read_line(Stack *s, char *line, unsigned depth) {
        char *type = next_word(&line), *control, *module;

        if (!type || type[0] == '#')
                return;
        control = next_word(&line);
        if (strcmp(type, "@include") == 0) {
                if (control)
                        include(s, control, NULL, depth);
                return;
        }
        module = next_word(&line);
        if (!control || !module || (s->type && strcmp(type + (type[0] == '-'), s->type) != 0))
                return;
        if (strcmp(control, "include") == 0 || strcmp(control, "substack") == 0)
                include(s, module, type + (type[0] == '-'), depth);
        else
                add(s, type + (type[0] == '-'), control, module, type[0] == '-');
}

/* Takes continued lines together. */
static void read_lines(Stack *s, char *text, unsigned depth) {
        for (char *at = text; (at = strstr(at, "\\\n")); )
                memset(at, ' ', 2);
        for (char *line = strtok_r(text, "\n", &text); line; line = strtok_r(NULL, "\n", &text))
                read_line(s, line, depth);
}

static void read_file(Stack *s, const char *name, unsigned depth) {
        static const char *const folders[] = { "/etc/pam.d", "/usr/lib/pam.d" };
        char path[256], text[16384];
        ssize_t r = -ENOENT;

        if (depth > DEPTH_MAX) {
                snprintf(s->error, sizeof(s->error), "%.100s includes itself", name);
                return;
        }
        for (size_t i = 0; r == -ENOENT && i < ELEMENTSOF(folders); i++) {
                snprintf(path, sizeof(path), "%s/%.200s", folders[i], name);
                r = small_file_read(path, text, sizeof(text));
        }
        if (depth == 0)
                snprintf(s->path, sizeof(s->path), "%s", path);
        if (r < 0)
                snprintf(s->error, sizeof(s->error), "/etc/pam.d/%.100s: %s", name, strerror((int) -r));
        else
                read_lines(s, text, depth);
}

static void check_stack(const char *service, const char *name, Findings *f) {
        _cleanup_(stack_done) Stack s = {};

        read_file(&s, name, 0);
        judge_stack(&(StackFacts) {
                .service = service, .stack = name, .path = s.path, .error = *s.error ? s.error : NULL, .lines = s.lines, .n = s.n,
                .missing = *s.missing ? s.missing : NULL,
        }, f);
}

void check_pam(const Patient *p, Findings *f) {
        const char *const *lines = NULL;
        size_t n;

        if (fact_missing(p, p->facts, f, "PAM stacks"))
                return;
        n = fact_lines(p->facts, "Stacks", &lines);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *line = strdup(lines[i]);
                char *blank = line ? strchr(line, ' ') : NULL;

                if (!blank)
                        continue;
                *blank = '\0';
                check_stack(line, blank + 1, f);
        }
}
