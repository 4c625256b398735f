/* SPDX-License-Identifier: Apache-2.0
 * The hostile generator. */
#include "tests/unit/hostile.h"

static uint64_t random_state = 88172645463325252u;

uint32_t hostile_dice(uint32_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % sides;
}

static const char *pick(const char *const *from, uint32_t n)
{
    return from[hostile_dice(n)];
}

static void put_blank(th_buf *out)
{
    static const char *const blanks[] = {"", "", "", "", "", "", " ", "\n", "\r\n\t "};
    th_buf_add_text(out, pick(blanks, 9));
}

static void put_string(th_buf *out, bool key)
{
    static const char *const parts[] = {"",
                                        "a",
                                        "b",
                                        "key",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\u0000",
                                        "\\ud800",
                                        "\\n",
                                        "\xc3\xa9",
                                        "\xf0\x9f\x98\x80",
                                        "\xe2\x80\xa8",
                                        "{\"a\":",
                                        "],",
                                        "0123456789abcdefghijklmnopqrstuvwxyz",
                                        "\x7f",
                                        " ",
                                        "\\u0061"};
    th_buf_add_byte(out, '"');
    for (uint32_t i = hostile_dice(key ? 3 : 6); i > 0; i--) th_buf_add_text(out, pick(parts, 19));
    th_buf_add_byte(out, '"');
}

static void put_value(th_buf *out, uint32_t depth)
{
    static const char *const scalars[] = {
        "0", "-0", "1E2", "0.0", "12345678901234567890123", "true", "false", "null", "-1.5e-7"};
    uint32_t kind = hostile_dice(depth > 5 ? 4 : 8);
    if (kind < 2) {
        th_buf_add_text(out, pick(scalars, 9));
    } else if (kind < 4) {
        put_string(out, false);
    } else {
        bool object = kind < 7;
        uint32_t members = hostile_dice(6);
        th_buf_add_byte(out, object ? '{' : '[');
        put_blank(out);
        for (uint32_t i = 0; i < members; i++) {
            if (i > 0) th_buf_add_byte(out, ',');
            put_blank(out);
            if (object) {
                put_string(out, true);
                put_blank(out);
                th_buf_add_byte(out, ':');
                put_blank(out);
            }
            put_value(out, depth + 1);
            put_blank(out);
        }
        th_buf_add_byte(out, object ? '}' : ']');
    }
}

void hostile_record(th_buf *out)
{
    th_buf_clear(out);
    put_value(out, hostile_dice(4) == 0 ? 0 : 5);
    if (hostile_dice(4) == 0)
        out->bytes[hostile_dice((uint32_t)out->size)] = (uint8_t)hostile_dice(256);
}
