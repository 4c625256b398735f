/* SPDX-License-Identifier: Apache-2.0
 * Which rows go into which new sealed file: sparse neighbouring days share one, days with many generations get one. */
#include <stdlib.h>

#include "base/time.h"
#include "store/store_private.h"

/* One day of a table in the journals, or a sealed file. */
typedef struct piece {
    uint16_t table;
    int32_t first_day, last_day;
    uint64_t bytes;
    store_file *file; /* NULL: rows of journals */
} piece;

typedef struct planner {
    const store_plan_rules *rules;
    bool with_journals;
    piece *pieces;
    uint32_t count, capacity;
    th_arena *arena;
    store_group *groups;
    uint32_t group_count;
} planner;

static th_err add_piece(planner *p, const piece *add)
{
    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity == 0 ? 256 : p->capacity * 2;
        piece *bigger = realloc(p->pieces, capacity * sizeof(*bigger));
        if (bigger == NULL) return TH_ENOMEM;
        p->pieces = bigger;
        p->capacity = capacity;
    }
    p->pieces[p->count++] = *add;
    return TH_OK;
}

static th_err add_journal(planner *p, store_file *file)
{
    store_journal *j = file->journal;
    th_err err = TH_OK;
    pthread_rwlock_rdlock(&j->lock);
    for (uint32_t i = 0; i < j->day_count && err == TH_OK; i++) {
        piece add = {
            .table = j->days[i].table, .first_day = j->days[i].day, .last_day = j->days[i].day};
        for (uint32_t k = 0; k < j->days[i].count; k++)
            add.bytes += STORE_HEADER + j->entries[j->days[i].list[k]].payload_bytes;
        err = add_piece(p, &add);
    }
    pthread_rwlock_unlock(&j->lock);
    return err;
}

static bool is_good(const store_file *file)
{
    return !atomic_load(&file->unmergeable) && !atomic_load(&file->damaged);
}

/* Sealed files that may still be merged. */
static bool is_open(const store_file *file)
{
    return file->info.kind == STORE_SEALED && file->info.bytes < STORE_PART_DONE && is_good(file);
}

static bool is_compact(const store_file *file)
{
    return (file->info.flags & STORE_FILE_COMPACT) != 0;
}

static bool is_wanted(const planner *p, const store_file *file)
{
    return is_open(file) && file->info.last_lsn <= p->rules->last_lsn_max &&
           (!p->rules->small_only || file->info.bytes < STORE_PART_SMALL);
}

static th_err add_sealed(planner *p, const store_files *files)
{
    for (uint32_t i = files->journals; i < files->count; i++) {
        store_file *file = files->files[i];
        piece add = {file->info.table, file->info.first_day, file->info.last_day, file->info.bytes,
                     file};
        if (is_wanted(p, file)) TH_TRY(add_piece(p, &add));
    }
    return TH_OK;
}

static int piece_order(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    if (x->first_day != y->first_day) return x->first_day < y->first_day ? -1 : 1;
    return x->last_day < y->last_day ? -1 : x->last_day > y->last_day;
}

/* The days that a group covers, files included. */
typedef struct span {
    int32_t first, last;
} span;

static bool joins(const planner *p, const store_group *group, const span *days, const piece *add)
{
    if (!p->with_journals && group->bytes + add->bytes > STORE_GROUP_BYTES) return false;
    if (group->table != add->table ||
        (days->last == TH_DAY_UNDATED) != (add->first_day == TH_DAY_UNDATED))
        return false;
    if (add->first_day <= days->last) return true;
    return group->bytes < STORE_PART_SMALL &&
           (int64_t)add->last_day - days->first < STORE_PART_DAYS;
}

static th_err add_file(planner *p, store_group *group, store_file *file)
{
    /* Room for all that can come, once: groups are few and lists short. */
    if (group->files == NULL) group->files = TH_NEW_ARRAY(p->arena, store_file *, p->count + 1);
    if (group->files == NULL) return TH_ELIMIT;
    group->files[group->file_count++] = file;
    return TH_OK;
}

static th_err add_to_group(planner *p, store_group *group, span *days, const piece *add)
{
    if (add->last_day > days->last) days->last = add->last_day;
    group->bytes += add->bytes;
    if (add->file != NULL) return add_file(p, group, add->file);
    if (!group->has_journal) group->first_day = add->first_day;
    group->has_journal = true;
    group->last_day = add->last_day;
    return TH_OK;
}

