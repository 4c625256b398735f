/* SPDX-License-Identifier: Apache-2.0
 * JSON strings that hold records. The content must come back byte for byte, but only the decoded record is stored: so it
 * is noted which of the usual writers' habits, as bits, gives the string back exactly. */
#ifndef TH_INGEST_ESCAPE_H
#define TH_INGEST_ESCAPE_H

#include "base/buf.h"

/* Bits of an escaper. All write \" \\ \n \r \t and \u00XX for other controls. On disk: never change, only add. */
enum {
    INGEST_ESCAPE_SLASH = 1,     /* / as \/ */
    INGEST_ESCAPE_HTML = 2,      /* < > & as \u003c ... */
    INGEST_ESCAPE_QUOTES = 4,    /* ' = as \u0027 \u003d */
    INGEST_ESCAPE_ASCII = 8,     /* all beyond ASCII as \uXXXX */
    INGEST_ESCAPE_UPPER = 16,    /* hex digits in upper case */
    INGEST_ESCAPE_DEL = 32,      /* 0x7f as \u007f */
    INGEST_ESCAPE_LINES = 64,    /* U+2028 and U+2029 as \u2028 \u2029 */
    INGEST_ESCAPE_LONG_BF = 128, /* \b and \f as \u0008 and \u000c */
};

/* The escaper that gives raw (without quotes) from text; false when none does. */
bool ingest_escape_find(th_slice raw, th_slice text, uint8_t *bits);
/* Append text escaped. */
void ingest_escape(th_buf *buf, th_slice text, uint8_t bits);

#endif
