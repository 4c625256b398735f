/* SPDX-License-Identifier: Apache-2.0
 * The walk over files and folders, and the sidecars in which `aws s3api head-object` left an object's metadata. */
#include "ingest/walk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "json/json.h"
#include "os/os.h"

enum { DEPTH_MAX = 256, SIDECAR_MAX = 1 << 20, SIDECAR_DEPTH = 16 };

typedef struct walk {
    th_walk_fn fn;
    th_err (*folder)(void *ctx, const char *path, th_diag *diag); /* or NULL */
    void *ctx;
    th_diag *diag;
} walk;

/* One file or folder: where it is, how it is named. */
typedef struct entry {
    const char *path, *name;
    uint32_t depth;
    bool top; /* named by the user: a link is followed */
} entry;

static th_err give_error(walk *w, const entry *e, const char *why)
{
    th_walk_file file = {.path = e->path, .name = e->name, .error = why};
    return w->fn(w->ctx, &file, w->diag);
}

/* ---- sidecars ----------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *member, *header;
} header_names[] = {
    {"ETag", "etag"},
    {"LastModified", "last-modified"},
    {"VersionId", "x-amz-version-id"},
    {"ServerSideEncryption", "x-amz-server-side-encryption"},
    {"SSEKMSKeyId", "x-amz-server-side-encryption-aws-kms-key-id"},
    {"StorageClass", "x-amz-storage-class"},
    {"ReplicationStatus", "x-amz-replication-status"},
    {"ObjectLockMode", "x-amz-object-lock-mode"},
    {"ObjectLockRetainUntilDate", "x-amz-object-lock-retain-until-date"},
    {"ObjectLockLegalHoldStatus", "x-amz-object-lock-legal-hold"},
};

/* ContentType -> content-type, for members that have no other name. */
static th_slice kebab(th_arena *arena, th_slice member)
{
    char *out = th_arena_alloc(arena, member.size * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; out != NULL && i < member.size; i++) {
        uint8_t c = member.bytes[i];
        if (i > 0 && isupper(c) && !isupper(member.bytes[i - 1])) out[n++] = '-';
        out[n++] = (char)tolower(c);
    }
    return th_slice_of(out, n);
}

static th_slice header_name(th_arena *arena, th_slice member)
{
    for (size_t i = 0; i < sizeof(header_names) / sizeof(header_names[0]); i++) {
        if (th_slice_is(member, header_names[i].member))
            return th_slice_text(header_names[i].header);
    }
    return kebab(arena, member);
}

static th_slice header_value(th_arena *arena, th_slice raw)
{
    return th_json_kind_of(raw) == TH_JSON_STRING ? th_json_string(raw, arena) : raw;
}

static size_t add_metadata(th_header *headers, th_slice metadata, th_arena *arena)
{
    th_json_iter it = th_json_iter_of(metadata);
    th_slice key, value;
    size_t n = 0;
    while (it.object && th_json_next(&it, &key, &value)) {
        th_slice text = th_json_key(key, arena);
        char *name = th_arena_printf(arena, "x-amz-meta-%.*s", TH_SLICE_ARGS(text));
        for (char *p = name; p != NULL && *p != '\0'; p++) *p = (char)tolower((unsigned char)*p);
        headers[n++] = (th_header){th_slice_text(name), header_value(arena, value)};
    }
    return n;
}

static size_t count_members(th_slice object)
{
    th_json_iter it = th_json_iter_of(object);
    th_slice key, value;
    size_t n = 0;
    while (it.object && th_json_next(&it, &key, &value)) n++;
    return n;
}

static bool parse_sidecar(th_slice text, th_arena *arena, th_walk_file *file, th_diag *diag)
{
    th_slice object, key, value;
    if (th_json_document(text, SIDECAR_DEPTH, &object, diag) != TH_OK) return false;
    th_slice metadata = th_json_member(object, TH_SLICE("Metadata"));
    th_header *headers =
        TH_NEW_ARRAY(arena, th_header, count_members(object) + count_members(metadata) + 1);
    if (headers == NULL) return false;
    size_t n = add_metadata(headers, metadata, arena);
    th_json_iter it = th_json_iter_of(object);
    while (it.object && th_json_next(&it, &key, &value)) {
        th_slice member = th_json_key(key, arena);
        if (!th_slice_is(member, "Metadata"))
            headers[n++] = (th_header){header_name(arena, member), header_value(arena, value)};
    }
    file->headers = headers;
    file->header_count = n;
    return true;
}

/* Read PATH.head.json where there is one. A bad one is told, and the file goes without. */
static th_err read_sidecar(walk *w, th_arena *arena, const entry *e, th_walk_file *file)
{
    char *path = th_arena_printf(arena, "%s.head.json", e->path);
    if (path == NULL) return th_fail(w->diag, TH_ENOMEM, NULL, "no memory to read a sidecar");
    th_os_stat st;
    if (th_os_stat_path(path, false, &st, NULL) != TH_OK || !st.is_file) return TH_OK;
    th_buf text;
    th_diag own = {0};
    th_buf_init(&text, SIDECAR_MAX);
    bool good = th_os_read_file(path, &text, &own) == TH_OK;
    if (good) good = parse_sidecar(th_arena_copy(arena, th_buf_slice(&text)), arena, file, &own);
    th_buf_free(&text);
    return good ? TH_OK : give_error(w, &(entry){.path = path, .name = e->name}, own.text);
}

