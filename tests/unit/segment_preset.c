/* SPDX-License-Identifier: Apache-2.0
 * Preset dictionary 1 is part of the format: chunks that were written with it can be read with these bytes only. */
#include "base/hash.h"
#include "segment/payload_private.h"
#include "tests/unit/test.h"

TEST(preset_dictionary_1_is_what_it_was)
{
    char hex[65];
    th_sha256 digest = th_sha256_of(segment_preset());
    th_sha256_hex(&digest, hex);
    CHECK_EQ_U64(segment_preset().size, 61418);
    CHECK_EQ_STR(hex, "472b3219099a7173bbf19db6f629c5ab233ea7223544af8c88cf1e46461435b1");
}

TEST(it_fits_the_window_of_lz4)
{
    CHECK(segment_preset().size <= 60 << 10);
}

TEST_MAIN(preset_dictionary_1_is_what_it_was, it_fits_the_window_of_lz4)
