/* SPDX-License-Identifier: Apache-2.0
 * An object on its way into the batch: container, content, hashes, headers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/limits.h"
#include "ingest/ingest_private.h"
#include "ingest/object.h"
#include "os/os.h"

enum { CANCEL_POLL_MS = 100, READ_STEP = 256 << 10, TRAILING_MAX = 16 << 20 };

typedef struct sink {
    ingest_slurp *slurp;
    th_diag *diag;
} sink;

static th_err take_bytes(void *ctx, th_slice bytes)
{
    sink *s = ctx;
    return ingest_slurp_add(s->slurp, bytes, s->diag);
}

static th_err copy_headers(th_ingest *in, ingest_object *o, const th_header *headers, size_t count)
{
    o->headers = TH_NEW_ARRAY(in->arena, th_header, count + 1);
    if (o->headers == NULL) return TH_ELIMIT;
    for (size_t i = 0; i < count; i++) {
        o->headers[i].name = th_arena_copy(in->arena, headers[i].name);
        o->headers[i].value = th_arena_copy(in->arena, headers[i].value);
        if (o->headers[i].name.bytes == NULL || o->headers[i].value.bytes == NULL) return TH_ELIMIT;
    }
    o->header_count = count;
    return TH_OK;
}

static th_err keep_trailing(th_ingest *in, ingest_object *o, th_slice container, uint64_t consumed)
{
    o->container_used = consumed;
    th_slice trailing = th_slice_of(container.bytes + consumed, container.size - (size_t)consumed);
    if (trailing.size == 0) return TH_OK;
    o->trailing = th_arena_copy(in->arena, trailing);
    o->container_problem = "bytes after the gzip stream";
    return o->trailing.bytes == NULL ? TH_ELIMIT : TH_OK;
}

/* Straight into the memory that it will stay in, where that is possible. */
static th_err inflate_simple(th_ingest *in, ingest_object *o, th_slice container,
                             const ingest_inflate_limits *limits, ingest_inflated *out, bool *done,
                             th_diag *diag)
{
    uint64_t size = ingest_inflate_size(container, limits);
    *done = false;
    if (size > in->memory_max) return ingest_slurp_reserve(&o->store, size, diag);
    if (size == 0) return TH_OK;
    if (in->inflate_state == NULL) in->inflate_state = ingest_inflate_state();
    if (in->inflate_state == NULL) return TH_ENOMEM;
    TH_TRY(ingest_slurp_reserve(&o->store, size, diag));
    *done = ingest_inflate_simple(in->inflate_state, container, o->store.bytes, (size_t)size, out);
    if (*done) o->store.size = (size_t)size;
    return TH_OK;
}

/* The container inflated into o->store, or why it cannot be. */
static th_err inflate(th_ingest *in, ingest_object *o, th_slice container, th_diag *diag)
{
    ingest_inflated inflated;
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    sink out = {&o->store, diag};
    bool done;
    TH_TRY(inflate_simple(in, o, container, &limits, &inflated, &done, diag));
    if (!done)
        TH_TRY(ingest_inflate(INGEST_ENGINE_ISAL, container, &limits, take_bytes, &out, &inflated));
    if (inflated.problem == NULL && container.size - inflated.consumed > TRAILING_MAX)
        inflated.problem = "gzip: more than 16 MiB after the gzip stream";
    if (inflated.problem != NULL) {
        ingest_slurp_free(&o->store);
        o->problem = o->container_problem = inflated.problem;
        return TH_OK;
    }
    o->gzipped = true;
    o->gzip = inflated.gzip;
    o->gzip.name = th_arena_copy(in->arena, inflated.gzip.name);
    TH_TRY(keep_trailing(in, o, container, inflated.consumed));
    if (in->options.containers_exact && container.size <= INGEST_BATCH_BYTES_MAX) {
        o->container = th_arena_copy(in->arena, container);
        if (o->container.bytes == NULL) return TH_ELIMIT;
    }
    return TH_OK;
}

