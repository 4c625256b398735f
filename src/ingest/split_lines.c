/* SPDX-License-Identifier: Apache-2.0
 * The walk over VPC flow log lines. A record is the line without its end, so CRLF files come back as they were. */
#include "base/limits.h"
#include "ingest/split_private.h"

enum { LINES_PROBED = 100 };

/* The line that starts at *p, without CR and LF; *p moves behind its end. */
static th_slice next_line(const splitter *s, const uint8_t **p)
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

bool split_is_flow(const splitter *s)
{
    const uint8_t *p = s->base;
    if (*p != '2' && !(*p >= 'a' && *p <= 'z')) return false;
    if (looks_like_header(next_line(s, &p))) return true;
    p = s->base;
    for (int i = 0; i < LINES_PROBED && p < s->end; i++) {
        th_slice line = next_line(s, &p);
        if (line.size > 0 && !ingest_is_flow_default(line)) return false;
    }
    return true;
}

static const char *judge_line(th_slice line, size_t wanted, bool by_header)
{
    if (line.size > TH_RECORD_SIZE_MAX) return "larger than a record may be (16 MiB)";
    if (!th_utf8_valid(line)) return "not valid UTF-8";
    if (by_header ? ingest_count_fields(line) != wanted : !ingest_is_flow_default(line))
        return "not a line of this flow log: another number of fields";
    return NULL;
}

th_err split_flow(splitter *s)
{
    th_slice layout = th_slice_text(ingest_flow_default_layout);
    bool by_header = false;
    size_t wanted = 14;
    const uint8_t *p = s->base;
    while (p < s->end) {
        th_slice line = next_line(s, &p);
        if (line.size == 0) continue;
        if (looks_like_header(line)) {
            layout = line;
            wanted = ingest_count_fields(line);
            by_header = true;
            continue;
        }
        const char *reason = judge_line(line, wanted, by_header);
        if (reason != NULL) {
            TH_TRY(split_refuse(s, line.bytes, line.bytes + line.size, reason));
            continue;
        }
        ingest_piece piece = {
            .kind = INGEST_RECORD,
            .recogniser = INGEST_vpc_flow,
            .offset = (uint64_t)(line.bytes - s->base),
            .size = line.size,
            .record = line,
            .layout = layout,
        };
        TH_TRY(split_emit(s, &piece, (split_place){0, "lines"}));
    }
    return TH_OK;
}
