/* SPDX-License-Identifier: Apache-2.0
 * The committer: the one thread that gives out log positions and sequences, and makes groups of writes durable, one
 * LMDB transaction a group. What is answered with success was committed by LMDB in default sync mode before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/time.h"
#include "store/store_private.h"

enum { SEQ_KEYS_MAX = 1 << 20, COMMIT_VALUES_MAX = 60000 };

/* ---- sequences --------------------------------------------------------------------------------------------------------- */

static th_err highest_in(th_version *version, store_file *file, uint32_t table, int32_t day, uint64_t *next, th_diag *diag)
{
    if (file->info.kind == STORE_SEALED &&
        (file->info.table != table || file->info.first_day > day || file->info.last_day < day))
        return TH_OK;
    store_refs refs = {0};
    th_diag why = {0};
    th_err err = store_refs_add_file(version, file, table, day, day, &refs, &why);
    for (size_t i = 0; i < refs.count; i++) {
        uint64_t end = refs.refs[i].first_seq + refs.refs[i].rows_stored;
        if (end > *next)
            *next = end;
    }
    free(refs.refs);
    if (err == TH_ECORRUPT) {
        /* The catalog knows a number above all of the file's: ids are never given twice, damage or not. */
        if (file->info.next_seq > *next)
            *next = file->info.next_seq;
        return TH_OK;
    }
    return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "%s", why.text);
}

th_err store_next_seq(th_store *store, uint32_t table, int32_t day, uint64_t **slot, th_diag *diag)
{
    uint32_t words[2] = {table, (uint32_t)day};
    th_slice key = th_slice_of(words, sizeof(words));
    *slot = th_map_get(store->next_seq, key);
    if (*slot != NULL)
        return TH_OK;
    uint64_t next = 0;
    th_err err = TH_OK;
    th_version *version = th_store_version(store);
    for (uint32_t i = 0; i < version->files->count && err == TH_OK; i++)
        err = highest_in(version, version->files->files[i], table, day, &next, diag);
    th_version_release(version);
    TH_TRY(err);
    *slot = th_map_put(store->next_seq, key, next, NULL);
    return *slot != NULL ? TH_OK : th_fail(diag, TH_ENOMEM, NULL, "no memory for sequences");
}

static th_err fresh_sequences(th_store *store)
{
    if (store->next_seq != NULL && th_map_count(store->next_seq) < SEQ_KEYS_MAX)
        return TH_OK;
    if (store->seq_arena == NULL)
        store->seq_arena = th_arena_new((size_t)256 << 20, NULL);
    if (store->seq_arena == NULL)
        return TH_ENOMEM;
    th_arena_reset(store->seq_arena);
    store->next_seq = th_map_new(store->seq_arena);
    return store->next_seq == NULL ? TH_ENOMEM : TH_OK;
}

static void take_back(th_store *store, const write_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        const write_part *part = parts->parts[i];
        uint64_t *slot;
        if (part->first_seq != UINT64_MAX &&
            store_next_seq(store, part->table->id, part->day, &slot, NULL) == TH_OK)
            *slot = part->first_seq;
    }
}

/* Sequences of a write that is not committed: nothing after it has taken any. */
static void take_back_sequences(th_store *store, th_write *write)
{
    uint64_t *slot;
    if (write->leaf_seq != UINT64_MAX &&
        store_next_seq(store, TH_TABLE_leaves, th_day_from_us(write->arrival_us), &slot, NULL) == TH_OK)
        *slot = write->leaf_seq;
    take_back(store, &write->late);
    take_back(store, &write->early);
    write_forget_late(write);
}

/* ---- one write ----------------------------------------------------------------------------------------------------------- */

static th_err give_sequences(th_store *store, th_write *write)
{
    for (uint32_t i = 0; i < write->early.count; i++)
        write->early.parts[i]->first_seq = UINT64_MAX;
    for (uint32_t i = 0; i < write->early.count; i++) {
        write_part *part = write->early.parts[i];
        uint64_t *slot;
        TH_TRY(store_next_seq(store, part->table->id, part->day, &slot, write->diag));
        part->first_seq = *slot;
        *slot += part->rows;
    }
    return TH_OK;
}

