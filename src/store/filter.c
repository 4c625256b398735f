/* SPDX-License-Identifier: Apache-2.0
 * Fingerprints of segments: read from disk and checked, and filters over them that are kept in memory, 12 bits a row, so
 * that a few identities are looked up without reading all fingerprints of the archive. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/filter.h"

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

void store_prints_init(store_prints *p)
{
    *p = (store_prints){.fd = -1};
    th_buf_init(&p->bytes, STORE_VALUE_MAX);
}

void store_prints_free(store_prints *p)
{
    th_os_close(p->fd);
    th_buf_free(&p->bytes);
    *p = (store_prints){.fd = -1};
}

static th_err open_file(store_prints *p, store_file *file, th_diag *diag)
{
    if (p->file == file) return TH_OK;
    char name[STORE_NAME_MAX], path[TH_PATH_SIZE_MAX];
    th_os_close(p->fd);
    p->fd = -1;
    p->file = NULL;
    store_file_name(&file->info, name);
    store_path(file->store, name, path);
    th_diag why = {0};
    p->fd = th_os_open(path, O_RDONLY, 0, &why);
    if (p->fd < 0 && why.code == TH_ENOTFOUND)
        return store_file_damaged(file, diag, "it is missing");
    if (p->fd < 0) return th_fail(diag, why.code, NULL, "%s", why.text);
    p->file = file;
    return TH_OK;
}

static th_err read_sealed(store_prints *p, store_file *file, const store_dir_entry *entry,
                          size_t size, th_diag *diag)
{
    size_t whole = store_value_size(entry->payload_bytes);
    if (size > whole) size = whole;
    TH_TRY(open_file(p, file, diag));
    th_buf_clear(&p->bytes);
    uint8_t *room = th_buf_reserve(&p->bytes, size);
    if (room == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for fingerprints");
    for (size_t have = 0, part; have < size; have += part) {
        TH_TRY(th_os_pread(p->fd, room + have, size - have, entry->offset + have, &part, diag));
        if (part == 0) return store_file_damaged(file, diag, "it is cut off");
    }
    th_buf_grow(&p->bytes, size);
    return TH_OK;
}

static th_err read_journal(store_prints *p, store_file *file, const th_segment_ref *ref,
                           size_t size, th_diag *diag)
{
    uint8_t *copy;
    size_t got;
    TH_TRY(store_journal_read(file, ref->first_lsn, (uint16_t)ref->place, size, &copy, &got, diag));
    th_buf_clear(&p->bytes);
    th_buf_add(&p->bytes, copy, got);
    free(copy);
    return th_buf_error(&p->bytes) == TH_OK
               ? TH_OK
               : th_fail(diag, TH_ENOMEM, NULL, "no memory for fingerprints");
}

static th_err read_some(store_prints *p, store_file *file, const store_piece *dir,
                        const th_segment_ref *ref, size_t size, th_diag *diag)
{
    return dir != NULL ? read_sealed(p, file, &dir->entries[ref->place], size, diag)
                       : read_journal(p, file, ref, size, diag);
}

th_err store_prints_read(store_prints *p, store_file *file, const store_piece *dir,
                         const th_segment_ref *ref, const uint8_t **prints, th_diag *diag)
{
    /* Runs take about 8 bytes and there are few; when there are many, a second read gets the rest. */
    size_t size = STORE_HEADER + (size_t)ref->rows_stored * 4 + 1024;
    TH_TRY(read_some(p, file, dir, ref, size, diag));
    store_header h;
    if (p->bytes.size >= STORE_HEADER) {
        memcpy(&h, p->bytes.bytes, STORE_HEADER);
        size_t wanted = STORE_HEADER + (size_t)h.head_bytes;
        if (wanted > p->bytes.size && p->bytes.size == size && h.head_bytes <= STORE_VALUE_MAX)
            TH_TRY(read_some(p, file, dir, ref, wanted, diag));
    }
    uint8_t key[STORE_SEALED_KEY];
    size_t key_size;
    th_slice head;
    th_diag why = {0};
    store_ref_key(file, ref, key, &key_size);
    th_err err = store_value_open_head(th_buf_slice(&p->bytes), th_slice_of(key, key_size),
                                       STORE_VALUE_SEGMENT, &h, &head, &why);
    if (err == TH_OK &&
        (!store_header_matches(&h, ref) ||
         ((h.flags & STORE_FLAG_FINGERPRINTS) != 0 && head.size < (size_t)ref->rows_stored * 4)))
        err = th_fail(&why, TH_ECORRUPT, NULL, "a segment is not the one its directory names");
    if (err == TH_ECORRUPT) return store_file_damaged(file, diag, why.text);
    if (err != TH_OK) return th_fail(diag, err, NULL, "%s", why.text);
    bool has_any = (h.flags & STORE_FLAG_FINGERPRINTS) != 0;
    *prints = has_any ? head.bytes + head.size - (size_t)ref->rows_stored * 4 : NULL;
    return TH_OK;
}

/* ---- filters ---------------------------------------------------------------------------------------------------------------- */

/* A fingerprint sets BITS bits of one block: a look-up touches one cache line. */
enum { BITS_A_ROW = 12, BLOCK_BITS = 512, BLOCK_WORDS = BLOCK_BITS / 64, BITS = 6 };

typedef struct spot {
    uint32_t block;
    uint64_t bits; /* BITS numbers of 9 bits */
} spot;

static spot spot_of(uint32_t low, uint32_t blocks)
{
    uint64_t mixed = low * UINT64_C(0x9e3779b97f4a7c15);
    return (spot){(uint32_t)((uint64_t)low * blocks >> 32), mixed >> 9};
}

static void set(uint64_t *filter, spot s)
{
    uint64_t *block = filter + (size_t)s.block * BLOCK_WORDS;
    for (int i = 0; i < BITS; i++, s.bits >>= 9) {
        uint32_t bit = s.bits & (BLOCK_BITS - 1);
        block[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

bool store_filter_may_hold(const store_piece *piece, uint32_t low)
{
    if (piece->filter_blocks == 0) return false;
    spot s = spot_of(low, piece->filter_blocks);
    const uint64_t *block = piece->filter + (size_t)s.block * BLOCK_WORDS;
    for (int i = 0; i < BITS; i++, s.bits >>= 9) {
        uint32_t bit = s.bits & (BLOCK_BITS - 1);
        if ((block[bit / 64] >> (bit % 64) & 1) == 0) return false;
    }
    return true;
}

static uint64_t blocks_for(uint64_t rows)
{
    return (rows * BITS_A_ROW + BLOCK_BITS - 1) / BLOCK_BITS;
}

size_t store_filter_bytes(uint64_t rows)
{
    return sizeof(store_piece) + blocks_for(rows) * BLOCK_BITS / 8;
}

store_piece *store_filter_new(uint32_t file, uint64_t place, uint64_t rows)
{
    store_piece *piece = calloc(1, sizeof(*piece));
    if (piece == NULL) return NULL;
    uint64_t blocks = blocks_for(rows);
    atomic_init(&piece->refs, 1);
    piece->file = file;
    piece->place = place;
    piece->filter = calloc(blocks * BLOCK_WORDS, sizeof(uint64_t));
    piece->filter_blocks = (uint32_t)blocks;
    piece->bytes = store_filter_bytes(rows);
    if (piece->filter == NULL) {
        store_piece_release(piece);
        return NULL;
    }
    return piece;
}

void store_filter_add(store_piece *piece, const uint8_t *prints, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t low;
        memcpy(&low, prints + (size_t)row * 4, 4);
        if (low != 0) set(piece->filter, spot_of(low, piece->filter_blocks));
    }
}
