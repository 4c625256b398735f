/* SPDX-License-Identifier: Apache-2.0
 * A ring of buffers between the thread that has the bytes and the one that writes them. */
#include "ingest/writer.h"

#include <stdlib.h>

#include "os/os.h"

enum { BUFFERS = 8, BUFFER_SIZE = 256 << 10, STACK_BYTES = 256 << 10 };

struct ingest_writer {
    int fd;
    th_sha256_ctx *digest;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint8_t *buffers[BUFFERS];
    size_t sizes[BUFFERS];
    uint32_t first, count; /* filled ones */
    bool stop;
    th_err result;
    th_diag diag;
};

static void *run(void *arg)
{
    ingest_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->count == 0 && !w->stop) pthread_cond_wait(&w->changed, &w->lock);
        if (w->count == 0) break;
        th_slice bytes = th_slice_of(w->buffers[w->first], w->sizes[w->first]);
        th_err err = w->result;
        pthread_mutex_unlock(&w->lock);
        th_diag diag = {0};
        if (err == TH_OK) err = th_os_write_all(w->fd, bytes, &diag);
        if (w->digest != NULL) th_sha256_update(w->digest, bytes);
        pthread_mutex_lock(&w->lock);
        if (w->result == TH_OK && err != TH_OK) {
            w->result = err;
            w->diag = diag;
        }
        w->first = (w->first + 1) % BUFFERS;
        w->count--;
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void writer_free(ingest_writer *w)
{
    for (int i = 0; i < BUFFERS; i++) free(w->buffers[i]);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

ingest_writer *ingest_writer_new(int fd, th_sha256_ctx *digest)
{
    ingest_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) return NULL;
    w->fd = fd;
    w->digest = digest;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    bool good = true;
    for (int i = 0; i < BUFFERS; i++) good &= (w->buffers[i] = malloc(BUFFER_SIZE)) != NULL;
    th_diag ignored = {0};
    if (good && th_os_thread(&w->thread, "th-spool", STACK_BYTES, run, w, &ignored) == TH_OK)
        return w;
    writer_free(w);
    return NULL;
}

th_err ingest_writer_add(ingest_writer *w, th_slice bytes, th_diag *diag)
{
    while (bytes.size > 0) {
        size_t size = bytes.size < BUFFER_SIZE ? bytes.size : BUFFER_SIZE;
        pthread_mutex_lock(&w->lock);
        while (w->count == BUFFERS) pthread_cond_wait(&w->changed, &w->lock);
        uint32_t at = (w->first + w->count) % BUFFERS;
        th_err err = w->result;
        pthread_mutex_unlock(&w->lock);
        if (err != TH_OK) return th_fail(diag, err, NULL, "%s", w->diag.text);
        memcpy(w->buffers[at], bytes.bytes, size); /* nobody else looks at it yet */
        pthread_mutex_lock(&w->lock);
        w->sizes[at] = size;
        w->count++;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
        bytes = th_slice_of(bytes.bytes + size, bytes.size - size);
    }
    return TH_OK;
}

th_err ingest_writer_finish(ingest_writer *w, th_diag *diag)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    th_err err = w->result;
    if (err != TH_OK) (void)th_fail(diag, err, NULL, "%s", w->diag.text);
    writer_free(w);
    return err;
}
