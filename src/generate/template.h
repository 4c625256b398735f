/* SPDX-License-Identifier: Apache-2.0
 * Small programs that write text: what the tables of events, identities, agents and names are made of.
 *
 * In the text of a template
 *   '            is a double quote, ` a double quote with a backslash before it (JSON inside a JSON string)
 *   <name:arg>   a field (fields.c): opaque tokens, times, what repeats in the account
 *   <kind>       an entity (entities.def): the same one for the whole scene once it was picked
 *   <new:kind>   a new entity of that kind, which <kind> names from then on
 *   <@name>      the text of a fragment (fragments.def)
 *   <?30>a<|>b<.>    a in 30 of 100 runs, else b (`<|>b` may be left out)
 *   <*1-4>a<.>   a one to four times with commas between
 * A compiled template knows the most it can write, so that nothing is checked while it runs. */
#ifndef TH_GENERATE_TEMPLATE_H
#define TH_GENERATE_TEMPLATE_H

#include "base/arena.h"
#include "base/err.h"
#include "generate/random.h"

typedef struct gen_scene gen_scene;

typedef struct gen_arg {
    const char *text;   /* all behind the colon, terminated; "" when there is none */
    uint64_t low, high; /* `7` is 7 and 7, `1-4` is 1 and 4 */
    uint32_t kind;      /* of an entity */
    uint32_t count;     /* alternatives in text, with ends[i] where each ends */
    const uint16_t *ends;
} gen_arg;

typedef uint8_t *(*gen_field_writer)(gen_scene *scene, const gen_arg *arg, uint8_t *out);

typedef enum gen_opcode {
    GEN_OP_TEXT,
    GEN_OP_FIELD,
    GEN_OP_MAYBE,  /* chance in low of 100, else go to `to` */
    GEN_OP_GO,     /* go to `to` */
    GEN_OP_REPEAT, /* draw a count between low and high; 0: go to `to` */
    GEN_OP_AGAIN   /* a comma and back to `to` while the count lasts */
} gen_opcode;

typedef struct gen_op {
    gen_opcode code;
    uint32_t to;
    const uint8_t *text;
    uint32_t size;
    gen_field_writer write;
    gen_arg arg;
} gen_op;

typedef struct gen_template {
    const gen_op *ops;
    uint32_t count;
    size_t bound; /* bytes it may write at most */
} gen_template;

#define GEN_TEMPLATE_OPS_MAX 512u
#define GEN_REPEAT_MAX 64u  /* of one <*a-b>; they do not nest */
#define GEN_FIELD_MAX 2048u /* bytes of a field whose argument says its length */
#define GEN_BY_LENGTH 0u    /* the bound of such a field */

/* Compile; the result lives in the arena. Errors: TH_ESYNTAX (with the place in words), TH_ENOMEM. */
TH_MUST_CHECK th_err gen_template_compile(const char *text, th_arena *arena, gen_template *out,
                                          th_diag *diag);
/* Write at out, where template->bound bytes must be free; returns the end. */
uint8_t *gen_template_run(const gen_template *template, gen_scene *scene, uint8_t *out);

#endif