static th_err call_late(th_store *store, th_write *write)
{
    if (write->late_fn == NULL)
        return TH_OK;
    th_commit_view view = {.lsn = write->lsn,
                           .arrival_us = write->arrival_us,
                           .arrival_day = th_day_from_us(write->arrival_us),
                           .store = store,
                           .write = write};
    TH_TRY(write->late_fn(write->late_ctx, &view, write->diag));
    return write->error;
}

static th_err make_leaf(th_store *store, th_write *write)
{
    const th_stored_table *table = th_model_table(TH_TABLE_leaves);
    if (store->leaf_builder == NULL)
        store->leaf_builder = th_segment_builder_new(table, NULL);
    if (store->leaf_builder == NULL)
        return TH_ENOMEM;
    uint64_t *slot;
    TH_TRY(store_next_seq(store, TH_TABLE_leaves, th_day_from_us(write->arrival_us), &slot, write->diag));
    write->leaf_seq = (*slot)++;
    th_buf leaf;
    th_buf_init(&leaf, TH_RECORD_SIZE_MAX);
    write_segment *segment = &write->leaf;
    *segment = (write_segment){.rows = 1, .run_count = 1, .min_us = write->arrival_us, .max_us = write->arrival_us};
    th_buf_init(&segment->image, TH_RECORD_SIZE_MAX * 2);
    th_buf_init(&segment->head, 256);
    th_err err = write_leaf(write, &leaf);
    segment->raw_bytes = leaf.size;
    if (err == TH_OK)
        err = th_segment_builder_add(store->leaf_builder, th_buf_slice(&leaf), TH_SLICE(""), true, write->arrival_us);
    if (err == TH_OK)
        err = th_segment_builder_finish(store->leaf_builder, &segment->image);
    th_buf_free(&leaf);
    th_run run = {.lsn = write->lsn, .arrival_us = write->arrival_us, .object_seq = UINT64_MAX};
    store_runs_encode(&run, 1, &segment->head);
    return err == TH_OK ? th_buf_error(&segment->head) : err;
}

static th_err make_heads(const th_write *write, const write_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++)
        for (uint32_t k = 0; k < parts->parts[i]->segment_count; k++)
            TH_TRY(write_segment_head(write, parts->parts[i], &parts->parts[i]->segments[k]));
    return TH_OK;
}

/* Everything that is known once the write has its LSN. *empty: it has no rows. */
static th_err prepare(th_store *store, th_write *write, uint64_t lsn, bool *empty)
{
    int64_t now = th_os_now_us();
    write->lsn = lsn;
    write->arrival_us = now > store->last_arrival_us ? now : store->last_arrival_us;
    write->leaf_seq = UINT64_MAX;
    write_forget_late(write);
    th_err err = give_sequences(store, write);
    if (err == TH_OK)
        err = call_late(store, write);
    if (err == TH_OK)
        err = write_parts_finish(&write->late, write->diag);
    *empty = write->early.count + write->late.count == 0;
    if (err == TH_OK && !*empty)
        err = make_leaf(store, write);
    if (err == TH_OK)
        err = make_heads(write, &write->early);
    if (err == TH_OK)
        err = make_heads(write, &write->late);
    if (err == TH_OK && write_values(write) > COMMIT_VALUES_MAX)
        err = th_fail(write->diag, TH_ELIMIT, NULL, "a commit of more than %d values", COMMIT_VALUES_MAX);
    if (err != TH_OK)
        take_back_sequences(store, write);
    else if (!*empty)
        store->last_arrival_us = write->arrival_us;
    return err;
}

/* ---- a group ---------------------------------------------------------------------------------------------------------------- */

typedef struct group {
    th_store *store;
    th_write *writes[TH_COMMIT_QUEUE_MAX]; /* prepared */
    uint32_t count;
    uint64_t bytes, values;
    /* while it is written */
    store_entry *entries;
    uint32_t entry_count;
    store_meta meta;
    MDB_txn *txn;
} group;

