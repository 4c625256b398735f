/* SPDX-License-Identifier: Apache-2.0
 * Options of a run as text: for tests and measurements that compare the ways in which a statement can be run. */
#include "query/query.h"

#define THREADS_MAX 256u

static bool read_switch(th_slice value, bool *off)
{
    *off = th_slice_equal(value, TH_SLICE("off"));
    return *off || th_slice_equal(value, TH_SLICE("on"));
}

static bool read_option(th_slice name, th_slice value, th_query_options *out)
{
    uint64_t threads;
    if (th_slice_equal(name, TH_SLICE("vectors"))) return read_switch(value, &out->plain_vectors);
    if (th_slice_equal(name, TH_SLICE("optimizer"))) return read_switch(value, &out->plain_plan);
    if (!th_slice_equal(name, TH_SLICE("threads")) || !th_slice_to_u64(value, &threads))
        return false;
    out->threads = (uint32_t)threads;
    return threads <= THREADS_MAX;
}

bool th_query_options_parse(th_slice text, th_query_options *out)
{
    *out = (th_query_options){0};
    while (text.size > 0) {
        const uint8_t *comma = memchr(text.bytes, ',', text.size);
        size_t size = comma == NULL ? text.size : (size_t)(comma - text.bytes);
        const uint8_t *equals = memchr(text.bytes, '=', size);
        if (equals == NULL) return false;
        th_slice name = th_slice_of(text.bytes, (size_t)(equals - text.bytes));
        th_slice value = th_slice_of(equals + 1, size - name.size - 1);
        if (!read_option(name, value, out)) return false;
        size_t step = comma == NULL ? size : size + 1;
        text = th_slice_of(text.bytes + step, text.size - step);
    }
    return true;
}
