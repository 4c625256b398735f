/* SPDX-License-Identifier: Apache-2.0
 * UUIDs, addresses, integers, times and base64 as text; which of them a text is. */
#include "segment/codec_text.h"

#include "base/time.h"
#include "segment/codec_simd.h"

/* ---- characters ---- */

enum { IS_DIGIT = 1, IS_HEX_LOWER = 2, IS_HEX_UPPER = 4, IS_URL = 8, IS_STD = 16 };
#define ALNUM (IS_URL | IS_STD)
#define DIGIT (IS_DIGIT | IS_HEX_LOWER | IS_HEX_UPPER | ALNUM)
static const uint8_t character[256] = {
    ['0'] = DIGIT,
    ['1'] = DIGIT,
    ['2'] = DIGIT,
    ['3'] = DIGIT,
    ['4'] = DIGIT,
    ['5'] = DIGIT,
    ['6'] = DIGIT,
    ['7'] = DIGIT,
    ['8'] = DIGIT,
    ['9'] = DIGIT,
    ['a'] = IS_HEX_LOWER | ALNUM,
    ['b'] = IS_HEX_LOWER | ALNUM,
    ['c'] = IS_HEX_LOWER | ALNUM,
    ['d'] = IS_HEX_LOWER | ALNUM,
    ['e'] = IS_HEX_LOWER | ALNUM,
    ['f'] = IS_HEX_LOWER | ALNUM,
    ['A'] = IS_HEX_UPPER | ALNUM,
    ['B'] = IS_HEX_UPPER | ALNUM,
    ['C'] = IS_HEX_UPPER | ALNUM,
    ['D'] = IS_HEX_UPPER | ALNUM,
    ['E'] = IS_HEX_UPPER | ALNUM,
    ['F'] = IS_HEX_UPPER | ALNUM,
    ['g'] = ALNUM,
    ['h'] = ALNUM,
    ['i'] = ALNUM,
    ['j'] = ALNUM,
    ['k'] = ALNUM,
    ['l'] = ALNUM,
    ['m'] = ALNUM,
    ['n'] = ALNUM,
    ['o'] = ALNUM,
    ['p'] = ALNUM,
    ['q'] = ALNUM,
    ['r'] = ALNUM,
    ['s'] = ALNUM,
    ['t'] = ALNUM,
    ['u'] = ALNUM,
    ['v'] = ALNUM,
    ['w'] = ALNUM,
    ['x'] = ALNUM,
    ['y'] = ALNUM,
    ['z'] = ALNUM,
    ['G'] = ALNUM,
    ['H'] = ALNUM,
    ['I'] = ALNUM,
    ['J'] = ALNUM,
    ['K'] = ALNUM,
    ['L'] = ALNUM,
    ['M'] = ALNUM,
    ['N'] = ALNUM,
    ['O'] = ALNUM,
    ['P'] = ALNUM,
    ['Q'] = ALNUM,
    ['R'] = ALNUM,
    ['S'] = ALNUM,
    ['T'] = ALNUM,
    ['U'] = ALNUM,
    ['V'] = ALNUM,
    ['W'] = ALNUM,
    ['X'] = ALNUM,
    ['Y'] = ALNUM,
    ['Z'] = ALNUM,
    ['-'] = IS_URL,
    ['_'] = IS_URL,
    ['+'] = IS_STD,
    ['/'] = IS_STD,
};

/* Values of hex digits of one case plus one; 0: none. */
#define DIGIT_VALUES                                                                        \
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, \
    ['8'] = 9, ['9'] = 10
static const uint8_t hex_lower[256] = {
    DIGIT_VALUES, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};
