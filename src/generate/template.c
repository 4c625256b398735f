/* SPDX-License-Identifier: Apache-2.0
 * Templates: text into operations, and the loop that runs them. */
#include "generate/template.h"

#include <stdlib.h>

#include "generate/generate_private.h"

enum { NESTING_MAX = 8, TEXT_MAX = 16384, NAME_MAX_BYTES = 1024, FRAGMENT_DEPTH = 4 };

typedef struct compiler {
    th_arena *arena;
    th_diag *diag;
    const char *source;
    gen_op ops[GEN_TEMPLATE_OPS_MAX];
    uint32_t count;
    uint32_t open[NESTING_MAX]; /* operations that wait for their <.> */
    uint32_t depth;
    bool in_repeat;
    uint8_t text[TEXT_MAX]; /* literal text not yet made an operation */
    uint32_t text_size;
    uint32_t fragment_depth;
} compiler;

static th_err refuse(const compiler *c, const char *what, const char *name)
{
    return th_fail(c->diag, TH_ESYNTAX, NULL, "template `%.120s`: %s %.60s", c->source, what, name);
}

static th_err add_op(compiler *c, gen_op op)
{
    if (c->count == GEN_TEMPLATE_OPS_MAX) return refuse(c, "too long", "");
    c->ops[c->count++] = op;
    return TH_OK;
}

static th_err flush_text(compiler *c)
{
    if (c->text_size == 0) return TH_OK;
    th_slice copy = th_arena_copy(c->arena, th_slice_of(c->text, c->text_size));
    if (copy.bytes == NULL) return th_fail(c->diag, TH_ENOMEM, NULL, "no memory for templates");
    gen_op op = {.code = GEN_OP_TEXT, .text = copy.bytes, .size = c->text_size};
    c->text_size = 0;
    return add_op(c, op);
}

static th_err add_byte(compiler *c, char byte)
{
    if (c->text_size == TEXT_MAX) return refuse(c, "too much text", "");
    c->text[c->text_size++] = (uint8_t)byte;
    return TH_OK;
}

/* `7` or `1-4`; anything else leaves 0 and 0. */
static void parse_range(gen_arg *arg)
{
    const char *dash = strchr(arg->text, '-');
    size_t size = strlen(arg->text);
    size_t first = dash != NULL ? (size_t)(dash - arg->text) : size;
    if (!th_slice_to_u64(th_slice_of(arg->text, first), &arg->low)) return;
    arg->high = arg->low;
    if (dash != NULL && !th_slice_to_u64(th_slice_of(dash + 1, size - first - 1), &arg->high))
        arg->low = arg->high = 0;
}

static th_err parse_alternatives(compiler *c, gen_arg *arg)
{
    uint32_t count = 1;
    for (const char *p = arg->text; *p != '\0'; p++) count += *p == '|';
    uint16_t *ends = TH_NEW_ARRAY(c->arena, uint16_t, count);
    if (ends == NULL) return th_fail(c->diag, TH_ENOMEM, NULL, "no memory for templates");
    uint32_t at = 0;
    for (const char *p = arg->text;; p++) {
        if (*p != '|' && *p != '\0') continue;
        ends[at++] = (uint16_t)(p - arg->text);
        if (*p == '\0') break;
    }
    arg->count = count;
    arg->ends = ends;
    return TH_OK;
}

static th_err add_field(compiler *c, char *name)
{
    char *colon = strchr(name, ':');
    if (colon != NULL) *colon = '\0';
    size_t bound = 0;
    const char *list = NULL;
    gen_op op = {.code = GEN_OP_FIELD, .write = gen_field_find(name, &bound, &list)};
    if (op.write == NULL) return refuse(c, "no field", name);
    op.size = (uint32_t)bound;
    if (list == NULL) list = colon == NULL ? "" : colon + 1;
    th_slice text = th_arena_copy(c->arena, th_slice_text(list));
    if (text.bytes == NULL) return th_fail(c->diag, TH_ENOMEM, NULL, "no memory for templates");
    op.arg.text = (const char *)text.bytes;
    const char *kind = op.write == gen_field_entity ? name : op.arg.text;
    if (op.write == gen_field_entity || op.write == gen_field_new || op.write == gen_field_pick ||
        op.write == gen_field_made || op.write == gen_field_dashed) {
        op.arg.kind = gen_entity_find(kind);
        if (op.arg.kind == GEN_ENTITY_COUNT) return refuse(c, "no entity", kind);
    }
    parse_range(&op.arg);
    TH_TRY(parse_alternatives(c, &op.arg));
    if (bound == GEN_BY_LENGTH) {
        if (op.arg.high > GEN_FIELD_MAX || op.arg.high < op.arg.low || op.arg.high == 0)
            return refuse(c, "no such length:", name);
        op.size = (uint32_t)op.arg.high;
    }
    return add_op(c, op);
}

static th_err open_block(compiler *c, gen_opcode code, const char *range)
{
    gen_op op = {.code = code, .arg = {.text = range}};
    parse_range(&op.arg);
    if (c->depth == NESTING_MAX) return refuse(c, "nested too deep", "");
    if (code == GEN_OP_REPEAT && (c->in_repeat || op.arg.high > GEN_REPEAT_MAX || op.arg.high == 0))
        return refuse(c, "a repeat that nests or is too long", range);
    c->in_repeat |= code == GEN_OP_REPEAT;
    op.arg.text = "";
    c->open[c->depth++] = c->count;
    return add_op(c, op);
}

