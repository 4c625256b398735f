/* SPDX-License-Identifier: Apache-2.0
 * The full check of a version: every page hash, checksum, count and encoding, then every log leaf against the records
 * that it covers. Leaves are taken some at a time, in order, so that memory stays bounded. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/time.h"
#include "store/reader.h"
#include "store/store_private.h"

enum { GROUPS_MAX = 1 << 18 };

typedef struct checker {
    th_store *store;
    th_version *version;
    th_damage_fn damage;
    void *ctx;
    th_progress_fn progress;
    uint64_t done, total;
    th_diag *diag;
    th_err fatal; /* cancelled, no memory: not damage */
} checker;

static void found(checker *c, const char *file, const char *what)
{
    if (c->damage != NULL) c->damage(c->ctx, file, what);
}

/* Damage is reported and the check goes on; anything else ends it. */
static bool goes_on(checker *c, const char *file, th_err err, th_diag *why)
{
    if (err == TH_OK) return true;
    if (err == TH_ECORRUPT || err == TH_EVERSION || err == TH_ENOTFOUND || err == TH_EIO ||
        err == TH_EUNSUPPORTED) {
        found(c, file, why->text);
        return false;
    }
    c->fatal = th_fail(c->diag, err, NULL, "%s", why->text[0] != 0 ? why->text : th_err_text(err));
    return false;
}

static bool tell_progress(checker *c)
{
    if (c->fatal == TH_OK && c->progress != NULL && !c->progress(c->ctx, c->done, c->total))
        c->fatal = th_fail(c->diag, TH_ECANCELED, NULL, "the check was stopped");
    return c->fatal == TH_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *bytes, size_t size)
{
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) all |= bytes[i];
    return all == 0;
}

/* One segment, read past the cache. */
static void check_segment(checker *c, store_file *file, const char *name, const th_segment_ref *ref)
{
    store_piece *piece;
    store_header header;
    th_diag why = {0};
    th_err err = store_read_segment(file, ref, &piece, &header, &why);
    if (!goes_on(c, name, err, &why)) return;
    size_t used = STORE_HEADER + header.payload_bytes;
    if (!all_zero(piece->image + used, store_value_size(header.payload_bytes) - used))
        found(c, name, "the padding of a value is not zero");
    if (th_segment_raw_bytes(piece->segment) != header.raw_bytes)
        found(c, name, "a segment has another size than its header says");
    (void)goes_on(c, name, th_segment_verify(piece->segment, &why), &why);
    store_piece_release(piece);
}

static void check_refs(checker *c, store_file *file, const char *name, uint32_t table,
                       uint64_t *rows)
{
    store_refs refs = {0};
    th_diag why = {0};
    th_err err = store_refs_add_file(c->version, file, table, INT32_MIN, INT32_MAX, &refs, &why);
    (void)goes_on(c, name, err, &why);
    for (size_t i = 0; i < refs.count && tell_progress(c); i++) {
        check_segment(c, file, name, &refs.refs[i]);
        *rows += refs.refs[i].rows_stored;
        c->done += STORE_HEADER + refs.refs[i].stored_bytes;
    }
    free(refs.refs);
}

static void check_sealed(checker *c, store_file *file, const char *name)
{
    store_piece *dir;
    th_diag why = {0};
    th_err err = store_sealed_read_directory(file, &dir, &why);
    if (!goes_on(c, name, err, &why)) return;
    store_piece_release(dir);
    uint64_t rows = 0;
    check_refs(c, file, name, file->info.table, &rows);
    if (c->fatal == TH_OK && rows != file->info.rows)
        found(c, name, "the file has another number of rows than the catalog says");
}

static void check_journal(checker *c, store_file *file, const char *name)
{
    if (file->journal == NULL) {
        found(c, name, "the journal could not be opened");
        return;
    }
    size_t count;
    const th_stored_table *tables = th_model_tables(&count);
    uint64_t rows = 0;
    for (size_t i = 0; i < count && c->fatal == TH_OK; i++)
        check_refs(c, file, name, tables[i].id, &rows);
    pthread_mutex_lock(&c->store->lock);
    bool closed = file->info.closed != 0 && file->info.last_lsn <= c->version->lsn;
    uint64_t wanted = file->info.rows;
    pthread_mutex_unlock(&c->store->lock);
    if (c->fatal == TH_OK && closed && rows != wanted)
        found(c, name, "the journal has another number of rows than the catalog says");
}