/* For an object's bytes. */
static void init_slurp(th_ingest *in, ingest_slurp *slurp)
{
    ingest_slurp_init(slurp, in->tmp_dir, in->memory_max, &in->spare);
    ingest_slurp_large(slurp, ingest_has_helpers(in));
}

static th_err fill_content(th_ingest *in, ingest_object *o, th_slice container, ingest_slurp *owned,
                           th_diag *diag)
{
    o->container_size = container.size;
    if (owned == NULL || !ingest_slurp_sha(owned, &o->container_sha))
        o->container_sha = th_sha256_of(container);
    if (ingest_is_gzip(container)) TH_TRY(inflate(in, o, container, diag));
    if (!o->gzipped && owned != NULL) {
        o->store = *owned;
        init_slurp(in, owned);
    } else if (!o->gzipped) {
        TH_TRY(ingest_slurp_add(&o->store, container, diag));
    }
    TH_TRY(ingest_slurp_finish(&o->store, &o->content, diag));
    return TH_OK;
}

static th_err fill_object(th_ingest *in, ingest_object *o, const th_object_input *input,
                          ingest_slurp *owned, th_diag *diag)
{
    th_slice name = th_arena_copy(in->arena, th_slice_text(input->name));
    if (name.bytes == NULL) return TH_ELIMIT;
    o->name = (const char *)name.bytes;
    TH_TRY(copy_headers(in, o, input->headers, input->header_count));
    return fill_content(in, o, input->bytes, owned, diag);
}

void ingest_object_forget(ingest_object *o)
{
    if (o->has_recipe) ingest_recipe_free(&o->recipe);
    if (o->moved != NULL) ingest_log_free(o->moved);
    free(o->moved);
    o->has_recipe = false;
    o->moved = NULL;
    o->draft = (th_slice){0};
}

static void free_object(ingest_object *o)
{
    ingest_slurp_free(&o->store);
    ingest_object_forget(o);
}

void ingest_forget_batch(th_ingest *in)
{
    for (uint32_t i = 0; i < in->objects.count; i++) free_object(&in->objects.at[i]);
    in->objects.count = 0;
    in->object_bytes = 0;
    ingest_stage_clear(in);
    in->window.items.count = 0;
    th_arena_reset(in->window.arena);
    th_arena_reset(in->arena);
}

th_err ingest_identify_objects(th_ingest *in)
{
    th_map *by_content = th_map_new(in->arena);
    if (by_content == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < in->objects.count; i++) {
        ingest_object *o = &in->objects.at[i];
        o->sha = o->container_sha;
        if (o->gzipped && !ingest_slurp_sha(&o->store, &o->sha)) o->sha = th_sha256_of(o->content);
        o->fingerprint = th_store_fingerprint(in->store, th_slice_of(o->sha.bytes, TH_SHA256_SIZE));
        bool added = false;
        uint64_t *slot =
            th_map_put(by_content, th_slice_of(o->sha.bytes, TH_SHA256_SIZE), i, &added);
        if (slot == NULL) return TH_ENOMEM;
        o->same = added ? INGEST_NONE : (uint32_t)*slot;
    }
    return TH_OK;
}

static th_err add_to_batch(th_ingest *in, ingest_object *o)
{
    TH_TRY(INGEST_GROW(in->objects));
    in->objects.at[in->objects.count++] = *o;
    in->object_bytes += o->content.size;
    return TH_OK;
}

static uint64_t expected_size(th_slice container)
{
    ingest_inflate_limits limits = ingest_inflate_limits_default();
    return ingest_is_gzip(container) ? ingest_inflate_size(container, &limits) : container.size;
}

