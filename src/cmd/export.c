/* SPDX-License-Identifier: Apache-2.0
 * trailhold object export: every content as one file of a tar archive (POSIX ustar) on standard output, and their
 * SHA256SUMS. A stream, so that it is the same from the folder, the socket and a server, and nothing is written there. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "cmd/cmd.h"
#include "ingest/ingest.h"

enum { TAR_BLOCK = 512 };
#define SUMS_MAX ((size_t)1 << 30)

typedef struct exporting {
    cmd_call *call;
    th_buf sums;
    char hex[65];
    uint64_t size, done; /* of the content in hand */
    uint64_t damaged;
} exporting;

/* Octal, or base 256 where that does not suffice (files of 8 GiB and more, as GNU tar has them). */
static void put_number(uint8_t *at, size_t room, uint64_t value)
{
    if (value >> (3 * (room - 1)) == 0) {
        snprintf((char *)at, room, "%0*llo", (int)room - 1, (unsigned long long)value);
        return;
    }
    for (size_t i = room; i-- > 1; value >>= 8) at[i] = (uint8_t)value;
    at[0] = 0x80;
}

static th_err put_header(exporting *e, const char *name, uint64_t size)
{
    uint8_t block[TAR_BLOCK] = {0};
    snprintf((char *)block, 100, "%s", name);
    put_number(block + 100, 8, 0444);
    put_number(block + 108, 8, 0);
    put_number(block + 116, 8, 0);
    put_number(block + 124, 12, size);
    put_number(block + 136, 12, 0);
    block[156] = '0';
    memcpy(block + 257, "ustar\00000", 8);
    memset(block + 148, ' ', 8);
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof(block); i++) sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
    return e->call->io->write(e->call->io->ctx, th_slice_of(block, sizeof(block)));
}

static th_err put_zeros(exporting *e, uint64_t count)
{
    static const uint8_t zeros[64 * TAR_BLOCK];
    while (count > 0) {
        size_t some = count < sizeof(zeros) ? (size_t)count : sizeof(zeros);
        TH_TRY(e->call->io->write(e->call->io->ctx, th_slice_of(zeros, some)));
        count -= some;
    }
    return TH_OK;
}

static uint64_t padding(uint64_t size)
{
    return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

static th_err begin_content(void *ctx, const th_sha256 *sha, uint64_t size)
{
    exporting *e = ctx;
    char name[100];
    th_sha256_hex(sha, e->hex);
    e->size = size;
    e->done = 0;
    snprintf(name, sizeof(name), "contents/%s", e->hex);
    th_buf_printf(&e->sums, "%s  %s\n", e->hex, name);
    TH_TRY(th_buf_error(&e->sums));
    return put_header(e, name, size);
}

static th_err content_bytes(void *ctx, th_slice bytes)
{
    exporting *e = ctx;
    e->done += bytes.size;
    return e->call->io->write(e->call->io->ctx, bytes);
}

/* What could not be read is zeros in the archive: its sum will not fit. */
static th_err end_content(void *ctx, th_err err, const th_diag *diag)
{
    exporting *e = ctx;
    if (err != TH_OK) {
        e->damaged++;
        cmd_message(e->call->io, "damaged: %s: %s\n", e->hex, diag->text);
    }
    uint64_t missing = e->done < e->size ? e->size - e->done : 0;
    return put_zeros(e, missing + padding(e->size));
}

static th_err put_sums(exporting *e)
{
    th_slice sums = th_buf_slice(&e->sums);
    TH_TRY(put_header(e, "SHA256SUMS", sums.size));
    if (sums.size > 0) TH_TRY(e->call->io->write(e->call->io->ctx, sums));
    return put_zeros(e, padding(sums.size) + 2 * (uint64_t)TAR_BLOCK);
}

int cmd_object_export(cmd_call *call, th_version *version)
{
    exporting e = {.call = call};
    th_buf_init(&e.sums, SUMS_MAX);
    const th_content_sink sink = {begin_content, content_bytes, end_content, &e};
    th_diag diag = {0};
    th_err err = th_content_export(version, &sink, &diag);
    if (err == TH_OK) err = put_sums(&e);
    th_buf_free(&e.sums);
    if (err != TH_OK) {
        th_fail(&diag, err, NULL, "the export was not finished: %s", th_err_text(err));
        return cmd_error(call->io, &diag, (th_slice){0});
    }
    return e.damaged > 0 ? CMD_EXIT_DAMAGE : CMD_EXIT_OK;
}
