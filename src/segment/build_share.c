/* SPDX-License-Identifier: Apache-2.0
 * What the builders of one thread share: what was learnt from each table's records, and the memory that writing one
 * image needs. A book that is full is retired: builders that have rows of it finish with it, others begin with a new one. */
#include <stdlib.h>

#include "base/assert.h"
#include "segment/build.h"

static void free_book(build_book *book)
{
    segment_shaper_free(book->shaper);
    segment_paths_free(book->paths);
    free(book);
}

static bool make_paths(build_book *book, const th_stored_table *table)
{
    if (table->format != TH_RECORD_JSON || table->column_count == 0) return true;
    const char **names = calloc(table->column_count, sizeof(char *));
    if (names == NULL) return false;
    for (uint32_t i = 0; i < table->column_count; i++) names[i] = table->columns[i].path;
    book->paths = segment_paths_new(names, table->column_count, false);
    free(names);
    return book->paths != NULL;
}

static build_book *new_book(th_segment_shaper *shared, const th_stored_table *table)
{
    build_book *book = calloc(1, sizeof(*book));
    if (book == NULL) return NULL;
    book->shaper = segment_shaper_new(table->format, shared->budget);
    if (book->shaper == NULL || !make_paths(book, table)) {
        free_book(book);
        return NULL;
    }
    return book;
}

build_book *build_book_take(th_segment_shaper *shared, const th_stored_table *table)
{
    TH_ASSERT((uint32_t)table->id < sizeof(shared->books) / sizeof(shared->books[0]));
    build_book **current = &shared->books[table->id];
    if (*current != NULL && segment_shaper_is_full((*current)->shaper)) {
        (*current)->retired = true;
        if ((*current)->users == 0) free_book(*current);
        *current = NULL;
    }
    if (*current == NULL) *current = new_book(shared, table);
    if (*current != NULL) (*current)->users++;
    return *current;
}

void build_book_leave(build_book *book)
{
    TH_ASSERT(book->users > 0);
    book->users--;
    if (book->retired && book->users == 0) free_book(book);
}

th_segment_shaper *th_segment_shaper_new(th_budget *budget)
{
    th_segment_shaper *shared = calloc(1, sizeof(*shared));
    if (shared == NULL) return NULL;
    shared->budget = budget;
    segment_payload_writer_init(&shared->payloads);
    th_buf_init(&shared->body, BUILD_IMAGE_MAX);
    th_buf_init(&shared->directory, BUILD_IMAGE_MAX);
    th_buf_init(&shared->second, BUILD_IMAGE_MAX);
    th_buf_init(&shared->record, BUILD_IMAGE_MAX);
    shared->arena = th_arena_new(BUILD_ARENA_MAX, NULL);
    shared->scratch = th_arena_new(BUILD_ARENA_MAX, NULL);
    if (shared->arena == NULL || shared->scratch == NULL) {
        th_segment_shaper_free(shared);
        return NULL;
    }
    return shared;
}

void th_segment_shaper_free(th_segment_shaper *shared)
{
    if (shared == NULL) return;
    for (size_t i = 0; i < sizeof(shared->books) / sizeof(shared->books[0]); i++) {
        if (shared->books[i] == NULL) continue;
        TH_ASSERT(shared->books[i]->users == 0);
        free_book(shared->books[i]);
    }
    segment_payload_writer_free(&shared->payloads);
    th_buf_free(&shared->body);
    th_buf_free(&shared->directory);
    th_buf_free(&shared->second);
    th_buf_free(&shared->record);
    th_arena_free(shared->arena);
    th_arena_free(shared->scratch);
    segment_pool_free(shared->pool);
    free(shared->slices);
    free(shared);
}
