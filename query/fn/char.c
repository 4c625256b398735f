/* SPDX-License-Identifier: Apache-2.0
 * Text functions over char(n), which is held without its trailing blanks: where those count, they are put back first. */
#include "query/fn/call.h"
#include "query/fn/families.h"

/* The arguments with the first one padded. */
static th_err padded(th_fn_call *call, const th_value *args, th_value *copy)
{
    for (uint32_t i = 0; i < call->arg_count; i++) copy[i] = args[i];
    return fn_pad_char(call, call->arg_types[0], args[0].s, &copy[0]);
}

static void strip(th_value *v)
{
    while (v->s.size > 0 && v->s.bytes[v->s.size - 1] == ' ') v->s.size--;
}

/* The blanks that fill a char up come to the front. */
th_err fn_reverse_char(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value copy[1];
    TH_TRY(padded(call, args, copy));
    TH_TRY(fn_reverse(call, copy, out));
    strip(out);
    return TH_OK;
}

th_err fn_like_char(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value copy[3];
    TH_TRY(padded(call, args, copy));
    return fn_like(call, copy, out);
}

th_err fn_substr_char(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value copy[3];
    TH_TRY(padded(call, args, copy));
    return fn_substr(call, copy, out);
}

th_err fn_lpad_char(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value copy[3];
    TH_TRY(padded(call, args, copy));
    return fn_lpad(call, copy, out);
}

th_err fn_rpad_char(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value copy[3];
    TH_TRY(padded(call, args, copy));
    return fn_rpad(call, copy, out);
}

th_err fn_to_utf8_char(th_fn_call *call, const th_value *args, th_value *out)
{
    return fn_pad_char(call, call->arg_types[0], args[0].s, out);
}

const th_type *fn_concat_char_type(th_arena *arena, const th_type **params, uint32_t count)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < count; i++) n += params[i]->precision;
    return n > 65536 ? NULL : th_type_with_precision(arena, TH_CHAR, (uint32_t)n);
}

th_err fn_concat_char(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf *b = fn_scratch(call);
    for (uint32_t i = 0; i < call->arg_count; i++) {
        size_t length = fn_utf8_length(args[i].s);
        th_buf_add_slice(b, args[i].s);
        for (; length < call->arg_types[i]->precision; length++) th_buf_add_byte(b, ' ');
    }
    TH_TRY(fn_take_scratch(call, out));
    strip(out);
    return TH_OK;
}

const th_type *fn_trim_char_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    return th_type_varchar_of(arena, params[0]->precision);
}

th_err fn_trim_char(th_fn_call *call, const th_value *args, th_value *out)
{
    TH_TRY(fn_trim(call, args, out));
    strip(out);
    return TH_OK;
}

th_err fn_ltrim_char(th_fn_call *call, const th_value *args, th_value *out)
{
    TH_TRY(fn_ltrim(call, args, out));
    strip(out);
    return TH_OK;
}

th_err fn_rtrim_char(th_fn_call *call, const th_value *args, th_value *out)
{
    TH_TRY(fn_rtrim(call, args, out));
    strip(out);
    return TH_OK;
}