static const uint8_t hex_upper[256] = {
    DIGIT_VALUES, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

/* Where the pairs of digits of a UUID stand. */
static const uint8_t uuid_at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

bool codec_uuid_parse(th_slice text, bool upper, uint8_t uuid[16])
{
    const uint8_t *t = text.bytes;
    if (text.size != CODEC_UUID_TEXT) return false;
    if (codec_simd_usable()) return codec_simd_uuid_parse(t, upper, uuid);
    if (t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-') return false;
    const uint8_t *value = upper ? hex_upper : hex_lower;
    unsigned bad = 0;
    for (unsigned i = 0; i < 16; i++) {
        unsigned high = value[t[uuid_at[i]]] - 1u, low = value[t[uuid_at[i] + 1]] - 1u;
        bad |= high | low;
        uuid[i] = (uint8_t)(high << 4 | low);
    }
    return bad < 16;
}

void codec_uuid_format(const uint8_t uuid[16], bool upper, uint8_t text[CODEC_UUID_TEXT])
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    if (codec_simd_usable()) {
        codec_simd_uuid_format(uuid, upper, text);
        return;
    }
    text[8] = text[13] = text[18] = text[23] = '-';
    for (unsigned i = 0; i < 16; i++) {
        text[uuid_at[i]] = (uint8_t)digits[uuid[i] >> 4];
        text[uuid_at[i] + 1] = (uint8_t)digits[uuid[i] & 15];
    }
}

bool codec_ipv4_parse(th_slice text, uint8_t address[4])
{
    const uint8_t *p = text.bytes, *end = p + text.size;
    if (text.size < 7 || text.size > CODEC_IPV4_TEXT_MAX) return false;
    for (unsigned part = 0; part < 4; part++) {
        const uint8_t *begin = p;
        unsigned value = 0;
        while (p < end && p - begin < 3 && *p >= '0' && *p <= '9')
            value = value * 10 + (unsigned)(*p++ - '0');
        if (p == begin || value > 255 || (*begin == '0' && p - begin > 1)) return false;
        address[part] = (uint8_t)value;
        if (part < 3 && (p == end || *p++ != '.')) return false;
    }
    return p == end;
}

size_t codec_ipv4_format(const uint8_t address[4], uint8_t text[CODEC_IPV4_TEXT_MAX])
{
    uint8_t *p = text;
    for (unsigned part = 0; part < 4; part++) {
        unsigned v = address[part];
        if (v >= 100) *p++ = (uint8_t)('0' + v / 100);
        if (v >= 10) *p++ = (uint8_t)('0' + v / 10 % 10);
        *p++ = (uint8_t)('0' + v % 10);
        if (part < 3) *p++ = '.';
    }
    return (size_t)(p - text);
}

size_t codec_int_format(int64_t value, uint8_t text[CODEC_INT_TEXT_MAX])
{
    uint8_t digits[CODEC_INT_TEXT_MAX];
    size_t n = 0, size = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[n++] = (uint8_t)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) text[size++] = '-';
    while (n > 0) text[size++] = digits[--n];
    return size;
}

/* ---- times ---- */

static const unsigned time_digits[] = {0, 3, 6};
static const int64_t time_units[] = {1, 1000, 1000000};

size_t codec_time_size(unsigned form)
{
    static const uint8_t sizes[] = {20, 24, 27};
    return sizes[form];
}

/* Number of two digits, or 100. */
static unsigned two_digits(const uint8_t *t)
{
    unsigned high = (unsigned)t[0] - '0', low = (unsigned)t[1] - '0';
    return high <= 9 && low <= 9 ? high * 10 + low : 100;
}

static bool parse_day(const uint8_t *t, codec_day *day)
{
    if (day->known && memcmp(day->text, t, sizeof(day->text)) == 0) return true;
    unsigned century = two_digits(t), year = two_digits(t + 2), month = two_digits(t + 5),
             number = two_digits(t + 8);
    if (century > 99 || year > 99 || t[4] != '-' || t[7] != '-' || month < 1 || month > 12)
        return false;
    int32_t whole = (int32_t)(century * 100 + year);
    if (number < 1 || number > th_days_in_month(whole, month)) return false;
    memcpy(day->text, t, sizeof(day->text));
    day->day = th_day_from_civil(whole, month, number);
    day->known = true;
    return true;
}

bool codec_time_parse(th_slice text, unsigned form, codec_day *day, int64_t *out)
{
    const uint8_t *t = text.bytes;
    if (text.size != codec_time_size(form) || t[10] != 'T' || t[13] != ':' || t[16] != ':' ||
        t[text.size - 1] != 'Z' || (form > 0 && t[19] != '.'))
        return false;
    unsigned hour = two_digits(t + 11), minute = two_digits(t + 14), second = two_digits(t + 17);
    if (hour > 23 || minute > 59 || second > 59 || !parse_day(t, day)) return false;
    int64_t fraction = 0;
    for (unsigned i = 0; i < time_digits[form]; i++) {
        unsigned digit = (unsigned)t[20 + i] - '0';
        if (digit > 9) return false;
        fraction = fraction * 10 + (int64_t)digit;
    }
    int64_t seconds = day->day * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
    *out = seconds * time_units[form] + fraction;
    return true;
}

static void put_two(uint8_t *text, unsigned v)
{
    text[0] = (uint8_t)('0' + v / 10);
    text[1] = (uint8_t)('0' + v % 10);
}

