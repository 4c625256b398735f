/* SPDX-License-Identifier: Apache-2.0
 * VPC flow logs: conversations of instances with each other, with AWS, with the internet, and those who knock. Each
 * makes a line in either direction, in one or more windows of aggregation. Some accounts have a format of their own. */
#include <stdlib.h>

#include "generate/write.h"

enum { COLUMNS_MAX = 32, TEXT_BYTES = 64, LINE_BOUND = 1024, WINDOW_SECONDS = 60 };

typedef enum column {
    COLUMN_VERSION,
    COLUMN_ACCOUNT,
    COLUMN_INTERFACE,
    COLUMN_SOURCE,
    COLUMN_TARGET,
    COLUMN_SOURCE_PORT,
    COLUMN_TARGET_PORT,
    COLUMN_PROTOCOL,
    COLUMN_PACKETS,
    COLUMN_BYTES,
    COLUMN_START,
    COLUMN_END,
    COLUMN_ACTION,
    COLUMN_STATUS,
    COLUMN_VPC,
    COLUMN_SUBNET,
    COLUMN_INSTANCE,
    COLUMN_FLAGS,
    COLUMN_TYPE,
    COLUMN_PACKET_SOURCE,
    COLUMN_PACKET_TARGET,
    COLUMN_REGION,
    COLUMN_DIRECTION,
    COLUMN_PATH
} column;

typedef struct flow_format {
    const char *header;
    column columns[COLUMNS_MAX];
    uint32_t count;
} flow_format;

static const flow_format formats[] = {
    {"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
     "end action log-status",
     {COLUMN_VERSION, COLUMN_ACCOUNT, COLUMN_INTERFACE, COLUMN_SOURCE, COLUMN_TARGET,
      COLUMN_SOURCE_PORT, COLUMN_TARGET_PORT, COLUMN_PROTOCOL, COLUMN_PACKETS, COLUMN_BYTES,
      COLUMN_START, COLUMN_END, COLUMN_ACTION, COLUMN_STATUS},
     14},
    {"version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport "
     "dstport pkt-srcaddr "
     "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status",
     {COLUMN_VERSION,       COLUMN_VPC,         COLUMN_SUBNET,      COLUMN_INSTANCE,
      COLUMN_INTERFACE,     COLUMN_ACCOUNT,     COLUMN_TYPE,        COLUMN_SOURCE,
      COLUMN_TARGET,        COLUMN_SOURCE_PORT, COLUMN_TARGET_PORT, COLUMN_PACKET_SOURCE,
      COLUMN_PACKET_TARGET, COLUMN_PROTOCOL,    COLUMN_BYTES,       COLUMN_PACKETS,
      COLUMN_START,         COLUMN_END,         COLUMN_ACTION,      COLUMN_FLAGS,
      COLUMN_STATUS},
     21},
    {"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
     "end action log-status "
     "vpc-id region flow-direction traffic-path",
     {COLUMN_VERSION, COLUMN_ACCOUNT, COLUMN_INTERFACE, COLUMN_SOURCE, COLUMN_TARGET,
      COLUMN_SOURCE_PORT, COLUMN_TARGET_PORT, COLUMN_PROTOCOL, COLUMN_PACKETS, COLUMN_BYTES,
      COLUMN_START, COLUMN_END, COLUMN_ACTION, COLUMN_STATUS, COLUMN_VPC, COLUMN_REGION,
      COLUMN_DIRECTION, COLUMN_PATH},
     18},
};

/* How instances talk: the port of the one that is asked, 6 is TCP, 17 UDP. */
static const struct talk {
    uint32_t weight, port, protocol;
    bool outside, asks, refused;
} talks[] = {
    {24, 443, 6, true, true, false},    {20, 443, 6, false, false, false},
    {14, 8080, 6, false, false, false}, {10, 5432, 6, false, true, false},
    {9, 53, 17, false, true, false},    {6, 6379, 6, false, true, false},
    {5, 443, 6, true, false, false},    {4, 123, 17, true, true, false},
    {3, 80, 6, true, true, false},      {9, 22, 6, true, false, true},
    {5, 23, 6, true, false, true},      {4, 3389, 6, true, false, true},
    {3, 445, 6, true, false, true},     {1, 22, 6, false, false, false},
};

typedef struct text {
    uint8_t bytes[TEXT_BYTES];
    size_t size;
} text;

