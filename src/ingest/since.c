/* SPDX-License-Identifier: Apache-2.0
 * The second look: what others have committed since the snapshot that a batch was prepared with. */
#include <stdlib.h>

#include "ingest/resolve.h"

static th_err note_hit(void *ctx, size_t which, const th_record_id *id)
{
    (void)which;
    (void)id;
    *(bool *)ctx = true;
    return TH_ECANCELED; /* one is enough */
}

static th_err any_since(th_ingest *in, th_version *version, uint32_t table, uint64_t *list,
                        size_t count, bool *hit, th_diag *diag)
{
    if (count == 0 || *hit) return TH_OK;
    th_diag own = {0};
    count = resolve_sort_low(list, count, list + count);
    th_err err =
        th_version_find(version, table, in->snapshot_lsn, list, count, note_hit, hit, &own);
    return err == TH_OK || *hit ? TH_OK : th_fail(diag, err, NULL, "%s", own.text);
}

/* Marks carry the identity they are about: a promotion changes what another write's variants come to. */
static th_err look_up(th_ingest *in, th_version *version, const th_stored_table *table,
                      uint64_t *list, size_t count, bool *hit, th_diag *diag)
{
    TH_TRY(any_since(in, version, (uint32_t)table->id, list, count, hit, diag));
    return table->identity != TH_IDENTITY_EVENT
               ? TH_OK
               : any_since(in, version, TH_TABLE_hidden_rows, list, count, hit, diag);
}

static th_err check_window(th_ingest *in, th_version *version, const th_stored_table *table,
                           uint64_t *list, bool *hit, th_diag *diag)
{
    size_t count = 0;
    for (uint32_t i = 0; i < in->window.items.count; i++) {
        const ingest_item *item = &in->window.items.at[i];
        bool asks = item->fate == INGEST_FATE_NEW || item->promote;
        if (item->table == table->id && item->fingerprint != 0 && asks &&
            ingest_item_counts(in, item))
            list[count++] = item->fingerprint;
    }
    return look_up(in, version, table, list, count, hit, diag);
}

static th_err check_seen(th_ingest *in, th_version *version, const th_stored_table *table,
                         uint64_t *list, bool *hit, th_diag *diag)
{
    for (uint32_t i = 0; in->seen != NULL && i < in->seen->count && !*hit;) {
        size_t count = 0;
        for (; i < in->seen->count && count < INGEST_ITEMS_MAX; i++) {
            const ingest_seen_row *row = ingest_seen_at(in->seen, i);
            if (row->table == table->id) list[count++] = row->fingerprint;
        }
        TH_TRY(look_up(in, version, table, list, count, hit, diag));
    }
    return TH_OK;
}

static th_err check_contents(th_ingest *in, th_version *version, uint64_t *list, bool *hit,
                             th_diag *diag)
{
    size_t count = 0;
    for (uint32_t i = 0; i < in->objects.count; i++) {
        if (!in->objects.at[i].known) list[count++] = in->objects.at[i].fingerprint;
    }
    return any_since(in, version, TH_TABLE_contents, list, count, hit, diag);
}

th_err ingest_check_since(th_ingest *in, th_version *version, bool *hit, th_diag *diag)
{
    *hit = false;
    if (th_version_lsn(version) <= in->snapshot_lsn) return TH_OK;
    size_t room =
        in->window.items.count > in->objects.count ? in->window.items.count : in->objects.count;
    if (in->seen != NULL && room < INGEST_ITEMS_MAX) room = INGEST_ITEMS_MAX;
    uint64_t *list = malloc((2 * room + 1) * sizeof(*list));
    if (list == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to look identities up");
    size_t table_count;
    const th_stored_table *tables = th_model_tables(&table_count);
    th_err err = check_contents(in, version, list, hit, diag);
    for (size_t t = 0; err == TH_OK && t < table_count && !*hit; t++) {
        if (tables[t].identity != TH_IDENTITY_EVENT && tables[t].identity != TH_IDENTITY_VERSION)
            continue;
        err = check_window(in, version, &tables[t], list, hit, diag);
        if (err == TH_OK) err = check_seen(in, version, &tables[t], list, hit, diag);
    }
    free(list);
    return err;
}
