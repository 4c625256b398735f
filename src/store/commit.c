/* SPDX-License-Identifier: Apache-2.0
 * The committer makes groups of writes durable, one LMDB transaction a group. What is answered with success was committed by LMDB in default sync mode before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/time.h"
#include "base/log.h"
#include "store/write.h"

enum { CONTROL_US = 5000 };

typedef struct group {
    th_store *store;
    th_write *writes[TH_COMMIT_QUEUE_MAX]; /* prepared */
    uint32_t count;
    uint64_t bytes, values;
    /* while it is written */
    store_entry *entries;
    const uint8_t **prints;
    uint32_t entry_count;
    store_meta meta;
    MDB_txn *txn;
} group;

typedef struct put_state {
    group *g;
    const th_write *write;
    uint16_t n;
    int rc;
} put_state;

static th_err put_value(void *ctx, write_value *value, th_diag *diag)
{
    (void)diag;
    put_state *put = ctx;
    group *g = put->g;
    store_header *header = &value->header;
    store_journal *journal = g->store->active->journal;
    TH_TRY(store_journal_put(g->txn, journal->env.dbi, &g->meta, put->write->lsn, put->n, header,
                             value->head, value->image, &put->rc));
    TH_ASSERT(g->entry_count < g->values);
    g->prints[g->entry_count] = value->prints;
    g->entries[g->entry_count++] = (store_entry){.lsn = put->write->lsn,
                                                 .first_seq = header->first_seq,
                                                 .min_us = header->min_us,
                                                 .max_us = header->max_us,
                                                 .raw_bytes = header->raw_bytes,
                                                 .rows = header->rows,
                                                 .payload_bytes = header->payload_bytes,
                                                 .day = header->day,
                                                 .n = put->n++,
                                                 .table = header->table};
    return TH_OK;
}

static int put_write(group *g, th_write *write)
{
    put_state put = {.g = g, .write = write};
    write_value leaf;
    th_diag why = {0};
    th_err err = write_leaf_value(write, &leaf);
    if (err == TH_OK) err = put_value(&put, &leaf, &why);
    if (err == TH_OK) err = write_each_value(write, put_value, &put, &why);
    g->meta.commits++;
    g->meta.last_lsn = write->lsn;
    g->meta.last_arrival_us = write->arrival_us;
    return err == TH_OK ? 0 : put.rc != 0 ? put.rc : err == TH_ENOMEM ? ENOMEM : EIO;
}

/* The crash rig's control: answers that are given too early must be found out. The writes are gone afterwards, and the
 * fingerprints with them. */
static void answer_early(group *g)
{
    for (uint32_t i = 0; i < g->entry_count; i++) g->prints[i] = NULL;
    for (uint32_t i = 0; i < g->count; i++) store_answer(g->store, g->writes[i], TH_OK);
    g->count = 0;
    (void)usleep(CONTROL_US); /* the answer leaves the process */
}

/* Fill one transaction and commit it: LMDB's code. */
static int write_group(group *g)
{
    store_journal *journal = g->store->active->journal;
    g->meta = journal->meta;
    g->entry_count = 0;
    int rc = mdb_txn_begin(journal->env.env, NULL, 0, &g->txn);
    if (rc != 0) return rc;
    for (uint32_t i = 0; i < g->count && rc == 0; i++) rc = put_write(g, g->writes[i]);
    if (rc == 0) (void)!store_journal_put_meta(g->txn, journal->env.dbi, &g->meta, &rc);
    if (rc != 0) {
        mdb_txn_abort(g->txn);
        return rc;
    }
    if (strcmp(g->store->test_mode, "ack-before-commit") == 0) answer_early(g);
    TH_FAILPOINT("commit_before_txn");
    return mdb_txn_commit(g->txn);
}

static th_err explain(group *g, int rc, th_diag *diag)
{
    uint64_t left = 0;
    bool full =
        rc == ENOSPC || rc == EDQUOT || (rc == EIO && store_disk_is_full(g->store->dir, g->bytes));
    if (!full) return store_lmdb_fail(diag, rc, "commit to a journal in", g->store->dir);
    th_diag ignored = {0};
    (void)!th_os_disk_free(g->store->dir, &left, &ignored);
    return th_fail(diag, TH_ENOSPC, NULL,
                   "storage full: the disk of %s has %llu bytes left; nothing of this was stored",
                   g->store->dir, (unsigned long long)left);
}

static void publish_group(group *g)
{
    th_store *store = g->store;
    store_journal *journal = store->active->journal;
    uint64_t commits = g->meta.commits - journal->meta.commits;
    TH_FAILPOINT("commit_after_txn");
    journal->meta = g->meta;
    store_journal_add(journal, g->entries, g->prints, g->entry_count);
    th_err err = store_publish(store, NULL, g->meta.last_lsn);
    TH_ASSERT(err == TH_OK); /* it is durable: a start finds it */
    atomic_fetch_add(&store->commits, commits);
    TH_FAILPOINT("commit_after_publish");
}

void store_fail_write(th_store *store, th_write *write, th_err err, const th_diag *diag)
{
    (void)th_fail(write->diag, err, diag->name[0] != 0 ? diag->name : NULL, "%s", diag->text);
    store_answer(store, write, err);
}