/* Sweep over the sorted pieces. */
static th_err make_groups(planner *p)
{
    p->groups = TH_NEW_ARRAY(p->arena, store_group, p->count + 1);
    if (p->groups == NULL) return TH_ELIMIT;
    span days = {0, 0};
    for (uint32_t i = 0; i < p->count; i++) {
        const piece *add = &p->pieces[i];
        if (p->group_count == 0 || !joins(p, &p->groups[p->group_count - 1], &days, add)) {
            p->groups[p->group_count++] = (store_group){.table = add->table};
            days = (span){add->first_day, add->last_day};
        }
        TH_TRY(add_to_group(p, &p->groups[p->group_count - 1], &days, add));
    }
    return TH_OK;
}

/* Too many generations over a group's days: all of them go in. A file goes into one group only. */
static th_err add_generations(planner *p, const store_files *files)
{
    bool *taken = TH_NEW_ARRAY(p->arena, bool, files->count + 1);
    uint32_t *over = TH_NEW_ARRAY(p->arena, uint32_t, files->count + 1);
    if (taken == NULL || over == NULL) return TH_ELIMIT;
    for (uint32_t g = 0; g < p->group_count; g++) {
        store_group *group = &p->groups[g];
        uint32_t count = 0;
        for (uint32_t i = files->journals; i < files->count; i++) {
            const store_file_info *info = &files->files[i]->info;
            if (info->table == group->table && info->first_day <= group->last_day &&
                info->last_day >= group->first_day && !taken[i] && is_open(files->files[i]))
                over[count++] = i;
        }
        if (count < STORE_GENERATIONS_MAX) continue;
        group->files = TH_NEW_ARRAY(p->arena, store_file *, count);
        if (group->files == NULL) return TH_ELIMIT;
        for (uint32_t i = 0; i < count; i++) {
            taken[over[i]] = true;
            group->files[group->file_count++] = files->files[over[i]];
            group->bytes += files->files[over[i]]->info.bytes;
        }
    }
    return TH_OK;
}

/* Leave out what would be written again as it is, and, in a round over journals, what has none of their rows. */
static void keep_useful(planner *p)
{
    uint32_t kept = 0, few = p->rules->small_only ? STORE_GENERATIONS_MAX : 2;
    for (uint32_t g = 0; g < p->group_count; g++) {
        const store_group *group = &p->groups[g];
        bool useful = p->with_journals ? group->has_journal
                                       : group->file_count >= few ||
                                             (p->rules->compact && !is_compact(group->files[0]));
        if (useful) p->groups[kept++] = *group;
    }
    p->group_count = kept;
}

/* Files that are not merged any more are still to be encoded anew, each by itself. */
static th_err add_large(planner *p, const store_files *files)
{
    store_group *groups = TH_NEW_ARRAY(p->arena, store_group, p->group_count + files->count + 1);
    store_file **list = TH_NEW_ARRAY(p->arena, store_file *, files->count + 1);
    if (groups == NULL || list == NULL) return TH_ELIMIT;
    if (p->group_count > 0) memcpy(groups, p->groups, p->group_count * sizeof(*groups));
    p->groups = groups;
    for (uint32_t i = files->journals; i < files->count; i++) {
        store_file *file = files->files[i];
        if (file->info.bytes < STORE_PART_DONE || is_compact(file) || !is_good(file) ||
            file->info.last_lsn > p->rules->last_lsn_max)
            continue;
        list[i] = file;
        p->groups[p->group_count++] = (store_group){.table = file->info.table,
                                                    .bytes = file->info.bytes,
                                                    .files = &list[i],
                                                    .file_count = 1};
    }
    return TH_OK;
}

th_err store_plan(th_version *version, store_file *const *journals, uint32_t journal_count,
                  const store_plan_rules *rules, th_arena *arena, store_group **out,
                  uint32_t *count, th_diag *diag)
{
    planner p = {.arena = arena, .rules = rules, .with_journals = journal_count > 0};
    th_err err = TH_OK;
    for (uint32_t i = 0; i < journal_count && err == TH_OK; i++) err = add_journal(&p, journals[i]);
    if (err == TH_OK && rules->files) err = add_sealed(&p, version->files);
    if (p.count > 1) qsort(p.pieces, p.count, sizeof(*p.pieces), piece_order);
    if (err == TH_OK) err = make_groups(&p);
    if (err == TH_OK && !rules->files) err = add_generations(&p, version->files);
    if (err == TH_OK) keep_useful(&p);
    if (err == TH_OK && rules->compact && !p.with_journals) err = add_large(&p, version->files);
    free(p.pieces);
    if (err != TH_OK) return th_fail(diag, err, NULL, "no memory to plan a merge");
    *out = p.groups;
    *count = p.group_count;
    return TH_OK;
}
