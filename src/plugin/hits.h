/* SPDX-License-Identifier: Apache-2.0
 * What hits.c gathers and settle.c commits.
 *
 * The plugin's own file remembers, by finding, what its body was computed from ('f' key), which pieces of evidence were
 * counted ('e' key identity), which tags were given ('t' digest), the plugin's own state ('s' key), and three marks: "c" the
 * cursor, "l" the position of the last commit of findings, "r" up to where a lost file is being made again. */
#ifndef TH_PLUGIN_HITS_H
#define TH_PLUGIN_HITS_H

#include "base/map.h"
#include "plugin/host_private.h"

#define HITS_KEY_SIZE 32u

/* Head of an 'f' value; the texts of the first piece of evidence follow, each with its size. */
typedef struct stored_finding {
    th_finding_state state;
    uint64_t has_time; /* 0: of undated records */
    th_sha256 body;    /* of the last body that was stored */
} stored_finding;

typedef struct open_finding {
    char key[HITS_KEY_SIZE + 1];
    stored_finding stored;
    th_finding_hit
        hit; /* texts of the first piece of evidence, so that the body does not depend on order of arrival */
    bool changed;
} open_finding;

typedef struct new_row {
    const th_stored_table *table;
    th_slice bytes;
    bool known; /* already in the log, from before a crash or before the file was lost */
} new_row;

/* Values of the map `seen`. */
enum { SEEN_NEW, SEEN_STORED };

struct hit_list {
    th_plugin_host *host;
    th_arena *arena;
    th_map *findings; /* key -> index */
    open_finding *open;
    size_t open_count, open_room;
    th_map *seen;  /* names of evidence and tags of this stretch -> is it in the file already? */
    th_map *state; /* plugin's keys -> index of puts */
    wire_put *puts;
    size_t put_count, put_room;
    new_row *rows;
    size_t row_count, row_room;
};

/* Prefix, a, b as one key; bytes NULL: no memory. */
th_slice hits_name(th_arena *arena, char prefix, th_slice a, th_slice b);
TH_MUST_CHECK th_err hits_add_row(hit_list *list, const th_stored_table *table, th_slice bytes);
/* An 'f' value. */
TH_MUST_CHECK th_err hits_encode(const open_finding *f, th_arena *arena, th_slice *out);

#endif
