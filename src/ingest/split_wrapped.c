/* SPDX-License-Identifier: Apache-2.0
 * Objects: a record itself, or a wrapper of EventBridge, AWS Config, LookupEvents or CloudWatch Logs around one. A log
 * event of CloudWatch Logs around nothing that we know is a record itself. */
#include "base/limits.h"
#include "ingest/split_private.h"

static th_err take(splitter *s, ingest_recogniser_id id, th_slice value, split_place place)
{
    if (value.size > TH_RECORD_SIZE_MAX)
        return split_refuse(s, value.bytes, value.bytes + value.size,
                            "larger than a record may be (16 MiB)");
    ingest_piece piece = {
        .kind = INGEST_RECORD,
        .recogniser = id,
        .offset = (uint64_t)(value.bytes - s->base),
        .size = value.size,
        .record = value,
        .members = s->members_of == value.bytes ? &s->members : NULL,
    };
    return split_emit(s, &piece, place);
}

/* *done: the object inside was a record and is taken. */
static th_err take_inner(splitter *s, th_slice inner, split_place place, bool *done)
{
    ingest_object_view view;
    ingest_view_object(inner, &view);
    ingest_recogniser_id id = ingest_recognise(&view, s->only);
    *done = id != INGEST_AUTO;
    return *done ? take(s, id, inner, place) : TH_OK;
}

static th_err take_event(splitter *s, th_slice detail, split_place place, bool *done)
{
    ingest_object_view view;
    place.form = "eventbridge";
    TH_TRY(take_inner(s, detail, place, done));
    if (*done) return TH_OK;
    ingest_view_object(detail, &view);
    if (ingest_view_is(&view, INGEST_MEMBER_configuration_item, TH_JSON_OBJECT))
        return take_inner(s, view.member[INGEST_MEMBER_configuration_item], place, done);
    if (place.level >= SPLIT_LEVEL_MAX || ingest_view_array(&view).size == 0) return TH_OK;
    const uint8_t *p = detail.bytes;
    *done = true;
    return split_envelope(s, &p, (split_place){place.level + 1, place.form});
}

/* The recogniser that takes the decoded text of a string as one record, or INGEST_AUTO. */
static ingest_recogniser_id recognise_text(const splitter *s, th_slice text, th_slice *layout)
{
    th_slice value, line = text;
    while (line.size > 0 &&
           (line.bytes[line.size - 1] == '\n' || line.bytes[line.size - 1] == '\r'))
        line.size--;
    if ((s->only == INGEST_AUTO || s->only == INGEST_vpc_flow) && ingest_is_flow_default(line)) {
        *layout = th_slice_text(ingest_flow_default_layout);
        return INGEST_vpc_flow;
    }
    if (th_json_document(text, TH_JSON_DEPTH_MAX, &value, NULL) != TH_OK ||
        th_json_kind_of(value) != TH_JSON_OBJECT)
        return INGEST_AUTO;
    ingest_object_view view;
    ingest_view_object(value, &view);
    return ingest_recognise(&view, s->only);
}

/* A record as the text of a string. */
static th_err take_string(splitter *s, th_slice raw, split_place place, bool *done)
{
    if (raw.size > TH_RECORD_SIZE_MAX) return TH_OK;
    th_slice text = th_json_string(raw, s->scratch), layout = {NULL, 0};
    if (text.bytes == NULL || text.size == 0) return TH_OK;
    ingest_recogniser_id id = recognise_text(s, text, &layout);
    if (id == INGEST_AUTO) return TH_OK;
    *done = true;
    ingest_piece piece = {
        .kind = INGEST_ESCAPED,
        .recogniser = id,
        .offset = (uint64_t)(raw.bytes + 1 - s->base),
        .size = raw.size - 2,
        .record = text,
        .layout = layout,
    };
    return split_emit(s, &piece, place);
}

/* An element of logEvents: its message where that is a record, else the log event. */
static th_err take_log_event(splitter *s, th_slice event, const ingest_object_view *view,
                             split_place place, bool *done)
{
    bool enveloped = strcmp(place.form, "log-events") == 0;
    place.form = "log-events";
    TH_TRY(take_string(s, view->member[INGEST_MEMBER_message], place, done));
    if (*done || !enveloped || (s->only != INGEST_AUTO && s->only != INGEST_cloudwatch_logs))
        return TH_OK;
    *done = true;
    return take(s, INGEST_cloudwatch_logs, event, place);
}

static th_err take_wrapped(splitter *s, th_slice value, const ingest_object_view *view,
                           split_place place, bool *done)
{
    if (ingest_view_is(view, INGEST_MEMBER_detail_type, TH_JSON_STRING) &&
        ingest_view_is(view, INGEST_MEMBER_detail, TH_JSON_OBJECT)) {
        TH_TRY(take_event(s, view->member[INGEST_MEMBER_detail], place, done));
    }
    if (!*done && ingest_view_is(view, INGEST_MEMBER_configuration_item, TH_JSON_OBJECT)) {
        place.form = "config-notification";
        TH_TRY(take_inner(s, view->member[INGEST_MEMBER_configuration_item], place, done));
    }
    if (!*done && ingest_view_is(view, INGEST_MEMBER_cloudtrail_event, TH_JSON_STRING)) {
        place.form = "lookup-events";
        TH_TRY(take_string(s, view->member[INGEST_MEMBER_cloudtrail_event], place, done));
    }
    if (!*done && ingest_view_is(view, INGEST_MEMBER_message, TH_JSON_STRING) &&
        ingest_view_is(view, INGEST_MEMBER_timestamp, TH_JSON_NUMBER)) {
        TH_TRY(take_log_event(s, value, view, place, done));
    }
    return TH_OK;
}

th_err split_object(splitter *s, th_slice value, split_place place)
{
    ingest_object_view view;
    if (s->members_of == value.bytes)
        ingest_view_members(&s->members, value, &view);
    else
        ingest_view_object(value, &view);
    ingest_recogniser_id id = ingest_recognise(&view, s->only);
    if (id != INGEST_AUTO) return take(s, id, value, place);
    bool done = false;
    TH_TRY(take_wrapped(s, value, &view, place, &done));
    if (done) return TH_OK;
    if (place.level < SPLIT_LEVEL_MAX && ingest_view_array(&view).size > 0) {
        const uint8_t *p = value.bytes;
        return split_envelope(s, &p, place);
    }
    return split_refuse(s, value.bytes, value.bytes + value.size, split_unknown);
}
