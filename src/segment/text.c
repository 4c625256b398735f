/* SPDX-License-Identifier: Apache-2.0
 * UUIDs, times and integers as text. */
#include "segment/text.h"

#include "base/time.h"

static bool is_dash_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool segment_uuid_parse(th_slice text, uint8_t uuid[16])
{
    if (text.size != SEGMENT_UUID_TEXT) return false;
    size_t n = 0;
    for (size_t i = 0; i < SEGMENT_UUID_TEXT;) {
        if (is_dash_at(i)) {
            if (text.bytes[i++] != '-') return false;
            continue;
        }
        int high = digit_of(text.bytes[i]), low = digit_of(text.bytes[i + 1]);
        if (high < 0 || low < 0) return false;
        uuid[n++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    return true;
}

void segment_uuid_format(const uint8_t uuid[16], char text[SEGMENT_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < SEGMENT_UUID_TEXT;) {
        if (is_dash_at(i)) {
            text[i++] = '-';
            continue;
        }
        text[i++] = digits[uuid[n] >> 4];
        text[i++] = digits[uuid[n++] & 15];
    }
}

size_t segment_format_time(int64_t us, char text[SEGMENT_INT_TEXT_MAX])
{
    return th_time_format_iso(us, text);
}

size_t segment_format_int(int64_t value, char text[SEGMENT_INT_TEXT_MAX])
{
    char digits[24];
    size_t n = 0, size = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) text[size++] = '-';
    while (n > 0) text[size++] = digits[--n];
    return size;
}
