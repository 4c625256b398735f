/* SPDX-License-Identifier: Apache-2.0
 * Hits become findings here.
 *
 * The plugin's own file remembers, by finding, what its body was computed from ('f' key), and which pieces of evidence were
 * counted ('e' key identity): a hit seen again changes nothing. Order of commits: findings and evidence first, then state
 * and cursor in one transaction. A crash between the two repeats the stretch with the older state: it computes the same
 * bodies, finds them in the log after `findings_lsn`, and adds nothing. */
#include <stdlib.h>

#include "base/map.h"
#include "base/time.h"
#include "json/json.h"
#include "plugin/host_private.h"

#define KEY_SIZE 32u

/* Head of an 'f' value; the texts of the first piece of evidence follow, each with its size. */
typedef struct stored_finding {
    th_finding_state state;
    th_sha256 body; /* of the last body that was stored */
} stored_finding;

typedef struct open_finding {
    char key[KEY_SIZE + 1];
    stored_finding stored;
    th_finding_hit hit; /* texts of the first piece of evidence, so that the body does not depend on order of arrival */
    bool changed;
} open_finding;

typedef struct new_row {
    const th_stored_table *table;
    th_slice bytes;
    bool known; /* already in the log, from before a crash */
} new_row;

struct hit_list {
    th_plugin_host *host;
    th_arena *arena;
    th_map *findings; /* key -> index */
    open_finding *open;
    size_t open_count, open_room;
    th_map *evidence; /* key + identity, of this stretch */
    th_map *state;    /* plugin's keys -> index of puts */
    wire_put *puts;
    size_t put_count, put_room;
    new_row *rows;
    size_t row_count, row_room;
};

hit_list *hits_new(th_plugin_host *host, th_arena *arena)
{
    hit_list *list = TH_NEW(arena, hit_list);
    if (list == NULL) return NULL;
    list->host = host;
    list->arena = arena;
    list->findings = th_map_new(arena);
    list->evidence = th_map_new(arena);
    list->state = th_map_new(arena);
    return list->findings == NULL || list->evidence == NULL || list->state == NULL ? NULL : list;
}

bool hits_empty(const hit_list *list)
{
    return list->open_count == 0 && list->put_count == 0 && list->row_count == 0;
}

static void *room_for(th_arena *arena, void *old, size_t count, size_t *room, size_t size)
{
    if (count < *room) return old;
    size_t wanted = *room == 0 ? 64 : *room * 2;
    void *bigger = th_arena_zalloc(arena, wanted, size);
    if (bigger == NULL) return NULL;
    if (count > 0) memcpy(bigger, old, count * size);
    *room = wanted;
    return bigger;
}

static th_slice prefixed(th_arena *arena, char prefix, const void *a, size_t a_size, const void *b, size_t b_size)
{
    uint8_t *key = th_arena_alloc(arena, 1 + a_size + b_size);
    if (key == NULL) return (th_slice){0};
    key[0] = (uint8_t)prefix;
    if (a_size > 0) memcpy(key + 1, a, a_size);
    if (b_size > 0) memcpy(key + 1 + a_size, b, b_size);
    return th_slice_of(key, 1 + a_size + b_size);
}

/* ---- evidence ------------------------------------------------------------------------------------------------------ */

/* What a record is known by, as one digest: its source's identity, its place for line logs, else its bytes. */
static th_err identity_of(const hit_list *list, const th_loaded *loaded, uint32_t row, th_slice record, const th_sha256 *sha,
                          th_sha256 *out)
{
    (void)list;
    const th_stored_table *table = th_model_table(loaded->ref.table);
    th_buf identity;
    th_buf_init(&identity, 1u << 20);
    th_buf_add_text(&identity, table->name);
    th_buf_add_byte(&identity, 0);
    bool known = false;
    if (table->identity == TH_IDENTITY_POSITION) {
        th_buf_printf(&identity, "%d/%llu", loaded->ref.day, (unsigned long long)(loaded->ref.first_seq + row));
        known = true;
    } else {
        known = th_model_identity(table, record, th_segment_layout(loaded->segment, row), sha->bytes, 0, &identity);
    }
    if (!known) th_buf_add(&identity, sha->bytes, TH_SHA256_SIZE);
    th_err err = th_buf_error(&identity);
    *out = th_sha256_of(th_buf_slice(&identity));
    th_buf_free(&identity);
    return err;
}

