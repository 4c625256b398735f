/* SPDX-License-Identifier: Apache-2.0
 * Rows of one group into new sealed files, in order of day and sequence. Which segments become one is decided first; they
 * are encoded apart from each other, by one thread or two, and written in order. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/merge.h"

/* fast: what need not be encoded again now; compact: what is worth an encoding of its own */
enum { FAST_ROWS = 4096, FAST_BYTES = 4 << 20, ROWS_WANTED = 1000, THREADS_MAX = 2, AHEAD = 2 };
#define TASK_BYTES (UINT64_C(96) << 20)

typedef struct merger {
    store_merge *round;
    const store_group *group;
    const th_stored_table *table;
    store_refs refs;
    store_sealer *sealer;

    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t changed;
    merge_task *tasks;
    uint8_t *states; /* task_state of each */
    uint32_t count, capacity;
    uint32_t next;    /* first that nobody has taken */
    uint32_t written; /* all before it are in a file */
    bool stop;
} merger;

typedef enum task_state { TASK_WAITS, TASK_TAKEN, TASK_DONE } task_state;

/* ---- output -------------------------------------------------------------------------------------------------------------- */

static th_err finish_file(merger *m, th_diag *diag)
{
    if (m->sealer == NULL) return TH_OK;
    store_file_info info;
    th_err err = store_sealer_finish(m->sealer, &info, diag);
    if (err == TH_OK && store_outputs_add(&m->round->outputs, &info) != TH_OK)
        err = th_fail(diag, TH_ENOMEM, NULL, "no memory to merge");
    store_sealer_free(m->sealer);
    m->sealer = NULL;
    return err;
}

static th_err write_value_out(merger *m, merge_value *value, th_diag *diag)
{
    th_store *store = m->round->store;
    th_slice head = th_buf_slice(&value->head), image = th_buf_slice(&value->image);
    if (value->piece != NULL) {
        head = th_slice_of(value->piece->image + STORE_HEADER, value->header.head_bytes);
        image = th_slice_of(head.bytes + head.size, value->header.payload_bytes - head.size);
    }
    if (m->sealer == NULL)
        TH_TRY(store_sealer_new(store, store_catalog_next_id(store), m->group->table, &m->sealer,
                                diag));
    TH_TRY(store_sealer_add(m->sealer, &value->header, head, image, diag));
    return store_sealer_bytes(m->sealer) >= STORE_PART_LIMIT ? finish_file(m, diag) : TH_OK;
}

static th_err write_task(merger *m, merge_task *task, th_diag *diag)
{
    if (task->err != TH_OK) {
        const th_diag *why = &task->diag;
        return th_fail(diag, task->err, why->name[0] != 0 ? why->name : NULL, "%s", why->text);
    }
    for (uint32_t i = 0; i < task->value_count; i++)
        TH_TRY(write_value_out(m, &task->values[i], diag));
    m->round->done_bytes += task->stored_bytes;
    return TH_OK;
}

/* ---- which segments become one ------------------------------------------------------------------------------------------- */

static bool has_tier(const merger *m, const th_segment_ref *ref)
{
    return !m->round->compact || ref->compact;
}

/* Not to be encoded again for the sake of a neighbour. */
static bool is_settled(const merger *m, const th_segment_ref *ref)
{
    if (!m->round->compact) return ref->rows_stored >= FAST_ROWS || ref->raw_bytes >= FAST_BYTES;
    return ref->compact &&
           (ref->rows_stored >= TH_SEGMENT_ROWS_MAX / 2 || ref->raw_bytes >= TASK_BYTES / 2);
}

static bool joins(const merger *m, const merge_task *task, const th_segment_ref *ref)
{
    const th_segment_ref *last = &m->refs.refs[task->first + task->count - 1];
    if (last->day != ref->day || last->first_seq + last->rows_stored != ref->first_seq ||
        task->rows + ref->rows_stored > TH_SEGMENT_ROWS_MAX ||
        task->raw_bytes + ref->raw_bytes > TASK_BYTES)
        return false;
    /* The few rows that are left beside a large segment go into it when there is time for that. */
    bool few = m->round->compact && (task->rows < ROWS_WANTED || ref->rows_stored < ROWS_WANTED);
    bool settled = is_settled(m, ref) || (task->count == 1 && is_settled(m, last));
    return few || !settled;
}

static th_err make_tasks(merger *m)
{
    for (size_t i = 0; i < m->refs.count; i++) {
        const th_segment_ref *ref = &m->refs.refs[i];
        merge_task *task = m->count > 0 ? &m->tasks[m->count - 1] : NULL;
        if (task == NULL || !joins(m, task, ref)) {
            merge_task *tasks = write_grow(m->tasks, m->count, &m->capacity, sizeof(*tasks));
            if (tasks == NULL) return TH_ENOMEM;
            m->tasks = tasks;
            task = &tasks[m->count++];
            *task = (merge_task){.first = i};
        }
        task->count++;
        task->rows += ref->rows_stored;
        task->raw_bytes += ref->raw_bytes;
        task->stored_bytes += STORE_HEADER + ref->stored_bytes;
    }
    for (uint32_t i = 0; i < m->count; i++)
        m->tasks[i].copy = m->tasks[i].count == 1 && has_tier(m, &m->refs.refs[m->tasks[i].first]);
    m->states = calloc(m->count + 1, 1);
    return m->states != NULL ? TH_OK : TH_ENOMEM;
}

