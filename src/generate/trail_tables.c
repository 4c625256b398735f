/* SPDX-License-Identifier: Apache-2.0
 * CloudTrail's tables: from the .def files to compiled templates and scripts that name each other by pointer. */
#include "base/assert.h"
#include "generate/trail.h"

enum { RECORD_FIXED = 2048 }; /* keys and values of a record that no template writes */

static const trail_service services[] = {
#define SERVICE(key, host, action, version, api, id) {#key, host, action, version, api, id},
#include "generate/services.def"
#undef SERVICE
};

typedef struct error_row {
    const char *name;
    uint32_t rate;
    const char *code, *message;
} error_row;
static const error_row error_rows[] = {
#define ERROR(name, rate, code, message) {#name, rate, code, message},
#include "generate/errors.def"
#undef ERROR
};

typedef struct identity_row {
    const char *name, *text, *address, *agent;
} identity_row;
static const identity_row identity_rows[] = {
#define IDENTITY(name, text, address, agent) {#name, text, address, agent},
#include "generate/identities.def"
#undef IDENTITY
};

typedef struct agent_row {
    const char *list;
    bool console;
    const char *text;
} agent_row;
static const agent_row agent_rows[] = {
#define AGENT(list, console, text) {#list, console, text},
#include "generate/agents.def"
#undef AGENT
};

typedef struct event_row {
    const char *id, *service, *name;
    uint32_t flags;
    const char *identity, *errors, *request, *response, *more, *resources;
} event_row;
static const event_row event_rows[] = {
#define EVENT(id, service, name, flags, identity, errors, request, response, more, resources) \
    {#id, #service, name, flags, identity, errors, request, response, more, resources},
#include "generate/events.def"
#undef EVENT
};

typedef struct actor_row {
    const char *id;
    uint32_t weights[GEN_ACCOUNT_KIND_COUNT];
    gen_rhythm rhythm;
    const char *identity, *path, *role, *session;
    uint32_t minutes;
    const char *address, *agents;
    uint32_t errors;
} actor_row;
static const actor_row actor_rows[] = {
#define ACTOR(id, w0, w1, w2, w3, rhythm, identity, path, role, session, minutes, address, agents, \
              errors)                                                                              \
    {#id,     {w0, w1, w2, w3}, rhythm,  identity, path,  role,                                    \
     session, minutes,          address, agents,   errors},
#define SCRIPT(actor, weight, gap, words)
#include "generate/actors.def"
#undef ACTOR
#undef SCRIPT
};

typedef struct script_row {
    const char *actor;
    uint32_t weight, gap_ms;
    const char *words;
} script_row;
static const script_row script_rows[] = {
#define ACTOR(id, w0, w1, w2, w3, rhythm, identity, path, role, session, minutes, address, agents, \
              errors)
#define SCRIPT(actor, weight, gap, words) {#actor, weight, gap, words},
#include "generate/actors.def"
#undef ACTOR
#undef SCRIPT
};

#define COUNT(rows) ((uint32_t)(sizeof(rows) / sizeof((rows)[0])))

typedef struct maker {
    const gen_world *world;
    trail_tables *tables;
    th_diag *diag;
} maker;

static th_err refuse(const maker *m, const char *what, const char *name)
{
    return th_fail(m->diag, TH_ESYNTAX, NULL, "tables of events: %s %.60s", what, name);
}

static th_err compile(const maker *m, const char *text, gen_template *out)
{
    return gen_template_compile(text, m->world->arena, out, m->diag);
}

static th_err make_errors(const maker *m)
{
    for (uint32_t i = 0; i < COUNT(error_rows); i++) {
        trail_error *e = &m->tables->errors[i];
        *e = (trail_error){.name = error_rows[i].name, .rate = error_rows[i].rate};
        TH_TRY(compile(m, error_rows[i].code, &e->code));
        TH_TRY(compile(m, error_rows[i].message, &e->message));
    }
    return TH_OK;
}

static th_err make_identities(const maker *m)
{
    for (uint32_t i = 0; i < COUNT(identity_rows); i++) {
        trail_identity *identity = &m->tables->identities[i];
        identity->name = identity_rows[i].name;
        TH_TRY(compile(m, identity_rows[i].text, &identity->text));
        TH_TRY(compile(m, identity_rows[i].address, &identity->address));
        TH_TRY(compile(m, identity_rows[i].agent, &identity->agent));
    }
    return TH_OK;
}