static void answer(th_store *store, th_write *write, th_err result)
{
    pthread_mutex_lock(&store->lock);
    write->result = result;
    write->done = true;
    store->queue_depth--;
    pthread_cond_broadcast(&store->done);
    pthread_cond_broadcast(&store->room);
    pthread_mutex_unlock(&store->lock);
}

static int put_segment(group *g, const th_write *write, uint16_t n, store_header *header, const write_segment *segment)
{
    int rc = 0;
    store_journal *journal = g->store->active->journal;
    if (store_journal_put(g->txn, journal->env.dbi, &g->meta, write->lsn, n, header, th_buf_slice(&segment->head),
                          th_buf_slice(&segment->image), &rc) != TH_OK)
        return rc;
    TH_ASSERT(g->entry_count < g->values);
    g->entries[g->entry_count++] = (store_entry){.lsn = write->lsn,
                                                 .first_seq = header->first_seq,
                                                 .min_us = header->min_us,
                                                 .max_us = header->max_us,
                                                 .raw_bytes = header->raw_bytes,
                                                 .rows = header->rows,
                                                 .payload_bytes = header->payload_bytes,
                                                 .day = header->day,
                                                 .n = n,
                                                 .table = header->table};
    return 0;
}

static int put_parts(group *g, const th_write *write, const write_parts *parts, uint16_t *n)
{
    int rc = 0;
    for (uint32_t i = 0; i < parts->count && rc == 0; i++) {
        const write_part *part = parts->parts[i];
        for (uint32_t k = 0; k < part->segment_count && rc == 0; k++) {
            store_header header = write_segment_header(write, part, &part->segments[k]);
            rc = put_segment(g, write, (*n)++, &header, &part->segments[k]);
        }
    }
    return rc;
}

static int put_write(group *g, const th_write *write)
{
    uint16_t n = 0;
    store_header header = {.type = STORE_VALUE_SEGMENT,
                           .rows = 1,
                           .table = TH_TABLE_leaves,
                           .class_id = STORE_CLASS_DEFAULT,
                           .day = th_day_from_us(write->arrival_us),
                           .runs = 1,
                           .first_seq = write->leaf_seq,
                           .first_lsn = write->lsn,
                           .last_lsn = write->lsn,
                           .min_us = write->arrival_us,
                           .max_us = write->arrival_us,
                           .raw_bytes = write->leaf.raw_bytes};
    int rc = put_segment(g, write, n++, &header, &write->leaf);
    if (rc == 0)
        rc = put_parts(g, write, &write->early, &n);
    if (rc == 0)
        rc = put_parts(g, write, &write->late, &n);
    g->meta.commits++;
    g->meta.last_lsn = write->lsn;
    g->meta.last_arrival_us = write->arrival_us;
    return rc;
}

/* Fill one transaction and commit it: LMDB's code. */
static int write_group(group *g)
{
    store_journal *journal = g->store->active->journal;
    g->meta = journal->meta;
    g->entry_count = 0;
    int rc = mdb_txn_begin(journal->env.env, NULL, 0, &g->txn);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < g->count && rc == 0; i++)
        rc = put_write(g, g->writes[i]);
    if (rc == 0)
        (void)!store_journal_put_meta(g->txn, journal->env.dbi, &g->meta, &rc);
    if (rc != 0) {
        mdb_txn_abort(g->txn);
        return rc;
    }
    TH_FAILPOINT("commit_before_txn");
    /* The crash rig's control: answers that are given too early must be found out. */
    bool early = strcmp(g->store->test_mode, "ack-before-commit") == 0;
    for (uint32_t i = 0; early && i < g->count; i++)
        answer(g->store, g->writes[i], TH_OK);
    if (early)
        g->count = 0;
    return mdb_txn_commit(g->txn);
}