static uint64_t size_of(const store_file *file)
{
    if (file->info.kind == STORE_SEALED) return file->info.bytes;
    return file->journal == NULL ? 0 : store_journal_used_bytes(file->journal);
}

static void check_files(checker *c)
{
    const store_files *files = c->version->files;
    for (uint32_t i = 0; i < files->count; i++) c->total += size_of(files->files[i]);
    for (uint32_t i = 0; i < files->count && tell_progress(c); i++) {
        store_file *file = files->files[i];
        char name[STORE_NAME_MAX];
        store_file_name(&file->info, name);
        if (file->info.kind == STORE_SEALED)
            check_sealed(c, file, name);
        else
            check_journal(c, file, name);
    }
}

static th_err ignore_file(void *ctx, const store_file_info *info, th_diag *diag)
{
    (void)ctx;
    (void)info;
    (void)diag;
    return TH_OK;
}

static void check_catalog(checker *c)
{
    th_diag why = {0};
    (void)goes_on(c, "catalog.mdb", store_catalog_each_file(c->store, ignore_file, NULL, &why),
                  &why);
    th_diag_clear(&why);
    (void)goes_on(c, "catalog.copy", store_catalog_copy_check(c->store, &why), &why);
}

/* ---- leaves ------------------------------------------------------------------------------------------------------------ */

typedef struct expected {
    store_leaf_group group;
    uint64_t lsn;
} expected;

typedef struct leaves {
    checker *c;
    th_record_reader *log, *covered; /* records of leaves; those that leaves are about */
    expected *list;
    uint32_t count;
    uint64_t next_lsn;
} leaves;