static th_err give_file(walk *w, const entry *e, const th_os_stat *st)
{
    th_arena *arena = th_arena_new(16u << 20, NULL);
    if (arena == NULL) return th_fail(w->diag, TH_ENOMEM, NULL, "no memory to walk");
    th_walk_file file = {.path = e->path,
                         .name = e->name,
                         .size = st->size,
                         .mtime_us = st->mtime_us,
                         .device = st->device,
                         .inode = st->inode,
                         .follow = e->top};
    th_err err = read_sidecar(w, arena, e, &file);
    if (err == TH_OK) err = w->fn(w->ctx, &file, w->diag);
    th_arena_free(arena);
    return err;
}

/* ---- folders ------------------------------------------------------------------------------------------------------------ */

static th_err visit(walk *w, const entry *e);

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* FILE.head.json beside FILE is no object of its own. */
static bool is_sidecar(const char *name, const char *const *names, size_t count)
{
    static const char suffix[] = ".head.json";
    char base[TH_PATH_SIZE_MAX];
    size_t size = strlen(name);
    if (size < sizeof(suffix) || strcmp(name + size - sizeof(suffix) + 1, suffix) != 0)
        return false;
    snprintf(base, sizeof(base), "%.*s", (int)(size - sizeof(suffix) + 1), name);
    const char *key = base;
    return bsearch(&key, names, count, sizeof(*names), by_name) != NULL;
}

static const char *join(th_arena *arena, const char *folder, const char *name)
{
    size_t size = strlen(folder);
    return th_arena_printf(arena, "%s%s%s", folder, size > 0 && folder[size - 1] == '/' ? "" : "/",
                           name);
}

static th_err visit_folder(walk *w, const entry *e)
{
    if (e->depth >= DEPTH_MAX) return give_error(w, e, "folders are nested too deep");
    th_arena *arena = th_arena_new(1u << 30, NULL);
    if (arena == NULL) return th_fail(w->diag, TH_ENOMEM, NULL, "no memory to walk");
    const char **names = NULL;
    size_t count = 0;
    th_diag own = {0};
    th_err err = w->folder == NULL ? TH_OK : w->folder(w->ctx, e->path, w->diag);
    if (err == TH_OK && th_os_list_dir(e->path, arena, &names, &count, &own) != TH_OK)
        err = give_error(w, e, own.text);
    for (size_t i = 0; err == TH_OK && i < count; i++) {
        if (is_sidecar(names[i], names, count)) continue;
        entry child = {.path = join(arena, e->path, names[i]), .depth = e->depth + 1};
        child.name = e->name == e->path ? child.path : join(arena, e->name, names[i]);
        err = child.path == NULL || child.name == NULL
                  ? th_fail(w->diag, TH_ENOMEM, NULL, "no memory to walk")
                  : visit(w, &child);
    }
    th_arena_free(arena);
    return err;
}

static th_err visit(walk *w, const entry *e)
{
    th_os_stat st;
    th_diag own = {0};
    if (th_os_stat_path(e->path, e->top, &st, &own) != TH_OK) return give_error(w, e, own.text);
    if (st.is_link) return TH_OK;
    if (st.is_dir) return visit_folder(w, e);
    return st.is_file ? give_file(w, e, &st) : give_error(w, e, "not a regular file");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

th_err th_walk_below(const th_walk_scope *scope, const char *path, th_diag *diag)
{
    walk w = {scope->file, scope->folder, scope->ctx, diag};
    size_t size = strlen(scope->root);
    bool top = path[size] == '\0';
    entry e = {.path = path, .name = path, .top = top};
    if (scope->as_prefix == NULL) return visit(&w, &e);
    th_arena *arena = th_arena_new(1u << 20, NULL);
    if (arena == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to walk");
    th_os_stat st;
    e.name = scope->as_prefix;
    if (!top) {
        e.name = join(arena, scope->as_prefix, path + size + (path[size] == '/'));
    } else if (th_os_stat_path(path, true, &st, NULL) == TH_OK && !st.is_dir) {
        /* The prefix names the folder; a single file lies below it. */
        e.name = join(arena, scope->as_prefix, base_name(path));
    }
    th_err err =
        e.name == NULL ? th_fail(diag, TH_ENOMEM, NULL, "no memory to walk") : visit(&w, &e);
    th_arena_free(arena);
    return err;
}

th_err th_walk(const char *path, const char *as_prefix, th_walk_fn fn, void *ctx, th_diag *diag)
{
    th_walk_scope scope = {.root = path, .as_prefix = as_prefix, .file = fn, .ctx = ctx};
    return th_walk_below(&scope, path, diag);
}
