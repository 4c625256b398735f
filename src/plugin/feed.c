/* SPDX-License-Identifier: Apache-2.0
 * From a range of the log to what a plugin sees: rows by the subscription's predicate, then their columns in the Arrow
 * layout inside a sealed memfd. The host never reads a memfd back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/time.h"
#include "plugin/host_private.h"

#define GAP_ROWS 16u /* rows apart that are still read together */

th_err feed_rows(const plugin_subscription *subscription, th_version *version,
                 const th_log_range *range, th_arena *arena, uint32_t **rows, uint32_t *count,
                 th_diag *diag)
{
    *rows = TH_NEW_ARRAY(arena, uint32_t, (size_t)range->count + 1);
    if (*rows == NULL) return TH_ELIMIT;
    *count = 0;
    uint64_t *bits = NULL;
    if (subscription->filter != NULL) {
        TH_TRY(th_row_filter_run(subscription->filter, version, &range->ref, range->begin,
                                 range->count, arena, &bits, diag));
    }
    for (uint32_t i = 0; i < range->count; i++) {
        if (bits == NULL || th_bit_get(bits, i)) (*rows)[(*count)++] = range->begin + i;
    }
    return TH_OK;
}

/* Read a path for the rows: neighbours together, so that a few rows of a large segment cost a few records. */
static th_err read_path(const th_loaded *loaded, const char *path, const uint32_t *rows,
                        uint32_t count, th_arena *arena, th_slice *out, th_diag *diag)
{
    for (uint32_t i = 0; i < count;) {
        uint32_t j = i + 1;
        while (j < count && rows[j] - rows[j - 1] <= GAP_ROWS) j++;
        th_vector v;
        TH_TRY(
            th_engine_paths(loaded, &path, 1, rows[i], rows[j - 1] - rows[i] + 1, arena, &v, diag));
        const th_vector *base = th_vector_base(&v);
        for (uint32_t k = i; k < j; k++) {
            uint32_t at = rows[k] - rows[i];
            out[k] =
                th_vector_is_null(&v, at) ? (th_slice){0} : base->data.str[th_vector_slot(&v, at)];
        }
        i = j;
    }
    return TH_OK;
}

static th_err read_records(const th_loaded *loaded, const uint32_t *rows, uint32_t count,
                           th_arena *arena, th_slice *out)
{
    for (uint32_t i = 0; i < count; i++)
        TH_TRY(th_segment_records(loaded->segment, rows[i], 1, arena, &out[i]));
    return TH_OK;
}

static th_err read_special(const plugin_subscription *s, th_slice name, const th_loaded *loaded,
                           const uint32_t *rows, uint32_t count, th_arena *arena, th_slice *out)
{
    if (th_slice_is(name, "record")) return read_records(loaded, rows, count, arena, out);
    char day[16];
    size_t day_size = th_day_format(loaded->ref.day, day);
    th_slice day_text = th_arena_copy(arena, th_slice_of(day, day_size));
    if (day_text.bytes == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        if (th_slice_is(name, "_day")) {
            out[i] = day_text;
            continue;
        }
        th_slice record;
        TH_TRY(th_segment_records(loaded->segment, rows[i], 1, arena, &record));
        th_slice account = th_model_account(th_model_table(s->table), record,
                                            th_segment_layout(loaded->segment, rows[i]));
        out[i] = account.size > 0 ? account : (th_slice){0};
    }
    return TH_OK;
}

static size_t padded(size_t at)
{
    return (at + 63) / 64 * 64;
}

static void pad(th_buf *image)
{
    size_t size = padded(image->size) - image->size;
    uint8_t *room = th_buf_reserve(image, size + 1);
    if (room == NULL) return;
    memset(room, 0, size);
    th_buf_grow(image, size);
}

static void put_valid(th_buf *image, wire_column *column, const bool *is_null, uint32_t count)
{
    pad(image);
    column->valid_at = image->size;
    for (uint32_t i = 0; i < count; i += 8) {
        uint8_t byte = 0;
        for (uint32_t b = 0; b < 8 && i + b < count; b++) {
            if (!is_null[i + b])
                byte |= (uint8_t)(1u << b);
            else
                column->null_count++;
        }
        th_buf_add_byte(image, byte);
    }
    pad(image);
    column->first_at = image->size;
}

