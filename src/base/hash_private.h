/* SPDX-License-Identifier: Apache-2.0
 * SHA-256's compression of whole blocks, for hash.c. State: the eight words of FIPS 180-4 in order. */
#ifndef TH_BASE_HASH_PRIVATE_H
#define TH_BASE_HASH_PRIVATE_H

#include "base/hash.h"

enum { SHA256_BLOCK = 64 };

/* Can the CPU do it by its own instructions? Without them OpenSSL's code does it, one message after another. */
bool hash_x86_usable(void);
void hash_x86_one(uint32_t state[8], const uint8_t *p, size_t blocks);
/* Two messages side by side: an instruction of one fills the wait for the other's. */
void hash_x86_two(uint32_t a[8], const uint8_t *pa, uint32_t b[8], const uint8_t *pb,
                  size_t blocks);

#endif
