/* SPDX-License-Identifier: Apache-2.0
 * One list of error codes, and the diagnosis that travels with an error to the person who caused it.
 *
 * Zero is success. Results go through an `out` parameter, written only on success. A code says what kind of
 * failure it was; a th_diag says it in words. No function below src/main.c ends the process, but for a failed
 * assertion (base/assert.h), which is always a mistake of ours. */
#ifndef TH_BASE_ERR_H
#define TH_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* code, text, name as users see it (Trino's error names where one fits) */
#define TH_ERRORS(X)                                                    \
    X(TH_OK, "ok", "OK")                                                \
    X(TH_ENOMEM, "out of memory", "OUT_OF_MEMORY")                      \
    X(TH_ELIMIT, "a limit was reached", "EXCEEDED_LIMIT")               \
    X(TH_ECORRUPT, "stored bytes are damaged", "CORRUPT_DATA")          \
    X(TH_EVERSION, "written by a newer version", "UNSUPPORTED_VERSION") \
    X(TH_EIO, "input or output failed", "IO_ERROR")                     \
    X(TH_ENOSPC, "storage full", "STORAGE_FULL")                        \
    X(TH_ENOTFOUND, "not found", "NOT_FOUND")                           \
    X(TH_EEXIST, "already there", "ALREADY_EXISTS")                     \
    X(TH_EBUSY, "in use", "BUSY")                                       \
    X(TH_EINVAL, "not valid", "INVALID_ARGUMENT")                       \
    X(TH_ESYNTAX, "syntax error", "SYNTAX_ERROR")                       \
    X(TH_ESQL, "the statement is not valid", "SQL_ERROR")               \
    X(TH_EPARSE, "input could not be parsed", "INVALID_INPUT")          \
    X(TH_EUNSUPPORTED, "not supported", "NOT_SUPPORTED")                \
    X(TH_EPERM, "not permitted", "PERMISSION_DENIED")                   \
    X(TH_ECANCELED, "cancelled", "USER_CANCELED")                       \
    X(TH_ETIME, "out of time", "EXCEEDED_TIME_LIMIT")                   \
    X(TH_ESTOPPING, "stopping", "SERVER_SHUTTING_DOWN")                 \
    X(TH_EAMBIGUOUS, "ambiguous", "AMBIGUOUS_NAME")                     \
    X(TH_EPARTIAL, "what was asked is partly gone", "PARTLY_GONE")      \
    X(TH_ENET, "the connection failed", "CONNECTION_FAILED")            \
    X(TH_EAGAIN, "try again later", "TRY_AGAIN")                        \
    X(TH_EUSAGE, "wrong usage", "USAGE")

typedef enum th_err {
#define TH_ERR_ENUM(code, text, name) code,
    TH_ERRORS(TH_ERR_ENUM)
#undef TH_ERR_ENUM
        TH_ERR_COUNT
} th_err;

#define TH_MUST_CHECK __attribute__((warn_unused_result))
#define TH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TH_TRY(call)                \
    do {                            \
        th_err e_ = (call);         \
        if (e_ != TH_OK) return e_; \
    } while (0)

/* The diagnosis of one failure. Zero-initialise; the first failure wins (later th_fail calls do not overwrite it
 * until th_diag_clear). Owned by whoever runs the query or the command; never shared between threads. */
typedef struct th_diag {
    th_err code;
    char name
        [48]; /* Trino's error name or one of ours: COLUMN_NOT_FOUND, STORAGE_FULL; "" = the code's own */
    char text[512];  /* one sentence, no final full stop, UTF-8, cut at a character when too long */
    char hint[256];  /* what to try; may be "" */
    uint32_t line;   /* from 1; 0 = no position */
    uint32_t column; /* from 1, in characters */
} th_diag;

/* "stored bytes are damaged"; never NULL. */
const char *th_err_text(th_err code);
/* "CORRUPT_DATA"; never NULL. */
const char *th_err_name(th_err code);

/* Fill diag (may be NULL; an earlier diagnosis is kept) and return code. name may be NULL = the code's own. */
th_err th_fail(th_diag *diag, th_err code, const char *name, const char *fmt, ...) TH_PRINTF(4, 5);
/* The same with a place in a text. */
th_err th_fail_at(th_diag *diag, th_err code, const char *name, uint32_t line, uint32_t column,
                  const char *fmt, ...) TH_PRINTF(6, 7);
/* Add a hint to the diagnosis that is there (no effect on an empty one or one that has a hint). */
void th_diag_hint(th_diag *diag, const char *fmt, ...) TH_PRINTF(2, 3);
void th_diag_clear(th_diag *diag);
/* Name of the error as a user sees it: diag->name, else that of the code. */
const char *th_diag_name(const th_diag *diag);

#endif
