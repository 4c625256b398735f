/* SPDX-License-Identifier: Apache-2.0
 * The plugin interface of Trailhold: the one header that a detector, classifier, enricher or evaluator needs.
 *
 * A plugin is a shared object with one exported function, th_plugin_entry. It is loaded into a process of its own that
 * holds nothing of the archive: it sees the batches that it subscribed to, and what it gives back are hits, findings,
 * tags and small keyed state. Inserts never wait for it, and it is given every batch at least once.
 *
 * Rules
 *   - Sizes and versions first, append only: a host may be newer or older than the plugin. Test with TH_PLUGIN_HAS.
 *   - Memory never changes hands. What the host passes is borrowed until the call returns; what the plugin passes to a
 *     host function is copied before that function returns.
 *   - State lives in the instance, not in globals. All calls for one instance come one at a time.
 *   - Findings must be pure functions of the evidence: no clock, no random numbers, no order of arrival.
 * Threads are named on each call: [main] and [worker] are the same thread in ABI 1.0; do not rely on it. */
#ifndef TRAILHOLD_PLUGIN_H
#define TRAILHOLD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TH_ABI_MAJOR 1u /* something already here changed its meaning: older plugins are refused */
#define TH_ABI_MINOR 0u /* fields were appended; list them here */

#define TH_PLUGIN_HAS(s, field) \
    ((s)->struct_size >= offsetof(__typeof__(*(s)), field) + sizeof((s)->field))

/* What a plugin does; a capability without its call is refused by name. */
#define TH_CAP_DETECT 1u   /* on_batch raises hits or findings */
#define TH_CAP_CLASSIFY 2u /* on_batch sets tags */
#define TH_CAP_ENRICH 4u   /* reserved */
#define TH_CAP_EVALUATE 8u /* reserved */

/* ---- Arrow C Data interface ------------------------------------------------------------------------------------
 * The public, fixed layout by which columnar data is handed between libraries of one process. Only the parts below are
 * used: formats "u" (UTF-8, 32-bit offsets), "l" (int64), "b" (boolean), "tsu:UTC" (microseconds, UTC). */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

/* ---- subscriptions --------------------------------------------------------------------------------------------- */

/* What to deliver. columns: dotted JSON paths with the key case of the record ("userIdentity.type"), or special names:
 *   record       the exact bytes          _time    event time (timestamp, NULL when there is none)
 *   _account     owning account           _day     day as text
 * Values of strings are decoded text; numbers, booleans, objects and arrays are their JSON text. Absent and null: NULL. */
typedef struct th_subscription {
    uint32_t struct_size;
    const char
        *table; /* "cloudtrail", "config_items", "findings_events", "guardduty", "vpc_flow" */
    const char *const *columns; /* column_count of them */
    uint32_t column_count;
    const char
        *predicate; /* SQL over the table's columns, or NULL: all rows. Evaluated by the host */
} th_subscription;

/* Rows of one subscription. columns[i] belongs to subscription column i; all have `rows` values. */
typedef struct th_plugin_batch {
    uint32_t struct_size;
    uint32_t subscription; /* index into what subscriptions() gave */
    uint32_t rows;
    uint32_t column_count;
    const struct ArrowSchema *const *schemas;
    const struct ArrowArray *const *columns;
    uint64_t first_lsn, last_lsn; /* log positions covered */
    int64_t watermark_us; /* no older event is expected, but late ones happen; INT64_MIN: unknown */
} th_plugin_batch;

/* ---- what a plugin gives back ---------------------------------------------------------------------------------- */

/* A row of the batch in hand that a single-event rule matched. The host makes the finding: one a (rule, account, actor,
 * resource, UTC day of the event), with count, first and last seen and the evidence. All texts are UTF-8; NULL = none. */
