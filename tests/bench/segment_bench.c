/* SPDX-License-Identifier: Apache-2.0
 * segment_bench TABLE FILE [ROUNDS]: records of FILE, one a line, into segments of both tiers and back. Says how fast
 * rows go in, images are written and records come out (CPU time), and how large the images are beside gzip -6. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "segment/segment.h"

typedef struct measured {
    double add, finish, read; /* seconds */
    size_t raw, stored;
    uint32_t segments;
} measured;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

_Noreturn static void stop(const char *what)
{
    fprintf(stderr, "segment_bench: %s\n", what);
    exit(1);
}

static th_slice read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) stop("the file cannot be read");
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) stop("the file cannot be read");
    fclose(file);
    return th_slice_of(bytes, size);
}

static bool next_line(th_slice *rest, th_slice *line)
{
    if (rest->size == 0) return false;
    const uint8_t *end = memchr(rest->bytes, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->bytes);
    *line = th_slice_of(rest->bytes, size);
    size_t step = end == NULL ? size : size + 1;
    *rest = th_slice_of(rest->bytes + step, rest->size - step);
    return true;
}

static void read_back(measured *m, const th_buf *image, th_slice first)
{
    th_segment *segment;
    th_segment_cursor *cursor = NULL;
    const th_slice *records;
    th_slice line;
    uint32_t count;
    double begin = now();
    if (th_segment_open(th_buf_slice(image), &segment, NULL) != TH_OK ||
        th_segment_cursor_open(segment, 0, NULL, &cursor) != TH_OK)
        stop("an image cannot be opened");
    for (;;) {
        if (th_segment_cursor_next(cursor, UINT32_MAX, &records, &count) != TH_OK)
            stop("records cannot be read");
        if (count == 0) break;
        for (uint32_t i = 0; i < count; i++)
            if (!next_line(&first, &line) || !th_slice_equal(line, records[i]))
                stop("a record came back changed");
    }
    th_segment_cursor_close(cursor);
    th_segment_close(segment);
    m->read += now() - begin;
}

static void run(measured *m, th_segment_builder *builder, th_slice text)
{
    th_buf image;
    th_buf_init(&image, (size_t)1 << 31);
    while (text.size > 0) {
        th_slice first = text, line;
        double begin = now();
        for (th_slice rest = text; next_line(&rest, &line); text = rest)
            if (th_segment_builder_add(builder, line, TH_SLICE(""), false, 0) != TH_OK) break;
        if (th_segment_builder_rows(builder) == 0) stop("a record is too large");
        double middle = now();
        m->raw += th_segment_builder_bytes(builder);
        th_buf_clear(&image);
        if (th_segment_builder_finish(builder, &image) != TH_OK) stop("an image cannot be written");
        m->add += middle - begin;
        m->finish += now() - middle;
        m->stored += image.size;
        m->segments++;
        read_back(m, &image, first);
    }
    th_buf_free(&image);
}

static size_t gzip_size(th_slice text)
{
    uLongf size = compressBound(text.size);
    uint8_t *out = malloc(size);
    if (out == NULL || compress2(out, &size, text.bytes, text.size, 6) != Z_OK) stop("no memory");
    free(out);
    return size;
}

int main(int argc, char **argv)
{
    const th_stored_table *table = argc > 2 ? th_model_table_by_name(argv[1]) : NULL;
    if (table == NULL) stop("usage: segment_bench TABLE FILE [ROUNDS]");
    th_slice text = read_file(argv[2]);
    int rounds = argc > 3 ? atoi(argv[3]) : 3;
    size_t gzip = gzip_size(text);
    printf("%zu bytes, gzip -6 %zu\n", text.size, gzip);
    for (int tier = 0; tier < 2; tier++) {
        th_segment_builder *builder = th_segment_builder_new(table, NULL);
        if (builder == NULL) stop("no memory");
        th_segment_builder_set_tier(builder, tier == 0 ? TH_TIER_FAST : TH_TIER_COMPACT);
        for (int round = 0; round < (tier == 0 ? rounds : 1); round++) {
            measured m = {0};
            run(&m, builder, text);
            double mb = (double)m.raw * 1e-6;
            printf("%s: %u segments, %zu bytes, %.3f of gzip; MB/s: add %.0f, finish %.0f, both "
                   "%.0f, read %.0f\n",
                   tier == 0 ? "fast" : "compact", m.segments, m.stored,
                   (double)m.stored / (double)gzip, mb / m.add, mb / m.finish,
                   mb / (m.add + m.finish), mb / m.read);
        }
        th_segment_builder_free(builder);
    }
    return 0;
}
