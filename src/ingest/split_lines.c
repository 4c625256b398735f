/* SPDX-License-Identifier: Apache-2.0
 * The walks over text with a record a line. A record is the line without its end, so CRLF files come back as they were. */
#include "base/limits.h"
#include "ingest/split_private.h"

enum { LINES_PROBED = 100 };

typedef struct line_format {
    ingest_recogniser_id id;
    const char *layout;
    bool (*is_line)(th_slice line);
    const char *reason; /* of a line that is none */
} line_format;

static const line_format formats[] = {
    {INGEST_vpc_flow, ingest_flow_default_layout, ingest_is_flow_default,
     "not a line of this flow log: another number of fields"},
    {INGEST_s3_access, ingest_s3_access_layout, ingest_is_s3_access,
     "not a line of an S3 server access log"},
    {INGEST_alb, ingest_alb_layout, ingest_is_alb, "not a line of a load balancer's access log"},
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

th_slice split_next_line(const splitter *s, const uint8_t **p)
{
    const uint8_t *start = *p;
    const uint8_t *newline = memchr(start, '\n', (size_t)(s->end - start));
    const uint8_t *end = newline == NULL ? s->end : newline;
    *p = newline == NULL ? s->end : newline + 1;
    if (end > start && end[-1] == '\r') end--;
    return th_slice_of(start, (size_t)(end - start));
}

static bool looks_like_header(th_slice line)
{
    return line.size > 0 && line.bytes[0] >= 'a' && line.bytes[0] <= 'z' &&
           ingest_is_flow_header(line);
}

/* A damaged line or two must not cost the others: half of the first ones decide. */
static bool is_format(const splitter *s, const line_format *format)
{
    const uint8_t *p = s->base;
    size_t good = 0, seen = 0;
    if (format->id == INGEST_vpc_flow && looks_like_header(split_next_line(s, &p))) return true;
    p = s->base;
    while (seen < LINES_PROBED && p < s->end) {
        th_slice line = split_next_line(s, &p);
        if (line.size == 0) continue;
        seen++;
        good += line.size <= TH_RECORD_SIZE_MAX && format->is_line(line);
    }
    return good > 0 && good * 2 >= seen;
}

ingest_recogniser_id split_find_lines(const splitter *s)
{
    for (size_t i = 0; i < FORMATS; i++) {
        const line_format *format = &formats[i];
        if (s->only == format->id) return format->id;
        if (s->only == INGEST_AUTO && is_format(s, format)) return format->id;
    }
    return INGEST_AUTO;
}

static th_err take_line(splitter *s, ingest_recogniser_id id, th_slice line, th_slice layout,
                        const char *form)
{
    ingest_piece piece = {
        .kind = INGEST_RECORD,
        .recogniser = id,
        .offset = (uint64_t)(line.bytes - s->base),
        .size = line.size,
        .record = line,
        .layout = layout,
    };
    return split_emit(s, &piece, (split_place){0, form});
}

static const char *judge_text(th_slice line)
{
    if (line.size > TH_RECORD_SIZE_MAX) return "larger than a record may be (16 MiB)";
    return th_utf8_valid(line) ? NULL : "not valid UTF-8";
}

th_err split_lines(splitter *s, ingest_recogniser_id id)
{
    const line_format *format = formats;
    while (format->id != id) format++;
    th_slice layout = th_slice_text(format->layout);
    size_t wanted = 0; /* by a flow log's header line; 0 = none yet */
    const uint8_t *p = s->base;
    while (p < s->end) {
        th_slice line = split_next_line(s, &p);
        if (line.size == 0) continue;
        if (id == INGEST_vpc_flow && looks_like_header(line)) {
            layout = line;
            wanted = ingest_count_fields(line);
            continue;
        }
        const char *reason = judge_text(line);
        bool good = wanted > 0 ? ingest_count_fields(line) == wanted : format->is_line(line);
        if (reason == NULL && !good) reason = format->reason;
        if (reason != NULL)
            TH_TRY(split_refuse(s, line.bytes, line.bytes + line.size, reason));
        else
            TH_TRY(take_line(s, id, line, layout, "lines"));
    }
    return TH_OK;
}

/* ---- exports of CloudWatch Logs ------------------------------------------------------------------------------------- */

/* The message of "2023-01-01T00:00:00.000Z message"; bytes NULL: the line is none. */
static th_slice message_of(th_slice line)
{
    static const char picture[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    size_t size = sizeof(picture) - 1;
    if (line.size < size) return (th_slice){NULL, 0};
    for (size_t i = 0; i < size; i++) {
        bool digit = line.bytes[i] >= '0' && line.bytes[i] <= '9';
        if (picture[i] == 'd' ? !digit : line.bytes[i] != (uint8_t)picture[i])
            return (th_slice){NULL, 0};
    }
    return th_slice_of(line.bytes + size, line.size - size);
}

static bool may_be_flow(const splitter *s, th_slice message)
{
    return (s->only == INGEST_AUTO || s->only == INGEST_vpc_flow) &&
           ingest_is_flow_default(message);
}

bool split_is_export(const splitter *s)
{
    const uint8_t *p = s->base;
    for (int i = 0; i < LINES_PROBED && p < s->end; i++) {
        th_slice message = message_of(split_next_line(s, &p));
        if (message.bytes == NULL) continue;
        if (message.size > 0 && message.bytes[0] == '{') return true;
        if (may_be_flow(s, message)) return true;
    }
    return false;
}

static th_err take_message(splitter *s, th_slice message)
{
    static const char form[] = "log-export";
    const uint8_t *end = message.bytes + message.size;
    const char *reason = judge_text(message);
    if (reason != NULL) return split_refuse(s, message.bytes, end, reason);
    if (may_be_flow(s, message))
        return take_line(s, INGEST_vpc_flow, message, th_slice_text(ingest_flow_default_layout),
                         form);
    th_slice value;
    th_arena_reset(s->scratch);
    bool object = message.size > 0 && message.bytes[0] == '{' &&
                  th_json_document(message, TH_JSON_DEPTH_MAX, &value, NULL) == TH_OK;
    if (!object) return split_refuse(s, message.bytes, end, split_unknown);
    return split_object(s, value, (split_place){1, form});
}

th_err split_export(splitter *s)
{
    const uint8_t *p = s->base;
    while (p < s->end) {
        th_slice line = split_next_line(s, &p);
        th_slice message = message_of(line);
        if (message.bytes != NULL)
            TH_TRY(take_message(s, message));
        else if (line.size > 0) /* a message may have several lines: none that we know has */
            TH_TRY(split_refuse(s, line.bytes, line.bytes + line.size, split_unknown));
    }
    return TH_OK;
}
