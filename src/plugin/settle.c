/* SPDX-License-Identifier: Apache-2.0
 * The two commits that end a stretch: findings, evidence and tags into the archive; then state and cursor into the
 * plugin's own file. A crash between the two repeats the stretch with the older state: it computes the same rows, finds
 * them in the log, and adds nothing. */
#include <stdlib.h>

#include "base/limits.h"
#include "plugin/hits.h"

#define TTL_MAX_S (UINT64_C(100) * 365 * 86400)

/* Bodies of the findings that changed; one that is stored in the same words already is left out. */
static th_err add_bodies(hit_list *list)
{
    for (size_t i = 0; i < list->open_count; i++) {
        open_finding *f = &list->open[i];
        if (!f->changed) continue;
        th_buf body;
        th_buf_init(&body, 1u << 20);
        th_err err = th_finding_body(&f->hit, &f->stored.state, &body);
        th_sha256 sha = th_sha256_of(th_buf_slice(&body));
        if (err == TH_OK && !th_sha256_equal(&sha, &f->stored.body)) {
            err = hits_add_row(list, th_model_table(TH_TABLE_findings_events), th_buf_slice(&body));
        }
        f->stored.body = sha;
        th_buf_free(&body);
        if (err != TH_OK) return err;
    }
    return TH_OK;
}

typedef struct sought {
    uint64_t fingerprint;
    new_row *row;
} sought;

typedef struct recheck {
    th_version *version;
    th_arena *scratch;
    sought *list;
    th_diag *diag;
} recheck;

static th_err compare_known(void *ctx, size_t which, const th_record_id *id)
{
    recheck *r = ctx;
    th_slice record;
    th_arena_reset(r->scratch);
    TH_TRY(th_version_record(r->version, id, r->scratch, &record, NULL, r->diag));
    if (th_slice_equal(record, r->list[which].row->bytes)) r->list[which].row->known = true;
    return TH_OK;
}

static int by_low_bits(const void *a, const void *b)
{
    uint32_t x = (uint32_t)((const sought *)a)->fingerprint,
             y = (uint32_t)((const sought *)b)->fingerprint;
    return x < y ? -1 : x > y;
}

static th_err row_fingerprint(const hit_list *list, const new_row *row, uint64_t *out)
{
    th_sha256 sha = th_sha256_of(row->bytes);
    th_buf identity;
    th_buf_init(&identity, 1u << 20);
    if (!th_model_identity(row->table, row->bytes, (th_slice){0}, sha.bytes, 0, &identity)) {
        th_buf_clear(&identity);
        th_buf_add(&identity, sha.bytes, sizeof(sha.bytes));
    }
    th_err err = th_buf_error(&identity);
    *out = th_store_fingerprint(list->host->all->store, th_buf_slice(&identity));
    th_buf_free(&identity);
    return err;
}

/* After which position a row of this kind may be in the log without our file knowing it. Normally after our last commit.
 * While a lost file is being made again, evidence and tags may be anywhere; bodies may not be looked for there: an older
 * state of a finding that is written now must be followed by its final body once more. */
static uint64_t unknown_after(const hit_list *list, uint32_t table)
{
    bool again =
        list->host->cursor < list->host->rebuild_until && table != TH_TABLE_findings_events;
    return again ? 0 : list->host->findings_lsn;
}

/* Mark the rows of `table` that the log has already: left by a crashed run of the same stretch, or by a lost file. */
static th_err find_known(hit_list *list, th_version *version, uint32_t table, th_diag *diag)
{
    recheck r = {.version = version,
                 .scratch = list->host->scratch,
                 .diag = diag,
                 .list = TH_NEW_ARRAY(list->arena, sought, list->row_count + 1)};
    uint64_t *fingerprints = TH_NEW_ARRAY(list->arena, uint64_t, list->row_count + 1);
    if (r.list == NULL || fingerprints == NULL) return TH_ELIMIT;
    size_t n = 0;
    for (size_t i = 0; i < list->row_count; i++) {
        if (list->rows[i].table->id != table) continue;
        r.list[n].row = &list->rows[i];
        TH_TRY(row_fingerprint(list, &list->rows[i], &r.list[n++].fingerprint));
    }
    qsort(r.list, n, sizeof(*r.list), by_low_bits);
    for (size_t i = 0; i < n; i++) fingerprints[i] = r.list[i].fingerprint;
    if (n == 0) return TH_OK;
    return th_version_find(version, table, unknown_after(list, table), fingerprints, n,
                           compare_known, &r, diag);
}

static th_err commit_write(hit_list *list, th_write **write, uint64_t *lsn, th_diag *diag)
{
    th_err err = th_store_commit(list->host->all->store, *write, lsn, diag);
    th_write_free(*write);
    *write = err == TH_OK ? th_write_new(list->host->all->store) : NULL;
    return err == TH_OK && *write == NULL ? TH_ENOMEM : err;
}

