/* SPDX-License-Identifier: Apache-2.0
 * CloudTrail's tables, compiled, and what its files share. */
#ifndef TH_GENERATE_TRAIL_H
#define TH_GENERATE_TRAIL_H

#include "generate/generate_private.h"

/* Flags of events. */
#define READ 1u
#define GLOBAL 2u
#define DATA 4u
#define SERVICE_EVENT 8u
#define SIGN_IN 16u
#define CROSS 32u
#define SHARED 64u
#define INSIDE 128u

#define GEN_ERRORS_OF_EVENT 4u
#define GEN_STEPS_MAX 40u
#define GEN_CHOICES_MAX 8u
#define GEN_SCRIPTS_MAX 16u /* of one actor */

typedef enum gen_request_id { RID_NONE, RID_UUID, RID_S3, RID_LONG } gen_request_id;

typedef struct trail_service {
    const char *key, *host, *action, *version, *api;
    gen_request_id request_id;
} trail_service;

typedef struct trail_error {
    const char *name;
    uint32_t rate; /* of 10,000 */
    gen_template code, message;
} trail_error;

typedef struct trail_identity {
    const char *name;
    gen_template text, address, agent;
} trail_identity;

typedef struct trail_agent {
    const char *list;
    bool console;
    gen_template text;
} trail_agent;

typedef struct trail_event {
    const char *id, *name;
    const trail_service *service;
    uint32_t flags;
    const trail_identity *identity; /* NULL: the actor's */
    const trail_error *errors[GEN_ERRORS_OF_EVENT];
    uint32_t error_count;
    gen_template request, response, more, resources;
    char command[80]; /* ec2.describe-instances */
    size_t bound;
} trail_event;

typedef struct trail_step {
    const trail_event *choices[GEN_CHOICES_MAX];
    uint32_t choice_count;
    uint32_t low, high, percent;
    bool anew; /* other resources than before */
} trail_step;

typedef struct trail_script {
    uint32_t weight, gap_ms;
    trail_step steps[GEN_STEPS_MAX];
    uint32_t step_count;
} trail_script;

typedef struct trail_actor {
    const char *id;
    uint32_t weights[GEN_ACCOUNT_KIND_COUNT];
    gen_rhythm rhythm;
    const trail_identity *identity;
    gen_template path, role, session, address;
    uint32_t minutes, errors;
    const trail_agent *agents;
    uint32_t agent_count;
    bool itself; /* a service of AWS: no TLS details, its calls come from inside */
    trail_script *scripts[GEN_SCRIPTS_MAX];
    uint32_t script_count, script_weight;
} trail_actor;

typedef struct trail_tables {
    trail_event *events;
    trail_identity *identities;
    trail_error *errors;
    trail_agent *agents;
    trail_actor *actors;
    uint32_t event_count, identity_count, error_count, agent_count, actor_count;
} trail_tables;

/* Compile all tables into the world's arena. */
TH_MUST_CHECK th_err trail_tables_make(const gen_world *world, trail_tables *out, th_diag *diag);

/* One call, as the trail of `recipient` records it. */
typedef struct trail_call {
    const trail_event *event;
    const trail_actor *actor;
    const trail_error *error; /* NULL: it worked */
    bool console;             /* the actor's agent is a browser */
    bool as_owner;            /* the record of the account that owns what a stranger used */
    uint8_t shared[36];       /* sharedEventID */
    gen_random *
        ids; /* eventIDs have numbers of their own, so that two records of a call differ in them only */
} trail_call;
/* Writes at most event->bound bytes; returns the end. */
uint8_t *trail_write_record(gen_scene *scene, const trail_call *call, uint8_t *out);

#endif
