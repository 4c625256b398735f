/* SPDX-License-Identifier: Apache-2.0
 * What the files of aggregation share. */
#ifndef TH_QUERY_OP_AGG_H
#define TH_QUERY_OP_AGG_H

#include "query/fn/aggregate.h"
#include "query/op/op.h"
#include "query/op/valueset.h"

#define AGG_CODED_KEYS 4u

/* Which (group, dictionary entry) pairs an aggregate has met, for those to which a value twice is a value once. */
typedef struct agg_met {
    uint64_t source;
    th_arena *arena; /* NULL until needed */
    uint64_t **bits; /* of each group: a bit an entry */
    uint32_t groups; /* that bits has room for */
} agg_met;

typedef struct agg_state {
    const th_agg_call *call;
    th_agg_context context;
    th_eval **args, **order;
    th_eval *filter;
    size_t offset;     /* of this aggregate's block in a group's state */
    valueset distinct; /* group and arguments */
    th_value *rows;    /* ORDER BY: group, arguments, keys, a row each */
    uint32_t row_count, row_capacity, row_width;
    th_vector *vectors; /* arguments of the current batch */
    th_vector *order_vectors;
    bool ranks;                /* percentiles of numbers: values count as often as they came */
    uint64_t weighed;          /* the dictionary that counts are of; 0: none */
    th_vector weighed_entries; /* its entries; met.bits are counts, four bytes an entry */
    bool repeats;              /* a value that came before changes nothing */
    agg_met met;
} agg_state;

/* Groups by the codes of their keys, as long as batches come with the same dictionaries. */
typedef struct agg_codes {
    uint64_t sources[AGG_CODED_KEYS];
    th_value constants[AGG_CODED_KEYS]; /* of keys that are the same for all rows */
    th_arena *arena;                    /* NULL until needed */
    uint32_t *known;                    /* by codes: group, or UINT32_MAX; when there are few */
    uint64_t *keys;                     /* else a hash table: codes + 1, 0 = free */
    uint32_t *groups;
    uint32_t mask, used;
} agg_codes;

typedef struct agg_op {
    th_op op;
    th_arena *arena, *input_arena;
    th_eval **keys;
    agg_state *aggs;
    valueset groups;
    uint8_t *states;
    size_t stride;
    uint32_t state_capacity, at;
    agg_codes codes;
    bool done;
    /* A worker's: */
    th_op *scan;     /* NULL: not one of several */
    uint64_t *first; /* of each group: its segment, and its number among the worker's groups */
    uint32_t first_room;
    struct agg_spill *spilled; /* NULL: nothing is on disk */
} agg_op;

/* aggregate.c: all rows of the input into groups; and the state that they go to. */
th_err agg_consume_rows(agg_op *g);
th_err agg_open_state(agg_op *g);
void agg_close_state(agg_op *g);
bool agg_grow_states(agg_op *g);

/* agg_spill.c. agg_check_room: may new groups come? When agg_is_full, agg_known_groups leaves in *in the rows of groups
 * that are there, and puts the others down. At the end agg_next_part starts anew with a part of those. */
th_err agg_check_room(agg_op *g);
bool agg_is_full(const agg_op *g);
bool agg_reads_part(const agg_op *g);
th_err agg_next_rows(agg_op *g, const th_batch **out);
th_err agg_known_groups(agg_op *g, const th_batch **in, uint32_t *groups);
th_err agg_end_parts(agg_op *g);
bool agg_parts_left(const agg_op *g);
th_err agg_next_part(agg_op *g);
void agg_spill_close(agg_op *g);
/* agg_parallel.c: *done: all rows were consumed, by several threads; else none was. */
th_err agg_consume_parallel(agg_op *g, bool *done);
/* agg_merge.c */
bool agg_can_merge(const th_plan *plan);
th_err agg_merge(agg_op *g, agg_op *const *workers, uint32_t count);

/* Groups of the rows by the codes of their keys. *done false: the keys are no dictionaries, or not of the kind. */
th_err agg_groups_by_codes(agg_op *g, const th_vector *keys, uint32_t rows, uint32_t *out,
                           bool *done);
/* Rows of which the aggregate has not met the argument in their group: all that it needs to be given. *done false: no
 * dictionary, or too many of either. */
th_err agg_first_met(agg_op *g, agg_state *a, const uint32_t *groups, const uint32_t *rows,
                     uint32_t count, const uint32_t **out, uint32_t *out_count, bool *done);
/* count(x) of dictionaries. */
bool agg_count_codes(const agg_op *g, const agg_state *a, const uint32_t *groups, uint32_t rows);
/* Percentiles: rows are counted by group and entry. *done false: give it the rows. agg_flush gives it what was counted. */
th_err agg_weigh(agg_op *g, agg_state *a, const uint32_t *groups, const uint32_t *rows,
                 uint32_t count, bool *done);
th_err agg_flush(agg_op *g, agg_state *a);
bool agg_ranks(const th_agg_call *call);
/* Does an aggregate take a value twice as once? */
bool agg_repeats(const th_agg_call *call);
void agg_codes_close(agg_op *g);

#endif
