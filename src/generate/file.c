/* SPDX-License-Identifier: Apache-2.0
 * A file of records while it is being made. */
#include <stdlib.h>

#include "generate/generate_private.h"

th_err gen_file_init(gen_file *file, th_diag *diag)
{
    th_buf_init(&file->bytes, GEN_FILE_BYTES_MAX);
    file->records = calloc(GEN_FILE_RECORDS_MAX, sizeof(*file->records));
    file->count = 0;
    if (file->records == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for a file of records");
    return TH_OK;
}

void gen_file_free(gen_file *file)
{
    if (file->records != NULL) th_buf_free(&file->bytes);
    free(file->records);
    file->records = NULL;
}

void gen_file_clear(gen_file *file)
{
    th_buf_clear(&file->bytes);
    file->count = 0;
    file->last_s = 0;
}

uint8_t *gen_file_room(gen_file *file, size_t bound)
{
    if (file->count == GEN_FILE_RECORDS_MAX || file->bytes.size + bound >= GEN_FILE_BYTES_MAX)
        return NULL;
    return th_buf_reserve(&file->bytes, bound);
}

void gen_file_add(gen_file *file, int64_t time_s, const uint8_t *end)
{
    size_t offset = file->bytes.size, size = (size_t)(end - (file->bytes.bytes + offset));
    th_buf_grow(&file->bytes, size);
    file->records[file->count++] = (gen_record){time_s, (uint32_t)offset, (uint32_t)size};
    if (time_s > file->last_s) file->last_s = time_s;
}