static th_err write_row(hit_list *list, const new_row *row, th_write **write, uint64_t *lsn,
                        th_diag *diag)
{
    th_row stored = {.record = row->bytes, .object = UINT32_MAX};
    stored.has_time = th_model_time(row->table, row->bytes, (th_slice){0}, &stored.time_us);
    int32_t day = th_model_day(stored.has_time, stored.time_us);
    uint32_t local = 0;
    TH_TRY(row_fingerprint(list, row, &stored.fingerprint));
    th_err err = th_write_add(*write, row->table, day, &stored, &local);
    if (err != TH_ELIMIT || th_write_rows(*write) == 0) return err;
    TH_TRY(commit_write(list, write, lsn, diag));
    return th_write_add(*write, row->table, day, &stored, &local);
}

/* One commit, or several when one cannot hold them: the evidence goes before the bodies that count it. */
static th_err write_rows(hit_list *list, uint64_t *lsn, th_diag *diag)
{
    th_write *write = th_write_new(list->host->all->store);
    th_err err = write == NULL ? TH_ENOMEM : TH_OK;
    for (size_t i = 0; i < list->row_count && err == TH_OK; i++) {
        if (!list->rows[i].known) err = write_row(list, &list->rows[i], &write, lsn, diag);
    }
    if (err == TH_OK && th_write_rows(write) > 0) err = commit_write(list, &write, lsn, diag);
    th_write_free(write);
    return err;
}

typedef struct put_list {
    th_arena *arena;
    th_kv_put *puts;
    size_t count, room;
} put_list;

static th_err add_put(put_list *puts, th_slice key, th_slice value)
{
    puts->puts =
        th_arena_room(puts->arena, puts->puts, puts->count, &puts->room, sizeof(*puts->puts));
    if (puts->puts == NULL || key.bytes == NULL) return TH_ELIMIT;
    puts->puts[puts->count++] = (th_kv_put){key, value};
    return TH_OK;
}

static th_err add_state_put(put_list *puts, const wire_put *put)
{
    th_slice key = hits_name(puts->arena, 's', put->key, (th_slice){0});
    if (put->value.bytes == NULL) return add_put(puts, key, (th_slice){0});
    uint64_t ttl_s = put->ttl_s < TTL_MAX_S ? put->ttl_s : TTL_MAX_S;
    int64_t expiry = ttl_s == 0 ? 0 : th_os_now_us() + (int64_t)ttl_s * 1000000;
    uint8_t *value = th_arena_alloc(puts->arena, sizeof(expiry) + put->value.size);
    if (value == NULL) return TH_ELIMIT;
    memcpy(value, &expiry, sizeof(expiry));
    if (put->value.size > 0) memcpy(value + sizeof(expiry), put->value.bytes, put->value.size);
    return add_put(puts, key, th_slice_of(value, sizeof(expiry) + put->value.size));
}

static th_err add_mark(put_list *puts, const char *name, uint64_t value)
{
    return add_put(puts, th_slice_text(name),
                   th_arena_copy(puts->arena, th_slice_of(&value, sizeof(value))));
}

static th_err save_state(hit_list *list, uint64_t cursor, uint64_t findings_lsn, th_diag *diag)
{
    put_list puts = {.arena = list->arena};
    th_plugin_host *host = list->host;
    for (size_t i = 0; i < list->open_count; i++) {
        open_finding *f = &list->open[i];
        if (!f->changed) continue;
        th_slice value;
        TH_TRY(hits_encode(f, list->arena, &value));
        TH_TRY(add_put(
            &puts, hits_name(list->arena, 'f', th_slice_of(f->key, HITS_KEY_SIZE), (th_slice){0}),
            value));
    }
    for (size_t i = 0; i < th_map_count(list->seen); i++) {
        if (th_map_value_at(list->seen, i) == SEEN_NEW)
            TH_TRY(add_put(&puts, th_map_key_at(list->seen, i), TH_SLICE("")));
    }
    for (size_t i = 0; i < list->put_count; i++) TH_TRY(add_state_put(&puts, &list->puts[i]));
    TH_TRY(add_mark(&puts, "c", cursor));
    TH_TRY(add_mark(&puts, "l", findings_lsn));
    TH_TRY(add_mark(&puts, "r", host->rebuild_until));
    return th_kv_commit(host->kv, puts.puts, puts.count, diag);
}

static void count_findings(hit_list *list)
{
    uint64_t stored = 0;
    for (size_t i = 0; i < list->row_count; i++) {
        stored += list->rows[i].table->id == TH_TABLE_findings_events && !list->rows[i].known;
    }
    pthread_mutex_lock(&list->host->all->lock);
    list->host->findings += stored;
    pthread_mutex_unlock(&list->host->all->lock);
}

th_err hits_commit(hit_list *list, th_version *version, uint64_t cursor, th_diag *diag)
{
    th_plugin_host *host = list->host;
    static const uint32_t tables[] = {TH_TABLE_findings_events, TH_TABLE_finding_evidence,
                                      TH_TABLE_record_tags};
    TH_TRY(add_bodies(list));
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        TH_TRY(find_known(list, version, tables[i], diag));
    TH_FAILPOINT("plugin_before_findings");
    uint64_t lsn = host->findings_lsn;
    TH_TRY(write_rows(list, &lsn, diag));
    TH_FAILPOINT("plugin_after_findings");
    TH_TRY(save_state(list, cursor, lsn, diag));
    TH_FAILPOINT("plugin_after_cursor");
    host->findings_lsn =
        lsn; /* not before: a save that failed is tried again, and must find these rows */
    count_findings(list);
    host->saved_cursor = cursor;
    return TH_OK;
}
