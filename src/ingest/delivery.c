/* SPDX-License-Identifier: Apache-2.0
 * Rows about objects, as JSON: a delivery in `objects`, a refused piece in `quarantine`. The names of members are what
 * model/schemas/objects.def and quarantine.def read. */
#include "base/limits.h"
#include "base/time.h"
#include "ingest/ingest_private.h"
#include "json/json.h"

static void put_text(th_json_writer *w, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0') return;
    th_json_put_key(w, key);
    th_json_put_text(w, text);
}

static void put_slice(th_json_writer *w, const char *key, th_slice text)
{
    if (text.size == 0) return;
    th_json_put_key(w, key);
    th_json_put_string(w, text);
}

static void put_number(th_json_writer *w, const char *key, uint64_t v)
{
    th_json_put_key(w, key);
    th_json_put_u64(w, v);
}

static void put_sha(th_json_writer *w, const char *key, const th_sha256 *sha)
{
    char hex[65];
    th_sha256_hex(sha, hex);
    put_text(w, key, hex);
}

static void put_time(th_json_writer *w, const char *key, int64_t us)
{
    char text[40];
    th_time_format_iso(us, text);
    put_text(w, key, text);
}

/* As th_object_key has it, for s3:// names only. */
static void put_bucket_and_key(th_json_writer *w, const char *name)
{
    if (strncmp(name, "s3://", 5) != 0) return;
    const char *bucket = name + 5;
    const char *slash = strchr(bucket, '/');
    size_t size = slash == NULL ? strlen(bucket) : (size_t)(slash - bucket);
    put_slice(w, "bucket", th_slice_of(bucket, size));
    if (slash != NULL) put_slice(w, "key", th_slice_text(slash + 1));
}

/* A file's name may be any bytes; JSON can only say text. */
static void put_odd_name(th_json_writer *w, const char *name)
{
    char hex[2 * TH_NAME_SIZE_MAX + 1];
    size_t size = strlen(name);
    if (th_utf8_valid(th_slice_text(name)) || size > TH_NAME_SIZE_MAX) return;
    th_hex_encode((const uint8_t *)name, size, hex);
    put_slice(w, "name_hex", th_slice_of(hex, 2 * size));
}

static th_slice header_of(const ingest_object *o, const char *name)
{
    for (size_t i = 0; i < o->header_count; i++) {
        if (th_slice_equal_nocase(o->headers[i].name, th_slice_text(name)))
            return o->headers[i].value;
    }
    return (th_slice){0};
}

static void put_headers(th_json_writer *w, const ingest_object *o)
{
    if (o->header_count == 0) return;
    th_json_put_key(w, "headers");
    th_json_begin_object(w);
    for (size_t i = 0; i < o->header_count; i++) {
        th_json_put_key_slice(w, o->headers[i].name);
        th_json_put_string(w, o->headers[i].value);
    }
    th_json_end_object(w);
}

static void put_blob(th_json_writer *w, const char *key, const ingest_blob_place *place)
{
    char day[16];
    if (place->count == 0) return;
    th_day_format(place->day, day);
    th_json_put_key(w, key);
    th_json_begin_object(w);
    put_text(w, "day", day);
    put_number(w, "seq", place->first);
    put_number(w, "rows", place->count);
    th_json_end_object(w);
}

static void put_container(th_json_writer *w, const ingest_object *o,
                          const ingest_blob_place *container)
{
    put_sha(w, "container", &o->container_sha);
    put_number(w, "container_size", o->container_size);
    put_blob(w, "container_blob", container);
    if (o->gzipped) {
        th_json_put_key(w, "gzip");
        th_json_begin_object(w);
        put_number(w, "mtime", o->gzip.mtime);
        put_number(w, "flags", o->gzip.flags);
        put_number(w, "xfl", o->gzip.xfl);
        put_number(w, "os", o->gzip.os);
        put_slice(w, "name", o->gzip.name);
        put_number(w, "members", o->gzip.members);
        th_json_end_object(w);
    }
    put_text(w, "container_problem", o->container_problem);
}

static void put_counts(th_json_writer *w, const th_ingest *in, const ingest_object *o)
{
    const ingest_object *c = o->same == INGEST_NONE ? o : &in->objects.at[o->same];
    bool known = o->known || o->same != INGEST_NONE;
    put_slice(w, "source", c->source);
    put_slice(w, "form", c->form);
    put_number(w, "records", c->records);
    put_number(w, "duplicates", known ? c->records : o->duplicates);
    put_number(w, "variants", known ? 0 : o->variants);
    put_number(w, "quarantined", c->refused);
}

void ingest_delivery_json(const th_ingest *in, const ingest_object *o, int64_t arrival_us,
                          const ingest_blob_place *container, th_buf *out)
{
    th_json_writer w;
    th_json_writer_init(&w, out);
    th_json_begin_object(&w);
    put_text(&w, "name", o->name);
    put_odd_name(&w, o->name);
    put_bucket_and_key(&w, o->name);
    put_slice(&w, "version", header_of(o, "x-amz-version-id"));
    put_sha(&w, "content", &o->sha);
    put_number(&w, "size", o->content.size);
    put_container(&w, o, container);
    put_time(&w, "arrival", arrival_us);
    put_counts(&w, in, o);
    put_text(&w, "who", in->who);
    put_slice(&w, "etag", header_of(o, "etag"));
    put_slice(&w, "last_modified", header_of(o, "last-modified"));
    put_text(&w, "case", in->options.case_id);
    put_text(&w, "acquired_by", in->options.acquired_by);
    put_text(&w, "note", in->options.note);
    put_headers(&w, o);
    th_json_end_object(&w);
}

void ingest_quarantine_json(const th_ingest *in, const ingest_refusal *r, int64_t arrival_us,
                            const ingest_blob_place *blob, th_buf *out)
{
    const ingest_object *o = &in->objects.at[r->object];
    th_json_writer w;
    th_json_writer_init(&w, out);
    th_json_begin_object(&w);
    put_text(&w, "reason", r->reason);
    put_text(&w, "name", o->name);
    put_sha(&w, "content", &o->sha);
    put_number(&w, "offset", r->offset);
    put_number(&w, "size", r->size);
    put_text(&w, "recogniser", ingest_recognisers[in->source].name);
    put_number(&w, "version", ingest_recognisers_version());
    put_time(&w, "arrival", arrival_us);
    put_blob(&w, "blob", blob);
    th_json_end_object(&w);
}
