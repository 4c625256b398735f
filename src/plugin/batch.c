/* SPDX-License-Identifier: Apache-2.0
 * Mapping a batch. The host is trusted here; only what would be a mistake of ours is checked. */
#include "plugin/batch.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plugin/wire.h"

void runner_batch_unmap(runner_batch *m)
{
    if (m->base != NULL) munmap(m->base, m->size);
    free(m->schemas);
    free(m->arrays);
    free(m->schema_list);
    free(m->array_list);
    free(m->buffers);
    *m = (runner_batch){0};
}

static void map_column(runner_batch *m, uint32_t i, const wire_column *column)
{
    bool text = column->kind == WIRE_COLUMN_TEXT;
    m->buffers[i][0] = m->base + column->valid_at;
    m->buffers[i][1] = m->base + column->first_at;
    m->buffers[i][2] = text ? m->base + column->data_at : NULL;
    m->schemas[i] = (struct ArrowSchema){.format = text ? "u" : "tsu:UTC", .name = "", .flags = 2};
    m->arrays[i] = (struct ArrowArray){.length = m->batch.rows,
                                       .null_count = column->null_count,
                                       .n_buffers = text ? 3 : 2,
                                       .buffers = m->buffers[i]};
    m->schema_list[i] = &m->schemas[i];
    m->array_list[i] = &m->arrays[i];
}

static th_err allocate(runner_batch *m, size_t columns)
{
    m->schemas = calloc(columns + 1, sizeof(*m->schemas));
    m->arrays = calloc(columns + 1, sizeof(*m->arrays));
    m->schema_list = calloc(columns + 1, sizeof(*m->schema_list));
    m->array_list = calloc(columns + 1, sizeof(*m->array_list));
    m->buffers = calloc(columns + 1, sizeof(*m->buffers));
    bool all = m->schemas != NULL && m->arrays != NULL && m->schema_list != NULL &&
               m->array_list != NULL && m->buffers != NULL;
    return all ? TH_OK : TH_ENOMEM;
}

th_err runner_batch_map(int fd, runner_batch *out)
{
    *out = (runner_batch){0};
    off_t size = lseek(fd, 0, SEEK_END);
    if (size < (off_t)sizeof(wire_batch_head)) return TH_EPARSE;
    void *base = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) return TH_ENOMEM;
    out->base = base;
    out->size = (size_t)size;
    const wire_batch_head *head = base;
    const wire_column *columns = (const wire_column *)(const void *)(head + 1);
    if (head->magic != WIRE_BATCH_MAGIC || head->size != (uint64_t)size) return TH_EPARSE;
    TH_TRY(allocate(out, head->column_count));
    out->batch = (th_plugin_batch){.struct_size = sizeof(out->batch),
                                   .subscription = head->subscription,
                                   .rows = head->rows,
                                   .column_count = head->column_count,
                                   .schemas = out->schema_list,
                                   .columns = out->array_list,
                                   .first_lsn = head->first_lsn,
                                   .last_lsn = head->last_lsn,
                                   .watermark_us = head->watermark_us};
    for (uint32_t i = 0; i < head->column_count; i++) map_column(out, i, &columns[i]);
    return TH_OK;
}
