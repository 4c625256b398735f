/* SPDX-License-Identifier: Apache-2.0
 * Digests and checksums. SHA-256 is the evidence digest (OpenSSL, SHA-NI where the CPU has it); XXH3 is the
 * checksum against damage and the hash of tables inside the process, never an identity that an attacker could forge. */
#ifndef TH_BASE_HASH_H
#define TH_BASE_HASH_H

#include "base/slice.h"

#define TH_SHA256_SIZE 32

typedef struct th_sha256 {
    uint8_t bytes[TH_SHA256_SIZE];
} th_sha256;

th_sha256 th_sha256_of(th_slice s);
/* SHA-256 over a then b. */
th_sha256 th_sha256_pair(th_slice a, th_slice b);
bool th_sha256_equal(const th_sha256 *a, const th_sha256 *b);
void th_sha256_hex(const th_sha256 *digest, char out[65]); /* terminated */

/* Streaming digest. new: NULL when out of memory. finish may be called once; free accepts NULL. */
typedef struct th_sha256_ctx th_sha256_ctx;
th_sha256_ctx *th_sha256_new(void);
void th_sha256_update(th_sha256_ctx *ctx, th_slice s);
th_sha256 th_sha256_finish(th_sha256_ctx *ctx); /* resets the context: it can be used again */
void th_sha256_free(th_sha256_ctx *ctx);

/* HMAC-SHA-256 with a 32-byte key: fingerprints of identities. */
th_sha256 th_hmac_sha256(const uint8_t key[32], th_slice s);
/* The same with the key's blocks hashed once. As secret as the key. */
typedef struct th_hmac_key {
    uint8_t inner[128], outer[128]; /* OpenSSL's states */
} th_hmac_key;
void th_hmac_key_init(th_hmac_key *out, const uint8_t key[32]);
th_sha256 th_hmac_sha256_keyed(const th_hmac_key *key, th_slice s);

/* XXH3, 64 bits. */
uint64_t th_xxh3(th_slice s);
uint64_t th_xxh3_seed(th_slice s, uint64_t seed);

/* RFC 6962 tree hashes, streaming, O(log n) memory. Leaf hash = SHA-256(0x00 || data), node = SHA-256(0x01 || l || r).
 * The root of no leaves is SHA-256 of the empty string. */
typedef struct th_merkle {
    uint64_t count;
    th_sha256 stack[64];
} th_merkle;
void th_merkle_init(th_merkle *m);
void th_merkle_add(th_merkle *m, th_slice leaf_data);
void th_merkle_add_hash(th_merkle *m, const th_sha256 *leaf_hash);
th_sha256 th_merkle_root(const th_merkle *m);

#endif