static bool format_day(int64_t number, codec_day *day)
{
    if (day->known && day->day == number) return true;
    static const int64_t first = -719528, last = 2932896; /* 0000-01-01, 9999-12-31 */
    if (number < first || number > last) return false;
    th_civil civil;
    th_civil_from_us(number * TH_US_PER_DAY, &civil);
    uint8_t *t = (uint8_t *)day->text;
    put_two(t, (unsigned)civil.year / 100);
    put_two(t + 2, (unsigned)civil.year % 100);
    t[4] = t[7] = '-';
    put_two(t + 5, civil.month);
    put_two(t + 8, civil.day);
    day->day = number;
    day->known = true;
    return true;
}

bool codec_time_format(int64_t value, unsigned form, codec_day *day,
                       uint8_t text[CODEC_TIME_TEXT_MAX])
{
    int64_t unit = time_units[form], per_day = 86400 * unit;
    int64_t number = value / per_day, rest = value % per_day;
    if (rest < 0) {
        rest += per_day;
        number--;
    }
    if (!format_day(number, day)) return false;
    unsigned fraction = (unsigned)(rest % unit), second = (unsigned)(rest / unit);
    memcpy(text, day->text, sizeof(day->text));
    text[10] = 'T';
    put_two(text + 11, second / 3600);
    text[13] = ':';
    put_two(text + 14, second / 60 % 60);
    text[16] = ':';
    put_two(text + 17, second % 60);
    text[19] = '.';
    for (unsigned i = time_digits[form]; i > 0; i--, fraction /= 10)
        text[19 + i] = (uint8_t)('0' + fraction % 10);
    text[codec_time_size(form) - 1] = 'Z';
    return true;
}

/* ---- which of them a text is ---- */

enum { FAMILY_TOKEN_MIN = 8, FAMILY_BASE64_MIN = 12 };

static uint32_t bit(unsigned family)
{
    return UINT32_C(1) << family;
}

/* Times, integers, addresses: what begins with a digit or a minus. */
static uint32_t number_families(th_slice text)
{
    uint32_t mask = 0;
    int64_t number;
    codec_day day = {0};
    uint8_t address[4];
    if (text.size <= CODEC_INT_TEXT_MAX && th_slice_to_i64(text, &number)) mask |= bit(FAMILY_INT);
    if (text.size >= 20 && text.bytes[10] == 'T')
        for (unsigned form = 0; form < 3; form++)
            if (codec_time_parse(text, form, &day, &number)) mask |= bit(FAMILY_TIME0 + form);
    if (text.size <= CODEC_IPV4_TEXT_MAX && codec_ipv4_parse(text, address))
        mask |= bit(FAMILY_IPV4);
    return mask;
}

static bool is_base64(th_slice text)
{
    size_t size = text.size;
    if (size < FAMILY_BASE64_MIN || size % 4 != 0) return false;
    uint8_t last[3];
    /* The characters before the last four are known to be of the alphabet. */
    th_slice end = {text.bytes + size - 4, 4};
    return codec_base64_decode(end, 0, last);
}

bool codec_is_family(th_slice text, codec_family family)
{
    uint8_t parsed[16];
    int64_t number;
    codec_day day = {0};
    switch (family) {
    case FAMILY_UUID_LOWER:
    case FAMILY_UUID_UPPER: return codec_uuid_parse(text, family == FAMILY_UUID_UPPER, parsed);
    case FAMILY_IPV4: return codec_ipv4_parse(text, parsed);
    case FAMILY_INT: return text.size <= CODEC_INT_TEXT_MAX && th_slice_to_i64(text, &number);
    case FAMILY_TIME0:
    case FAMILY_TIME1:
    case FAMILY_TIME2: return codec_time_parse(text, family - FAMILY_TIME0, &day, &number);
    default: return (codec_families(text) >> family & 1) != 0;
    }
}

uint32_t codec_families(th_slice text)
{
    if (text.size == 0) return 0;
    uint32_t mask = 0;
    uint8_t first = text.bytes[0];
    if (character[first] & IS_DIGIT || first == '-') mask = number_families(text);
    size_t body = text.size;
    if (text.bytes[body - 1] == '=') body -= body > 1 && text.bytes[body - 2] == '=' ? 2 : 1;
    unsigned all = DIGIT;
    for (size_t i = 0; i < body && all != 0; i++) all &= character[text.bytes[i]];
    if (all & IS_STD && is_base64(text)) mask |= bit(FAMILY_BASE64);
    if (body < text.size || body < FAMILY_TOKEN_MIN) return mask;
    uint8_t uuid[16];
    if (text.size == CODEC_UUID_TEXT && all & IS_URL) {
        if (codec_uuid_parse(text, false, uuid)) mask |= bit(FAMILY_UUID_LOWER);
        if (codec_uuid_parse(text, true, uuid)) mask |= bit(FAMILY_UUID_UPPER);
    }
    if (all & IS_HEX_LOWER) mask |= bit(FAMILY_HEX_LOWER);
    if (all & IS_HEX_UPPER) mask |= bit(FAMILY_HEX_UPPER);
    if (all & IS_URL) mask |= bit(FAMILY_BITS_URL);
    if (all & IS_STD) mask |= bit(FAMILY_BITS_STD);
    return mask;
}