static th_err explain(group *g, int rc, th_diag *diag)
{
    uint64_t left = 0;
    bool full = rc == ENOSPC || rc == EDQUOT || (rc == EIO && store_disk_is_full(g->store->dir, g->bytes));
    if (!full)
        return store_lmdb_fail(diag, rc, "commit to a journal in", g->store->dir);
    th_diag ignored = {0};
    (void)!th_os_disk_free(g->store->dir, &left, &ignored);
    return th_fail(diag, TH_ENOSPC, NULL, "storage full: the disk of %s has %llu bytes left; nothing of this was stored",
                   g->store->dir, (unsigned long long)left);
}

static void publish_group(group *g)
{
    th_store *store = g->store;
    store_journal *journal = store->active->journal;
    uint64_t commits = g->meta.commits - journal->meta.commits;
    TH_FAILPOINT("commit_after_txn");
    journal->meta = g->meta;
    store_journal_add(journal, g->entries, g->entry_count);
    th_err err = store_publish(store, NULL, g->meta.last_lsn);
    TH_ASSERT(err == TH_OK); /* it is durable: a start finds it */
    atomic_fetch_add(&store->commits, commits);
    TH_FAILPOINT("commit_after_publish");
}

static void fail_group(group *g, th_err err, const th_diag *diag)
{
    for (uint32_t i = g->count; i > 0; i--) {
        th_write *write = g->writes[i - 1];
        take_back_sequences(g->store, write);
        (void)th_fail(write->diag, err, diag->name[0] != 0 ? diag->name : NULL, "%s", diag->text);
    }
    for (uint32_t i = 0; i < g->count; i++)
        answer(g->store, g->writes[i], err);
}