static th_slice kept(th_arena *arena, th_slice text)
{
    return text.bytes == NULL ? (th_slice){0} : th_arena_copy(arena, text);
}

static void hit_texts(hit_list *list, const wire_hit *wire, th_finding_hit *hit)
{
    th_arena *a = list->arena;
    hit->plugin = th_slice_text(list->host->name);
    hit->plugin_version = th_slice_text(list->host->version);
    hit->rule = kept(a, wire->text[HIT_RULE]);
    hit->title = kept(a, wire->text[HIT_TITLE]);
    hit->description = kept(a, wire->text[HIT_DESCRIPTION]);
    hit->severity = kept(a, wire->text[HIT_SEVERITY]);
    hit->type = kept(a, wire->text[HIT_TYPE]);
    hit->account = kept(a, wire->text[HIT_ACCOUNT]);
    hit->actor = kept(a, wire->text[HIT_ACTOR]);
    hit->resource_type = kept(a, wire->text[HIT_RESOURCE_TYPE]);
    hit->resource_id = kept(a, wire->text[HIT_RESOURCE_ID]);
    hit->region = kept(a, wire->text[HIT_REGION]);
    hit->author = kept(a, wire->text[HIT_AUTHOR]);
    hit->reference = kept(a, wire->text[HIT_REFERENCE]);
}

/* The texts of a hit, in the order in which an 'f' value keeps them. */
static void hit_text_list(th_finding_hit *hit, th_slice *out[HIT_TEXTS])
{
    th_slice *const list[HIT_TEXTS] = {&hit->rule,    &hit->title, &hit->description,   &hit->severity,    &hit->type,
                                       &hit->account, &hit->actor, &hit->resource_type, &hit->resource_id, &hit->region,
                                       &hit->author,  &hit->reference};
    memcpy(out, list, sizeof(list));
}

static th_err encode_finding(const open_finding *f, th_arena *arena, th_slice *out)
{
    th_buf value;
    th_finding_hit hit = f->hit;
    th_slice *texts[HIT_TEXTS];
    hit_text_list(&hit, texts);
    th_buf_init(&value, 1u << 20);
    th_buf_add(&value, &f->stored, sizeof(f->stored));
    for (int i = 0; i < HIT_TEXTS; i++) wire_put_bytes(&value, *texts[i]);
    th_err err = th_buf_error(&value);
    *out = err == TH_OK ? th_arena_copy(arena, th_buf_slice(&value)) : (th_slice){0};
    th_buf_free(&value);
    return err == TH_OK && out->bytes == NULL ? TH_ELIMIT : err;
}

static th_err decode_finding(th_slice value, const char *plugin, const char *version, open_finding *f)
{
    if (value.size < sizeof(f->stored)) return TH_ECORRUPT;
    memcpy(&f->stored, value.bytes, sizeof(f->stored));
    th_reader r = th_reader_of(th_slice_of(value.bytes + sizeof(f->stored), value.size - sizeof(f->stored)));
    th_slice *texts[HIT_TEXTS];
    hit_text_list(&f->hit, texts);
    for (int i = 0; i < HIT_TEXTS; i++) *texts[i] = wire_take_bytes(&r, WIRE_TEXT_MAX);
    f->hit.plugin = th_slice_text(plugin);
    f->hit.plugin_version = th_slice_text(version);
    f->hit.has_time = true;
    f->hit.time_us = f->stored.state.first_us;
    return r.bad ? TH_ECORRUPT : TH_OK;
}

static th_err add_row(hit_list *list, const th_stored_table *table, th_slice bytes)
{
    list->rows = room_for(list->arena, list->rows, list->row_count, &list->row_room, sizeof(*list->rows));
    th_slice copy = th_arena_copy(list->arena, bytes);
    if (list->rows == NULL || copy.bytes == NULL) return TH_ELIMIT;
    list->rows[list->row_count++] = (new_row){table, copy, false};
    return TH_OK;
}

static void put_digest(th_json_writer *w, const char *key, const th_sha256 *digest)
{
    char hex[65];
    th_sha256_hex(digest, hex);
    th_json_put_key(w, key);
    th_json_put_text(w, hex);
}

