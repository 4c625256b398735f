/* SPDX-License-Identifier: Apache-2.0
 * Messages on standard error, one write(2) a line, so that lines of several threads do not mix. Control characters
 * become blanks: what a message quotes comes from outside and must not drive somebody's terminal. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/slice.h"
#include "base/time.h"

enum { LOG_TEXT_MAX = 2048 };

static atomic_int log_level = TH_LOG_INFO;
static atomic_int log_format = TH_LOG_BARE;

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
static const char *const level_keys[] = {"debug", "info", "warn", "error"};

void th_log_set_level(th_log_level level)
{
    atomic_store(&log_level, (int)level);
}

void th_log_set_format(th_log_format format)
{
    atomic_store(&log_format, (int)format);
}

static void make_printable(char *text)
{
    bool utf8 = th_utf8_valid(th_slice_text(text));
    for (char *p = text; *p != '\0'; p++) {
        uint8_t c = (uint8_t)*p;
        if (c < 0x20 || c == 0x7F) *p = ' ';
        if (c >= 0x80 && !utf8) *p = '?';
        if (utf8 && c == 0xC2 && (uint8_t)p[1] < 0xA0) p[0] = p[1] = ' '; /* U+0080 to U+009F */
    }
}

/* text has neither control characters nor broken UTF-8 by now. */
static void escape_json(const char *text, char *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') *out++ = '\\';
        *out++ = *text;
    }
    *out = '\0';
}

static int format_line(char *line, size_t size, th_log_level level, const char *text)
{
    int format = atomic_load(&log_format);
    if (format == TH_LOG_BARE) return snprintf(line, size, "%s\n", text);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char when[40];
    th_time_format_iso((int64_t)now.tv_sec * TH_US_PER_SECOND + now.tv_nsec / 1000, when);
    if (format == TH_LOG_LINES)
        return snprintf(line, size, "%s %s %s\n", when, level_names[level], text);
    char escaped[2 * LOG_TEXT_MAX];
    escape_json(text, escaped);
    return snprintf(line, size, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n", when,
                    level_keys[level], escaped);
}

void th_log(th_log_level level, const char *fmt, ...)
{
    if ((int)level < atomic_load(&log_level)) return;
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0) return;
    make_printable(text);
    char line[2 * LOG_TEXT_MAX + 128];
    n = format_line(line, sizeof line, level, text);
    /* A message that cannot be written is lost: there is nobody left to tell. */
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) return;
}