static th_err make_agents(const maker *m)
{
    for (uint32_t i = 0; i < COUNT(agent_rows); i++) {
        trail_agent *agent = &m->tables->agents[i];
        agent->list = agent_rows[i].list;
        agent->console = agent_rows[i].console;
        TH_TRY(compile(m, agent_rows[i].text, &agent->text));
    }
    return TH_OK;
}

static th_err find_identity(const maker *m, const char *name, const trail_identity **out)
{
    for (uint32_t i = 0; i < COUNT(identity_rows); i++) {
        *out = &m->tables->identities[i];
        if (strcmp((*out)->name, name) == 0) return TH_OK;
    }
    return refuse(m, "no identity", name);
}

/* The next word of a list with blanks between; false at the end. */
static bool next_word(const char **list, const char **word, size_t *size)
{
    const char *p = *list;
    while (*p == ' ') p++;
    *word = p;
    while (*p != ' ' && *p != '\0') p++;
    *size = (size_t)(p - *word);
    *list = p;
    return *size > 0;
}

static th_err event_errors(const maker *m, const char *list, trail_event *e)
{
    const char *word;
    size_t size;
    while (next_word(&list, &word, &size)) {
        const trail_error *found = NULL;
        for (uint32_t i = 0; i < COUNT(error_rows) && found == NULL; i++) {
            const char *name = m->tables->errors[i].name;
            if (strlen(name) == size && memcmp(name, word, size) == 0)
                found = &m->tables->errors[i];
        }
        if (found == NULL || e->error_count == GEN_ERRORS_OF_EVENT)
            return refuse(m, "no error, or one too many:", word);
        e->errors[e->error_count++] = found;
    }
    return TH_OK;
}

/* DescribeInstances of ec2: ec2.describe-instances */
static void make_command(trail_event *e)
{
    uint8_t *out = gen_put_text((uint8_t *)e->command, e->service->action);
    *out++ = '.';
    for (const char *p = e->name; *p != '\0'; p++) {
        bool upper = *p >= 'A' && *p <= 'Z';
        bool after_small = p > e->name && p[-1] >= 'a' && p[-1] <= 'z';
        if (upper && after_small) *out++ = '-';
        *out++ = (uint8_t)(upper ? *p - 'A' + 'a' : *p);
    }
    *out = '\0';
    TH_ASSERT((size_t)(out - (uint8_t *)e->command) < sizeof(e->command));
}

static size_t event_bound(const trail_event *e)
{
    size_t bound = RECORD_FIXED + GEN_IDENTITY_MAX + e->request.bound + e->response.bound +
                   e->more.bound + e->resources.bound;
    for (uint32_t i = 0; i < e->error_count; i++)
        bound += e->errors[i]->code.bound + e->errors[i]->message.bound;
    if (e->identity != NULL)
        bound += e->identity->text.bound + e->identity->address.bound + e->identity->agent.bound;
    return bound;
}

static th_err make_event(const maker *m, const event_row *row, trail_event *e)
{
    e->id = row->id;
    e->name = row->name;
    e->flags = row->flags;
    for (uint32_t i = 0; i < COUNT(services) && e->service == NULL; i++) {
        if (strcmp(services[i].key, row->service) == 0) e->service = &services[i];
    }
    if (e->service == NULL) return refuse(m, "no service", row->service);
    if (row->identity[0] != '\0') TH_TRY(find_identity(m, row->identity, &e->identity));
    TH_TRY(event_errors(m, row->errors, e));
    TH_TRY(compile(m, row->request, &e->request));
    TH_TRY(compile(m, row->response, &e->response));
    TH_TRY(compile(m, row->more, &e->more));
    TH_TRY(compile(m, row->resources, &e->resources));
    make_command(e);
    e->bound = event_bound(e);
    return TH_OK;
}

static const trail_event *find_event(const maker *m, const char *name, size_t size)
{
    for (uint32_t i = 0; i < COUNT(event_rows); i++) {
        const trail_event *e = &m->tables->events[i];
        if (strlen(e->id) == size && memcmp(e->id, name, size) == 0) return e;
    }
    return NULL;
}

static uint32_t take_number(const char **p, const char *end)
{
    uint32_t value = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) value = value * 10 + (uint32_t)(**p - '0');
    return value;
}