static th_err close_block(compiler *c)
{
    if (c->depth == 0) return refuse(c, "<.> without a beginning", "");
    uint32_t start = c->open[--c->depth];
    if (c->ops[start].code == GEN_OP_REPEAT) {
        c->in_repeat = false;
        TH_TRY(add_op(c, (gen_op){.code = GEN_OP_AGAIN, .to = start + 1}));
    }
    c->ops[start].to = c->count;
    return TH_OK;
}

static th_err middle_block(compiler *c)
{
    if (c->depth == 0 || c->ops[c->open[c->depth - 1]].code != GEN_OP_MAYBE)
        return refuse(c, "<|> without a beginning", "");
    uint32_t start = c->open[c->depth - 1];
    c->open[c->depth - 1] = c->count;
    TH_TRY(add_op(c, (gen_op){.code = GEN_OP_GO}));
    c->ops[start].to = c->count;
    return TH_OK;
}

static th_err compile_text(compiler *c, const char *p);

static th_err compile_tag(compiler *c, char *tag)
{
    if (tag[0] == '@') {
        const char *fragment = gen_fragment_find(tag + 1);
        if (fragment == NULL || c->fragment_depth == FRAGMENT_DEPTH)
            return refuse(c, "no fragment", tag);
        c->fragment_depth++;
        TH_TRY(compile_text(c, fragment));
        c->fragment_depth--;
        return TH_OK;
    }
    TH_TRY(flush_text(c));
    switch (tag[0]) {
    case '?': return open_block(c, GEN_OP_MAYBE, tag + 1);
    case '*': return open_block(c, GEN_OP_REPEAT, tag + 1);
    case '|': return middle_block(c);
    case '.': return close_block(c);
    default: return add_field(c, tag);
    }
}

static th_err compile_text(compiler *c, const char *p)
{
    char tag[NAME_MAX_BYTES];
    for (; *p != '\0'; p++) {
        if (*p == '`') {
            TH_TRY(add_byte(c, '\\'));
            TH_TRY(add_byte(c, '"'));
        } else if (*p != '<') {
            TH_TRY(add_byte(c, *p == '\'' ? '"' : *p));
        } else {
            const char *end = strchr(p, '>');
            if (end == NULL || end - p >= NAME_MAX_BYTES) return refuse(c, "no end of", p);
            for (const char *q = p + 1; q < end; q++) tag[q - p - 1] = *q == '\'' ? '"' : *q;
            tag[end - p - 1] = '\0';
            TH_TRY(compile_tag(c, tag));
            p = end;
        }
    }
    return TH_OK;
}

/* Both sides of a choice are counted, what repeats as often as it may: more than can happen, never less. */
static size_t bound_of(const compiler *c)
{
    size_t bound = 0, factor = 1;
    for (uint32_t i = 0; i < c->count; i++) {
        const gen_op *op = &c->ops[i];
        if (op->code == GEN_OP_TEXT || op->code == GEN_OP_FIELD) bound += op->size * factor;
        if (op->code == GEN_OP_REPEAT) factor = (size_t)op->arg.high;
        if (op->code == GEN_OP_AGAIN) {
            bound += factor;
            factor = 1;
        }
    }
    return bound;
}

static th_err compile_whole(compiler *c, const char *text, gen_template *out)
{
    TH_TRY(compile_text(c, text));
    TH_TRY(flush_text(c));
    if (c->depth > 0) return refuse(c, "no <.> at the end", "");
    gen_op *ops = TH_NEW_ARRAY(c->arena, gen_op, c->count + 1);
    if (ops == NULL) return th_fail(c->diag, TH_ENOMEM, NULL, "no memory for templates");
    memcpy(ops, c->ops, c->count * sizeof(*ops));
    *out = (gen_template){ops, c->count, bound_of(c)};
    return TH_OK;
}

th_err gen_template_compile(const char *text, th_arena *arena, gen_template *out, th_diag *diag)
{
    compiler *c = calloc(1, sizeof(*c));
    if (c == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for templates");
    c->arena = arena;
    c->diag = diag;
    c->source = text;
    th_err err = compile_whole(c, text, out);
    free(c);
    return err;
}

uint8_t *gen_template_run(const gen_template *template, gen_scene *scene, uint8_t *out)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < template->count;) {
        const gen_op *op = &template->ops[i++];
        switch (op->code) {
        case GEN_OP_TEXT:
            memcpy(out, op->text, op->size);
            out += op->size;
            break;
        case GEN_OP_FIELD: out = op->write(scene, &op->arg, out); break;
        case GEN_OP_MAYBE:
            if (!gen_chance(scene->random, (uint32_t)op->arg.low, 100)) i = op->to;
            break;
        case GEN_OP_GO: i = op->to; break;
        case GEN_OP_REPEAT:
            left = gen_between(scene->random, op->arg.low, op->arg.high);
            if (left == 0) i = op->to;
            break;
        case GEN_OP_AGAIN:
            if (--left == 0) break;
            *out++ = ',';
            i = op->to;
            break;
        }
    }
    return out;
}