static int expected_order(const void *a, const void *b)
{
    const store_leaf_group *x = &((const expected *)a)->group, *y = &((const expected *)b)->group;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

/* Records stream by in order; each group ends with the comparison of its root. */
typedef struct roots {
    leaves *l;
    uint32_t at, end; /* groups of one run */
    uint64_t rows;    /* of the current group so far */
    th_merkle merkle;
} roots;

static void compare_root(roots *r)
{
    const expected *e = &r->l->list[r->at];
    th_sha256 root = th_merkle_root(&r->merkle);
    if (!th_sha256_equal(&root, &e->group.root)) {
        char day[16], what[160];
        (void)th_day_format(e->group.day, day);
        (void)snprintf(what, sizeof(what),
                       "records of table %u, day %s, from %llu do not have the leaf's root",
                       e->group.table, day, (unsigned long long)e->group.first_seq);
        char where[48];
        (void)snprintf(where, sizeof(where), "log position %llu", (unsigned long long)e->lsn);
        found(r->l->c, where, what);
    }
    r->at++;
    r->rows = 0;
    th_merkle_init(&r->merkle);
}

static th_err add_to_roots(void *ctx, const th_slice *records, uint32_t count)
{
    roots *r = ctx;
    for (uint32_t i = 0; i < count; i++) {
        TH_ASSERT(r->at < r->end);
        th_sha256 digest = th_sha256_of(records[i]);
        th_merkle_add(&r->merkle, th_slice_of(digest.bytes, sizeof(digest.bytes)));
        if (++r->rows == r->l->list[r->at].group.rows) compare_root(r);
    }
    return TH_OK;
}

/* Groups begin .. end - 1 follow each other without a gap: one pass over their records. */
static void check_run(leaves *l, uint32_t begin, uint32_t end)
{
    const store_leaf_group *first = &l->list[begin].group, *last = &l->list[end - 1].group;
    roots r = {.l = l, .at = begin, .end = end};
    th_merkle_init(&r.merkle);
    th_diag why = {0};
    th_err err = th_record_reader_run(l->covered, first->table, first->day, first->first_seq,
                                      last->first_seq + last->rows - first->first_seq, add_to_roots,
                                      &r, &why);
    char where[48];
    (void)snprintf(where, sizeof(where), "log position %llu",
                   (unsigned long long)l->list[r.at < end ? r.at : begin].lsn);
    (void)goes_on(l->c, where, err, &why);
}

static void check_collected(leaves *l)
{
    if (l->count > 1) qsort(l->list, l->count, sizeof(*l->list), expected_order);
    for (uint32_t begin = 0, end; begin < l->count && tell_progress(l->c); begin = end) {
        const store_leaf_group *first = &l->list[begin].group;
        uint64_t next = first->first_seq + first->rows;
        for (end = begin + 1; end < l->count; end++) {
            const store_leaf_group *g = &l->list[end].group;
            if (g->table != first->table || g->day != first->day || g->first_seq != next) break;
            next += g->rows;
        }
        check_run(l, begin, end);
    }
    l->count = 0;
}

static void collect(leaves *l, th_slice record)
{
    store_leaf leaf;
    th_diag why = {0};
    char where[48];
    (void)snprintf(where, sizeof(where), "log position %llu", (unsigned long long)l->next_lsn);
    if (!goes_on(l->c, where, store_leaf_decode(record, &leaf, &why), &why)) return;
    if (leaf.lsn != l->next_lsn)
        found(l->c, where, "the log has a hole here, or a leaf out of order");
    l->next_lsn = leaf.lsn + 1;
    if (l->count + leaf.count > GROUPS_MAX) check_collected(l);
    for (uint32_t i = 0; i < leaf.count; i++) {
        expected e = {.lsn = leaf.lsn};
        store_leaf_group_at(&leaf, i, &e.group);
        if (e.group.rows == 0 || e.group.first_seq > UINT64_MAX - e.group.rows)
            found(l->c, where, "a leaf lists no rows");
        else if (l->count < GROUPS_MAX)
            l->list[l->count++] = e;
    }
}

static th_err collect_all(void *ctx, const th_slice *records, uint32_t count)
{
    leaves *l = ctx;
    for (uint32_t i = 0; i < count && l->c->fatal == TH_OK; i++) collect(l, records[i]);
    return l->c->fatal;
}

static th_record_reader *new_reader(const checker *c)
{
    th_record_reader *reader = th_record_reader_new(c->version, c->store->options.budget);
    if (reader != NULL) th_record_reader_keep(reader, 1);
    return reader;
}

/* Days of leaves in order are commits in order. */
static void check_log(leaves *l, const store_refs *refs)
{
    checker *c = l->c;
    for (size_t i = 0; i < refs->count && tell_progress(c); i++) {
        const th_segment_ref *ref = &refs->refs[i];
        th_diag why = {0};
        th_err read = th_record_reader_run(l->log, TH_TABLE_leaves, ref->day, ref->first_seq,
                                           ref->rows, collect_all, l, &why);
        if (c->fatal == TH_OK && !goes_on(c, "the log", read, &why))
            l->next_lsn = ref->last_lsn + 1;
    }
    if (c->fatal != TH_OK) return;
    check_collected(l);
    if (l->next_lsn != c->version->lsn + 1) found(c, "the log", "the last commits have no leaves");
}

static void check_leaves(checker *c)
{
    leaves l = {.c = c, .log = new_reader(c), .covered = new_reader(c), .next_lsn = 1};
    store_refs refs = {0};
    th_diag why = {0};
    l.list = malloc(GROUPS_MAX * sizeof(*l.list));
    th_err err =
        l.log == NULL || l.covered == NULL || l.list == NULL
            ? TH_ENOMEM
            : store_refs_gather(c->version, TH_TABLE_leaves, INT32_MIN, INT32_MAX, &refs, &why);
    if (goes_on(c, "the log", err, &why)) check_log(&l, &refs);
    free(refs.refs);
    free(l.list);
    th_record_reader_free(l.covered);
    th_record_reader_free(l.log);
}

th_err th_store_verify(th_store *store, th_damage_fn damage, void *ctx, th_progress_fn progress,
                       uint64_t *checked_bytes, th_diag *diag)
{
    checker c = {.store = store, .damage = damage, .ctx = ctx, .progress = progress, .diag = diag};
    c.version = th_store_version(store);
    check_catalog(&c);
    check_files(&c);
    if (c.fatal == TH_OK) check_leaves(&c);
    th_version_release(c.version);
    *checked_bytes = c.done;
    return c.fatal;
}
