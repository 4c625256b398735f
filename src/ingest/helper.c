/* SPDX-License-Identifier: Apache-2.0
 * The thread that takes windows while the ingest's own thread fills the next one. Two windows are in use then, never more:
 * who is ahead waits. It lives from the first full window of a batch to the last but one; the last window is taken by the
 * ingest's own thread. */
#include <stdlib.h>

#include "ingest/ingest_private.h"
#include "os/os.h"

enum { STACK_BYTES = 4 << 20 };

typedef struct ingest_helper {
    th_ingest *in;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool full, stop; /* in->window is to be taken; nothing more will be */
    th_err result;
    th_diag diag;
} ingest_helper;

static void *run(void *arg)
{
    ingest_helper *h = arg;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (!h->full && !h->stop) pthread_cond_wait(&h->changed, &h->lock);
        if (!h->full) break;
        pthread_mutex_unlock(&h->lock);
        th_diag diag = {0};
        th_err err = h->result == TH_OK ? ingest_window_fill(h->in, false, &diag) : TH_OK;
        pthread_mutex_lock(&h->lock);
        if (err != TH_OK) {
            h->result = err;
            h->diag = diag;
        }
        h->full = false;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void helper_free(ingest_helper *h)
{
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* That it cannot be had is no reason to fail. */
static ingest_helper *helper_new(th_ingest *in)
{
    ingest_helper *h = calloc(1, sizeof(*h));
    if (h == NULL) return NULL;
    h->in = in;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    th_diag ignored = {0};
    if (th_os_thread(&h->thread, "th-encode", STACK_BYTES, run, h, &ignored) == TH_OK) return h;
    helper_free(h);
    return NULL;
}

bool ingest_has_helpers(const th_ingest *in)
{
    return (in->head == NULL ? in : in->head)->options.threads > 1;
}

th_err ingest_window_hand_over(th_ingest *in, th_diag *diag)
{
    if (in->helper == NULL && ingest_has_helpers(in)) in->helper = helper_new(in);
    ingest_helper *h = in->helper;
    if (h == NULL) {
        ingest_window_swap(in);
        return ingest_window_fill(in, false, diag);
    }
    pthread_mutex_lock(&h->lock);
    while (h->full) pthread_cond_wait(&h->changed, &h->lock);
    th_err err = h->result;
    if (err == TH_OK) {
        ingest_window_swap(in);
        h->full = true;
        pthread_cond_broadcast(&h->changed);
    } else {
        (void)th_fail(diag, err, NULL, "%s", h->diag.text);
    }
    pthread_mutex_unlock(&h->lock);
    return err;
}

th_err ingest_window_settle(th_ingest *in, th_diag *diag)
{
    ingest_helper *h = in->helper;
    if (h == NULL) return TH_OK;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    th_err err = h->result;
    if (err != TH_OK) (void)th_fail(diag, err, NULL, "%s", h->diag.text);
    in->helper = NULL;
    helper_free(h);
    return err;
}
