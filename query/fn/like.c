/* SPDX-License-Identifier: Apache-2.0
 * LIKE: % any run, _ one code point; the escape character may stand before %, _ and itself. Patterns are compiled
 * once a place into literal pieces. */
#include "query/fn/call.h"
#include "query/fn/families.h"

enum { LITERAL = 0, ANY_ONE = 1, ANY_RUN = 2 };

typedef struct like_step {
    int kind;
    th_slice text;
} like_step;

typedef struct like_pattern {
    th_slice source;
    int64_t escape; /* code point or -1 */
    like_step *steps;
    uint32_t count;
} like_pattern;

static th_err bad_escape(th_fn_call *call)
{
    return fn_bad(call,
                  "Escape character must be followed by '%%', '_' or the escape character itself");
}

static th_err compile(th_fn_call *call, th_slice source, int64_t escape, like_pattern *p)
{
    uint8_t *text = th_arena_alloc(call->query, source.size + 1);
    size_t used = 0, from = 0;
    p->source = th_arena_copy(call->query, source);
    p->escape = escape;
    p->count = 0;
    p->steps = TH_NEW_ARRAY(call->query, like_step, source.size + 1);
    if (text == NULL || p->steps == NULL || p->source.bytes == NULL) return fn_memory(call);
    for (size_t at = 0; at < source.size;) {
        size_t start = at;
        uint32_t code = fn_utf8_next(source, &at);
        bool literal = code != '%' && code != '_';
        if (escape >= 0 && code == (uint32_t)escape) {
            if (at == source.size) return bad_escape(call);
            start = at;
            code = fn_utf8_next(source, &at);
            if (code != '%' && code != '_' && code != (uint32_t)escape) return bad_escape(call);
            literal = true;
        }
        if (literal) {
            memcpy(text + used, source.bytes + start, at - start);
            used += at - start;
            continue;
        }
        if (used > from)
            p->steps[p->count++] = (like_step){LITERAL, th_slice_of(text + from, used - from)};
        from = used;
        bool again = code == '%' && p->count > 0 && p->steps[p->count - 1].kind == ANY_RUN;
        if (!again) p->steps[p->count++] = (like_step){code == '%' ? ANY_RUN : ANY_ONE, {NULL, 0}};
    }
    if (used > from)
        p->steps[p->count++] = (like_step){LITERAL, th_slice_of(text + from, used - from)};
    return TH_OK;
}

/* Match one step that is not a run at *at. */
static bool step_matches(const like_step *step, th_slice s, size_t *at)
{
    if (step->kind == ANY_ONE) {
        if (*at >= s.size) return false;
        (void)fn_utf8_next(s, at);
        return true;
    }
    if (s.size - *at < step->text.size ||
        memcmp(s.bytes + *at, step->text.bytes, step->text.size) != 0)
        return false;
    *at += step->text.size;
    return true;
}

/* Where the literal after a run can start at the earliest; SIZE_MAX: nowhere. */
static size_t seek(const like_step *step, th_slice s, size_t at)
{
    if (step->kind != LITERAL) return at <= s.size ? at : SIZE_MAX;
    if (at > s.size) return SIZE_MAX;
    size_t found = th_slice_find(th_slice_of(s.bytes + at, s.size - at), step->text);
    return found == SIZE_MAX ? SIZE_MAX : at + found;
}

/* Greedy with one point to fall back to: the last run. */
static bool matches(const like_pattern *p, th_slice s)
{
    size_t at = 0, run_at = 0;
    uint32_t i = 0, run = UINT32_MAX;
    for (;;) {
        if (i < p->count && p->steps[i].kind == ANY_RUN) {
            if (i + 1 == p->count) return true;
            run = ++i;
            run_at = at = seek(&p->steps[i], s, at);
            if (at == SIZE_MAX) return false;
            continue;
        }
        if (i < p->count ? step_matches(&p->steps[i], s, &at) : at == s.size) {
            if (i++ == p->count) return true;
            continue;
        }
        if (run == UINT32_MAX || run_at >= s.size) return false;
        (void)fn_utf8_next(s, &run_at);
        run_at = seek(&p->steps[run], s, run_at);
        if (run_at == SIZE_MAX) return false;
        at = run_at;
        i = run;
    }
}

th_err fn_like(th_fn_call *call, const th_value *args, th_value *out)
{
    like_pattern *p = *call->state;
    int64_t escape = -1;
    if (call->arg_count > 2) {
        size_t at = 0;
        if (fn_utf8_length(args[2].s) > 1)
            return fn_bad(call, "Escape string must be a single character");
        if (args[2].s.size > 0) escape = fn_utf8_next(args[2].s, &at);
    }
    if (p == NULL || p->escape != escape || !th_slice_equal(p->source, args[1].s)) {
        like_pattern *fresh = TH_NEW(call->query, like_pattern);
        if (fresh == NULL) return fn_memory(call);
        TH_TRY(compile(call, args[1].s, escape, fresh));
        *call->state = p = fresh;
    }
    out->i = matches(p, args[0].s);
    return TH_OK;
}