/* ---- encoding, by one thread or two ---------------------------------------------------------------------------------------- */

/* Take the next task that is not too far ahead; under the lock. */
static bool take(merger *m, uint32_t *index)
{
    if (m->stop || m->next >= m->count || m->next > m->written + AHEAD) return false;
    *index = m->next++;
    m->states[*index] = TASK_TAKEN;
    return true;
}

/* Under the lock, which is left meanwhile. */
static void run_task(merger *m, merge_encoder *encoder, uint32_t index)
{
    pthread_mutex_unlock(&m->lock);
    (void)!merge_encode(encoder, m->refs.refs, &m->tasks[index]);
    pthread_mutex_lock(&m->lock);
    m->states[index] = TASK_DONE;
    pthread_cond_broadcast(&m->changed);
}

static void *helper(void *arg)
{
    merger *m = arg;
    merge_encoder *encoder = merge_encoder_new(m->round, m->table);
    if (encoder == NULL) return NULL; /* the other thread does it all */
    pthread_mutex_lock(&m->lock);
    while (!m->stop && m->next < m->count) {
        uint32_t index;
        if (take(m, &index))
            run_task(m, encoder, index);
        else
            pthread_cond_wait(&m->changed, &m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    merge_encoder_free(encoder);
    return NULL;
}

/* Until the task is done: encode it, or what comes next while another thread is at it. */
static void await_task(merger *m, merge_encoder *encoder, uint32_t index)
{
    pthread_mutex_lock(&m->lock);
    while (m->states[index] != TASK_DONE) {
        uint32_t other;
        if (take(m, &other))
            run_task(m, encoder, other);
        else
            pthread_cond_wait(&m->changed, &m->lock);
    }
    pthread_mutex_unlock(&m->lock);
}

static void task_is_written(merger *m, bool stop)
{
    pthread_mutex_lock(&m->lock);
    m->written++;
    m->stop = m->stop || stop;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static th_err write_in_order(merger *m, merge_encoder *encoder, th_diag *diag)
{
    th_err err = TH_OK;
    for (uint32_t i = 0; i < m->count && err == TH_OK; i++) {
        if (!store_merge_goes_on(m->round)) {
            err = th_fail(diag, TH_ECANCELED, NULL, "the merge was stopped");
        } else {
            await_task(m, encoder, i);
            err = write_task(m, &m->tasks[i], diag);
        }
        merge_task_free(&m->tasks[i]);
        task_is_written(m, err != TH_OK);
    }
    return err == TH_OK ? finish_file(m, diag) : err;
}

static th_err run_tasks(merger *m, th_diag *diag)
{
    pthread_t threads[THREADS_MAX];
    uint32_t started = 0;
    merge_encoder *encoder = merge_encoder_new(m->round, m->table);
    if (encoder == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to merge");
    while (started + 1 < m->round->threads && started + 1 < THREADS_MAX && started + 1 < m->count &&
           th_os_thread(&threads[started], "th-merge", 0, helper, m, NULL) == TH_OK)
        started++;
    th_err err = write_in_order(m, encoder, diag);
    for (uint32_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    merge_encoder_free(encoder);
    return err;
}

/* ---- one group --------------------------------------------------------------------------------------------------------------- */

static th_err gather(merger *m, th_diag *diag)
{
    store_merge *round = m->round;
    const store_group *group = m->group;
    store_refs *refs = &m->refs;
    for (uint32_t i = 0; i < round->journal_count && group->has_journal; i++)
        TH_TRY(store_refs_add_file(round->version, round->journals[i], group->table,
                                   group->first_day, group->last_day, refs, diag));
    for (uint32_t i = 0; i < group->file_count; i++) {
        th_err err = store_refs_add_file(round->version, group->files[i], group->table, INT32_MIN,
                                         INT32_MAX, refs, diag);
        if (err == TH_ECORRUPT) atomic_store(&group->files[i]->unmergeable, true);
        TH_TRY(err);
    }
    store_refs_sort(refs);
    for (size_t i = 1; i < refs->count; i++) {
        const th_segment_ref *a = &refs->refs[i - 1], *b = &refs->refs[i];
        if (a->day == b->day && a->first_seq + a->rows > b->first_seq)
            return th_fail(diag, TH_EIO, NULL, "two files hold the same rows of table %u",
                           group->table);
    }
    return TH_OK;
}

th_err store_merge_group(store_merge *round, const store_group *group, th_diag *diag)
{
    merger m = {.round = round, .group = group, .table = th_model_table(group->table)};
    if (m.table == NULL)
        return th_fail(diag, TH_EVERSION, NULL, "table %u is unknown to this program",
                       group->table);
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.changed, NULL);
    th_err err = gather(&m, diag);
    if (err == TH_OK && make_tasks(&m) != TH_OK)
        err = th_fail(diag, TH_ENOMEM, NULL, "no memory to merge");
    if (err == TH_OK) err = run_tasks(&m, diag);
    store_sealer_free(m.sealer);
    for (uint32_t i = 0; i < m.count; i++) merge_task_free(&m.tasks[i]);
    free(m.tasks);
    free(m.states);
    free(m.refs.refs);
    pthread_cond_destroy(&m.changed);
    pthread_mutex_destroy(&m.lock);
    return err;
}