static th_err evidence_row(hit_list *list, const th_finding_hit *hit)
{
    char key[KEY_SIZE + 1], time[40];
    th_buf id, row;
    th_buf_init(&id, 1u << 16);
    th_buf_init(&row, 1u << 20);
    th_finding_id(hit, key, &id);
    th_json_writer w;
    th_json_writer_init(&w, &row);
    th_json_begin_object(&w);
    th_json_put_key(&w, "finding_id");
    th_json_put_string(&w, th_buf_slice(&id));
    th_json_put_key(&w, "table");
    th_json_put_text(&w, th_model_table(hit->table)->name);
    put_digest(&w, "record_sha256", &hit->record_sha);
    put_digest(&w, "identity_sha256", &hit->identity);
    th_json_put_key(&w, "event_time");
    if (hit->has_time) th_json_put_string(&w, th_slice_of(time, th_time_format_iso(hit->time_us, time)));
    else th_json_put_null(&w);
    th_json_end_object(&w);
    th_err err = th_buf_error(&row);
    if (err == TH_OK) err = add_row(list, th_model_table(TH_TABLE_finding_evidence), th_buf_slice(&row));
    th_buf_free(&id);
    th_buf_free(&row);
    return err;
}

/* ---- folding ------------------------------------------------------------------------------------------------------- */

/* The finding that the hit belongs to, from this stretch or from the file. */
static th_err finding_of(hit_list *list, const th_finding_hit *hit, open_finding **out)
{
    char key[KEY_SIZE + 1];
    th_finding_id(hit, key, NULL);
    bool added = false;
    uint64_t *slot = th_map_put(list->findings, th_slice_text(key), list->open_count, &added);
    if (slot == NULL) return TH_ELIMIT;
    uint64_t index = *slot;
    if (added) {
        list->open = room_for(list->arena, list->open, list->open_count, &list->open_room, sizeof(*list->open));
        if (list->open == NULL) return TH_ELIMIT;
        open_finding *f = &list->open[list->open_count++];
        *f = (open_finding){0};
        memcpy(f->key, key, sizeof(key));
        th_slice name = prefixed(list->arena, 'f', key, KEY_SIZE, NULL, 0), value;
        if (name.bytes == NULL) return TH_ELIMIT;
        th_err err = th_kv_get(list->host->kv, name, list->arena, &value);
        if (err == TH_OK) err = decode_finding(value, list->host->name, list->host->version, f);
        if (err != TH_OK && err != TH_ENOTFOUND) return err;
    }
    *out = &list->open[index];
    return TH_OK;
}

/* Was this identity counted for the finding before? Remembers it either way. */
static th_err counted_before(hit_list *list, const char *key, const th_sha256 *identity, bool *before)
{
    th_slice name = prefixed(list->arena, 'e', key, KEY_SIZE, identity->bytes, 16), value;
    if (name.bytes == NULL) return TH_ELIMIT;
    bool added = false;
    if (th_map_put(list->evidence, name, 0, &added) == NULL) return TH_ELIMIT;
    *before = !added;
    if (!added) return TH_OK;
    th_err err = th_kv_get(list->host->kv, name, list->arena, &value);
    *before = err == TH_OK;
    return err == TH_ENOTFOUND ? TH_OK : err;
}

static th_err fold_hit(hit_list *list, const th_finding_hit *hit)
{
    open_finding *f = NULL;
    bool before = false;
    TH_TRY(finding_of(list, hit, &f));
    TH_TRY(counted_before(list, f->key, &hit->identity, &before));
    th_finding_state old = f->stored.state;
    if (th_finding_fold(&f->stored.state, hit, before)) f->hit = *hit;
    if (memcmp(&old, &f->stored.state, sizeof(old)) != 0) f->changed = true;
    return before ? TH_OK : evidence_row(list, hit);
}

static th_err tag_row(hit_list *list, const wire_tag *tag, uint32_t table, const th_sha256 *sha)
{
    th_buf row;
    th_buf_init(&row, 1u << 20);
    th_json_writer w;
    th_json_writer_init(&w, &row);
    th_json_begin_object(&w);
    th_json_put_key(&w, "plugin");
    th_json_put_text(&w, list->host->name);
    th_json_put_key(&w, "table");
    th_json_put_text(&w, th_model_table(table)->name);
    put_digest(&w, "record_sha256", sha);
    th_json_put_key(&w, "tag");
    th_json_put_string(&w, tag->tag);
    th_json_put_key(&w, "count");
    th_json_put_u64(&w, tag->count);
    th_json_put_key(&w, "places");
    th_json_put_string(&w, tag->places);
    th_json_end_object(&w);
    th_err err = th_buf_error(&row);
    if (err == TH_OK) err = add_row(list, th_model_table(TH_TABLE_record_tags), th_buf_slice(&row));
    th_buf_free(&row);
    return err;
}