static th_err reserve(group *g, th_diag *diag)
{
    g->values = 0;
    for (uint32_t i = 0; i < g->count; i++)
        g->values += write_values(g->writes[i]);
    g->entries = calloc(g->values, sizeof(*g->entries));
    if (g->entries == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a commit");
    return TH_OK;
}

static void commit_group(group *g)
{
    th_diag diag = {0};
    th_err err = reserve(g, &diag);
    for (int attempt = 0; err == TH_OK; attempt++) {
        err = store_journal_reserve(g->store->active->journal, (uint32_t)g->values);
        if (err != TH_OK)
            break;
        int rc = write_group(g);
        if (rc == 0)
            break;
        if ((rc == MDB_MAP_FULL || rc == MDB_TXN_FULL) && attempt == 0) {
            err = store_roll(g->store, &diag);
            continue;
        }
        g->store->active_failed = true;
        err = explain(g, rc, &diag);
    }
    if (err == TH_OK) {
        publish_group(g);
        for (uint32_t i = 0; i < g->count; i++)
            answer(g->store, g->writes[i], TH_OK);
    } else {
        if (diag.code == TH_OK)
            (void)th_fail(&diag, err, NULL, "%s", th_err_text(err));
        fail_group(g, err, &diag);
    }
    free(g->entries);
}

/* A journal whose commit failed takes no more until it was seen to hold what was published, no more, no less. */
static th_err look_at_active(th_store *store, th_diag *diag)
{
    if (store->active_failed) {
        store_meta meta;
        th_diag ignored = {0};
        if (store_journal_read_meta(store->active, &meta, &ignored) != TH_OK ||
            meta.last_lsn != store->active->journal->meta.last_lsn) {
            th_log(TH_LOG_WARN, "a commit failed half-way: going on with a new journal");
            return store_roll(store, diag);
        }
        store->active_failed = false;
    }
    store_journal *journal = store->active->journal;
    bool large = store_journal_used_bytes(journal) >= store->journal_bytes;
    if (large || journal->count >= STORE_JOURNAL_VALUES_MAX)
        return store_roll(store, diag);
    return TH_OK;
}

/* ---- queue ------------------------------------------------------------------------------------------------------------------ */

typedef struct claims {
    uint64_t *slots; /* 0 = empty */
    size_t size, count;
} claims;

static bool claimed(const claims *c, uint64_t claim)
{
    claim |= 1; /* never 0: two that differ in this bit only wait for each other without need */
    for (size_t at = claim >> 7; c->size > 0; at++) {
        uint64_t slot = c->slots[at & (c->size - 1)];
        if (slot == claim)
            return true;
        if (slot == 0)
            return false;
    }
    return false;
}

static void set_claim(claims *c, uint64_t claim)
{
    claim |= 1;
    size_t at = claim >> 7;
    while (c->slots[at & (c->size - 1)] != 0 && c->slots[at & (c->size - 1)] != claim)
        at++;
    if (c->slots[at & (c->size - 1)] == 0)
        c->count++;
    c->slots[at & (c->size - 1)] = claim;
}

/* True when none of the write's claims is taken; they are taken then. False too when memory is short: it waits. */
static bool take_claims(claims *c, const th_write *write)
{
    for (size_t i = 0; i < write->claim_count; i++)
        if (claimed(c, write->claims[i]))
            return false;
    size_t size = c->size == 0 ? 1024 : c->size;
    while (size < (c->count + write->claim_count) * 2)
        size *= 2;
    if (size != c->size) {
        claims bigger = {calloc(size, sizeof(uint64_t)), size, 0};
        if (bigger.slots == NULL)
            return false;
        for (size_t i = 0; i < c->size; i++)
            if (c->slots[i] != 0)
                set_claim(&bigger, c->slots[i]);
        free(c->slots);
        *c = bigger;
    }
    for (size_t i = 0; i < write->claim_count; i++)
        set_claim(c, write->claims[i]);
    return true;
}

/* Take writes out of the waiting list: in order, but for those whose claims collide. The first always fits. */
static uint32_t choose(th_write **waiting, th_write *chosen[TH_COMMIT_QUEUE_MAX])
{
    claims c = {0};
    uint32_t count = 0;
    uint64_t bytes = 0, values = 0;
    bool alone = false; /* its claims could not be noted */
    th_write **at = waiting;
    while (*at != NULL && count < TH_COMMIT_QUEUE_MAX) {
        th_write *write = *at;
        bool first = count == 0;
        bool room = first || (bytes + write->bytes <= TH_BATCH_BYTES_MAX &&
                              values + write_values(write) <= TH_BATCH_VALUES_MAX);
        if (write->roll || !room) {
            if (!first)
                break;
        } else if (write->next != NULL || !first) {
            alone = !take_claims(&c, write);
            if (alone && !first) {
                alone = false;
                at = &write->next;
                continue;
            }
        }
        *at = write->next;
        chosen[count++] = write;
        bytes += write->bytes;
        values += write_values(write);
        if (write->roll || alone)
            break;
    }
    free(c.slots);
    return count;
}

/* Prepare each; those that fail or are empty are answered at once. */
static void prepare_group(group *g, th_write **chosen, uint32_t count)
{
    th_store *store = g->store;
    uint64_t lsn = th_store_lsn(store);
    for (uint32_t i = 0; i < count; i++) {
        bool empty = false;
        th_err err = prepare(store, chosen[i], lsn + 1, &empty);
        if (err == TH_OK && !empty) {
            lsn++;
            g->bytes += chosen[i]->bytes;
            g->writes[g->count++] = chosen[i];
            continue;
        }
        chosen[i]->lsn = lsn;
        if (err != TH_OK && err != TH_EAGAIN)
            (void)th_fail(chosen[i]->diag, err, NULL, "the commit failed: %s", th_err_text(err));
        answer(store, chosen[i], err);
    }
}

static void answer_all(th_store *store, th_write **writes, uint32_t count, th_err err, const th_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) {
        if (err != TH_OK)
            (void)th_fail(writes[i]->diag, err, diag->name[0] != 0 ? diag->name : NULL, "%s", diag->text);
        answer(store, writes[i], err);
    }
}

