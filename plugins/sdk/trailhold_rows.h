/* SPDX-License-Identifier: Apache-2.0
 * Reading the columns of a batch: small helpers over the Arrow C Data layout, for plugins in C. */
#ifndef TRAILHOLD_ROWS_H
#define TRAILHOLD_ROWS_H

#include <stdbool.h>
#include <string.h>

#include "trailhold_plugin.h"

typedef struct th_text {
    const char *bytes; /* not terminated; NULL when the value is NULL */
    size_t size;
} th_text;

/* Value of a text column ("u") at row. */
static inline th_text th_text_at(const th_plugin_batch *batch, uint32_t column, uint32_t row)
{
    const struct ArrowArray *array = batch->columns[column];
    int64_t at = array->offset + (int64_t)row;
    const uint8_t *valid = (const uint8_t *)array->buffers[0];
    th_text text = {NULL, 0};
    if (valid != NULL && ((valid[at >> 3] >> (at & 7)) & 1) == 0) return text;
    const int32_t *offsets = (const int32_t *)array->buffers[1];
    text.bytes = (const char *)array->buffers[2] + offsets[at];
    text.size = (size_t)(offsets[at + 1] - offsets[at]);
    return text;
}

static inline bool th_text_is(th_text text, const char *other)
{
    return text.bytes != NULL && text.size == strlen(other) &&
           memcmp(text.bytes, other, text.size) == 0;
}

/* Copy as a C string, cut to room - 1 bytes; "" for NULL. */
static inline const char *th_text_copy(th_text text, char *out, size_t room)
{
    size_t size = text.size < room ? text.size : room - 1;
    if (text.bytes != NULL) memcpy(out, text.bytes, size);
    out[text.bytes != NULL ? size : 0] = '\0';
    return out;
}

/* Does needle stand anywhere in the text? */
static inline bool th_text_has(th_text text, const char *needle)
{
    size_t size = strlen(needle);
    for (size_t i = 0; text.bytes != NULL && i + size <= text.size; i++) {
        if (memcmp(text.bytes + i, needle, size) == 0) return true;
    }
    return false;
}

#endif
