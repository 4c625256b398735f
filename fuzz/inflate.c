/* SPDX-License-Identifier: Apache-2.0
 * fuzz-module: ingest
 * Gzip containers, good and bad: what the portable twin inflates the fast inflater does too, to the same bytes and the
 * same end. TH_FUZZ_CANARY plants a difference. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "ingest/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static th_err gather(void *ctx, th_slice bytes)
{
    th_buf_add_slice(ctx, bytes);
    return th_buf_error(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    th_slice container = th_slice_of(data, size);
    ingest_inflate_limits limits = {
        .size_max = 1u << 20, .ratio_max = 500, .ratio_from = 64u << 10};
    if (!ingest_is_gzip(container)) return 0;
    ingest_inflated results[2];
    th_buf outs[2];
    for (int i = 0; i < 2; i++) {
        th_buf_init(&outs[i], 4u << 20);
        TH_ASSERT(ingest_inflate(i == 0 ? INGEST_ENGINE_ISAL : INGEST_ENGINE_ZLIB, container,
                                 &limits, gather, &outs[i], &results[i]) == TH_OK);
    }
#ifdef TH_FUZZ_CANARY
    if (results[0].problem == NULL && outs[0].size > 3 && outs[0].bytes[0] == 'c')
        outs[0].bytes[0] = 'x';
#endif
    /* ISA-L takes incomplete sets of codes, which zlib refuses; CRC and length are right then as well. The other way
     * round would lose a content that everybody else can read. */
    TH_ASSERT(results[0].problem == NULL || results[1].problem != NULL);
    if (results[1].problem == NULL) {
        TH_ASSERT(results[0].consumed == results[1].consumed);
        TH_ASSERT(th_slice_equal(th_buf_slice(&outs[0]), th_buf_slice(&outs[1])));
    }
    th_buf_free(&outs[0]);
    th_buf_free(&outs[1]);
    return 0;
}
