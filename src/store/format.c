/* SPDX-License-Identifier: Apache-2.0
 * Values on disk: the common header with its checksums, and the payloads of catalog, journal and directory. */
#include "store/format.h"

#include <stdlib.h>

#include "base/assert.h"

size_t store_value_size(size_t payload_bytes)
{
    size_t size = STORE_HEADER + payload_bytes;
    if (size <= STORE_INLINE_MAX) return size;
    size_t pages = (size + STORE_PAGE_HEADER + STORE_PAGE - 1) / STORE_PAGE;
    return pages * STORE_PAGE - STORE_PAGE_HEADER;
}

/* Each checksum is the seed of the next, so that the last one covers key, header, head and rest. */
static uint64_t head_check(const store_header *header, th_slice key, th_slice head)
{
    uint64_t seed = th_xxh3_seed(th_slice_of(header, STORE_HEADER_CHECKED), th_xxh3(key));
    return th_xxh3_seed(head, seed);
}

void store_value_seal(store_header *header, th_slice key, th_slice head, th_slice rest)
{
    TH_ASSERT(head.size + rest.size <= STORE_VALUE_MAX);
    header->magic = STORE_MAGIC;
    header->version = TH_FORMAT_VERSION;
    header->payload_bytes = (uint32_t)(head.size + rest.size);
    header->head_bytes = (uint32_t)head.size;
    header->head_check = head_check(header, key, head);
    header->check = th_xxh3_seed(rest, header->head_check);
}

void store_value_write(uint8_t *out, size_t size, const store_header *header, th_slice head,
                       th_slice rest)
{
    size_t used = STORE_HEADER + head.size + rest.size;
    TH_ASSERT(used <= size);
    memcpy(out, header, STORE_HEADER);
    if (head.size > 0) memcpy(out + STORE_HEADER, head.bytes, head.size);
    if (rest.size > 0) memcpy(out + STORE_HEADER + head.size, rest.bytes, rest.size);
    memset(out + used, 0, size - used);
}

th_err store_header_check(const store_header *header, store_value_type type, size_t stored_size,
                          th_diag *diag)
{
    if (header->magic != STORE_MAGIC)
        return th_fail(diag, TH_ECORRUPT, NULL, "a value does not begin as ours do");
    if (header->version > TH_FORMAT_VERSION)
        return th_fail(diag, TH_EVERSION, NULL,
                       "a value has format %u, this program reads up to %u", header->version,
                       TH_FORMAT_VERSION);
    if (header->key_id != 0)
        return th_fail(diag, TH_EUNSUPPORTED, NULL,
                       "a value is encrypted with key %u, which this program lacks",
                       header->key_id);
    if (header->version == 0 || header->type != type ||
        header->head_bytes > header->payload_bytes || header->payload_bytes > STORE_VALUE_MAX)
        return th_fail(diag, TH_ECORRUPT, NULL, "a value's header is damaged");
    if (stored_size != 0 && stored_size != store_value_size(header->payload_bytes))
        return th_fail(diag, TH_ECORRUPT, NULL, "a value's length is damaged");
    return TH_OK;
}

th_err store_value_open_head(th_slice bytes, th_slice key, store_value_type type,
                             store_header *header, th_slice *head, th_diag *diag)
{
    if (bytes.size < STORE_HEADER) return th_fail(diag, TH_ECORRUPT, NULL, "a value is cut off");
    memcpy(header, bytes.bytes, STORE_HEADER);
    TH_TRY(store_header_check(header, type, 0, diag));
    if (bytes.size - STORE_HEADER < header->head_bytes)
        return th_fail(diag, TH_ECORRUPT, NULL, "a value is cut off");
    *head = th_slice_of(bytes.bytes + STORE_HEADER, header->head_bytes);
    if (head_check(header, key, *head) != header->head_check)
        return th_fail(diag, TH_ECORRUPT, NULL, "a value's first checksum does not match");
    return TH_OK;
}

th_err store_value_open(th_slice bytes, th_slice key, store_value_type type, store_header *header,
                        th_slice *head, th_slice *rest, th_diag *diag)
{
    TH_TRY(store_value_open_head(bytes, key, type, header, head, diag));
    if (bytes.size - STORE_HEADER < header->payload_bytes)
        return th_fail(diag, TH_ECORRUPT, NULL, "a value is cut off");
    *rest = th_slice_of(head->bytes + head->size, header->payload_bytes - head->size);
    if (th_xxh3_seed(*rest, header->head_check) != header->check)
        return th_fail(diag, TH_ECORRUPT, NULL, "a value's checksum does not match");
    return TH_OK;
}