/* The last one gives its sequences back first. */
static void fail_group(group *g, th_err err, const th_diag *diag)
{
    for (uint32_t i = g->count; i > 0; i--) store_take_back_sequences(g->store, g->writes[i - 1]);
    for (uint32_t i = 0; i < g->count; i++) store_fail_write(g->store, g->writes[i], err, diag);
}

static th_err reserve(group *g, th_diag *diag)
{
    g->values = 0;
    for (uint32_t i = 0; i < g->count; i++) g->values += write_values(g->writes[i]);
    g->entries = calloc(g->values, sizeof(*g->entries));
    g->prints = calloc(g->values, sizeof(*g->prints));
    if (g->entries == NULL || g->prints == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a commit");
    return TH_OK;
}

/* after: a large write that was prepared behind the group, or NULL; it fails with the group. */
static bool commit_group(group *g, th_write *after)
{
    th_diag diag = {0};
    th_err err = reserve(g, &diag);
    for (int attempt = 0; err == TH_OK; attempt++) {
        err = store_journal_reserve(g->store->active->journal, (uint32_t)g->values);
        if (err != TH_OK) break;
        int rc = write_group(g);
        if (rc == 0) break;
        if ((rc == MDB_MAP_FULL || rc == MDB_TXN_FULL) && attempt == 0) {
            err = store_roll(g->store, &diag);
            continue;
        }
        err = explain(g, rc, &diag);
        *(err == TH_ENOSPC ? &g->store->active_full : &g->store->active_failed) = true;
    }
    if (err == TH_OK) {
        publish_group(g);
        for (uint32_t i = 0; i < g->count; i++) store_answer(g->store, g->writes[i], TH_OK);
    } else {
        if (diag.code == TH_OK) (void)th_fail(&diag, err, NULL, "%s", th_err_text(err));
        if (after != NULL) {
            store_take_back_sequences(g->store, after);
            store_fail_write(g->store, after, err, &diag);
        }
        fail_group(g, err, &diag);
    }
    free(g->entries);
    free(g->prints);
    *g = (group){.store = g->store};
    return err == TH_OK;
}

/* A journal whose commit failed takes no more: what a sync that failed has left behind is not to be believed. After a
 * full disk LMDB has written no more than pages that nothing points to, if it holds what was published. */
static th_err look_at_active(th_store *store, th_diag *diag)
{
    store_meta meta;
    th_diag ignored = {0};
    bool as_it_was = store->active_full &&
                     store_journal_read_meta(store->active, &meta, &ignored) == TH_OK &&
                     meta.last_lsn == store->active->journal->meta.last_lsn;
    if (store->active_failed || (store->active_full && !as_it_was)) {
        th_log(TH_LOG_WARN, "a commit failed half-way: going on with a new journal");
        return store_roll(store, diag);
    }
    store->active_full = false;
    store_journal *journal = store->active->journal;
    bool large = store_journal_used_bytes(journal) >= store->journal_bytes;
    if (large || journal->count >= STORE_JOURNAL_VALUES_MAX) return store_roll(store, diag);
    return TH_OK;
}

/* Prepare each; those that fail or are empty are answered at once. Large ones are commits of their own. */
static void prepare_and_commit(th_store *store, th_write **chosen, uint32_t count)
{
    group g = {.store = store};
    uint64_t lsn = th_store_lsn(store);
    for (uint32_t i = 0; i < count; i++) {
        th_write *write = chosen[i];
        bool empty = false;
        th_err err = store_prepare_write(store, write, lsn + 1, &empty);
        if (err != TH_OK || empty) {
            write->lsn = lsn;
            if (err != TH_OK && err != TH_EAGAIN)
                (void)th_fail(write->diag, err, NULL, "the commit failed: %s", th_err_text(err));
            store_answer(store, write, err);
            continue;
        }
        if (!write_is_large(write)) {
            g.bytes += write->bytes;
            g.writes[g.count++] = write;
        } else if (g.count == 0 || commit_group(&g, write)) {
            store_commit_bulk(store, write);
        }
        lsn = g.count > 0 ? g.writes[g.count - 1]->lsn : th_store_lsn(store);
    }
    if (g.count > 0) (void)commit_group(&g, NULL);
}

static void answer_all(th_store *store, th_write **writes, uint32_t count, th_err err,
                       const th_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) {
        if (err != TH_OK)
            (void)th_fail(writes[i]->diag, err, diag->name[0] != 0 ? diag->name : NULL, "%s",
                          diag->text);
        store_answer(store, writes[i], err);
    }
}

void store_serve(th_store *store, th_write **chosen, uint32_t count)
{
    th_diag diag = {0};
    if (chosen[0]->roll) {
        th_err rolled = store->active->journal->meta.values > 0 ? store_roll(store, &diag) : TH_OK;
        answer_all(store, chosen, count, rolled, &diag);
        return;
    }
    TH_FAILPOINT("commit_begin");
    th_err err = store_fresh_sequences(store);
    if (err == TH_OK) err = look_at_active(store, &diag);
    if (err != TH_OK) {
        if (diag.code == TH_OK) (void)th_fail(&diag, err, NULL, "%s", th_err_text(err));
        answer_all(store, chosen, count, err, &diag);
        return;
    }
    prepare_and_commit(store, chosen, count);
}
