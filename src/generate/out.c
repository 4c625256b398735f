/* SPDX-License-Identifier: Apache-2.0
 * Where files go: as gzip'd objects under the keys that AWS gives them, or as lines of one stream. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/assert.h"
#include "generate/write.h"
#include "os/os.h"

enum {
    TEXT_MAX = GEN_FILE_BYTES_MAX + (1 << 20),
    STREAM_BYTES = 1 << 20,
    PATH_BYTES = 4096,
    JITTER_SECONDS = 12, /* records of a file stand nearly in order of time */
    AGAIN_ONE_OF = 150,  /* objects that are delivered a second time */
    LATE_ONE_OF = 120,   /* objects that come hours or a day later */
    LATE_SECONDS = 30 * 3600,
    DELAY_SECONDS = 420
};

typedef struct layout {
    const char *name, *before, *between, *after;
} layout;

static const layout layouts[TH_GENERATE_SOURCE_COUNT] = {
    [TH_GENERATE_CLOUDTRAIL] = {"AWSLogs/<acct>/CloudTrail/<region>/<day:/>/"
                                "<acct>_CloudTrail_<region>_<now.minute>_<alnum:16>.json.gz",
                                "{\"Records\":[", ",", "]}"},
    [TH_GENERATE_VPC_FLOW] = {"AWSLogs/<acct>/vpcflowlogs/<region>/<day:/>/"
                              "<acct>_vpcflowlogs_<region>_<flow_log>_<now.minute>_<hex:8>.log.gz",
                              "", "\n", "\n"},
    [TH_GENERATE_DNS] = {"AWSLogs/<acct>/vpcdnsquerylogs/<vpc>/<day:/>/"
                         "<vpc>_vpcdnsquerylogs_<acct>_<now.minute>_<hex:8>.log.gz",
                         "", "\n", "\n"},
    [TH_GENERATE_CONFIG] = {"AWSLogs/<acct>/Config/<region>/<day.short>/",
                            "{\"fileVersion\":\"1.0\",\"configurationItems\":[", ",", "]}"},
    [TH_GENERATE_FINDINGS] = {"AWSLogs/<acct>/SecurityHub/<region>/<day:/>/"
                              "<acct>_SecurityHub_<region>_<now.minute>_<alnum:16>.json.gz",
                              "{\"Findings\":[", ",", "]}"},
};
static const char history_name[] =
    "<acct>_Config_<region>_ConfigHistory_<event>_<now.stamp>_<now.stamp>_1.json.gz";
static const char snapshot_name[] =
    "<acct>_Config_<region>_ConfigSnapshot_<now.stamp>_<uuid>.json.gz";

struct gen_out {
    const th_generate_options *options;
    const gen_world *world;
    th_generate_summary *summary;
    gen_template names[TH_GENERATE_SOURCE_COUNT], history, snapshot;
    th_buf text;   /* the object, not compressed; of a stream: what is not written yet */
    th_buf packed; /* the object, compressed */
    z_stream gzip;
    bool gzip_open, header_written;
    char folder[PATH_BYTES]; /* the last one made */
    gen_record *order;
};

static th_err compile_names(gen_out *o, th_diag *diag)
{
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++)
        TH_TRY(gen_template_compile(layouts[i].name, o->world->arena, &o->names[i], diag));
    TH_TRY(gen_template_compile(history_name, o->world->arena, &o->history, diag));
    return gen_template_compile(snapshot_name, o->world->arena, &o->snapshot, diag);
}

