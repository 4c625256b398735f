/* SPDX-License-Identifier: Apache-2.0
 * What the files of this folder share: the world (accounts and what is in them), the scene that a template writes from,
 * files of records, and where they go. */
#ifndef TH_GENERATE_PRIVATE_H
#define TH_GENERATE_PRIVATE_H

#include "base/buf.h"
#include "base/time.h"
#include "generate/generate.h"
#include "generate/template.h"

#define GEN_REGIONS_MAX 6u  /* of one account */
#define GEN_ENTITY_MAX 256u /* bytes of one entity's text */
#define GEN_IDENTITY_MAX 3072u
#define GEN_NAME_MAX 128u /* roles, sessions, account names */
#define GEN_FILE_BYTES_MAX (12u << 20)
#define GEN_FILE_RECORDS_MAX 24000u
#define GEN_SLOTS 288u /* of five minutes each */
#define GEN_SLOT_SECONDS 300

/* Entities. */
typedef enum gen_scope { GEN_WORLD, GEN_ACCOUNT, GEN_REGION } gen_scope;
typedef enum gen_entity_kind {
#define ENTITY(name, base, scope, pool, days, text) GEN_ENTITY_##name,
#include "generate/entities.def"
#undef ENTITY
    GEN_ENTITY_COUNT
} gen_entity_kind;
uint32_t gen_entity_find(const char *name); /* GEN_ENTITY_COUNT when there is none */

/* What an account is for decides who is busy in it. */
typedef enum gen_account_kind {
    GEN_PRODUCTION,
    GEN_DEVELOPMENT,
    GEN_DATA,
    GEN_CENTRAL, /* security, logs, networks */
    GEN_ACCOUNT_KIND_COUNT
} gen_account_kind;

typedef struct gen_account {
    uint32_t index;
    uint64_t key; /* everything in the account follows from it */
    char id[13];
    char code[9]; /* letters that the account's access keys and principal ids share */
    gen_account_kind kind;
    uint32_t name; /* index into the names of its kind */
    uint32_t weight;
    uint8_t regions[GEN_REGIONS_MAX]; /* indexes into the table of regions, the home first */
    uint32_t region_count;
} gen_account;

/* Compiled tables and what is the same for all accounts. */
typedef struct gen_world {
    uint64_t seed;
    uint32_t accounts;
    int32_t start_day;
    uint32_t days;
    uint32_t company; /* index into the list of companies */
    th_arena *arena;
    gen_template entities[GEN_ENTITY_COUNT];
} gen_world;

typedef struct gen_region_row {
    const char *name;
    int utc_hours; /* where its people are */
} gen_region_row;
extern const gen_region_row gen_regions[];
extern const uint32_t gen_region_count;
#define GEN_US_EAST_1 0u /* where the records of global services go */

/* Who acts, as the identity templates write it. */
typedef struct gen_actor_state {
    char role[GEN_NAME_MAX], path[GEN_NAME_MAX], session[GEN_NAME_MAX];
    uint64_t session_key; /* the session's credentials follow from it */
    int64_t created_s;
    char address[64];
    uint8_t identity[GEN_IDENTITY_MAX];
    size_t identity_size;
    const gen_template *agent;
    uint64_t agent_key; /* the versions in the user agent follow from it */
} gen_actor_state;

/* What a template writes from. */
struct gen_scene {
    gen_random *random;
    const gen_world *world;
    const gen_account *account;
    const gen_account *peer; /* the other account of what crosses accounts */
    uint32_t region;         /* index into gen_regions */
    int64_t now_s;
    uint32_t now_ms;
    uint64_t pick[GEN_ENTITY_COUNT]; /* 0 = nothing picked yet */
    uint64_t key_seed;               /* the object that is spoken of; 0 = none yet */
    bool key_is_log;                 /* it is a log file that a service delivers */
    gen_actor_state me;
    const char *service, *host, *event, *command; /* of the event that is being written */
};

void gen_scene_forget(gen_scene *scene); /* all picks */

/* Fields, entities, lists of words: NULL when there is no such name. *bound: bytes it writes at most; *list: the
 * alternatives of a list of words, else NULL. */
gen_field_writer gen_field_find(const char *name, size_t *bound, const char **list);
uint8_t *gen_field_entity(gen_scene *scene, const gen_arg *arg, uint8_t *out);
uint8_t *gen_field_new(gen_scene *scene, const gen_arg *arg, uint8_t *out);
uint8_t *gen_field_pick(gen_scene *scene, const gen_arg *arg, uint8_t *out);
uint8_t *gen_field_made(gen_scene *scene, const gen_arg *arg, uint8_t *out);
uint8_t *gen_field_dashed(gen_scene *scene, const gen_arg *arg, uint8_t *out);
/* An entity's text; what is not picked is picked. */
uint8_t *gen_entity_write(gen_scene *scene, uint32_t kind, uint8_t *out);
/* When it came into being, as far as anybody can tell. */
int64_t gen_entity_made(gen_scene *scene, uint32_t kind);
/* An address of somewhere out there that follows from key. */
uint8_t *gen_write_public_address(uint64_t key, uint8_t *out);
uint8_t *gen_write_u64(uint64_t value, uint8_t *out);
uint8_t *gen_write_time(int64_t seconds, uint8_t *out); /* 2025-03-03T10:11:12Z */
static inline uint8_t *gen_put(uint8_t *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}
#define GEN_PUT(out, literal) gen_put((out), (literal), sizeof(literal) - 1)
static inline uint8_t *gen_put_text(uint8_t *out, const char *text)
{
    return gen_put(out, text, strlen(text));
}

