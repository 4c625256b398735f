/* SPDX-License-Identifier: Apache-2.0
 * Text of numbers and opaque tokens. Each writes at out and returns the end; the caller has the room. */
#ifndef TH_GENERATE_WRITE_H
#define TH_GENERATE_WRITE_H

#include "generate/generate_private.h"

uint8_t *gen_write_hex(gen_random *r, uint32_t count, uint8_t *out);
uint8_t *gen_write_letters(gen_random *r, const char *letters, uint32_t letter_count,
                           uint32_t count, uint8_t *out);
uint8_t *gen_write_base64(gen_random *r, uint32_t count, uint8_t *out);
uint8_t *gen_write_uuid(gen_random *r, uint8_t *out);
uint8_t *gen_write_padded(uint32_t value, uint32_t width, uint8_t *out);
uint8_t *gen_write_time_text(int64_t seconds, uint8_t *out); /* Mar 3, 2025 10:11:12 AM */

#endif
