/* SPDX-License-Identifier: Apache-2.0
 * RFC 6962 trees over the digests of a part's records, put aside while their part is not open: of the 64 places of a
 * tree's stack only those that are in use are kept. */
#include <stdlib.h>

#include "store/write.h"

void store_tree_add(th_merkle *tree, const th_sha256 *digest)
{
    th_merkle_add(tree, th_slice_of(digest->bytes, sizeof(digest->bytes)));
}

bool store_tree_pack(const th_merkle *tree, store_packed_tree *out)
{
    uint32_t used = (uint32_t)__builtin_popcountll(tree->count), n = 0;
    th_sha256 *digests = realloc(out->digests, (used == 0 ? 1 : used) * sizeof(*digests));
    if (digests == NULL) return false;
    for (unsigned level = 0; level < 64; level++)
        if ((tree->count >> level & 1) != 0) digests[n++] = tree->stack[level];
    out->digests = digests;
    out->leaves = tree->count;
    return true;
}

void store_tree_unpack(const store_packed_tree *packed, th_merkle *out)
{
    uint32_t n = 0;
    th_merkle_init(out);
    out->count = packed->leaves;
    for (unsigned level = 0; level < 64; level++)
        if ((packed->leaves >> level & 1) != 0) out->stack[level] = packed->digests[n++];
}
