/* SPDX-License-Identifier: Apache-2.0
 * The RFC 6962 tree over the digests of a part's records. Whole blocks of 64 leaves are hashed side by side; what is held
 * between two rows is one digest a set bit of the count of blocks, and the leaves of the open block. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/write.h"

enum { LEAF_BYTES = 1 + TH_SHA256_SIZE, NODE_BYTES = 1 + 2 * TH_SHA256_SIZE };

void store_tree_init(store_tree *tree)
{
    th_merkle_init(&tree->blocks);
    tree->open = 0;
}

static th_sha256 node_of(const th_sha256 *left, const th_sha256 *right)
{
    uint8_t bytes[NODE_BYTES] = {1};
    memcpy(bytes + 1, left->bytes, TH_SHA256_SIZE);
    memcpy(bytes + 1 + TH_SHA256_SIZE, right->bytes, TH_SHA256_SIZE);
    return th_sha256_of(th_slice_of(bytes, sizeof(bytes)));
}

/* Hashes of the open block's leaves. */
static void hash_leaves(const store_tree *tree, th_sha256 out[STORE_TREE_BLOCK])
{
    uint8_t bytes[STORE_TREE_BLOCK][LEAF_BYTES];
    th_slice slices[STORE_TREE_BLOCK];
    for (uint32_t i = 0; i < tree->open; i++) {
        bytes[i][0] = 0;
        memcpy(bytes[i] + 1, tree->leaves[i].bytes, TH_SHA256_SIZE);
        slices[i] = th_slice_of(bytes[i], LEAF_BYTES);
    }
    th_sha256_many(slices, tree->open, out);
}

/* The root of a whole block, level by level. */
static th_sha256 block_root(const store_tree *tree)
{
    th_sha256 level[STORE_TREE_BLOCK];
    uint8_t bytes[STORE_TREE_BLOCK / 2][NODE_BYTES];
    th_slice slices[STORE_TREE_BLOCK / 2];
    hash_leaves(tree, level);
    for (uint32_t count = STORE_TREE_BLOCK / 2; count > 0; count /= 2) {
        for (uint32_t i = 0; i < count; i++) {
            bytes[i][0] = 1;
            memcpy(bytes[i] + 1, level[2 * i].bytes, TH_SHA256_SIZE);
            memcpy(bytes[i] + 1 + TH_SHA256_SIZE, level[2 * i + 1].bytes, TH_SHA256_SIZE);
            slices[i] = th_slice_of(bytes[i], NODE_BYTES);
        }
        th_sha256_many(slices, count, level);
    }
    return level[0];
}

void store_tree_add(store_tree *tree, const th_sha256 *digest)
{
    tree->leaves[tree->open++] = *digest;
    if (tree->open < STORE_TREE_BLOCK) return;
    th_sha256 root = block_root(tree);
    th_merkle_add_hash(&tree->blocks, &root);
    tree->open = 0;
}

th_sha256 store_tree_root(const store_tree *tree)
{
    if (tree->open == 0) return th_merkle_root(&tree->blocks);
    th_sha256 hashes[STORE_TREE_BLOCK];
    th_merkle last;
    hash_leaves(tree, hashes);
    th_merkle_init(&last);
    for (uint32_t i = 0; i < tree->open; i++) th_merkle_add_hash(&last, &hashes[i]);
    th_sha256 root = th_merkle_root(&last);
    for (unsigned level = 0; level < 64; level++)
        if ((tree->blocks.count >> level & 1) != 0)
            root = node_of(&tree->blocks.stack[level], &root);
    return root;
}

bool store_tree_pack(const store_tree *tree, store_packed_tree *out)
{
    uint32_t count = (uint32_t)__builtin_popcountll(tree->blocks.count) + tree->open, n = 0;
    th_sha256 *digests = realloc(out->digests, (count == 0 ? 1 : count) * sizeof(*digests));
    if (digests == NULL) return false;
    for (unsigned level = 0; level < 64; level++)
        if ((tree->blocks.count >> level & 1) != 0) digests[n++] = tree->blocks.stack[level];
    memcpy(digests + n, tree->leaves, tree->open * sizeof(*digests));
    out->digests = digests;
    out->blocks = tree->blocks.count;
    out->open = tree->open;
    return true;
}

void store_tree_unpack(const store_packed_tree *packed, store_tree *out)
{
    uint32_t n = 0;
    store_tree_init(out);
    out->blocks.count = packed->blocks;
    for (unsigned level = 0; level < 64; level++)
        if ((packed->blocks >> level & 1) != 0) out->blocks.stack[level] = packed->digests[n++];
    out->open = packed->open;
    if (packed->open > 0)
        memcpy(out->leaves, packed->digests + n, packed->open * sizeof(*packed->digests));
}
