/* SPDX-License-Identifier: Apache-2.0
 * Checksums, hashes that are not for secrets, keyed digests. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include "query/fn/call.h"
#include "query/fn/digest.h"
#include "query/fn/families.h"

static th_err give(th_fn_call *call, const uint8_t *bytes, size_t size, th_value *out)
{
    return fn_copy(call, th_slice_of(bytes, size), out);
}

void fn_put_be(uint8_t *to, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++) to[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
}

uint64_t fn_get_be(const uint8_t *from, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v = v << 8 | from[i];
    return v;
}

th_err fn_crc32(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t crc = UINT32_MAX;
    (void)call;
    for (size_t i = 0; i < args[0].s.size; i++) {
        crc ^= args[0].s.bytes[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    out->i = crc ^ UINT32_MAX;
    return TH_OK;
}

th_err fn_xxhash64(th_fn_call *call, const th_value *args, th_value *out)
{
    uint8_t bytes[8];
    fn_put_be(bytes, XXH64(args[0].s.bytes, args[0].s.size, 0), 8);
    return give(call, bytes, 8, out);
}

static uint64_t rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static uint64_t murmur_mix(uint64_t v)
{
    v = (v ^ v >> 33) * 0xFF51AFD7ED558CCDu;
    v = (v ^ v >> 33) * 0xC4CEB9FE1A85EC53u;
    return v ^ v >> 33;
}

static uint64_t get_le(const uint8_t *from, size_t size)
{
    uint64_t v = 0;
    for (size_t i = size; i > 0; i--) v = v << 8 | from[i - 1];
    return v;
}

/* MurmurHash3, 128 bits for 64-bit machines, seed 0; the two halves in little-endian order. */
th_err fn_murmur3(th_fn_call *call, const th_value *args, th_value *out)
{
    const uint64_t c1 = 0x87C37B91114253D5u, c2 = 0x4CF5AD432745937Fu;
    th_slice s = args[0].s;
    uint64_t h1 = 0, h2 = 0;
    size_t at = 0;
    for (; s.size - at >= 16; at += 16) {
        h1 ^= rotate(get_le(s.bytes + at, 8) * c1, 31) * c2;
        h1 = (rotate(h1, 27) + h2) * 5 + 0x52DCE729u;
        h2 ^= rotate(get_le(s.bytes + at + 8, 8) * c2, 33) * c1;
        h2 = (rotate(h2, 31) + h1) * 5 + 0x38495AB5u;
    }
    size_t rest = s.size - at;
    if (rest > 8) h2 ^= rotate(get_le(s.bytes + at + 8, rest - 8) * c2, 33) * c1;
    if (rest > 0) h1 ^= rotate(get_le(s.bytes + at, rest > 8 ? 8 : rest) * c1, 31) * c2;
    h1 ^= s.size;
    h2 ^= s.size;
    h1 += h2;
    h2 += h1;
    h1 = murmur_mix(h1);
    h2 = murmur_mix(h2);
    h1 += h2;
    h2 += h1;
    uint8_t bytes[16];
    fn_put_be(bytes, __builtin_bswap64(h1), 8);
    fn_put_be(bytes + 8, __builtin_bswap64(h2), 8);
    return give(call, bytes, 16, out);
}

static th_err keyed(th_fn_call *call, const th_value *args, const EVP_MD *digest, th_value *out)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (args[1].s.size == 0) return fn_bad(call, "Empty key");
    if (args[1].s.size > INT32_MAX || HMAC(digest, args[1].s.bytes, (int)args[1].s.size,
                                           args[0].s.bytes, args[0].s.size, bytes, &size) == NULL)
        return fn_bad(call, "The digest cannot be computed");
    return give(call, bytes, size, out);
}

th_err fn_hmac_md5(th_fn_call *call, const th_value *args, th_value *out)
{
    return keyed(call, args, EVP_md5(), out);
}

th_err fn_hmac_sha1(th_fn_call *call, const th_value *args, th_value *out)
{
    return keyed(call, args, EVP_sha1(), out);
}

th_err fn_hmac_sha256(th_fn_call *call, const th_value *args, th_value *out)
{
    return keyed(call, args, EVP_sha256(), out);
}

th_err fn_hmac_sha512(th_fn_call *call, const th_value *args, th_value *out)
{
    return keyed(call, args, EVP_sha512(), out);
}
