/* SPDX-License-Identifier: Apache-2.0
 * A hash of the pages that LMDB trusts without a check: a changed bit in them loses rows silently or ends the process.
 * Values carry checksums of their own; of their pages only the header, which holds the page count, belongs here. */
#include <fcntl.h>
#include <stdlib.h>

#include "store/store_private.h"

/* LMDB 0.9's page: u64 number, u16 pad, u16 flags, then u16 lower, u16 upper or u32 pages of an overflow value. */
enum { FLAG_OVERFLOW = 0x04, READ_PAGES = 64 };

static uint16_t u16_at(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)u16_at(p) | (uint32_t)u16_at(p + 2) << 16;
}

typedef struct page_walk {
    int fd;
    const char *path;
    uint8_t *block; /* READ_PAGES pages from page `first` on */
    uint64_t first, held;
} page_walk;

static th_err page_at(page_walk *w, uint64_t page, const uint8_t **out, th_diag *diag)
{
    if (page < w->first || page >= w->first + w->held) {
        /* Tree pages often follow each other; behind a value one page is enough. */
        size_t want = (page == w->first + w->held ? READ_PAGES : 1) * (size_t)STORE_PAGE, have = 0;
        while (have < want) {
            size_t got;
            TH_TRY(th_os_pread(w->fd, w->block + have, want - have, page * STORE_PAGE + have, &got,
                               diag));
            if (got == 0) break;
            have += got;
        }
        w->first = page;
        w->held = have / STORE_PAGE;
        if (w->held == 0) return th_fail(diag, TH_ECORRUPT, NULL, "%s is cut off", w->path);
    }
    *out = w->block + (page - w->first) * STORE_PAGE;
    return TH_OK;
}

static th_err hash_pages(page_walk *w, uint64_t pages, th_sha256_ctx *sha, th_diag *diag)
{
    for (uint64_t page = 0; page < pages;) {
        const uint8_t *p = NULL;
        TH_TRY(page_at(w, page, &p, diag));
        if ((u16_at(p + 10) & FLAG_OVERFLOW) == 0) {
            th_sha256_update(sha, th_slice_of(p, STORE_PAGE));
            page++;
            continue;
        }
        uint64_t span = u32_at(p + 12);
        if (span == 0 || span > pages - page)
            return th_fail(diag, TH_ECORRUPT, NULL, "%s: page %llu is damaged", w->path,
                           (unsigned long long)page);
        th_sha256_update(sha, th_slice_of(p, STORE_PAGE_HEADER));
        page += span;
    }
    return TH_OK;
}

th_err store_pages_hash(const char *path, uint64_t *pages, th_sha256 *hash, th_diag *diag)
{
    th_os_stat st;
    TH_TRY(th_os_stat_path(path, false, &st, diag));
    if (st.size % STORE_PAGE != 0) return th_fail(diag, TH_ECORRUPT, NULL, "%s is cut off", path);
    page_walk walk = {.path = path};
    walk.fd = th_os_open(path, O_RDONLY, 0, diag);
    if (walk.fd < 0) return diag != NULL ? diag->code : TH_EIO;
    walk.block = malloc((size_t)READ_PAGES * STORE_PAGE);
    th_sha256_ctx *sha = th_sha256_new();
    th_err err = walk.block == NULL || sha == NULL
                     ? th_fail(diag, TH_ENOMEM, NULL, "no memory to check %s", path)
                     : hash_pages(&walk, st.size / STORE_PAGE, sha, diag);
    if (err == TH_OK) {
        *hash = th_sha256_finish(sha);
        *pages = st.size / STORE_PAGE;
    }
    th_sha256_free(sha);
    free(walk.block);
    th_os_close(walk.fd);
    return err;
}
