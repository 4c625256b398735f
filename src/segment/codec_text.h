/* SPDX-License-Identifier: Apache-2.0
 * Texts that are stored as something shorter, and back. Parsing accepts exactly what formatting gives, so that what was
 * parsed needs no second look. */
#ifndef TH_SEGMENT_CODEC_TEXT_H
#define TH_SEGMENT_CODEC_TEXT_H

#include "base/slice.h"

/* What a text can be held as. Bits of a mask; several may hold. From the shortest form to the longest. */
typedef enum codec_family {
    FAMILY_TIME0, /* YYYY-MM-DDTHH:MM:SSZ */
    FAMILY_TIME1, /* .fff */
    FAMILY_TIME2, /* .ffffff */
    FAMILY_INT,
    FAMILY_IPV4,
    FAMILY_UUID_LOWER,
    FAMILY_UUID_UPPER,
    FAMILY_HEX_LOWER,
    FAMILY_HEX_UPPER,
    FAMILY_BASE64,   /* canonical, with padding, of at least 12 characters */
    FAMILY_BITS_URL, /* letters, digits, - and _ */
    FAMILY_BITS_STD, /* letters, digits, + and / */
    FAMILY_COUNT
} codec_family;
/* Mask of the families of a text. */
uint32_t codec_families(th_slice text);
bool codec_is_family(th_slice text, codec_family family);

enum {
    CODEC_UUID_TEXT = 36,
    CODEC_IPV4_TEXT_MAX = 15,
    CODEC_TIME_TEXT_MAX = 27,
    CODEC_INT_TEXT_MAX = 20
};

bool codec_uuid_parse(th_slice text, bool upper, uint8_t uuid[16]);
void codec_uuid_format(const uint8_t uuid[16], bool upper, uint8_t text[CODEC_UUID_TEXT]);
bool codec_ipv4_parse(th_slice text, uint8_t address[4]);
size_t codec_ipv4_format(const uint8_t address[4], uint8_t text[CODEC_IPV4_TEXT_MAX]);
size_t codec_int_format(int64_t value, uint8_t text[CODEC_INT_TEXT_MAX]);

/* Times of one form (0 seconds, 1 milliseconds, 2 microseconds) since 1970, years 0 to 9999. The day in hand is kept:
 * zero-initialise. */
typedef struct codec_day {
    char text[10];
    int64_t day;
    bool known;
} codec_day;
bool codec_time_parse(th_slice text, unsigned form, codec_day *day, int64_t *out);
/* False: out of range. Writes codec_time_size(form) bytes. */
bool codec_time_format(int64_t value, unsigned form, codec_day *day,
                       uint8_t text[CODEC_TIME_TEXT_MAX]);
size_t codec_time_size(unsigned form);

/* Base64. Forms: 0 standard with padding, 1 standard without, 2 URL characters without. */
size_t codec_base64_size(size_t bytes, unsigned form); /* of the text */
size_t codec_base64_bytes(th_slice text,
                          unsigned form); /* of what it holds; SIZE_MAX: no such size */
/* bytes[codec_base64_bytes], 8 more are overwritten when there are 24 or more; false: not canonical. */
bool codec_base64_decode(th_slice text, unsigned form, uint8_t *bytes);
/* 32 bytes behind `bytes` must be readable, 64 behind text writable. */
void codec_base64_encode(th_slice bytes, unsigned form, uint8_t *text);

#endif