typedef struct flow_line {
    bool idle; /* NODATA: nothing but times */
    text eni, here, there, vpc, subnet, instance;
    uint32_t here_port, there_port, protocol, flags;
    uint64_t packets, bytes;
    int64_t start_s, end_s;
    bool inward, refused, outside;
} flow_line;

typedef struct flow {
    const gen_world *world;
    gen_file file;
    uint32_t talk_weight;
} flow;

void gen_flow_close(void *state)
{
    flow *f = state;
    if (f == NULL) return;
    gen_file_free(&f->file);
    free(f);
}

th_err gen_flow_open(const gen_world *world, void **state, th_diag *diag)
{
    flow *f = calloc(1, sizeof(*f));
    if (f == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to generate flow logs");
    f->world = world;
    for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) f->talk_weight += talks[i].weight;
    th_err err = gen_file_init(&f->file, diag);
    if (err == TH_OK)
        *state = f;
    else
        gen_flow_close(f);
    return err;
}

static uint8_t *put_text_of(const text *t, uint8_t *out)
{
    return gen_put(out, (const char *)t->bytes, t->size);
}

static uint8_t *write_path(const flow_line *l, uint8_t *out)
{
    if (l->inward) return GEN_PUT(out, "-");
    return l->outside ? GEN_PUT(out, "8") : GEN_PUT(out, "1");
}

static uint8_t *write_column(const gen_scene *s, const flow_line *l, const flow_format *format,
                             column c, uint8_t *out)
{
    const text *from = l->inward ? &l->there : &l->here, *to = l->inward ? &l->here : &l->there;
    if (l->idle &&
        ((c >= COLUMN_SOURCE && c <= COLUMN_BYTES) || c == COLUMN_ACTION || c >= COLUMN_FLAGS))
        return GEN_PUT(out, "-");
    switch (c) {
    case COLUMN_VERSION:
        return gen_write_u64(format == &formats[0] ? 2 : format == &formats[1] ? 3 : 5, out);
    case COLUMN_ACCOUNT: return gen_put(out, s->account->id, 12);
    case COLUMN_INTERFACE: return put_text_of(&l->eni, out);
    case COLUMN_SOURCE:
    case COLUMN_PACKET_SOURCE: return put_text_of(from, out);
    case COLUMN_TARGET:
    case COLUMN_PACKET_TARGET: return put_text_of(to, out);
    case COLUMN_SOURCE_PORT: return gen_write_u64(l->inward ? l->there_port : l->here_port, out);
    case COLUMN_TARGET_PORT: return gen_write_u64(l->inward ? l->here_port : l->there_port, out);
    case COLUMN_PROTOCOL: return gen_write_u64(l->protocol, out);
    case COLUMN_PACKETS: return gen_write_u64(l->packets, out);
    case COLUMN_BYTES: return gen_write_u64(l->bytes, out);
    case COLUMN_START: return gen_write_u64((uint64_t)l->start_s, out);
    case COLUMN_END: return gen_write_u64((uint64_t)l->end_s, out);
    case COLUMN_ACTION: return l->refused ? GEN_PUT(out, "REJECT") : GEN_PUT(out, "ACCEPT");
    case COLUMN_STATUS: return l->idle ? GEN_PUT(out, "NODATA") : GEN_PUT(out, "OK");
    case COLUMN_VPC: return put_text_of(&l->vpc, out);
    case COLUMN_SUBNET: return put_text_of(&l->subnet, out);
    case COLUMN_INSTANCE: return put_text_of(&l->instance, out);
    case COLUMN_FLAGS: return gen_write_u64(l->flags, out);
    case COLUMN_TYPE: return GEN_PUT(out, "IPv4");
    case COLUMN_REGION: return gen_put_text(out, gen_regions[s->region].name);
    case COLUMN_DIRECTION: return l->inward ? GEN_PUT(out, "ingress") : GEN_PUT(out, "egress");
    case COLUMN_PATH: return write_path(l, out);
    }
    return out;
}

static void entity(gen_scene *s, gen_entity_kind kind, text *out)
{
    uint8_t bytes[GEN_ENTITY_MAX];
    size_t size = (size_t)(gen_entity_write(s, kind, bytes) - bytes);
    out->size = size < TEXT_BYTES ? size : TEXT_BYTES;
    memcpy(out->bytes, bytes, out->size);
}