static void put_be(uint8_t *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

void store_journal_key(uint64_t lsn, uint16_t n, uint8_t out[STORE_JOURNAL_KEY])
{
    put_be(out, lsn, 8);
    put_be(out + 8, n, 2);
}

void store_sealed_key(int32_t day, uint64_t first_seq, uint8_t out[STORE_SEALED_KEY])
{
    put_be(out, (uint32_t)day ^ 0x80000000u, 4);
    put_be(out + 4, first_seq, 8);
}

/* ---- runs ------------------------------------------------------------------------------------------------------ */

/* Differences of unsigned numbers, modulo 2^64, small in both directions. */
static uint64_t zigzag(uint64_t now, uint64_t before)
{
    int64_t d = (int64_t)(now - before);
    return d < 0 ? ~((uint64_t)d << 1) : (uint64_t)d << 1;
}

static uint64_t unzigzag(uint64_t coded, uint64_t before)
{
    return before + ((coded >> 1) ^ (0 - (coded & 1)));
}

void store_runs_encode(const th_run *runs, uint32_t count, th_buf *out)
{
    th_run before = {.object_seq = UINT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        const th_run *run = &runs[i];
        th_buf_add_varint(out, run->first_row - before.first_row);
        th_buf_add_varint(out, run->lsn - before.lsn);
        th_buf_add_varint(out, zigzag((uint64_t)run->arrival_us, (uint64_t)before.arrival_us));
        th_buf_add_varint(out, zigzag((uint64_t)run->object_day, (uint64_t)before.object_day));
        th_buf_add_varint(out, zigzag(run->object_seq, before.object_seq));
        before = *run;
    }
}

static bool take_run(th_reader *r, const th_run *before, th_run *run)
{
    uint64_t row = before->first_row + th_take_varint(r);
    run->lsn = before->lsn + th_take_varint(r);
    run->arrival_us = (int64_t)unzigzag(th_take_varint(r), (uint64_t)before->arrival_us);
    int64_t day = (int64_t)unzigzag(th_take_varint(r), (uint64_t)(int64_t)before->object_day);
    run->object_seq = unzigzag(th_take_varint(r), before->object_seq);
    run->first_row = (uint32_t)row;
    run->object_day = (int32_t)day;
    return !r->bad && row <= UINT32_MAX && day >= INT32_MIN && day <= INT32_MAX;
}

th_err store_head_decode(const store_header *header, th_slice head, th_run *runs,
                         th_slice *fingerprints, th_diag *diag)
{
    size_t fp_bytes = (header->flags & STORE_FLAG_FINGERPRINTS) != 0 ? (size_t)header->rows * 4 : 0;
    bool sane = header->rows > 0 && header->rows <= TH_SEGMENT_ROWS_MAX && header->runs > 0 &&
                header->runs <= header->rows && fp_bytes <= head.size &&
                header->first_lsn <= header->last_lsn &&
                header->first_seq <= UINT64_MAX - header->rows;
    if (!sane) return th_fail(diag, TH_ECORRUPT, NULL, "a segment's counts are damaged");
    th_reader r = th_reader_of(th_slice_of(head.bytes, head.size - fp_bytes));
    th_run before = {.object_seq = UINT64_MAX};
    for (uint32_t i = 0; i < header->runs; i++) {
        bool good = take_run(&r, &before, &runs[i]) && runs[i].lsn >= before.lsn &&
                    runs[i].first_row < header->rows &&
                    (i == 0 ? runs[i].first_row == 0 : runs[i].first_row > before.first_row);
        if (!good) return th_fail(diag, TH_ECORRUPT, NULL, "a segment's runs are damaged");
        before = runs[i];
    }
    if (r.pos != r.end || runs[0].lsn != header->first_lsn || before.lsn != header->last_lsn)
        return th_fail(diag, TH_ECORRUPT, NULL, "a segment's runs are damaged");
    *fingerprints = th_slice_of(head.bytes + (head.size - fp_bytes), fp_bytes);
    return TH_OK;
}

/* ---- directory, meta, file, counts ------------------------------------------------------------------------------ */

void store_dir_encode(const store_dir_entry *entries, uint32_t count, th_buf *out)
{
    th_buf_add_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const store_dir_entry *e = &entries[i];
        th_buf_add_u32(out, (uint32_t)e->day);
        th_buf_add_u32(out, e->rows);
        th_buf_add_u64(out, e->first_seq);
        th_buf_add_u64(out, e->raw_bytes);
        th_buf_add_u32(out, e->payload_bytes);
        th_buf_add_u32(out, e->flags);
        th_buf_add_u64(out, (uint64_t)e->min_us);
        th_buf_add_u64(out, (uint64_t)e->max_us);
        th_buf_add_u64(out, e->first_lsn);
        th_buf_add_u64(out, e->last_lsn);
    }
}

