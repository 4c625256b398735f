/* SPDX-License-Identifier: Apache-2.0
 * The bulk path: a large write goes to sealed files, one a table, that nothing names while they are written. One catalog
 * commit names all of them: that is what makes the write durable, and what its writer is answered for. */
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "store/write.h"

enum { CONTROL_US = 5000 };

typedef struct bulk {
    th_store *store;
    store_sealer *sealer;
    uint16_t table;
    store_outputs outputs;
} bulk;

static th_err finish_file(bulk *b, th_diag *diag)
{
    if (b->sealer == NULL) return TH_OK;
    store_file_info info;
    th_err err = store_sealer_finish(b->sealer, &info, diag);
    if (err == TH_OK && store_outputs_add(&b->outputs, &info) != TH_OK)
        err = th_fail(diag, TH_ENOMEM, NULL, "no memory for a commit");
    store_sealer_free(b->sealer);
    b->sealer = NULL;
    return err;
}

static th_err put_value(void *ctx, write_value *value, th_diag *diag)
{
    bulk *b = ctx;
    if (b->sealer != NULL &&
        (b->table != value->header.table || store_sealer_bytes(b->sealer) >= STORE_PART_LIMIT))
        TH_TRY(finish_file(b, diag));
    if (b->sealer == NULL) {
        b->table = value->header.table;
        TH_TRY(store_sealer_new(b->store, store_catalog_next_id(b->store), b->table, &b->sealer,
                                diag));
    }
    return store_sealer_add(b->sealer, &value->header, value->head, value->image, diag);
}

static th_err seal_all(bulk *b, th_write *write, th_diag *diag)
{
    write_value leaf;
    TH_TRY(write_each_value(write, put_value, b, diag));
    TH_TRY(finish_file(b, diag));
    th_err err = write_leaf_value(write, &leaf);
    if (err != TH_OK) return th_fail(diag, err, NULL, "no memory for a commit");
    TH_TRY(put_value(b, &leaf, diag));
    return finish_file(b, diag);
}

static th_err explain(th_store *store, th_err err, th_diag *diag)
{
    if (err != TH_ENOSPC) return err;
    th_diag_clear(diag);
    return th_fail(diag, TH_ENOSPC, NULL,
                   "storage full: the disk of %s has too little room; nothing of this was stored",
                   store->dir);
}

void store_commit_bulk(th_store *store, th_write *write)
{
    bulk b = {.store = store};
    th_diag diag = {0};
    uint64_t lsn = write->lsn;
    TH_FAILPOINT("bulk_before_seal");
    th_err err = seal_all(&b, write, &diag);
    store_sealer_free(b.sealer);
    if (err == TH_OK && strcmp(store->test_mode, "ack-before-commit") == 0) {
        store_answer(store, write, TH_OK); /* the rig's control: this must be found out */
        write = NULL;
        (void)usleep(CONTROL_US);
    }
    if (err == TH_OK) {
        TH_FAILPOINT("bulk_before_catalog");
        store_change change = {0};
        err = store_outputs_name(store, &b.outputs, &change, lsn, &diag);
    }
    if (err == TH_OK) {
        atomic_fetch_add(&store->commits, 1);
        TH_FAILPOINT("bulk_after_publish");
        if (write != NULL) store_answer(store, write, TH_OK);
    } else {
        store_outputs_remove(store, &b.outputs);
        err = explain(store, err, &diag);
        if (write != NULL) {
            store_take_back_sequences(store, write);
            store_fail_write(store, write, err, &diag);
        }
    }
    store_outputs_free(&b.outputs);
}