/* False: the file is full. */
static bool write_line(flow *f, const gen_scene *s, const flow_line *l, const flow_format *format,
                       uint64_t *bytes)
{
    uint8_t *room = gen_file_room(&f->file, LINE_BOUND);
    if (room == NULL) return false;
    uint8_t *out = room;
    for (uint32_t i = 0; i < format->count; i++) {
        if (i > 0) *out++ = ' ';
        out = write_column(s, l, format, format->columns[i], out);
    }
    gen_file_add(&f->file, l->end_s, out);
    *bytes += (uint64_t)(out - room);
    return true;
}

static void choose_ends(gen_scene *s, flow_line *l, const struct talk *t)
{
    gen_random *r = s->random;
    entity(s, GEN_ENTITY_eni, &l->eni);
    entity(s, GEN_ENTITY_private_ip, &l->here);
    entity(s, GEN_ENTITY_instance, &l->instance);
    entity(s, GEN_ENTITY_vpc, &l->vpc);
    entity(s, GEN_ENTITY_subnet, &l->subnet);
    if (t->outside) {
        /* Services are few and known, those who knock are many. */
        uint64_t who = t->refused ? gen_next(r) : gen_mix(s->account->key, gen_skewed(r, 400));
        l->there.size = (size_t)(gen_write_public_address(who, l->there.bytes) - l->there.bytes);
    } else {
        s->pick[GEN_ENTITY_instance] = 0;
        entity(s, GEN_ENTITY_private_ip, &l->there);
    }
    uint32_t high = 1024 + gen_below(r, 64512);
    l->here_port = t->asks ? high : t->port;
    l->there_port = t->asks ? t->port : high;
}

static bool converse(flow *f, gen_scene *s, const flow_format *format, uint64_t *bytes)
{
    gen_random *r = s->random;
    uint32_t at = gen_below(r, f->talk_weight), i = 0;
    while (at >= talks[i].weight) at -= talks[i++].weight;
    flow_line l = {.idle = gen_below(r, 60) == 0,
                   .protocol = talks[i].protocol,
                   .refused = talks[i].refused,
                   .outside = talks[i].outside};
    gen_scene_forget(s);
    s->pick[GEN_ENTITY_vpc] = f->file.pick;
    choose_ends(s, &l, &talks[i]);
    l.start_s = s->now_s;
    uint32_t windows = l.refused || l.idle ? 1 : 1 + gen_skewed(r, 4);
    for (uint32_t k = 0; k < windows; k++) {
        l.end_s = l.start_s + (int64_t)gen_between(r, 5, WINDOW_SECONDS - 1);
        l.packets = l.refused ? 1 + gen_below(r, 2) : gen_spread(r, 2, 4000);
        l.bytes = l.packets * (l.refused ? 40 + gen_below(r, 3) * 4 : gen_between(r, 52, 1460));
        l.flags = l.refused ? 2 : l.protocol == 17 ? 0 : k == 0 ? 3 : 0;
        l.inward = l.refused || !talks[i].asks;
        if (!write_line(f, s, &l, format, bytes)) return false;
        if (!l.refused && !l.idle) {
            l.inward = !l.inward;
            l.packets = 1 + l.packets * gen_between(r, 40, 110) / 100;
            l.bytes = l.packets * gen_between(r, 52, 1460);
            if (!write_line(f, s, &l, format, bytes)) return false;
        }
        l.start_s += WINDOW_SECONDS;
    }
    return true;
}

th_err gen_flow_fill(void *state, const gen_unit *unit, uint64_t *bytes, th_diag *diag)
{
    flow *f = state;
    /* Two of three accounts keep the format that AWS proposes; a stream has one header. */
    uint64_t choice = gen_out_is_stream(unit->out) ? 0 : unit->account->key % 9;
    const flow_format *format = &formats[choice < 6 ? 0 : choice < 8 ? 1 : 2];
    gen_scene s = {.random = unit->random,
                   .world = f->world,
                   .account = unit->account,
                   .peer = unit->account,
                   .region = unit->region};
    f->file.source = TH_GENERATE_VPC_FLOW;
    f->file.account = unit->account;
    f->file.region = unit->region;
    f->file.layout = format->header;
    f->file.pick = 1 + gen_skewed(unit->random, 2);
    while (*bytes < unit->bytes) {
        s.now_s = unit->start_s +
                  (int64_t)gen_below(unit->random, (uint32_t)(unit->end_s - unit->start_s));
        if (!converse(f, &s, format, bytes))
            TH_TRY(gen_out_write(unit->out, &f->file, unit->random, diag));
    }
    return gen_out_write(unit->out, &f->file, unit->random, diag);
}