static bool dir_entry_follows(const store_dir_entry *before, const store_dir_entry *e)
{
    bool sane = e->rows > 0 && e->rows <= TH_SEGMENT_ROWS_MAX &&
                e->payload_bytes <= STORE_VALUE_MAX && e->first_lsn <= e->last_lsn &&
                e->first_seq <= UINT64_MAX - e->rows;
    if (before == NULL || !sane) return sane;
    return before->day < e->day ||
           (before->day == e->day && before->first_seq + before->rows <= e->first_seq);
}

th_err store_dir_decode(th_slice payload, store_dir_entry **out, uint32_t *count, th_diag *diag)
{
    th_reader r = th_reader_of(payload);
    uint32_t n = th_take_u32(&r);
    if (r.bad || payload.size != 4 + (uint64_t)n * STORE_DIR_ENTRY)
        return th_fail(diag, TH_ECORRUPT, NULL, "the directory is damaged");
    store_dir_entry *entries = calloc(n == 0 ? 1 : n, sizeof(*entries));
    if (entries == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a directory of %u segments", n);
    for (uint32_t i = 0; i < n; i++) {
        store_dir_entry *e = &entries[i];
        e->day = (int32_t)th_take_u32(&r);
        e->rows = th_take_u32(&r);
        e->first_seq = th_take_u64(&r);
        e->raw_bytes = th_take_u64(&r);
        e->payload_bytes = th_take_u32(&r);
        e->flags = th_take_u32(&r);
        e->min_us = (int64_t)th_take_u64(&r);
        e->max_us = (int64_t)th_take_u64(&r);
        e->first_lsn = th_take_u64(&r);
        e->last_lsn = th_take_u64(&r);
        if (!dir_entry_follows(i == 0 ? NULL : e - 1, e)) {
            free(entries);
            return th_fail(diag, TH_ECORRUPT, NULL, "the directory is damaged at segment %u", i);
        }
    }
    *out = entries;
    *count = n;
    return TH_OK;
}

void store_meta_encode(const store_meta *meta, th_buf *out)
{
    th_buf_add_u64(out, meta->last_lsn);
    th_buf_add_u64(out, (uint64_t)meta->last_arrival_us);
    th_buf_add_u64(out, meta->commits);
    th_buf_add_u64(out, meta->values);
    th_buf_add_u64(out, meta->rows);
    th_buf_add_u64(out, meta->chain);
}

th_err store_meta_decode(th_slice payload, store_meta *out, th_diag *diag)
{
    th_reader r = th_reader_of(payload);
    store_meta meta;
    meta.last_lsn = th_take_u64(&r);
    meta.last_arrival_us = (int64_t)th_take_u64(&r);
    meta.commits = th_take_u64(&r);
    meta.values = th_take_u64(&r);
    meta.rows = th_take_u64(&r);
    meta.chain = th_take_u64(&r);
    if (r.bad || r.pos != r.end)
        return th_fail(diag, TH_ECORRUPT, NULL, "the journal's counts are damaged");
    *out = meta;
    return TH_OK;
}

uint64_t store_chain_next(uint64_t chain, th_slice key, uint64_t check)
{
    return th_xxh3_seed(th_slice_of(&check, sizeof(check)), th_xxh3_seed(key, chain));
}

void store_file_encode(const store_file_info *info, th_buf *out)
{
    th_buf_add_byte(out, info->kind);
    th_buf_add_byte(out, info->closed);
    th_buf_add_u16(out, info->table);
    th_buf_add_u16(out, info->class_id);
    th_buf_add_u16(out, info->flags);
    th_buf_add_u32(out, (uint32_t)info->first_day);
    th_buf_add_u32(out, (uint32_t)info->last_day);
    th_buf_add_u64(out, info->first_lsn);
    th_buf_add_u64(out, info->last_lsn);
    th_buf_add_u64(out, info->rows);
    th_buf_add_u64(out, info->bytes);
    th_buf_add_u64(out, info->raw_bytes);
    th_buf_add_u64(out, info->values);
    th_buf_add_u64(out, (uint64_t)info->min_us);
    th_buf_add_u64(out, (uint64_t)info->max_us);
    th_buf_add_u64(out, info->next_seq);
    th_buf_add_u64(out, info->chain);
    th_buf_add_u64(out, info->pages);
    th_buf_add(out, info->page_hash.bytes, TH_SHA256_SIZE);
}

th_err store_file_decode(uint32_t id, th_slice payload, store_file_info *out, th_diag *diag)
{
    th_reader r = th_reader_of(payload);
    store_file_info f = {.id = id};
    f.kind = th_take_u8(&r);
    f.closed = th_take_u8(&r);
    f.table = th_take_u16(&r);
    f.class_id = th_take_u16(&r);
    f.flags = th_take_u16(&r);
    f.first_day = (int32_t)th_take_u32(&r);
    f.last_day = (int32_t)th_take_u32(&r);
    f.first_lsn = th_take_u64(&r);
    f.last_lsn = th_take_u64(&r);
    f.rows = th_take_u64(&r);
    f.bytes = th_take_u64(&r);
    f.raw_bytes = th_take_u64(&r);
    f.values = th_take_u64(&r);
    f.min_us = (int64_t)th_take_u64(&r);
    f.max_us = (int64_t)th_take_u64(&r);
    f.next_seq = th_take_u64(&r);
    f.chain = th_take_u64(&r);
    f.pages = th_take_u64(&r);
    th_slice hash = th_take_bytes(&r, TH_SHA256_SIZE);
    bool sane = !r.bad && r.pos == r.end && (f.kind == STORE_JOURNAL || f.kind == STORE_SEALED) &&
                f.closed <= 1 && f.flags <= STORE_FILE_COMPACT && f.first_day <= f.last_day &&
                f.pages <= UINT64_MAX / STORE_PAGE;
    if (!sane)
        return th_fail(diag, TH_ECORRUPT, NULL, "the catalog's entry of file %u is damaged", id);
    memcpy(f.page_hash.bytes, hash.bytes, TH_SHA256_SIZE);
    *out = f;
    return TH_OK;
}

void store_counts_encode(const store_counts *counts, th_buf *out)
{
    th_buf_add_u64(out, counts->commits);
    th_buf_add_u64(out, counts->values);
    th_buf_add_u64(out, counts->sum);
    th_buf_add_u32(out, counts->next_id);
}

th_err store_counts_decode(th_slice payload, store_counts *out, th_diag *diag)
{
    th_reader r = th_reader_of(payload);
    store_counts c;
    c.commits = th_take_u64(&r);
    c.values = th_take_u64(&r);
    c.sum = th_take_u64(&r);
    c.next_id = th_take_u32(&r);
    if (r.bad || r.pos != r.end || c.next_id == 0)
        return th_fail(diag, TH_ECORRUPT, NULL, "the catalog's counts are damaged");
    *out = c;
    return TH_OK;
}

/* ---- leaf ------------------------------------------------------------------------------------------------------- */

void store_leaf_encode(uint64_t lsn, int64_t arrival_us, const store_leaf_group *groups,
                       uint32_t count, th_buf *out)
{
    th_buf_add_u32(out, STORE_LEAF_VERSION);
    th_buf_add_u64(out, lsn);
    th_buf_add_u64(out, (uint64_t)arrival_us);
    th_buf_add_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        th_buf_add_u16(out, groups[i].table);
        th_buf_add_u16(out, groups[i].class_id);
        th_buf_add_u32(out, (uint32_t)groups[i].day);
        th_buf_add_u64(out, groups[i].first_seq);
        th_buf_add_u64(out, groups[i].rows);
        th_buf_add(out, groups[i].root.bytes, TH_SHA256_SIZE);
    }
}