/* ~a|b*2-5?30 */
static th_err make_step(const maker *m, const char *word, size_t size, trail_step *step)
{
    const char *p = word, *end = word + size;
    *step = (trail_step){.low = 1, .high = 1, .percent = 100};
    if (*p == '~') {
        step->anew = true;
        p++;
    }
    for (;;) {
        const char *name = p;
        while (p < end && strchr("|*?", *p) == NULL) p++;
        const trail_event *event = find_event(m, name, (size_t)(p - name));
        if (event == NULL || step->choice_count == GEN_CHOICES_MAX)
            return refuse(m, "no event, or one too many:", name);
        step->choices[step->choice_count++] = event;
        if (p == end || *p != '|') break;
        p++;
    }
    if (p < end && *p == '*') {
        p++;
        step->low = step->high = take_number(&p, end);
        if (p < end && *p == '-') {
            p++;
            step->high = take_number(&p, end);
        }
    }
    if (p < end && *p == '?') {
        p++;
        step->percent = p < end ? take_number(&p, end) : 50;
    }
    return p == end && step->high >= step->low ? TH_OK
                                               : refuse(m, "a step is not understood:", word);
}

static th_err make_script(const maker *m, const script_row *row, trail_actor *actor)
{
    trail_script *script = TH_NEW(m->world->arena, trail_script);
    if (script == NULL) return th_fail(m->diag, TH_ENOMEM, NULL, "no memory for scripts");
    if (actor->script_count == GEN_SCRIPTS_MAX) return refuse(m, "too many scripts:", actor->id);
    script->weight = row->weight;
    script->gap_ms = row->gap_ms;
    const char *list = row->words, *word;
    size_t size;
    while (next_word(&list, &word, &size)) {
        if (script->step_count == GEN_STEPS_MAX) return refuse(m, "too long a script:", row->words);
        TH_TRY(make_step(m, word, size, &script->steps[script->step_count++]));
    }
    actor->scripts[actor->script_count++] = script;
    actor->script_weight += row->weight;
    return TH_OK;
}

static th_err make_actor(const maker *m, const actor_row *row, trail_actor *actor)
{
    actor->id = row->id;
    memcpy(actor->weights, row->weights, sizeof(actor->weights));
    actor->rhythm = row->rhythm;
    actor->minutes = row->minutes;
    actor->errors = row->errors;
    TH_TRY(find_identity(m, row->identity, &actor->identity));
    if (actor->identity->text.bound > GEN_IDENTITY_MAX)
        return refuse(m, "too long an identity:", row->identity);
    TH_TRY(compile(m, row->path, &actor->path));
    TH_TRY(compile(m, row->role, &actor->role));
    TH_TRY(compile(m, row->session, &actor->session));
    TH_TRY(compile(m, row->address, &actor->address));
    for (uint32_t i = 0; i < COUNT(agent_rows); i++) {
        if (strcmp(agent_rows[i].list, row->agents) != 0) continue;
        if (actor->agent_count++ == 0) actor->agents = &m->tables->agents[i];
    }
    if (actor->agent_count == 0) return refuse(m, "no user agents", row->agents);
    actor->itself = strcmp(row->agents, "itself") == 0;
    for (uint32_t i = 0; i < COUNT(script_rows); i++) {
        if (strcmp(script_rows[i].actor, row->id) == 0)
            TH_TRY(make_script(m, &script_rows[i], actor));
    }
    return actor->script_count > 0 ? TH_OK : refuse(m, "no script for", row->id);
}

th_err trail_tables_make(const gen_world *world, trail_tables *out, th_diag *diag)
{
    th_arena *arena = world->arena;
    *out = (trail_tables){TH_NEW_ARRAY(arena, trail_event, COUNT(event_rows)),
                          TH_NEW_ARRAY(arena, trail_identity, COUNT(identity_rows)),
                          TH_NEW_ARRAY(arena, trail_error, COUNT(error_rows)),
                          TH_NEW_ARRAY(arena, trail_agent, COUNT(agent_rows)),
                          TH_NEW_ARRAY(arena, trail_actor, COUNT(actor_rows)),
                          COUNT(event_rows),
                          COUNT(identity_rows),
                          COUNT(error_rows),
                          COUNT(agent_rows),
                          COUNT(actor_rows)};
    if (out->events == NULL || out->identities == NULL || out->errors == NULL ||
        out->agents == NULL || out->actors == NULL)
        return th_fail(diag, TH_ENOMEM, NULL, "no memory for the tables of events");
    maker m = {world, out, diag};
    TH_TRY(make_errors(&m));
    TH_TRY(make_identities(&m));
    TH_TRY(make_agents(&m));
    for (uint32_t i = 0; i < COUNT(event_rows); i++)
        TH_TRY(make_event(&m, &event_rows[i], &out->events[i]));
    for (uint32_t i = 0; i < COUNT(actor_rows); i++)
        TH_TRY(make_actor(&m, &actor_rows[i], &out->actors[i]));
    return TH_OK;
}