static th_err keep_put(hit_list *list, const wire_put *put)
{
    bool added = false;
    th_slice key = th_arena_copy(list->arena, put->key);
    uint64_t *slot = th_map_put(list->state, key, list->put_count, &added);
    if (key.bytes == NULL || slot == NULL) return TH_ELIMIT;
    wire_put copy = {key, kept(list->arena, put->value), put->ttl_s};
    if (!added) {
        list->puts[*slot] = copy;
        return TH_OK;
    }
    list->puts = room_for(list->arena, list->puts, list->put_count, &list->put_room, sizeof(*list->puts));
    if (list->puts == NULL) return TH_ELIMIT;
    list->puts[list->put_count++] = copy;
    return TH_OK;
}

th_err hits_add(hit_list *list, const wire_result *result, uint32_t table, const th_loaded *loaded, const uint32_t *rows,
                th_diag *diag)
{
    (void)diag;
    for (size_t i = 0; i < result->hit_count; i++) {
        uint32_t row = rows[result->hits[i].row];
        th_slice record;
        int64_t time_us = INT64_MIN;
        TH_TRY(th_segment_records(loaded->segment, row, 1, list->arena, &record));
        TH_TRY(th_segment_read_times(loaded->segment, row, 1, list->arena, &time_us));
        th_finding_hit hit = {.table = table, .record_sha = th_sha256_of(record), .has_time = time_us != INT64_MIN,
                              .time_us = time_us == INT64_MIN ? 0 : time_us};
        hit_texts(list, &result->hits[i], &hit);
        TH_TRY(identity_of(list, loaded, row, record, &hit.record_sha, &hit.identity));
        TH_TRY(fold_hit(list, &hit));
    }
    for (size_t i = 0; i < result->tag_count; i++) {
        th_slice record;
        TH_TRY(th_segment_records(loaded->segment, rows[result->tags[i].row], 1, list->arena, &record));
        th_sha256 sha = th_sha256_of(record);
        TH_TRY(tag_row(list, &result->tags[i], table, &sha));
    }
    for (size_t i = 0; i < result->put_count; i++) TH_TRY(keep_put(list, &result->puts[i]));
    return TH_OK;
}

/* ---- state --------------------------------------------------------------------------------------------------------- */

/* A stored value: i64 expiry (us, 0 = never), then the bytes. */
th_err hits_state_get(th_plugin_host *host, th_slice key, th_arena *arena, th_slice *value)
{
    *value = (th_slice){0};
    const uint64_t *slot = host->pending != NULL ? th_map_get(host->pending->state, key) : NULL;
    if (slot != NULL) {
        *value = host->pending->puts[*slot].value;
        return TH_OK;
    }
    th_slice name = prefixed(arena, 's', key.bytes, key.size, NULL, 0), stored;
    if (name.bytes == NULL) return TH_ELIMIT;
    th_err err = th_kv_get(host->kv, name, arena, &stored);
    if (err == TH_ENOTFOUND) return TH_OK;
    if (err != TH_OK) return err;
    int64_t expiry = 0;
    if (stored.size < sizeof(expiry)) return TH_ECORRUPT;
    memcpy(&expiry, stored.bytes, sizeof(expiry));
    if (expiry != 0 && expiry < th_os_now_us()) return TH_OK;
    *value = th_slice_of(stored.bytes + sizeof(expiry), stored.size - sizeof(expiry));
    return TH_OK;
}

/* ---- commit -------------------------------------------------------------------------------------------------------- */

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
            err = add_row(list, th_model_table(TH_TABLE_findings_events), th_buf_slice(&body));
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
    th_arena *arena;
    sought *list;
} recheck;

static th_err compare_known(void *ctx, size_t which, const th_record_id *id)
{
    recheck *r = ctx;
    th_slice record;
    TH_TRY(th_version_record(r->version, id, r->arena, &record, NULL, NULL));
    if (th_slice_equal(record, r->list[which].row->bytes)) r->list[which].row->known = true;
    return TH_OK;
}