static th_err put_text_column(th_buf *image, wire_column *column, const th_slice *values,
                              uint32_t count, th_arena *arena)
{
    bool *is_null = TH_NEW_ARRAY(arena, bool, (size_t)count + 1);
    if (is_null == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) is_null[i] = values[i].bytes == NULL;
    column->kind = WIRE_COLUMN_TEXT;
    put_valid(image, column, is_null, count);
    uint64_t total = 0;
    for (uint32_t i = 0; i <= count; i++) {
        th_buf_add_u32(image, (uint32_t)total);
        if (i < count) total += values[i].size;
        if (total > INT32_MAX) return TH_ELIMIT;
    }
    pad(image);
    column->data_at = image->size;
    for (uint32_t i = 0; i < count; i++) th_buf_add_slice(image, values[i]);
    return th_buf_error(image);
}

static th_err put_time_column(th_buf *image, wire_column *column, const th_loaded *loaded,
                              const uint32_t *rows, uint32_t count, th_arena *arena)
{
    int64_t *times = TH_NEW_ARRAY(arena, int64_t, (size_t)count + 1);
    bool *is_null = TH_NEW_ARRAY(arena, bool, (size_t)count + 1);
    if (times == NULL || is_null == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        TH_TRY(th_segment_read_times(loaded->segment, rows[i], 1, arena, &times[i]));
        is_null[i] = times[i] == INT64_MIN;
    }
    column->kind = WIRE_COLUMN_TIME;
    put_valid(image, column, is_null, count);
    for (uint32_t i = 0; i < count; i++) th_buf_add_u64(image, is_null[i] ? 0 : (uint64_t)times[i]);
    return th_buf_error(image);
}

static th_err put_column(const plugin_subscription *s, uint32_t index, const th_loaded *loaded,
                         const uint32_t *rows, uint32_t count, th_arena *arena, th_buf *image,
                         wire_column *column, th_diag *diag)
{
    th_slice name = s->wire.columns[index];
    if (th_slice_is(name, "_time"))
        return put_time_column(image, column, loaded, rows, count, arena);
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, (size_t)count + 1);
    if (values == NULL) return TH_ELIMIT;
    if (th_slice_is(name, "record") || th_slice_is(name, "_day") || th_slice_is(name, "_account")) {
        TH_TRY(read_special(s, name, loaded, rows, count, arena, values));
    } else {
        th_slice path = th_arena_copy(arena, name);
        if (path.bytes == NULL) return TH_ELIMIT;
        TH_TRY(read_path(loaded, (const char *)path.bytes, rows, count, arena, values, diag));
    }
    return put_text_column(image, column, values, count, arena);
}

static th_err seal_image(th_slice image, int *out, th_diag *diag)
{
    int fd = memfd_create("batch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return th_fail(diag, TH_EIO, NULL, "cannot make memory for a batch: %s", strerror(errno));
    th_err err = th_os_write_all(fd, image, diag);
    if (err == TH_OK &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        err = th_fail(diag, TH_EIO, NULL, "cannot seal a batch: %s", strerror(errno));
    }
    if (err != TH_OK) {
        th_os_close(fd);
        return err;
    }
    *out = fd;
    return TH_OK;
}

th_err feed_batch(const plugin_subscription *subscription, uint32_t index, const th_loaded *loaded,
                  const uint32_t *rows, uint32_t count, uint64_t lsn, th_arena *arena, int *fd,
                  th_diag *diag)
{
    uint32_t n = subscription->wire.column_count;
    wire_column *columns = TH_NEW_ARRAY(arena, wire_column, (size_t)n + 1);
    if (columns == NULL) return TH_ELIMIT;
    th_buf image;
    th_buf_init(&image, HOST_ARENA);
    wire_batch_head head = {.magic = WIRE_BATCH_MAGIC,
                            .subscription = index,
                            .rows = count,
                            .column_count = n,
                            .first_lsn = lsn,
                            .last_lsn = lsn,
                            .watermark_us = INT64_MIN};
    th_buf_add(&image, &head, sizeof(head));
    th_buf_add(&image, columns, sizeof(*columns) * n);
    th_err err = th_buf_error(&image);
    for (uint32_t i = 0; i < n && err == TH_OK; i++) {
        err = put_column(subscription, i, loaded, rows, count, arena, &image, &columns[i], diag);
    }
    if (err == TH_OK) {
        pad(&image);
        head.size = image.size;
        memcpy(image.bytes, &head, sizeof(head));
        memcpy(image.bytes + sizeof(head), columns, sizeof(*columns) * n);
        err = seal_image(th_buf_slice(&image), fd, diag);
    }
    th_buf_free(&image);
    return err;
}