typedef struct th_hit {
    uint32_t struct_size;
    uint32_t row;
    const char *rule;          /* stable id of the rule inside this plugin: "root-console-login" */
    const char *title;         /* at most 256 characters */
    const char *description;   /* at most 1,024 */
    const char *severity;      /* INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL */
    const char *finding_type;  /* ASFF type: "TTPs/Defense Evasion/..." */
    const char *account;       /* 12 digits; NULL: the row's own account */
    const char *actor;         /* principal key: ARN or id */
    const char *resource_type; /* ASFF resource type: "AwsAccount", "AwsCloudTrailTrail", "Other" */
    const char *resource_id;   /* ARN or id */
    const char *region;
    const char *author, *reference; /* of the rule, for its licence */
} th_hit;

/* A tag on a record of the batch (TH_CAP_CLASSIFY). */
typedef struct th_tag {
    uint32_t struct_size;
    uint32_t row;
    const char *tag;    /* "secret.aws-access-key" */
    uint64_t count;     /* how often in the record */
    const char *places; /* JSON array of paths, at most 15; never the value itself */
} th_tag;

typedef enum th_plugin_log_level {
    TH_PLUGIN_INFO,
    TH_PLUGIN_WARN,
    TH_PLUGIN_ERROR
} th_plugin_log_level;

/* What the host offers. Every function returns 0, or a negative code: -1 not valid, -2 over a limit, -3 not there.
 * [worker] unless stated otherwise. */
typedef struct th_host {
    uint32_t struct_size, abi_major, abi_minor;
    void *ctx; /* pass it to each function */
    int (*hit)(void *ctx, const th_hit *hit);
    int (*tag)(void *ctx, const th_tag *tag);
    /* Keyed state of this plugin: at most 64 KiB a value, 256 bytes a key. It is saved with the batch's results, after
     * the findings: a crash in between repeats the batch with the older state. ttl_s 0 = for ever. get: *value borrowed
     * until the next host call. */
    int (*state_get)(void *ctx, const void *key, size_t key_size, const void **value,
                     size_t *value_size);
    int (*state_put)(void *ctx, const void *key, size_t key_size, const void *value,
                     size_t value_size, uint64_t ttl_s);
    int (*state_delete)(void *ctx, const void *key, size_t key_size);
    /* Call on_timer with the id once the watermark (kind 0: event time) passes at_us. */
    int (*timer_set)(void *ctx, uint64_t id, int64_t at_us);
    /* A line in the server's log, at most 1,024 bytes. [any] */
    void (*log)(void *ctx, th_plugin_log_level level, const char *text);
} th_host;

typedef struct th_plugin_state th_plugin_state; /* the plugin's own */

typedef struct th_plugin {
    uint32_t struct_size, abi_major, abi_minor; /* first for ever; read before anything else */
    uint32_t caps;
    const char *name;    /* folder name: "root-use" */
    const char *version; /* "1.0.0" */
    const char *description;
    /* [main] config_json: this plugin's section of the configuration, "{}" by default. 0, or not 0 with a logged reason. */
    int (*open)(const th_host *host, const char *config_json, th_plugin_state **out);
    /* [main] after open, and again after reload. The list lives until the next call or close. */
    int (*subscriptions)(th_plugin_state *state, const th_subscription **out, uint32_t *count);
    /* [worker] one batch; 0 = done. Not 0 is a fault: the batch comes again, cut in halves to find the row. */
    int (*on_batch)(th_plugin_state *state, const th_plugin_batch *batch);
    /* [worker] may be NULL */
    int (*on_timer)(th_plugin_state *state, uint64_t id, int64_t at_us);
    /* [main] may be NULL: new configuration or rules; subscriptions() is asked again. */
    int (*reload)(th_plugin_state *state, const char *config_json);
    /* [main] */
    void (*close)(th_plugin_state *state);
} th_plugin;

#if defined(__GNUC__)
#define TH_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define TH_PLUGIN_EXPORT
#endif

/* The one symbol: a function, because dlsym gives functions. */
TH_PLUGIN_EXPORT const th_plugin *th_plugin_entry(void);
#define TH_PLUGIN(definition)              \
    const th_plugin *th_plugin_entry(void) \
    {                                      \
        return &(definition);              \
    }

#ifdef __cplusplus
}
#endif

#endif