/* owned: the slurp that holds input->bytes, to be taken over where the container is the content; or NULL. */
static th_err take_object(th_ingest *in, const th_object_input *input, ingest_slurp *owned,
                          th_diag *diag)
{
    if (input->name == NULL || strlen(input->name) > TH_NAME_SIZE_MAX)
        return th_fail(diag, TH_EINVAL, NULL, "the name of an object is longer than %u bytes",
                       TH_NAME_SIZE_MAX);
    /* What is too large for the batch in hand lets it go first. */
    uint64_t expected = expected_size(input->bytes);
    if (in->objects.count > 0 && expected + in->object_bytes > in->window_bytes)
        TH_TRY(th_ingest_commit(in, diag));
    ingest_object o = {.same = INGEST_NONE};
    init_slurp(in, &o.store);
    th_err err = fill_object(in, &o, input, owned, diag);
    bool large = o.content.size + in->object_bytes > in->window_bytes;
    if (err == TH_OK && large && in->objects.count > 0) {
        /* It did not say so beforehand. The arena goes with the batch: this object is then taken again. */
        if (owned != NULL && !o.gzipped) {
            *owned = o.store;
            init_slurp(in, &o.store);
        }
        free_object(&o);
        TH_TRY(th_ingest_commit(in, diag));
        return TH_EAGAIN;
    }
    if (err == TH_OK) err = add_to_batch(in, &o);
    if (err != TH_OK) {
        free_object(&o);
        return th_fail(diag, err, NULL, "cannot take %s: %s", input->name, th_err_text(err));
    }
    bool full = in->object_bytes >= in->batch_bytes || in->objects.count >= in->batch_objects;
    return full ? th_ingest_commit(in, diag) : TH_OK;
}

th_err th_ingest_object(th_ingest *in, const th_object_input *object, th_diag *diag)
{
    th_err err = take_object(in, object, NULL, diag);
    return err == TH_EAGAIN ? take_object(in, object, NULL, diag) : err;
}

/* A terminal or pipe may stay silent for ever: Ctrl-C must end that, too. */
static th_err wait_for_bytes(const th_ingest *in, int fd, th_diag *diag)
{
    while (in->cancel != NULL) {
        if (*in->cancel != 0) return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, CANCEL_POLL_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR)) break; /* reading tells what is wrong */
    }
    return TH_OK;
}

static th_err read_all(th_ingest *in, ingest_slurp *slurp, int fd, th_diag *diag)
{
    if (in->read_buffer == NULL) in->read_buffer = th_arena_alloc(in->kept, READ_STEP);
    if (in->read_buffer == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to read with");
    for (;;) {
        TH_TRY(wait_for_bytes(in, fd, diag));
        size_t got = 0, room = slurp->fd < 0 ? slurp->capacity - slurp->size : 0;
        /* Straight into the place where there is one: it was reserved by the file's size. */
        uint8_t *to = room > 0 ? slurp->bytes + slurp->size : in->read_buffer;
        TH_TRY(th_os_read(fd, to, room > 0 && room < READ_STEP ? room : READ_STEP, &got, diag));
        if (got == 0) return TH_OK;
        if (room > 0)
            slurp->size += got;
        else
            TH_TRY(ingest_slurp_add(slurp, th_slice_of(to, got), diag));
        ingest_progress_add(in, 0, got);
    }
}

th_err ingest_read_object(th_ingest *in, const char *name, int fd, uint64_t size_hint,
                          const th_header *headers, size_t header_count, bool *unreadable,
                          th_diag *diag)
{
    ingest_slurp container;
    init_slurp(in, &container);
    th_object_input input = {.name = name, .headers = headers, .header_count = header_count};
    th_err err = TH_OK;
    /* One more than it has, so that its end is seen without another buffer. */
    if (size_hint > 0) err = ingest_slurp_reserve(&container, size_hint + 1, diag);
    if (err == TH_OK) err = read_all(in, &container, fd, diag);
    *unreadable = err == TH_EIO || err == TH_EPERM;
    if (err == TH_OK) err = ingest_slurp_finish(&container, &input.bytes, diag);
    if (err == TH_OK) {
        err = take_object(in, &input, &container, diag);
        if (err == TH_EAGAIN) err = take_object(in, &input, &container, diag);
    }
    ingest_slurp_free(&container);
    return err;
}

th_err th_ingest_stream(th_ingest *in, const char *name, int fd, const th_header *headers,
                        size_t header_count, th_diag *diag)
{
    bool unreadable;
    return ingest_read_object(in, name, fd, 0, headers, header_count, &unreadable, diag);
}