/* ---- base64 ---- */

static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Values of the characters plus one; 0: none. */
#define LETTER_VALUES                                                                              \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,        \
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, \
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23,            \
    ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,            \
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,            \
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,            \
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51,            \
    ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58,            \
    ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
static const uint8_t value_std[256] = {LETTER_VALUES, ['+'] = 63, ['/'] = 64};
static const uint8_t value_url[256] = {LETTER_VALUES, ['-'] = 63, ['_'] = 64};

size_t codec_base64_size(size_t bytes, unsigned form)
{
    if (form == 0) return (bytes + 2) / 3 * 4;
    return bytes / 3 * 4 + (bytes % 3 == 0 ? 0 : bytes % 3 + 1);
}

size_t codec_base64_bytes(th_slice text, unsigned form)
{
    size_t size = text.size;
    if (form == 0) {
        if (size % 4 != 0) return SIZE_MAX;
        if (size > 0 && text.bytes[size - 1] == '=') size--;
        if (size > 0 && size % 4 == 3 && text.bytes[size - 1] == '=') size--;
    }
    return size % 4 == 1 ? SIZE_MAX : size / 4 * 3 + size % 4 * 3 / 4;
}

bool codec_base64_decode(th_slice text, unsigned form, uint8_t *bytes)
{
    size_t size = codec_base64_bytes(text, form);
    if (size == SIZE_MAX) return false;
    const uint8_t *t = text.bytes;
    const uint8_t *value = form == 2 ? value_url : value_std;
    unsigned bad = 0; /* none of the alphabet: more than 6 bits */
    size_t done = 0;
    if (form != 2 && size >= 24 && codec_simd_usable()) {
        done = codec_simd_base64_decode(t, size / 3 * 4, bytes);
        if (done == SIZE_MAX) return false;
        t += done;
        bytes += done / 4 * 3;
    }
    for (size_t group = size / 3 - done / 4; group > 0; group--, t += 4, bytes += 3) {
        unsigned a = value[t[0]] - 1u, b = value[t[1]] - 1u, c = value[t[2]] - 1u,
                 d = value[t[3]] - 1u;
        bad |= a | b | c | d;
        unsigned v = a << 18 | b << 12 | c << 6 | d;
        bytes[0] = (uint8_t)(v >> 16);
        bytes[1] = (uint8_t)(v >> 8);
        bytes[2] = (uint8_t)v;
    }
    size_t left = size % 3;
    if (left > 0) {
        unsigned a = value[t[0]] - 1u, b = value[t[1]] - 1u, c = left == 2 ? value[t[2]] - 1u : 0;
        bad |= a | b | c;
        unsigned v = a << 18 | b << 12 | c << 6;
        /* Bits behind the last byte must be 0, or the text would not come back. */
        if ((v & (left == 2 ? 0xffu : 0xffffu)) != 0) return false;
        bytes[0] = (uint8_t)(v >> 16);
        if (left == 2) bytes[1] = (uint8_t)(v >> 8);
    }
    return bad < 64;
}

void codec_base64_encode(th_slice bytes, unsigned form, uint8_t *text)
{
    const char *alphabet = form == 2 ? alphabet_url : alphabet_std;
    const uint8_t *b = bytes.bytes;
    size_t done = 0;
    if (bytes.size >= 28 && codec_simd_usable()) {
        done = codec_simd_base64_encode(b, bytes.size, form == 2, text);
        b += done;
        text += done / 3 * 4;
    }
    for (size_t group = (bytes.size - done) / 3; group > 0; group--, b += 3, text += 4) {
        unsigned v = (unsigned)b[0] << 16 | (unsigned)b[1] << 8 | b[2];
        text[0] = (uint8_t)alphabet[v >> 18];
        text[1] = (uint8_t)alphabet[v >> 12 & 63];
        text[2] = (uint8_t)alphabet[v >> 6 & 63];
        text[3] = (uint8_t)alphabet[v & 63];
    }
    size_t left = bytes.size % 3;
    if (left == 0) return;
    unsigned v = (unsigned)b[0] << 16 | (left == 2 ? (unsigned)b[1] << 8 : 0);
    *text++ = (uint8_t)alphabet[v >> 18];
    *text++ = (uint8_t)alphabet[v >> 12 & 63];
    if (left == 2) *text++ = (uint8_t)alphabet[v >> 6 & 63];
    if (form != 0) return;
    *text++ = '=';
    if (left == 1) *text++ = '=';
}
