/* SPDX-License-Identifier: Apache-2.0
 * libedit behind line.h. History entries are one line each: line ends inside a statement become blanks. */
#include "cmd/line.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wchar.h>

#include "cmd/cmd.h"

#define HISTORY_ENTRIES 2000

struct cmd_line {
    EditLine *el;
    History *history;
    char *history_path;
    const char *prompt;
    const char *const *words;
    char *text;       /* of the last line */
    sigset_t waiting; /* the mask while it waits for a key: SIGINT and SIGTERM can come */
};

static char *line_prompt(EditLine *el)
{
    cmd_line *line = NULL;
    el_get(el, EL_CLIENTDATA, &line);
    return (char *)(uintptr_t)line->prompt;
}

/* libedit's own reader would sleep through a Ctrl-C that comes just before its read: signals stay blocked but for the
 * wait itself. Bytes that are no character are dropped, as libedit does. */
static int line_get_char(EditLine *el, wchar_t *out)
{
    cmd_line *line = NULL;
    el_get(el, EL_CLIENTDATA, &line);
    mbstate_t state = {0};
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (cmd_interrupted) errno = EINTR;
        if (cmd_interrupted || ppoll(&input, 1, NULL, &line->waiting) < 0) return -1;
        char byte = 0;
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got <= 0) return (int)got;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == 0 || used == 1) return 1;
        if (used == (size_t)-1) state = (mbstate_t){0};
    }
}

/* Start of the word that ends at the cursor. */
static size_t word_start(const LineInfo *info)
{
    const char *p = info->cursor;
    while (p > info->buffer && (p[-1] == '_' || p[-1] == '$' || (p[-1] >= '0' && p[-1] <= '9') ||
                                (p[-1] >= 'a' && p[-1] <= 'z') || (p[-1] >= 'A' && p[-1] <= 'Z'))) {
        p--;
    }
    return (size_t)(info->cursor - p);
}

/* Complete as far as all words that begin this way agree; show them when they do not. */
static unsigned char line_complete(EditLine *el, int ch)
{
    (void)ch;
    cmd_line *line = NULL;
    el_get(el, EL_CLIENTDATA, &line);
    const LineInfo *info = el_line(el);
    size_t size = word_start(info), common = 0, found = 0;
    const char *start = info->cursor - size, *first = NULL;
    for (const char *const *w = line->words; size > 0 && w != NULL && *w != NULL; w++) {
        if (strncasecmp(*w, start, size) != 0) continue;
        if (found++ == 0) {
            first = *w;
            common = strlen(*w);
        } else {
            size_t same = size;
            while (same < common && strncasecmp(first + same, *w + same, 1) == 0) same++;
            common = same;
        }
    }
    if (found == 0) return CC_ERROR;
    if (common == size && found > 1) {
        fputc('\n', stderr);
        for (const char *const *w = line->words; *w != NULL; w++) {
            if (strncasecmp(*w, start, size) == 0) fprintf(stderr, "%s  ", *w);
        }
        fputc('\n', stderr);
        return CC_REDISPLAY;
    }
    char added[256];
    size_t add = common - size < sizeof(added) - 2 ? common - size : sizeof(added) - 2;
    memcpy(added, first + size, add);
    if (found == 1) added[add++] = ' ';
    added[add] = '\0';
    return el_insertstr(el, added) == 0 ? CC_REFRESH : CC_ERROR;
}

cmd_line *cmd_line_open(const char *history_path)
{
    cmd_line *line = calloc(1, sizeof(*line));
    if (line == NULL) return NULL;
    line->prompt = "";
    line->el = el_init("trailhold", stdin, stdout, stderr);
    line->history = history_init();
    if (line->el == NULL || line->history == NULL) {
        cmd_line_close(line);
        return NULL;
    }
    HistEvent event;
    history(line->history, &event, H_SETSIZE, HISTORY_ENTRIES);
    history(line->history, &event, H_SETUNIQUE, 1);
    if (history_path != NULL) {
        line->history_path = strdup(history_path);
        history(line->history, &event, H_LOAD, history_path);
    }
    el_set(line->el, EL_CLIENTDATA, line);
    el_set(line->el, EL_PROMPT, line_prompt);
    el_set(line->el, EL_EDITOR, "emacs");
    el_set(line->el, EL_SIGNAL, 0);
    el_set(line->el, EL_GETCFN, line_get_char);
    el_set(line->el, EL_HIST, history, line->history);
    el_set(line->el, EL_ADDFN, "complete", "Complete a word", line_complete);
    el_set(line->el, EL_BIND, "\t", "complete", NULL);
    el_source(line->el, NULL);
    return line;
}

/* el_gets with SIGINT and SIGTERM blocked but while it waits for a key. */
static const char *get_line(cmd_line *line, int *count)
{
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &block, &line->waiting);
    cmd_interrupted = 0;
    errno = 0;
    const char *text = el_gets(line->el, count);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &line->waiting, NULL);
    errno = error;
    return text;
}

const char *cmd_line_read(cmd_line *line, const char *prompt, bool *interrupted)
{
    line->prompt = prompt;
    *interrupted = false;
    int count = 0;
    const char *text = get_line(line, &count);
    if (text == NULL || count <= 0) {
        if (cmd_interrupted || errno == EINTR) {
            *interrupted = true;
            cmd_interrupted = 0;
            el_reset(line->el);
            fputc('\n', stdout);
        }
        return NULL;
    }
    free(line->text);
    line->text = strndup(text, (size_t)count);
    if (line->text == NULL) return NULL;
    line->text[strcspn(line->text, "\r\n")] = '\0';
    return line->text;
}

void cmd_line_add_history(cmd_line *line, const char *statement)
{
    char *flat = strdup(statement);
    if (flat == NULL) return;
    for (char *p = flat; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\r') *p = ' ';
    }
    HistEvent event;
    history(line->history, &event, H_ENTER, flat);
    if (line->history_path != NULL) history(line->history, &event, H_SAVE, line->history_path);
    free(flat);
}

void cmd_line_set_words(cmd_line *line, const char *const *words)
{
    line->words = words;
}

void cmd_line_close(cmd_line *line)
{
    if (line == NULL) return;
    if (line->el != NULL) el_end(line->el);
    if (line->history != NULL) history_end(line->history);
    free(line->history_path);
    free(line->text);
    free(line);
}
