/* SPDX-License-Identifier: Apache-2.0
 * The list of recognisers, and the one walk over an object's members that serves all of them. */
#include "ingest/recognise.h"

#include <pthread.h>

const ingest_recogniser ingest_recognisers[INGEST_RECOGNISER_COUNT] = {
    {"auto", "", 0, 0, "whatever the bytes look like"},
#define RECOGNISER(name, version, table, alias, what) \
    {#name, alias, version, TH_TABLE_##table, what},
#include "ingest/recognisers.def"
#undef RECOGNISER
};

uint32_t ingest_recognisers_version(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < INGEST_RECOGNISER_COUNT; i++) sum += ingest_recognisers[i].version;
    return sum;
}

ingest_recogniser_id ingest_recogniser_find(const char *name)
{
    if (name == NULL || name[0] == '\0') return INGEST_AUTO;
    for (int i = 0; i < INGEST_RECOGNISER_COUNT; i++) {
        const ingest_recogniser *r = &ingest_recognisers[i];
        const th_stored_table *table = i == INGEST_AUTO ? NULL : th_model_table(r->table);
        if (strcmp(r->name, name) == 0 || (i != INGEST_AUTO && strcmp(r->alias, name) == 0) ||
            (table != NULL && strcmp(table->name, name) == 0))
            return (ingest_recogniser_id)i;
    }
    return INGEST_RECOGNISER_COUNT;
}

static const struct {
    const char *text;
    size_t size;
} members[INGEST_MEMBER_COUNT] = {
#define MEMBER(id, text) {text, sizeof(text) - 1},
#include "ingest/members.def"
#undef MEMBER
};

/* Sizes of keys that are known, as bits: most keys of a record are told apart by that alone. */
#define MEMBER(id, text) | UINT64_C(1) << (sizeof(text) - 1)
static const uint64_t known_sizes = UINT64_C(0)
#include "ingest/members.def"
    ;
#undef MEMBER

void ingest_view_object(th_slice raw, ingest_object_view *out)
{
    memset(out, 0, sizeof(*out));
    th_json_iter it = th_json_iter_of(raw);
    th_slice key, value;
    while (it.object && th_json_next(&it, &key, &value)) {
        bool escaped = key.size > 0 && memchr(key.bytes, '\\', key.size) != NULL;
        if (!escaped && (key.size >= 64 || (known_sizes >> key.size & 1) == 0)) continue;
        for (size_t i = 0; i < INGEST_MEMBER_COUNT; i++) {
            if (out->member[i].size > 0) continue; /* of duplicate keys the first counts */
            if (escaped ? !th_json_key_equals(key, th_slice_of(members[i].text, members[i].size))
                        : key.size != members[i].size ||
                              memcmp(key.bytes, members[i].text, key.size) != 0)
                continue;
            out->member[i] = value;
            break;
        }
    }
}

/* Members by a hash of their names: which to compare a key with. */
enum { SLOTS = 256 };
static uint8_t slots[SLOTS], chains[INGEST_MEMBER_COUNT]; /* a member + 1, or 0 */
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;
_Static_assert(INGEST_MEMBER_COUNT < UINT8_MAX, "a member + 1 fits a byte");

static size_t slot_of(const uint8_t *key, size_t size)
{
    return (size * 29 + key[0] * 5u + key[size - 1]) % SLOTS;
}

static void fill_slots(void)
{
    for (size_t i = 0; i < INGEST_MEMBER_COUNT; i++) {
        uint8_t *slot = &slots[slot_of((const uint8_t *)members[i].text, members[i].size)];
        chains[i] = *slot;
        *slot = (uint8_t)(i + 1);
    }
}

void ingest_view_members(const th_json_members *found, th_slice raw, ingest_object_view *out)
{
    if (!found->all || found->escaped) {
        ingest_view_object(raw, out);
        return;
    }
    pthread_once(&slots_once, fill_slots);
    memset(out, 0, sizeof(*out));
    for (uint32_t k = 0; k < found->count; k++) {
        th_slice key = found->at[k].key;
        if (key.size == 0) continue;
        for (size_t i = slots[slot_of(key.bytes, key.size)]; i != 0; i = chains[i - 1]) {
            if (members[i - 1].size != key.size ||
                memcmp(members[i - 1].text, key.bytes, key.size) != 0)
                continue;
            /* of duplicate keys the first counts */
            if (out->member[i - 1].size == 0) out->member[i - 1] = found->at[k].value;
            break;
        }
    }
}

bool ingest_view_is(const ingest_object_view *view, ingest_member member, th_json_kind kind)
{
    return th_json_kind_of(view->member[member]) == kind;
}

ingest_recogniser_id ingest_recognise(const ingest_object_view *view, ingest_recogniser_id only)
{
    static bool (*const judges[INGEST_RECOGNISER_COUNT])(const ingest_object_view *) = {
        [INGEST_cloudtrail] = ingest_is_cloudtrail,
        [INGEST_cloudtrail_digest] = ingest_is_cloudtrail_digest,
        [INGEST_config] = ingest_is_config,
        [INGEST_asff] = ingest_is_asff,
        [INGEST_guardduty] = ingest_is_guardduty,
        [INGEST_dns] = ingest_is_dns,
        [INGEST_eks_audit] = ingest_is_eks_audit,
        [INGEST_waf] = ingest_is_waf,
    };
    for (int i = 1; i < INGEST_RECOGNISER_COUNT; i++) {
        if (judges[i] == NULL || (only != INGEST_AUTO && only != (ingest_recogniser_id)i)) continue;
        if (judges[i](view)) return (ingest_recogniser_id)i;
    }
    return INGEST_AUTO;
}

static const struct {
    ingest_member member;
    const char *form;
} arrays[] = {
    {INGEST_MEMBER_records, "records"},
    {INGEST_MEMBER_events, "lookup-events"},
    {INGEST_MEMBER_findings, "findings"},
    {INGEST_MEMBER_upper_findings, "findings"},
    {INGEST_MEMBER_configuration_items, "config-file"},
    {INGEST_MEMBER_base_configuration_items, "config-file"},
    {INGEST_MEMBER_log_events, "log-events"},
    {INGEST_MEMBER_lower_events, "log-events"},
    {INGEST_MEMBER_items, "items"},
};

const char *ingest_array_form(th_slice key)
{
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        if (th_json_key_equals(
                key, th_slice_of(members[arrays[i].member].text, members[arrays[i].member].size)))
            return arrays[i].form;
    }
    return NULL;
}

th_slice ingest_view_array(const ingest_object_view *view)
{
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        if (ingest_view_is(view, arrays[i].member, TH_JSON_ARRAY))
            return view->member[arrays[i].member];
    }
    return (th_slice){0};
}