static void serve(th_store *store, th_write **chosen, uint32_t count)
{
    th_diag diag = {0};
    if (chosen[0]->roll) {
        th_err rolled = store->active->journal->meta.values > 0 ? store_roll(store, &diag) : TH_OK;
        answer_all(store, chosen, count, rolled, &diag);
        return;
    }
    TH_FAILPOINT("commit_begin");
    th_err err = fresh_sequences(store);
    if (err == TH_OK)
        err = look_at_active(store, &diag);
    if (err != TH_OK) {
        if (diag.code == TH_OK)
            (void)th_fail(&diag, err, NULL, "%s", th_err_text(err));
        answer_all(store, chosen, count, err, &diag);
        return;
    }
    group g = {.store = store};
    prepare_group(&g, chosen, count);
    if (g.count > 0)
        commit_group(&g);
}

/* Move what is queued behind what waits here; false when the store stops and nothing is left. */
static bool take_queue(th_store *store, th_write **waiting)
{
    pthread_mutex_lock(&store->lock);
    while (store->queue_first == NULL && *waiting == NULL && !store->stopping)
        pthread_cond_wait(&store->work, &store->lock);
    th_write **end = waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = store->queue_first;
    store->queue_first = store->queue_last = NULL;
    pthread_mutex_unlock(&store->lock);
    return *waiting != NULL;
}

void *store_commit_thread(void *arg)
{
    th_store *store = arg;
    th_write *waiting = NULL;
    while (take_queue(store, &waiting)) {
        th_write *chosen[TH_COMMIT_QUEUE_MAX];
        uint32_t count = choose(&waiting, chosen);
        serve(store, chosen, count);
    }
    return NULL;
}

/* ---- journals ------------------------------------------------------------------------------------------------------------------ */

static void describe_closed(const store_file *file, uint64_t lsn, store_file_info *out)
{
    const store_journal *j = file->journal;
    *out = file->info;
    out->closed = 1;
    out->last_lsn = lsn;
    out->rows = j->meta.rows;
    out->values = j->meta.values;
    out->chain = j->meta.chain;
    out->bytes = store_journal_used_bytes(file->journal);
    for (uint32_t i = 0; i < j->count; i++) {
        out->raw_bytes += j->entries[i].raw_bytes;
        if (j->entries[i].first_seq + j->entries[i].rows > out->next_seq)
            out->next_seq = j->entries[i].first_seq + j->entries[i].rows;
    }
}

