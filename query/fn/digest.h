/* SPDX-License-Identifier: Apache-2.0
 * Numbers as big-endian bytes, for the functions that hash and encode. */
#ifndef TH_QUERY_FN_DIGEST_H
#define TH_QUERY_FN_DIGEST_H

#include "query/fn/call.h"

void fn_put_be(uint8_t *to, uint64_t v, size_t size);
uint64_t fn_get_be(const uint8_t *from, size_t size);

#endif
