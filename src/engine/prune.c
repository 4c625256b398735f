/* SPDX-License-Identifier: Apache-2.0
 * What a filter says about time: days that can hold a match, and bounds on the event time.
 *
 * The event time is a varchar in Athena's CloudTrail schema, so bounds come as text. Text order and time order agree for
 * well-formed UTC times only; a day is added on either side for times written with an offset, and undated rows are
 * always looked at. All answers are inexact: the engine filters rows itself. */
#include "engine/engine_private.h"

/* A constant as a moment: its text's date and time, or the value of a date or timestamp. */
static bool constant_us(const th_vector *v, int64_t *us)
{
    if (v->count == 0 || th_vector_is_null(v, 0)) return false;
    const th_vector *base = th_vector_base(v);
    uint32_t slot = th_vector_slot(v, 0);
    switch (v->type->kind) {
    case TH_VARCHAR:
    case TH_CHAR: {
        th_slice text = base->data.str[slot];
        if (th_time_parse_iso(text, us)) return true;
        if (text.size > 10) text.size = 10;
        return th_time_parse_iso(text, us);
    }
    case TH_DATE: *us = base->data.i64[slot] * TH_US_PER_DAY; return true;
    case TH_TIMESTAMP:
    case TH_TIMESTAMP_TZ: *us = base->data.i64[slot]; return true;
    default: return false;
    }
}

static void narrow(th_compare compare, int64_t us, int64_t *min_us, int64_t *max_us)
{
    bool lower = compare == TH_CMP_GE || compare == TH_CMP_GT || compare == TH_CMP_EQ;
    bool upper = compare == TH_CMP_LE || compare == TH_CMP_LT || compare == TH_CMP_EQ;
    if (lower && us - TH_US_PER_DAY > *min_us) *min_us = us - TH_US_PER_DAY;
    if (upper && us + 2 * TH_US_PER_DAY < *max_us) *max_us = us + 2 * TH_US_PER_DAY;
}

void engine_prune(const engine_table *table, const th_scan_spec *spec, engine_days *days,
                  int64_t *min_us, int64_t *max_us)
{
    *min_us = INT64_MIN;
    *max_us = INT64_MAX;
    for (uint32_t i = 0; i < spec->predicate_count; i++) {
        const th_scan_predicate *p = &spec->predicates[i];
        spec->answers[i] = TH_PREDICATE_UNSUPPORTED;
        const th_scan_column *column = &spec->columns[p->scan_column];
        bool ordered = p->compare == TH_CMP_EQ || p->compare == TH_CMP_LT ||
                       p->compare == TH_CMP_LE || p->compare == TH_CMP_GT ||
                       p->compare == TH_CMP_GE;
        bool timed =
            column->column == table->time_column || column->column == table->meta_first + META_DAY;
        int64_t us = 0;
        if (!ordered || !timed || column->field_count != 0 || p->values == NULL ||
            !constant_us(p->values, &us))
            continue;
        narrow(p->compare, us, min_us, max_us);
        spec->answers[i] = TH_PREDICATE_INEXACT;
    }
    days->first = *min_us == INT64_MIN ? TH_DAY_UNDATED : th_day_from_us(*min_us);
    days->last = *max_us == INT64_MAX ? INT32_MAX : th_day_from_us(*max_us);
}