static int by_low_bits(const void *a, const void *b)
{
    uint32_t x = (uint32_t)((const sought *)a)->fingerprint, y = (uint32_t)((const sought *)b)->fingerprint;
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

/* Mark the rows of `table` that a crashed run of the same stretch left in the log. */
static th_err find_known(hit_list *list, th_version *version, uint32_t table, th_diag *diag)
{
    recheck r = {.version = version, .arena = list->arena, .list = TH_NEW_ARRAY(list->arena, sought, list->row_count + 1)};
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
    return th_version_find(version, table, list->host->findings_lsn, fingerprints, n, compare_known, &r, diag);
}

static th_err write_rows(hit_list *list, uint64_t *lsn, th_diag *diag)
{
    th_write *write = th_write_new(list->host->all->store);
    if (write == NULL) return TH_ENOMEM;
    th_err err = TH_OK;
    uint64_t added = 0;
    for (size_t i = 0; i < list->row_count && err == TH_OK; i++) {
        const new_row *row = &list->rows[i];
        if (row->known) continue;
        th_row stored = {.record = row->bytes, .object = UINT32_MAX};
        stored.has_time = th_model_time(row->table, row->bytes, (th_slice){0}, &stored.time_us);
        err = row_fingerprint(list, row, &stored.fingerprint);
        uint32_t local = 0;
        if (err == TH_OK) err = th_write_add(write, row->table, th_model_day(stored.has_time, stored.time_us), &stored, &local);
        added++;
    }
    if (err == TH_OK && added > 0) err = th_store_commit(list->host->all->store, write, lsn, diag);
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
    puts->puts = room_for(puts->arena, puts->puts, puts->count, &puts->room, sizeof(*puts->puts));
    if (puts->puts == NULL || key.bytes == NULL) return TH_ELIMIT;
    puts->puts[puts->count++] = (th_kv_put){key, value};
    return TH_OK;
}

static th_err add_state_put(put_list *puts, const wire_put *put)
{
    th_slice key = prefixed(puts->arena, 's', put->key.bytes, put->key.size, NULL, 0);
    if (put->value.bytes == NULL) return add_put(puts, key, (th_slice){0});
    int64_t expiry = put->ttl_s == 0 ? 0 : th_os_now_us() + (int64_t)put->ttl_s * 1000000;
    uint8_t *value = th_arena_alloc(puts->arena, sizeof(expiry) + put->value.size);
    if (value == NULL) return TH_ELIMIT;
    memcpy(value, &expiry, sizeof(expiry));
    if (put->value.size > 0) memcpy(value + sizeof(expiry), put->value.bytes, put->value.size);
    return add_put(puts, key, th_slice_of(value, sizeof(expiry) + put->value.size));
}

static th_err save_state(hit_list *list, uint64_t cursor, th_diag *diag)
{
    put_list puts = {.arena = list->arena};
    th_plugin_host *host = list->host;
    for (size_t i = 0; i < list->open_count; i++) {
        open_finding *f = &list->open[i];
        if (!f->changed) continue;
        th_slice value;
        TH_TRY(encode_finding(f, list->arena, &value));
        TH_TRY(add_put(&puts, prefixed(list->arena, 'f', f->key, KEY_SIZE, NULL, 0), value));
    }
    for (size_t i = 0; i < th_map_count(list->evidence); i++) {
        TH_TRY(add_put(&puts, th_map_key_at(list->evidence, i), TH_SLICE("")));
    }
    for (size_t i = 0; i < list->put_count; i++) TH_TRY(add_state_put(&puts, &list->puts[i]));
    uint64_t *marks = TH_NEW_ARRAY(list->arena, uint64_t, 2);
    if (marks == NULL) return TH_ELIMIT;
    marks[0] = cursor;
    marks[1] = host->findings_lsn;
    TH_TRY(add_put(&puts, TH_SLICE("c"), th_slice_of(&marks[0], sizeof(marks[0]))));
    TH_TRY(add_put(&puts, TH_SLICE("l"), th_slice_of(&marks[1], sizeof(marks[1]))));
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
    static const uint32_t tables[] = {TH_TABLE_findings_events, TH_TABLE_finding_evidence, TH_TABLE_record_tags};
    TH_TRY(add_bodies(list));
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) TH_TRY(find_known(list, version, tables[i], diag));
    TH_FAILPOINT("plugin_before_findings");
    uint64_t lsn = host->findings_lsn;
    TH_TRY(write_rows(list, &lsn, diag));
    TH_FAILPOINT("plugin_after_findings");
    host->findings_lsn = lsn;
    count_findings(list);
    TH_TRY(save_state(list, cursor, diag));
    TH_FAILPOINT("plugin_after_cursor");
    host->saved_cursor = cursor;
    return TH_OK;
}
