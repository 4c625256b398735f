/* SPDX-License-Identifier: Apache-2.0
 * A column while its rows arrive: distinct values, and for each row which one it has. A column of which most values are
 * distinct stops comparing and keeps every value. */
#include <stdlib.h>

#include "base/hash.h"
#include "segment/segment_private.h"

#define PROBES_MAX 512u  /* values made to collide end the search: the column turns plain */
#define JUDGE_FROM 2048u /* entries before a column may be called plain */
#define NONE UINT32_MAX

void segment_gather_init(segment_gather *gather, segment_memory *memory)
{
    *gather = (segment_gather){.memory = memory, .special = {NONE, NONE}, .last = NONE};
}

void segment_gather_free(segment_gather *gather)
{
    if (gather->memory == NULL) return;
    segment_shrink(gather->memory, (void **)&gather->codes, &gather->codes_capacity,
                   sizeof(uint32_t));
    segment_shrink(gather->memory, (void **)&gather->entries, &gather->entries_capacity,
                   sizeof(segment_entry));
    segment_shrink(gather->memory, (void **)&gather->text, &gather->text_capacity, 1);
    segment_shrink(gather->memory, (void **)&gather->table, &gather->table_capacity,
                   sizeof(uint32_t));
}

void segment_gather_clear(segment_gather *gather)
{
    gather->entry_count = 0;
    gather->text_size = 0;
    gather->special[0] = gather->special[1] = gather->last = NONE;
    gather->plain = gather->folded = false;
    if (gather->table_capacity > 0)
        memset(gather->table, 0, gather->table_capacity * sizeof(uint32_t));
}

static th_err add_entry(segment_gather *g, uint64_t hash, uint8_t kind, th_slice text,
                        uint32_t *entry)
{
    TH_TRY(segment_grow(g->memory, (void **)&g->entries, &g->entries_capacity, g->entry_count + 1,
                        sizeof(segment_entry)));
    TH_TRY(
        segment_grow(g->memory, (void **)&g->text, &g->text_capacity, g->text_size + text.size, 1));
    if (text.size > 0) memcpy(g->text + g->text_size, text.bytes, text.size);
    g->entries[g->entry_count] =
        (segment_entry){hash, (uint32_t)g->text_size, (uint32_t)text.size, kind};
    g->text_size += text.size;
    *entry = (uint32_t)g->entry_count++;
    return TH_OK;
}

static void put_in_table(segment_gather *g, uint32_t entry)
{
    size_t mask = g->table_capacity - 1;
    size_t slot = (size_t)g->entries[entry].hash & mask;
    while (g->table[slot] != 0) slot = (slot + 1) & mask;
    g->table[slot] = entry + 1;
}

/* Keep the table at most half full. */
static th_err grow_table(segment_gather *g)
{
    if (g->table_capacity >= 2 * (g->entry_count + 1)) return TH_OK;
    size_t wanted = g->table_capacity == 0 ? 64 : g->table_capacity * 2;
    segment_shrink(g->memory, (void **)&g->table, &g->table_capacity, sizeof(uint32_t));
    TH_TRY(
        segment_grow(g->memory, (void **)&g->table, &g->table_capacity, wanted, sizeof(uint32_t)));
    memset(g->table, 0, wanted * sizeof(uint32_t));
    for (uint32_t i = 0; i < g->entry_count; i++)
        if (segment_kind_has_text(g->entries[i].kind)) put_in_table(g, i);
    return TH_OK;
}

static bool entry_is(const segment_gather *g, uint32_t entry, uint8_t kind, th_slice text)
{
    const segment_entry *e = &g->entries[entry];
    return e->kind == kind && th_slice_equal(segment_entry_text(g, e), text);
}

static th_err find_entry(segment_gather *g, uint8_t kind, th_slice text, uint32_t *entry)
{
    TH_TRY(grow_table(g));
    uint64_t hash = th_xxh3_seed(text, kind);
    size_t mask = g->table_capacity - 1, slot = (size_t)hash & mask;
    for (uint32_t probes = 0; g->table[slot] != 0; probes++, slot = (slot + 1) & mask) {
        uint32_t i = g->table[slot] - 1;
        if (g->entries[i].hash == hash && entry_is(g, i, kind, text)) {
            *entry = i;
            return TH_OK;
        }
        if (probes == PROBES_MAX) {
            g->plain = true;
            return add_entry(g, 0, kind, text, entry);
        }
    }
    TH_TRY(add_entry(g, hash, kind, text, entry));
    put_in_table(g, *entry);
    return TH_OK;
}

th_err segment_gather_add(segment_gather *g, uint32_t row, uint8_t kind, th_slice text)
{
    TH_TRY(segment_grow(g->memory, (void **)&g->codes, &g->codes_capacity, (size_t)row + 1,
                        sizeof(uint32_t)));
    uint32_t entry;
    if (!segment_kind_has_text(kind)) {
        uint32_t *special = &g->special[kind == TH_CELL_NULL];
        if (*special == NONE) TH_TRY(add_entry(g, 0, kind, (th_slice){NULL, 0}, special));
        entry = *special;
    } else if (g->plain) {
        TH_TRY(add_entry(g, 0, kind, text, &entry));
    } else if (g->last != NONE && entry_is(g, g->last, kind, text)) {
        entry = g->last;
    } else {
        TH_TRY(find_entry(g, kind, text, &entry));
        g->last = entry;
        g->plain |= g->entry_count >= JUDGE_FROM && g->entry_count > ((size_t)row + 1) / 2;
    }
    g->codes[row] = entry;
    return TH_OK;
}