static th_err open_next(th_store *store, const store_file_info *info, const store_meta *meta, store_file **out,
                        th_diag *diag)
{
    TH_TRY(store_journal_create(store, info->id, meta, diag));
    store_file *file = store_file_new(store, info);
    if (file == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a journal");
    th_err err = store_journal_open(store, file, diag);
    if (err != TH_OK) {
        store_file_release(file);
        return err;
    }
    *out = file;
    return TH_OK;
}

/* These numbers are read by other threads only under the lock; the rest of info never changes. */
static void close_active(th_store *store, const store_file_info *closed)
{
    store_file_info *info = &store->active->info;
    pthread_mutex_lock(&store->lock);
    info->closed = closed->closed;
    info->last_lsn = closed->last_lsn;
    info->rows = closed->rows;
    info->values = closed->values;
    info->chain = closed->chain;
    info->bytes = closed->bytes;
    info->raw_bytes = closed->raw_bytes;
    info->next_seq = closed->next_seq;
    pthread_mutex_unlock(&store->lock);
}

th_err store_roll(th_store *store, th_diag *diag)
{
    store_file *old = store->active, *next = NULL;
    uint64_t lsn = th_store_lsn(store);
    store_meta meta = {.last_lsn = lsn, .last_arrival_us = store->last_arrival_us};
    if (old != NULL)
        meta.last_arrival_us = old->journal->meta.last_arrival_us;
    store_file_info infos[2] = {{.id = store_catalog_next_id(store), .kind = STORE_JOURNAL, .first_lsn = lsn + 1}};
    TH_TRY(open_next(store, &infos[0], &meta, &next, diag));
    if (old != NULL)
        describe_closed(old, lsn, &infos[1]);
    th_err err = store_catalog_commit(store, infos, old != NULL ? 2 : 1, NULL, 0, diag);
    if (err != TH_OK) {
        atomic_store(&next->doomed, true);
        store_file_release(next);
        return err;
    }
    TH_FAILPOINT("journal_rolled");
    if (old != NULL)
        close_active(store, &infos[1]);
    store_change change = {.added = &next, .added_count = 1, .closed_journals = old != NULL};
    err = store_publish(store, &change, 0);
    TH_ASSERT(err == TH_OK); /* the catalog names it */
    store_file_release(next);
    store->active = next;
    store->active_failed = false;
    th_diag ignored = {0};
    if (store_catalog_copy(store, &ignored) != TH_OK)
        th_log(TH_LOG_WARN, "the catalog's copy was not written: %s", ignored.text);
    pthread_mutex_lock(&store->lock);
    pthread_cond_broadcast(&store->merge);
    pthread_mutex_unlock(&store->lock);
    return TH_OK;
}

/* ---- the writers' side ----------------------------------------------------------------------------------------------------- */

/* The store's door: bounded by the queue and by journals that wait for the compactor. */
static th_err wait_for_room(th_store *store, th_diag *diag)
{
    for (;;) {
        bool behind = store->unmerged >= TH_JOURNALS_MAX && store->has_compactor;
        if (store->stopping)
            return th_fail(diag, TH_ESTOPPING, NULL, "the store stops");
        if (behind && store->merge_error != TH_OK)
            return th_fail(diag, store->merge_error, NULL, "%u journals wait to be merged, and that fails: %s",
                           store->unmerged, store->merge_diag.text);
        if (!behind && store->queue_depth < TH_COMMIT_QUEUE_MAX)
            return TH_OK;
        pthread_cond_wait(&store->room, &store->lock);
    }
}

static th_err queue_and_wait(th_store *store, th_write *write, th_diag *diag)
{
    write->diag = diag;
    write->done = false;
    write->next = NULL;
    pthread_mutex_lock(&store->lock);
    th_err err = write->roll ? (store->stopping ? TH_ESTOPPING : TH_OK) : wait_for_room(store, diag);
    if (err == TH_OK) {
        if (store->queue_last != NULL)
            store->queue_last->next = write;
        else
            store->queue_first = write;
        store->queue_last = write;
        store->queue_depth++;
        pthread_cond_signal(&store->work);
        while (!write->done)
            pthread_cond_wait(&store->done, &store->lock);
        err = write->result;
    }
    pthread_mutex_unlock(&store->lock);
    return err;
}

th_err th_store_commit(th_store *store, th_write *write, uint64_t *lsn, th_diag *diag)
{
    th_diag mine = {0};
    if (diag == NULL)
        diag = &mine;
    TH_TRY(th_write_encode(write, diag));
    TH_TRY(queue_and_wait(store, write, diag));
    *lsn = write->lsn;
    return TH_OK;
}

th_err store_ask_roll(th_store *store, th_diag *diag)
{
    th_write *write = th_write_new(store);
    if (write == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory");
    write->roll = true;
    th_err err = queue_and_wait(store, write, diag);
    th_write_free(write);
    return err;
}

uint64_t th_store_lsn(const th_store *store)
{
    pthread_mutex_t *lock = &((th_store *)(uintptr_t)store)->lock;
    pthread_mutex_lock(lock);
    uint64_t lsn = store->current == NULL ? 0 : store->current->lsn;
    pthread_mutex_unlock(lock);
    return lsn;
}

bool th_store_wait(th_store *store, uint64_t after, int64_t timeout_us)
{
    struct timespec end;
    int64_t until = th_os_mono_us() + (timeout_us < 0 ? 0 : timeout_us);
    end.tv_sec = (time_t)(until / TH_US_PER_SECOND);
    end.tv_nsec = (long)(until % TH_US_PER_SECOND * 1000);
    int rc = 0;
    pthread_mutex_lock(&store->lock);
    while (store->current->lsn <= after && !store->stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&store->published, &store->lock, &end);
    bool past = store->current->lsn > after;
    pthread_mutex_unlock(&store->lock);
    return past;
}