th_err store_leaf_decode(th_slice leaf, store_leaf *out, th_diag *diag)
{
    th_reader r = th_reader_of(leaf);
    uint32_t version = th_take_u32(&r);
    if (!r.bad && version > STORE_LEAF_VERSION)
        return th_fail(diag, TH_EVERSION, NULL,
                       "a log leaf has format %u, this program reads up to %u", version,
                       STORE_LEAF_VERSION);
    store_leaf l;
    l.lsn = th_take_u64(&r);
    l.arrival_us = (int64_t)th_take_u64(&r);
    l.count = th_take_u32(&r);
    if (r.bad || version == 0 ||
        leaf.size != STORE_LEAF_HEADER + (uint64_t)l.count * STORE_LEAF_GROUP)
        return th_fail(diag, TH_ECORRUPT, NULL, "a log leaf is damaged");
    l.groups = th_slice_of(leaf.bytes + STORE_LEAF_HEADER, leaf.size - STORE_LEAF_HEADER);
    *out = l;
    return TH_OK;
}

void store_leaf_group_at(const store_leaf *leaf, uint32_t index, store_leaf_group *out)
{
    TH_ASSERT(index < leaf->count);
    th_reader r = th_reader_of(
        th_slice_of(leaf->groups.bytes + (size_t)index * STORE_LEAF_GROUP, STORE_LEAF_GROUP));
    out->table = th_take_u16(&r);
    out->class_id = th_take_u16(&r);
    out->day = (int32_t)th_take_u32(&r);
    out->first_seq = th_take_u64(&r);
    out->rows = th_take_u64(&r);
    memcpy(out->root.bytes, th_take_bytes(&r, TH_SHA256_SIZE).bytes, TH_SHA256_SIZE);
}
