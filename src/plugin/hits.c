/* SPDX-License-Identifier: Apache-2.0
 * Hits become findings here: folded into what the plugin's file remembers, gathered until the stretch is settled. A hit
 * that was seen before changes nothing. */
#include "base/time.h"
#include "json/json.h"
#include "plugin/hits.h"

hit_list *hits_new(th_plugin_host *host, th_arena *arena)
{
    hit_list *list = TH_NEW(arena, hit_list);
    if (list == NULL) return NULL;
    list->host = host;
    list->arena = arena;
    list->findings = th_map_new(arena);
    list->seen = th_map_new(arena);
    list->state = th_map_new(arena);
    return list->findings == NULL || list->seen == NULL || list->state == NULL ? NULL : list;
}

bool hits_empty(const hit_list *list)
{
    return list->open_count == 0 && list->put_count == 0 && list->row_count == 0;
}

th_slice hits_name(th_arena *arena, char prefix, th_slice a, th_slice b)
{
    uint8_t *name = th_arena_alloc(arena, 1 + a.size + b.size);
    if (name == NULL) return (th_slice){0};
    name[0] = (uint8_t)prefix;
    if (a.size > 0) memcpy(name + 1, a.bytes, a.size);
    if (b.size > 0) memcpy(name + 1 + a.size, b.bytes, b.size);
    return th_slice_of(name, 1 + a.size + b.size);
}

/* ---- evidence ------------------------------------------------------------------------------------------------------ */

