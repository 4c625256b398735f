/* SPDX-License-Identifier: Apache-2.0
 * The loops over characters with AVX2, for CPUs that have it. Each has its portable twin where it is called. */
#ifndef TH_SEGMENT_CODEC_SIMD_H
#define TH_SEGMENT_CODEC_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has the CPU them, and is it not switched off? */
bool codec_simd_usable(void);
/* For tests: both ways on one machine. Not while others read or write. */
void codec_simd_use_portable(bool portable);

/* 36 characters to 16 bytes. */
bool codec_simd_uuid_parse(const uint8_t text[36], bool upper, uint8_t uuid[16]);
void codec_simd_uuid_format(const uint8_t uuid[16], bool upper, uint8_t text[36]);
/* Standard base64: whole blocks of 32 characters to 24 bytes; 8 bytes more are overwritten. How many characters
 * were done; SIZE_MAX: one is none of the alphabet. */
size_t codec_simd_base64_decode(const uint8_t *text, size_t size, uint8_t *bytes);
/* Blocks of 24 bytes to 32 characters, as long as 28 are left. How many bytes were done. */
size_t codec_simd_base64_encode(const uint8_t *bytes, size_t size, bool url, uint8_t *text);
/* Values of 1 to 6 bits from a byte's first bit on, blocks of 32, each replaced by table[value]. How many were done.
 * 32 bytes behind the last value's are readable. */
size_t codec_simd_unpack(const uint8_t *in, size_t count, unsigned width, const uint8_t table[64],
                         uint8_t *out);

#endif
