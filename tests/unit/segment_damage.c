/* SPDX-License-Identifier: Apache-2.0
 * Damaged, cut and foreign images are refused, never believed and never a crash. */
#include "base/buf.h"
#include "base/hash.h"
#include "segment/format.h"
#include "segment/segment.h"
#include "tests/unit/test.h"

static void build(th_buf *image, uint32_t rows)
{
    th_segment_builder *b = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), NULL);
    char text[256];
    th_buf_init(image, 1 << 24);
    for (uint32_t i = 0; i < rows; i++) {
        int n =
            snprintf(text, sizeof(text),
                     "{\"eventName\":\"Op%u\",\"eventID\":\"%08x-0000-4000-8000-00000000beef\"}",
                     i % 20, i * 2654435761u);
        CHECK_EQ_I64(th_segment_builder_add(b, th_slice_of(text, (size_t)n), TH_SLICE(""), true, i),
                     TH_OK);
    }
    CHECK_EQ_I64(th_segment_builder_finish(b, image), TH_OK);
    th_segment_builder_free(b);
}

/* True when opening or verifying says that the image is not sound. */
static bool is_refused(th_slice image)
{
    /* exactly its size, so that a sanitizer sees the first byte read past the end */
    uint8_t *copy = malloc(image.size + (image.size == 0));
    if (image.size > 0) memcpy(copy, image.bytes, image.size);
    th_segment *s = NULL;
    th_diag diag = {0};
    th_err err = th_segment_open(th_slice_of(copy, image.size), &s, &diag);
    if (err == TH_OK) err = th_segment_verify(s, &diag);
    CHECK(err == TH_OK || diag.text[0] != '\0');
    CHECK(err == TH_OK || err == TH_ECORRUPT || err == TH_EVERSION);
    th_segment_close(s);
    free(copy);
    return err != TH_OK;
}

TEST(every_flipped_bit_is_noticed)
{
    th_buf image;
    build(&image, 40);
    CHECK(!is_refused(th_buf_slice(&image)));
    for (size_t i = 0; i < image.size * 8; i++) {
        image.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        if (!is_refused(th_buf_slice(&image))) FAIL("bit %zu of %zu", i, image.size * 8);
        image.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    th_buf_free(&image);
}

TEST(every_cut_is_noticed)
{
    th_buf image;
    build(&image, 40);
    for (size_t size = 0; size < image.size; size++)
        CHECK(is_refused(th_slice_of(image.bytes, size)));
    th_buf_add_byte(&image, 0);
    CHECK(is_refused(th_buf_slice(&image)));
    th_buf_free(&image);
}

static void seal(th_buf *image)
{
    segment_header header;
    memcpy(&header, image->bytes, sizeof(header));
    header.directory_hash =
        th_xxh3(th_slice_of(image->bytes + header.directory_at, header.directory_stored));
    memcpy(image->bytes, &header, sizeof(header));
    header.header_hash = th_xxh3(th_slice_of(&header, offsetof(segment_header, header_hash)));
    memcpy(image->bytes, &header, sizeof(header));
}

static th_err open_error(th_buf *image)
{
    th_segment *s = NULL;
    th_err err = th_segment_open(th_buf_slice(image), &s, NULL);
    th_segment_close(s);
    return err;
}

TEST(what_a_newer_version_wrote_is_named_so)
{
    th_buf image;
    build(&image, 3);
    uint8_t written = image.bytes[offsetof(segment_header, version)];
    image.bytes[offsetof(segment_header, version)] = SEGMENT_VERSION + 1;
    seal(&image);
    CHECK_EQ_I64(open_error(&image), TH_EVERSION);
    image.bytes[offsetof(segment_header, version)] = written;
    image.bytes[offsetof(segment_header, table)] = 63;
    seal(&image);
    CHECK_EQ_I64(open_error(&image), TH_EVERSION);
    th_buf_free(&image);
}

/* A checksum proves only that the bytes are those that were written: sizes are judged all the same. */
TEST(directories_with_good_checksums_and_bad_sizes_are_refused)
{
    th_buf image;
    build(&image, 40);
    segment_header header;
    memcpy(&header, image.bytes, sizeof(header));
    for (size_t at = (size_t)header.directory_at; at < image.size; at++) {
        for (unsigned change = 1; change < 256; change = change * 3 + 1) {
            image.bytes[at] ^= (uint8_t)change;
            seal(&image);
            (void)is_refused(th_buf_slice(&image)); /* some are harmless: a zone, a count */
            image.bytes[at] ^= (uint8_t)change;
        }
    }
    image.bytes[offsetof(segment_header, rows)] ^= 1;
    seal(&image);
    CHECK(is_refused(th_buf_slice(&image)));
    th_buf_free(&image);
}

TEST_MAIN(every_flipped_bit_is_noticed, every_cut_is_noticed,
          what_a_newer_version_wrote_is_named_so,
          directories_with_good_checksums_and_bad_sizes_are_refused)