const char *gen_fragment_find(const char *name); /* NULL when there is none */
TH_MUST_CHECK th_err gen_world_init(gen_world *world, const th_generate_options *options,
                                    th_diag *diag);
void gen_world_free(gen_world *world);
void gen_account_make(const gen_world *world, uint32_t index, gen_account *out);

/* How busy a class of actors is in an hour of the week at the place of a region: 0 to 1000. */
typedef enum gen_rhythm {
    GEN_OFFICE,
    GEN_STEADY,
    GEN_DAYTIME,
    GEN_NIGHT,
    GEN_RHYTHM_COUNT
} gen_rhythm;
uint32_t gen_rhythm_at(gen_rhythm rhythm, int64_t seconds, uint32_t region);

/* One object to be: records of one account and region. */
typedef struct gen_record {
    int64_t time_s;
    uint32_t offset, size;
} gen_record;
typedef struct gen_file {
    th_generate_source source;
    const gen_account *account;
    uint32_t region;
    int64_t last_s; /* the latest time in it */
    const char
        *layout; /* flow logs: the header line; Config: the type of resource, NULL for a snapshot */
    uint64_t pick; /* names what the file is about: the flow log, the VPC */
    th_buf bytes;
    gen_record *records; /* GEN_FILE_RECORDS_MAX */
    uint32_t count;
} gen_file;

/* Room for a record of at most bound bytes, or NULL: the file is full (write it) or there is no memory. */
uint8_t *gen_file_room(gen_file *file, size_t bound);
void gen_file_add(gen_file *file, int64_t time_s, const uint8_t *end);
TH_MUST_CHECK th_err gen_file_init(gen_file *file, th_diag *diag);
void gen_file_clear(gen_file *file);
void gen_file_free(gen_file *file);

/* Where files go: objects below a folder, or one stream of lines. */
typedef struct gen_out gen_out;
TH_MUST_CHECK th_err gen_out_open(const th_generate_options *options, const gen_world *world,
                                  th_generate_summary *summary, gen_out **out, th_diag *diag);
/* Orders the records roughly by time, names and writes the object, now and then a second time; the file is empty after. */
TH_MUST_CHECK th_err gen_out_write(gen_out *out, gen_file *file, gen_random *random, th_diag *diag);
TH_MUST_CHECK th_err gen_out_flush(gen_out *out, th_diag *diag); /* what a stream still holds */
bool gen_out_is_stream(const gen_out *out);
void gen_out_close(gen_out *out); /* accepts NULL */

/* A part of one day, account and region that a source fills. */
typedef struct gen_unit {
    const gen_world *world;
    const gen_account *account;
    uint32_t region;
    int64_t start_s, end_s; /* of the slot */
    uint64_t bytes;         /* wanted */
    uint64_t slack;         /* so much more is well: a scene need not stop in the middle */
    gen_random *random;
    gen_out *out;
} gen_unit;

/* A source: its share when none is said, bytes of a usual object, whether a slot is a whole day, and how it fills one.
 * fill writes files until about unit->bytes are out. */
typedef struct gen_source_row {
    const char *name;
    uint32_t share;
    uint32_t object_low, object_high;
    gen_rhythm rhythm;
    bool json;
    th_err (*open)(const gen_world *world, void **state, th_diag *diag);
    th_err (*fill)(void *state, const gen_unit *unit, uint64_t *bytes, th_diag *diag);
    th_err (*end)(void *state, const gen_unit *unit, th_diag *diag); /* what is left; may be NULL */
    void (*close)(void *state);
} gen_source_row;
extern const gen_source_row gen_sources[TH_GENERATE_SOURCE_COUNT];

#define GEN_SOURCE(name)                                                                         \
    th_err gen_##name##_open(const gen_world *world, void **state, th_diag *diag);               \
    th_err gen_##name##_fill(void *state, const gen_unit *unit, uint64_t *bytes, th_diag *diag); \
    void gen_##name##_close(void *state);
GEN_SOURCE(trail)
GEN_SOURCE(flow)
GEN_SOURCE(dns)
GEN_SOURCE(items)
GEN_SOURCE(findings)
#undef GEN_SOURCE
th_err gen_trail_end(void *state, const gen_unit *unit, th_diag *diag);

#endif
