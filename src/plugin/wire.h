/* SPDX-License-Identifier: Apache-2.0
 * What host and runner say to each other over their socket pair: frames of u32 size, u8 kind, payload; sizes and numbers
 * as varints, texts with their size. The host trusts nothing that a runner says: every frame is bounded and checked.
 *
 *   host -> runner   OPEN config · BATCH (with a memfd) · STATE value · CLOSE
 *   runner -> host   READY · REFUSED reason · STATE_GET key · RESULT · LOG
 */
#ifndef TH_PLUGIN_WIRE_H
#define TH_PLUGIN_WIRE_H

#include "base/buf.h"
#include "os/os.h"
#include "plugins/sdk/trailhold_plugin.h"

#define WIRE_FRAME_MAX (16u << 20)
#define WIRE_HITS_MAX 65536u
#define WIRE_TEXT_MAX 4096u
#define WIRE_RULE_MAX 256u
#define WIRE_KEY_MAX 256u
#define WIRE_VALUE_MAX (64u << 10)
#define WIRE_SUBSCRIPTIONS_MAX 64u
#define WIRE_COLUMNS_MAX 256u

typedef enum wire_kind {
    WIRE_OPEN = 1,
    WIRE_BATCH,
    WIRE_STATE,
    WIRE_CLOSE,
    WIRE_READY = 64,
    WIRE_REFUSED,
    WIRE_STATE_GET,
    WIRE_RESULT,
    WIRE_LOG
} wire_kind;

/* Send one frame, with a descriptor when fd >= 0. TH_EIO when the other side is gone. */
TH_MUST_CHECK th_err wire_send(int socket, wire_kind kind, th_slice payload, int fd);
/* Receive one frame into payload (cleared first). timeout_us < 0: wait for ever. *fd -1 when none came (fd may be NULL: none is
 * taken). TH_ETIME, TH_EIO (closed), TH_EPARSE (over the bounds). */
TH_MUST_CHECK th_err wire_receive(int socket, int64_t timeout_us, wire_kind *kind, th_buf *payload,
                                  int *fd);

/* A text with its size; NULL becomes absent (size + 1, 0 = absent). */
void wire_put_text(th_buf *out, const char *text);
void wire_put_bytes(th_buf *out, th_slice bytes);
/* bytes NULL = absent. Sets r->bad over max or when not UTF-8 (texts). */
th_slice wire_take_text(th_reader *r, size_t max);
th_slice wire_take_bytes(th_reader *r, size_t max);

/* Is it one of ASFF's severity labels? */
bool wire_severity_known(th_slice label);

/* The texts of a hit, in the order of the frame. */
typedef enum wire_hit_text {
    HIT_RULE,
    HIT_TITLE,
    HIT_DESCRIPTION,
    HIT_SEVERITY,
    HIT_TYPE,
    HIT_ACCOUNT,
    HIT_ACTOR,
    HIT_RESOURCE_TYPE,
    HIT_RESOURCE_ID,
    HIT_REGION,
    HIT_AUTHOR,
    HIT_REFERENCE,
    HIT_TEXTS
} wire_hit_text;

typedef struct wire_hit {
    uint32_t row;
    th_slice text[HIT_TEXTS];
} wire_hit;
typedef struct wire_tag {
    uint32_t row;
    th_slice tag, places;
    uint64_t count;
} wire_tag;
typedef struct wire_put {
    th_slice key, value; /* value.bytes NULL = delete */
    uint64_t ttl_s;
} wire_put;

/* A decoded RESULT; everything borrows from the payload or lives in the arena. */
typedef struct wire_result {
    int32_t status; /* 0 = the batch was done */
    wire_hit *hits;
    size_t hit_count;
    wire_tag *tags;
    size_t tag_count;
    wire_put *puts;
    size_t put_count;
} wire_result;
/* rows: of the batch; a row number past it is refused. TH_EPARSE with what is wrong in diag. */
TH_MUST_CHECK th_err wire_result_decode(th_slice payload, uint32_t rows, th_arena *arena,
                                        wire_result *out, th_diag *diag);

typedef struct wire_subscription {
    th_slice table, predicate; /* predicate.bytes NULL = all rows */
    th_slice *columns;
    uint32_t column_count;
} wire_subscription;
typedef struct wire_ready {
    uint32_t abi_major, abi_minor, caps;
    th_slice name, version, description;
    wire_subscription *subscriptions;
    uint32_t subscription_count;
} wire_ready;
TH_MUST_CHECK th_err wire_ready_decode(th_slice payload, th_arena *arena, wire_ready *out,
                                       th_diag *diag);

/* A batch in its memfd: this header, then per column a wire_column, then the buffers, all at 64-byte places. */
#define WIRE_BATCH_MAGIC UINT32_C(0x31425054) /* "TPB1" */
typedef struct wire_batch_head {
    uint32_t magic, subscription, rows, column_count;
    uint64_t first_lsn, last_lsn;
    int64_t watermark_us;
    uint64_t size;
} wire_batch_head;
typedef enum wire_column_kind { WIRE_COLUMN_TEXT = 1, WIRE_COLUMN_TIME = 2 } wire_column_kind;
typedef struct wire_column {
    uint32_t kind;
    uint32_t null_count;
    uint64_t valid_at; /* bits, (rows + 7) / 8 bytes */
    uint64_t first_at; /* text: int32 offsets, rows + 1; time: int64, rows */
    uint64_t data_at;  /* text: bytes */
} wire_column;
_Static_assert(sizeof(wire_batch_head) == 48, "layout of a batch");
_Static_assert(sizeof(wire_column) == 32, "layout of a batch");

#endif