static th_err open_gzip(gen_out *o, th_diag *diag)
{
    if (o->options->folder == NULL) return TH_OK;
    /* 15 + 16: the largest window, with a gzip header, whose time is 0. */
    if (deflateInit2(&o->gzip, o->options->level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to compress");
    o->gzip_open = true;
    return TH_OK;
}

th_err gen_out_open(const th_generate_options *options, const gen_world *world,
                    th_generate_summary *summary, gen_out **out, th_diag *diag)
{
    gen_out *o = calloc(1, sizeof(*o));
    if (o == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to write");
    o->options = options;
    o->world = world;
    o->summary = summary;
    th_buf_init(&o->text, TEXT_MAX);
    th_buf_init(&o->packed, TEXT_MAX);
    o->order = calloc(GEN_FILE_RECORDS_MAX, sizeof(*o->order));
    th_err err = o->order == NULL ? th_fail(diag, TH_ENOMEM, NULL, "no memory to write") : TH_OK;
    if (err == TH_OK) err = compile_names(o, diag);
    if (err == TH_OK) err = open_gzip(o, diag);
    if (err == TH_OK)
        *out = o;
    else
        gen_out_close(o);
    return err;
}

void gen_out_close(gen_out *o)
{
    if (o == NULL) return;
    if (o->gzip_open) deflateEnd(&o->gzip);
    th_buf_free(&o->text);
    th_buf_free(&o->packed);
    free(o->order);
    free(o);
}

bool gen_out_is_stream(const gen_out *o)
{
    return o->options->folder == NULL;
}

static int compare_records(const void *a, const void *b)
{
    const gen_record *x = a, *y = b;
    if (x->time_s != y->time_s) return x->time_s < y->time_s ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* In o->order, nearly by time. */
static void order_records(gen_out *o, const gen_file *file, gen_random *r)
{
    for (uint32_t i = 0; i < file->count; i++) {
        o->order[i] = file->records[i];
        o->order[i].time_s += gen_below(r, JITTER_SECONDS);
    }
    qsort(o->order, file->count, sizeof(*o->order), compare_records);
}

static void add_records(gen_out *o, const gen_file *file, const char *between)
{
    size_t size = strlen(between);
    for (uint32_t i = 0; i < file->count; i++) {
        if (i > 0) th_buf_add(&o->text, between, size);
        th_buf_add(&o->text, file->bytes.bytes + o->order[i].offset, o->order[i].size);
        o->summary->record_bytes += o->order[i].size;
    }
    o->summary->records += file->count;
}

th_err gen_out_flush(gen_out *o, th_diag *diag)
{
    if (o->options->folder != NULL || o->text.size == 0) return TH_OK;
    th_err err = o->options->write(o->options->ctx, th_buf_slice(&o->text), diag);
    th_buf_clear(&o->text);
    return err;
}

static th_err write_stream(gen_out *o, const gen_file *file, th_diag *diag)
{
    if (file->source == TH_GENERATE_VPC_FLOW && !o->header_written) {
        th_buf_add_text(&o->text, file->layout);
        th_buf_add_byte(&o->text, '\n');
    }
    o->header_written = true;
    add_records(o, file, "\n");
    th_buf_add_byte(&o->text, '\n');
    if (th_buf_error(&o->text) != TH_OK)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to write");
    return o->text.size >= STREAM_BYTES ? gen_out_flush(o, diag) : TH_OK;
}

static th_err pack(gen_out *o, th_diag *diag)
{
    th_buf_clear(&o->packed);
    deflateReset(&o->gzip);
    size_t room = deflateBound(&o->gzip, o->text.size);
    uint8_t *to = th_buf_reserve(&o->packed, room);
    if (to == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to compress");
    o->gzip.next_in = o->text.bytes;
    o->gzip.avail_in = (uInt)o->text.size;
    o->gzip.next_out = to;
    o->gzip.avail_out = (uInt)room;
    if (deflate(&o->gzip, Z_FINISH) != Z_STREAM_END)
        return th_fail(diag, TH_EIO, NULL, "zlib did not compress");
    th_buf_grow(&o->packed, room - o->gzip.avail_out);
    return TH_OK;
}

/* The key under which AWS would deliver the file. */
static size_t name_file(gen_out *o, const gen_file *file, gen_random *r, uint8_t *out)
{
    gen_scene s = {.random = r,
                   .world = o->world,
                   .account = file->account,
                   .peer = file->account,
                   .region = file->region};
    s.now_s = file->last_s + 60 + gen_below(r, DELAY_SECONDS);
    if (gen_below(r, LATE_ONE_OF) == 0) s.now_s += 3600 + gen_below(r, LATE_SECONDS);
    s.pick[GEN_ENTITY_flow_log] = s.pick[GEN_ENTITY_vpc] = file->pick;
    uint8_t *end = gen_template_run(&o->names[file->source], &s, out);
    if (file->source == TH_GENERATE_CONFIG) {
        s.event = file->layout;
        end =
            file->layout != NULL ? GEN_PUT(end, "ConfigHistory/") : GEN_PUT(end, "ConfigSnapshot/");
        end = gen_template_run(file->layout != NULL ? &o->history : &o->snapshot, &s, end);
    }
    *end = '\0';
    return (size_t)(end - out);
}

static th_err make_folder(gen_out *o, const char *path, th_diag *diag)
{
    const char *slash = strrchr(path, '/');
    size_t size = (size_t)(slash - path);
    if (strlen(o->folder) == size && memcmp(o->folder, path, size) == 0) return TH_OK;
    memcpy(o->folder, path, size);
    o->folder[size] = '\0';
    return th_os_mkdirs(o->folder, 0777, diag);
}

static th_err write_object(gen_out *o, const gen_file *file, gen_random *r, th_diag *diag)
{
    char path[PATH_BYTES];
    uint8_t key[GEN_FIELD_MAX];
    TH_ASSERT(o->names[file->source].bound + o->history.bound + o->snapshot.bound + 64 <=
              sizeof(key));
    name_file(o, file, r, key);
    int size = snprintf(path, sizeof(path), "%s/%s", o->options->folder, (const char *)key);
    if (size < 0 || (size_t)size >= sizeof(path))
        return th_fail(diag, TH_EINVAL, NULL, "the folder's name is too long");
    TH_TRY(make_folder(o, path, diag));
    int fd = th_os_open(path, O_WRONLY | O_CREAT | O_EXCL, 0666, diag);
    if (fd < 0) return diag == NULL || diag->code == TH_OK ? TH_EIO : diag->code;
    th_err err = th_os_write_all(fd, th_buf_slice(&o->packed), diag);
    th_os_close(fd);
    o->summary->objects++;
    o->summary->object_bytes += o->packed.size;
    return err;
}

static th_err write_objects(gen_out *o, const gen_file *file, gen_random *r, th_diag *diag)
{
    th_buf_clear(&o->text);
    if (file->source == TH_GENERATE_VPC_FLOW) {
        th_buf_add_text(&o->text, file->layout);
        th_buf_add_byte(&o->text, '\n');
    }
    th_buf_add_text(&o->text, layouts[file->source].before);
    add_records(o, file, layouts[file->source].between);
    th_buf_add_text(&o->text, layouts[file->source].after);
    if (th_buf_error(&o->text) != TH_OK)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory to write");
    TH_TRY(pack(o, diag));
    TH_TRY(write_object(o, file, r, diag));
    if (gen_below(r, AGAIN_ONE_OF) != 0) return TH_OK;
    o->summary->repeated += file->count;
    return write_object(o, file, r, diag);
}

th_err gen_out_write(gen_out *o, gen_file *file, gen_random *r, th_diag *diag)
{
    if (file->count == 0) return TH_OK;
    order_records(o, file, r);
    th_err err =
        o->options->folder == NULL ? write_stream(o, file, diag) : write_objects(o, file, r, diag);
    gen_file_clear(file);
    return err;
}