/* What a record is known by, as one digest: its source's identity, its place for line logs, else its bytes. */
static th_err identity_of(const th_loaded *loaded, uint32_t row, th_slice record,
                          const th_sha256 *sha, th_sha256 *out)
{
    const th_stored_table *table = th_model_table(loaded->ref.table);
    th_buf identity;
    th_buf_init(&identity, 1u << 20);
    th_buf_add_text(&identity, table->name);
    th_buf_add_byte(&identity, 0);
    bool known = false;
    if (table->identity == TH_IDENTITY_POSITION) {
        th_buf_printf(&identity, "%d/%llu", loaded->ref.day,
                      (unsigned long long)(loaded->ref.first_seq + row));
        known = true;
    } else {
        known = th_model_identity(table, record, th_segment_layout(loaded->segment, row),
                                  sha->bytes, 0, &identity);
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
    th_slice *const list[HIT_TEXTS] = {&hit->rule,     &hit->title,         &hit->description,
                                       &hit->severity, &hit->type,          &hit->account,
                                       &hit->actor,    &hit->resource_type, &hit->resource_id,
                                       &hit->region,   &hit->author,        &hit->reference};
    memcpy(out, list, sizeof(list));
}

th_err hits_encode(const open_finding *f, th_arena *arena, th_slice *out)
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

static th_err decode_finding(th_slice value, const char *plugin, const char *version,
                             open_finding *f)
{
    if (value.size < sizeof(f->stored)) return TH_ECORRUPT;
    memcpy(&f->stored, value.bytes, sizeof(f->stored));
    th_reader r =
        th_reader_of(th_slice_of(value.bytes + sizeof(f->stored), value.size - sizeof(f->stored)));
    th_slice *texts[HIT_TEXTS];
    hit_text_list(&f->hit, texts);
    for (int i = 0; i < HIT_TEXTS; i++) *texts[i] = wire_take_bytes(&r, WIRE_TEXT_MAX);
    f->hit.plugin = th_slice_text(plugin);
    f->hit.plugin_version = th_slice_text(version);
    f->hit.has_time = f->stored.has_time != 0;
    f->hit.time_us = f->stored.state.first_us;
    return r.bad ? TH_ECORRUPT : TH_OK;
}

th_err hits_add_row(hit_list *list, const th_stored_table *table, th_slice bytes)
{
    list->rows = th_arena_room(list->arena, list->rows, list->row_count, &list->row_room,
                               sizeof(*list->rows));
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
    char key[HITS_KEY_SIZE + 1], time[40];
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
    if (hit->has_time)
        th_json_put_string(&w, th_slice_of(time, th_time_format_iso(hit->time_us, time)));
    else
        th_json_put_null(&w);
    th_json_end_object(&w);
    th_err err = th_buf_error(&row);
    if (err == TH_OK)
        err = hits_add_row(list, th_model_table(TH_TABLE_finding_evidence), th_buf_slice(&row));
    th_buf_free(&id);
    th_buf_free(&row);
    return err;
}

/* ---- folding ------------------------------------------------------------------------------------------------------- */

/* The finding that the hit belongs to, from this stretch or from the file. */
static th_err finding_of(hit_list *list, const th_finding_hit *hit, open_finding **out)
{
    char key[HITS_KEY_SIZE + 1];
    th_finding_id(hit, key, NULL);
    bool added = false;
    uint64_t *slot = th_map_put(list->findings, th_slice_text(key), list->open_count, &added);
    if (slot == NULL) return TH_ELIMIT;
    uint64_t index = *slot;
    if (added) {
        list->open = th_arena_room(list->arena, list->open, list->open_count, &list->open_room,
                                   sizeof(*list->open));
        if (list->open == NULL) return TH_ELIMIT;
        open_finding *f = &list->open[list->open_count++];
        *f = (open_finding){0};
        memcpy(f->key, key, sizeof(key));
        th_slice name = hits_name(list->arena, 'f', th_slice_of(key, HITS_KEY_SIZE), (th_slice){0}),
                 value;
        if (name.bytes == NULL) return TH_ELIMIT;
        th_err err = th_kv_get(list->host->kv, name, list->arena, &value);
        if (err == TH_OK) err = decode_finding(value, list->host->name, list->host->version, f);
        if (err != TH_OK && err != TH_ENOTFOUND) return err;
    }
    *out = &list->open[index];
    return TH_OK;
}

/* Is the name among those of this stretch or of the file? Remembers it either way. */
static th_err seen_before(hit_list *list, th_slice name, bool *before)
{
    th_slice value;
    bool added = false;
    if (name.bytes == NULL) return TH_ELIMIT;
    uint64_t *slot = th_map_put(list->seen, name, SEEN_NEW, &added);
    if (slot == NULL) return TH_ELIMIT;
    *before = !added;
    if (!added) return TH_OK;
    th_err err = th_kv_get(list->host->kv, name, list->arena, &value);
    if (err == TH_OK) *slot = SEEN_STORED;
    *before = err == TH_OK;
    return err == TH_ENOTFOUND ? TH_OK : err;
}

static th_err fold_hit(hit_list *list, const th_finding_hit *hit)
{
    open_finding *f = NULL;
    bool before = false;
    TH_TRY(finding_of(list, hit, &f));
    th_slice name = hits_name(list->arena, 'e', th_slice_of(f->key, HITS_KEY_SIZE),
                              th_slice_of(hit->identity.bytes, 16));
    TH_TRY(seen_before(list, name, &before));
    th_finding_state old = f->stored.state;
    bool first = th_finding_fold(&f->stored.state, hit, before);
    /* The first piece of evidence again, after a new version of the rule was replayed: its words count. */
    bool again = !first && th_sha256_equal(&hit->record_sha, &f->stored.state.first_sha);
    if (first || again) f->hit = *hit;
    f->stored.has_time = hit->has_time;
    if (again || memcmp(&old, &f->stored.state, sizeof(old)) != 0) f->changed = true;
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
    if (err == TH_OK) {
        th_sha256 digest = th_sha256_of(th_buf_slice(&row));
        bool before = false;
        err = seen_before(
            list,
            hits_name(list->arena, 't', th_slice_of(digest.bytes, TH_SHA256_SIZE), (th_slice){0}),
            &before);
        if (err == TH_OK && !before)
            err = hits_add_row(list, th_model_table(TH_TABLE_record_tags), th_buf_slice(&row));
    }
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
    list->puts = th_arena_room(list->arena, list->puts, list->put_count, &list->put_room,
                               sizeof(*list->puts));
    if (list->puts == NULL) return TH_ELIMIT;
    list->puts[list->put_count++] = copy;
    return TH_OK;
}

/* One hit. scratch: for what is not kept. */
static th_err add_hit(hit_list *list, const wire_hit *wire, uint32_t table, const th_loaded *loaded,
                      uint32_t row, th_arena *scratch)
{
    th_slice record;
    int64_t time_us = INT64_MIN;
    TH_TRY(th_segment_records(loaded->segment, row, 1, scratch, &record));
    TH_TRY(th_segment_read_times(loaded->segment, row, 1, scratch, &time_us));
    th_finding_hit hit = {.table = table,
                          .record_sha = th_sha256_of(record),
                          .has_time = time_us != INT64_MIN,
                          .time_us = time_us == INT64_MIN ? 0 : time_us};
    hit_texts(list, wire, &hit);
    if (hit.account.size == 0) {
        hit.account = kept(list->arena, th_model_account(th_model_table(table), record,
                                                         th_segment_layout(loaded->segment, row)));
    }
    TH_TRY(identity_of(loaded, row, record, &hit.record_sha, &hit.identity));
    return fold_hit(list, &hit);
}

th_err hits_add(hit_list *list, const wire_result *result, uint32_t table, const th_loaded *loaded,
                const uint32_t *rows, th_arena *scratch)
{
    for (size_t i = 0; i < result->hit_count; i++) {
        TH_TRY(add_hit(list, &result->hits[i], table, loaded, rows[result->hits[i].row], scratch));
    }
    for (size_t i = 0; i < result->tag_count; i++) {
        th_slice record;
        TH_TRY(th_segment_records(loaded->segment, rows[result->tags[i].row], 1, scratch, &record));
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
    th_slice name = hits_name(arena, 's', key, (th_slice){0}), stored;
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
