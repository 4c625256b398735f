/* SPDX-License-Identifier: Apache-2.0
 * Error texts from the one list, and the filling of a th_diag. A diagnosis is always whole, valid UTF-8: it goes into
 * JSON answers and protocol frames as it stands, while the words in it often come from outside. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/slice.h"

static const char *const err_texts[] = {
#define ERR_TEXT(code, text, name) text,
    TH_ERRORS(ERR_TEXT)
#undef ERR_TEXT
};

static const char *const err_names[] = {
#define ERR_NAME(code, text, name) name,
    TH_ERRORS(ERR_NAME)
#undef ERR_NAME
};

const char *th_err_text(th_err code)
{
    return (unsigned)code < TH_ERR_COUNT ? err_texts[code] : "unknown error";
}

const char *th_err_name(th_err code)
{
    return (unsigned)code < TH_ERR_COUNT ? err_names[code] : "UNKNOWN";
}

/* Cut a broken last character, then put '?' in place of every byte that is still not UTF-8. */
static void make_utf8(char *text, size_t size)
{
    if (th_utf8_valid(th_slice_of(text, size))) return;
    for (size_t cut = 1; cut <= 3 && cut <= size; cut++) {
        if (((uint8_t)text[size - cut] & 0xC0) == 0x80) continue;
        if (th_utf8_valid(th_slice_of(text + size - cut, cut))) break;
        text[size - cut] = '\0';
        size -= cut;
        break;
    }
    if (th_utf8_valid(th_slice_of(text, size))) return;
    for (size_t i = 0; i < size; i++) {
        if ((uint8_t)text[i] >= 0x80) text[i] = '?';
    }
}

static void print_into(char *out, size_t capacity, const char *fmt, va_list args)
{
    int n = vsnprintf(out, capacity, fmt, args);
    if (n < 0) {
        out[0] = '\0';
        return;
    }
    make_utf8(out, strlen(out));
}

static void fill(th_diag *diag, th_err code, const char *name, const char *fmt, va_list args)
{
    diag->code = code;
    snprintf(diag->name, sizeof diag->name, "%s", name == NULL ? "" : name);
    print_into(diag->text, sizeof diag->text, fmt, args);
    diag->hint[0] = '\0';
    diag->line = 0;
    diag->column = 0;
}

th_err th_fail(th_diag *diag, th_err code, const char *name, const char *fmt, ...)
{
    if (diag == NULL || diag->code != TH_OK) return code;
    va_list args;
    va_start(args, fmt);
    fill(diag, code, name, fmt, args);
    va_end(args);
    return code;
}

th_err th_fail_at(th_diag *diag, th_err code, const char *name, uint32_t line, uint32_t column,
                  const char *fmt, ...)
{
    if (diag == NULL || diag->code != TH_OK) return code;
    va_list args;
    va_start(args, fmt);
    fill(diag, code, name, fmt, args);
    va_end(args);
    diag->line = line;
    diag->column = column;
    return code;
}

void th_diag_hint(th_diag *diag, const char *fmt, ...)
{
    if (diag == NULL || diag->code == TH_OK || diag->hint[0] != '\0') return;
    va_list args;
    va_start(args, fmt);
    print_into(diag->hint, sizeof diag->hint, fmt, args);
    va_end(args);
}

void th_diag_clear(th_diag *diag)
{
    if (diag != NULL) memset(diag, 0, sizeof *diag);
}

const char *th_diag_name(const th_diag *diag)
{
    if (diag == NULL) return th_err_name(TH_OK);
    return diag->name[0] != '\0' ? diag->name : th_err_name(diag->code);
}
