/* SPDX-License-Identifier: Apache-2.0
 * What stands between < and > in templates. */
#include "generate/write.h"

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define FIELD_OF(name) static uint8_t *name(gen_scene *s, const gen_arg *arg, uint8_t *out)

static uint32_t length_of(gen_scene *s, const gen_arg *arg)
{
    return (uint32_t)gen_between(s->random, arg->low, arg->high);
}

FIELD_OF(field_account)
{
    (void)arg;
    return gen_put(out, s->account->id, 12);
}

FIELD_OF(field_peer)
{
    (void)arg;
    return gen_put(out, s->peer->id, 12);
}

FIELD_OF(field_code)
{
    (void)arg;
    return gen_put(out, s->account->code, 8);
}

FIELD_OF(field_account_name)
{
    static const char *const kinds[GEN_ACCOUNT_KIND_COUNT] = {"prod", "dev", "data", "central"};
    (void)arg;
    out = gen_put_text(out, kinds[s->account->kind]);
    *out++ = '-';
    return gen_write_padded(s->account->index, 5, out);
}

FIELD_OF(field_region)
{
    (void)arg;
    return gen_put_text(out, gen_regions[s->region].name);
}

FIELD_OF(field_zone)
{
    out = field_region(s, arg, out);
    *out++ = (uint8_t)('a' + gen_below(s->random, 3));
    return out;
}

FIELD_OF(field_uuid)
{
    (void)arg;
    return gen_write_uuid(s->random, out);
}

FIELD_OF(field_hex)
{
    return gen_write_hex(s->random, length_of(s, arg), out);
}

FIELD_OF(field_digits)
{
    return gen_write_letters(s->random, DIGITS, 10, length_of(s, arg), out);
}

FIELD_OF(field_base32)
{
    return gen_write_letters(s->random, UPPER "234567", 32, length_of(s, arg), out);
}

FIELD_OF(field_base36)
{
    return gen_write_letters(s->random, LOWER DIGITS, 36, length_of(s, arg), out);
}

FIELD_OF(field_upper)
{
    return gen_write_letters(s->random, UPPER DIGITS, 36, length_of(s, arg), out);
}

FIELD_OF(field_alnum)
{
    return gen_write_letters(s->random, UPPER LOWER DIGITS, 62, length_of(s, arg), out);
}

FIELD_OF(field_base64)
{
    return gen_write_base64(s->random, length_of(s, arg), out);
}

FIELD_OF(field_number)
{
    return gen_write_u64(gen_between(s->random, arg->low, arg->high), out);
}

FIELD_OF(field_size)
{
    return gen_write_u64(gen_spread(s->random, arg->low, arg->high), out);
}

static uint8_t *write_alternative(const gen_arg *arg, uint32_t i, uint8_t *out)
{
    size_t start = i == 0 ? 0 : (size_t)arg->ends[i - 1] + 1;
    return gen_put(out, arg->text + start, arg->ends[i] - start);
}

FIELD_OF(field_one)
{
    return write_alternative(arg, gen_below(s->random, arg->count), out);
}

FIELD_OF(field_address)
{
    (void)arg;
    return gen_write_public_address(gen_next(s->random), out);
}

/* The name of an object in a bucket, as programs make them: a prefix that repeats, a date, something unique. */
static uint8_t *write_data_key(gen_scene *s, gen_random *r, uint8_t *out)
{
    static const char *const prefixes[] = {"raw/",     "exports/", "uploads/",
                                           "data/v2/", "backups/", "thumbnails/"};
    static const char *const ends[] = {".json", ".parquet", ".csv.gz", ".jpg", ".log.gz", ""};
    th_civil c;
    th_civil_from_us(s->now_s * TH_US_PER_SECOND, &c);
    uint32_t kind = (uint32_t)(s->pick[GEN_ENTITY_bucket] % 6);
    out = gen_put_text(out, prefixes[kind]);
    if (kind < 4) {
        out = GEN_PUT(out, "year=");
        out = gen_write_padded((uint32_t)c.year, 4, out);
        out = GEN_PUT(out, "/month=");
        out = gen_write_padded(c.month, 2, out);
        out = GEN_PUT(out, "/day=");
        out = gen_write_padded(c.day, 2, out);
        out = GEN_PUT(out, "/part-");
        out = gen_write_padded(gen_below(r, 2000), 5, out);
        *out++ = '-';
    }
    out = kind == 2 || kind == 4 ? gen_write_hex(r, 16, out) : gen_write_uuid(r, out);
    return gen_put_text(out, ends[kind]);
}

FIELD_OF(field_day);
FIELD_OF(field_now_minute);

static uint8_t *write_log_key(gen_scene *s, gen_random *r, uint8_t *out)
{
    static const gen_arg slash = {.text = "/"};
    out = GEN_PUT(out, "AWSLogs/");
    out = gen_put(out, s->account->id, 12);
    out = GEN_PUT(out, "/CloudTrail/");
    out = field_region(s, &slash, out);
    *out++ = '/';
    out = field_day(s, &slash, out);
    *out++ = '/';
    out = gen_put(out, s->account->id, 12);
    out = GEN_PUT(out, "_CloudTrail_");
    out = field_region(s, &slash, out);
    *out++ = '_';
    out = field_now_minute(s, &slash, out);
    *out++ = '_';
    out = gen_write_letters(r, UPPER LOWER DIGITS, 62, 16, out);
    return GEN_PUT(out, ".json.gz");
}

/* The object that is spoken of, again. */
FIELD_OF(field_key)
{
    gen_random own;
    (void)arg;
    if (s->key_seed == 0) s->key_seed = gen_next(s->random) | 1;
    gen_random_seed(&own, s->key_seed);
    return s->key_is_log ? write_log_key(s, &own, out) : write_data_key(s, &own, out);
}

FIELD_OF(field_new_key)
{
    s->key_seed = 0;
    s->key_is_log = false;
    return field_key(s, arg, out);
}

FIELD_OF(field_log_key)
{
    if (!s->key_is_log) s->key_seed = 0;
    s->key_is_log = true;
    return field_key(s, arg, out);
}

FIELD_OF(field_now)
{
    (void)arg;
    return gen_write_time(s->now_s, out);
}

static uint8_t *with_ms(int64_t seconds, uint32_t ms, uint8_t *out)
{
    out = gen_write_time(seconds, out) - 1;
    *out++ = '.';
    out = gen_write_padded(ms, 3, out);
    *out++ = 'Z';
    return out;
}

FIELD_OF(field_now_ms)
{
    (void)arg;
    return with_ms(s->now_s, s->now_ms, out);
}

/* <pick:kind> writes nothing: what follows from the kind does so from here on. */
uint8_t *gen_field_pick(gen_scene *s, const gen_arg *arg, uint8_t *out)
{
    uint8_t unused[GEN_ENTITY_MAX];
    gen_entity_write(s, arg->kind, unused);
    return out;
}

/* <made:kind>: when it came into being; always the same for the same one. */
uint8_t *gen_field_made(gen_scene *s, const gen_arg *arg, uint8_t *out)
{
    return with_ms(gen_entity_made(s, arg->kind), (uint32_t)(gen_entity_made(s, arg->kind) % 997),
                   out);
}

/* <dashed:kind>: with dashes for points, as an address stands in a host's name. */
uint8_t *gen_field_dashed(gen_scene *s, const gen_arg *arg, uint8_t *out)
{
    uint8_t *end = gen_entity_write(s, arg->kind, out);
    for (; out < end; out++)
        if (*out == '.') *out = '-';
    return end;
}

FIELD_OF(field_now_text)
{
    (void)arg;
    return gen_write_time_text(s->now_s, out);
}

FIELD_OF(field_now_unix)
{
    (void)arg;
    return gen_write_u64((uint64_t)s->now_s, out);
}

FIELD_OF(field_now_unix_ms)
{
    (void)arg;
    return gen_write_u64((uint64_t)s->now_s * 1000 + s->now_ms, out);
}

/* 20250303T101112Z */
FIELD_OF(field_now_stamp)
{
    uint8_t text[20];
    (void)arg;
    gen_write_time(s->now_s, text);
    for (int i = 0; i < 20; i++)
        if (text[i] != '-' && text[i] != ':') *out++ = text[i];
    return out;
}

/* 20250303T1011Z */
FIELD_OF(field_now_minute)
{
    out = field_now_stamp(s, arg, out) - 3;
    *out++ = 'Z';
    return out;
}

/* <ago:N>: up to N seconds before now. */
FIELD_OF(field_ago)
{
    return gen_write_time(s->now_s - (int64_t)gen_between(s->random, 1, arg->high), out);
}

FIELD_OF(field_ago_ms)
{
    return with_ms(s->now_s - (int64_t)gen_between(s->random, 1, arg->high),
                   gen_below(s->random, 1000), out);
}

/* <in:N>: N seconds after now. */
FIELD_OF(field_in)
{
    return gen_write_time(s->now_s + (int64_t)arg->high, out);
}

FIELD_OF(field_in_text)
{
    return gen_write_time_text(s->now_s + (int64_t)arg->high, out);
}

/* <day> 2025-03-03, <day:/> 2025/03/03 */
FIELD_OF(field_day)
{
    out = gen_write_time(s->now_s, out) - 10;
    if (arg->text[0] != '\0') out[-3] = out[-6] = (uint8_t)arg->text[0];
    return out;
}

/* 2025/3/3, as AWS Config has it */
FIELD_OF(field_day_short)
{
    th_civil c;
    (void)arg;
    th_civil_from_us(s->now_s * TH_US_PER_SECOND, &c);
    out = gen_write_u64((uint64_t)c.year, out);
    *out++ = '/';
    out = gen_write_u64(c.month, out);
    *out++ = '/';
    return gen_write_u64(c.day, out);
}

FIELD_OF(field_created)
{
    (void)arg;
    return gen_write_time(s->me.created_s, out);
}

FIELD_OF(field_my_role)
{
    (void)arg;
    return gen_put_text(out, s->me.role);
}

FIELD_OF(field_my_path)
{
    (void)arg;
    return gen_put_text(out, s->me.path);
}

FIELD_OF(field_my_session)
{
    (void)arg;
    return gen_put_text(out, s->me.session);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 1;
    for (; *text != '\0'; text++) hash = gen_mix(hash, (uint8_t)*text);
    return hash;
}

/* The role's principal id: the same wherever the role is named. */
FIELD_OF(field_my_id)
{
    gen_random r;
    (void)arg;
    gen_random_seed(&r, gen_mix(s->account->key, hash_text(s->me.role)));
    out = GEN_PUT(out, "AROA");
    out = gen_put(out, s->account->code, 8);
    return gen_write_letters(&r, UPPER "234567", 32, 9, out);
}

FIELD_OF(field_my_key)
{
    gen_random r;
    (void)arg;
    gen_random_seed(&r, gen_mix(s->account->key, s->me.session_key));
    out = GEN_PUT(out, "ASIA");
    out = gen_put(out, s->account->code, 8);
    return gen_write_letters(&r, UPPER "234567", 32, 8, out);
}

FIELD_OF(field_my_address)
{
    (void)arg;
    return gen_put_text(out, s->me.address);
}

/* The identity of the scene without its last brace: something is added behind it. */
FIELD_OF(field_my_identity_open)
{
    (void)arg;
    return gen_put(out, (const char *)s->me.identity, s->me.identity_size - 1);
}

FIELD_OF(field_my_arn)
{
    (void)arg;
    if (s->me.role[0] == '\0') {
        out = GEN_PUT(out, "arn:aws:iam::");
        out = gen_put(out, s->account->id, 12);
        out = GEN_PUT(out, ":user/");
        return gen_put_text(out, s->me.session);
    }
    out = GEN_PUT(out, "arn:aws:sts::");
    out = gen_put(out, s->account->id, 12);
    out = GEN_PUT(out, ":assumed-role/");
    out = gen_put_text(out, s->me.role);
    *out++ = '/';
    return gen_put_text(out, s->me.session);
}

FIELD_OF(field_service)
{
    (void)arg;
    return gen_put_text(out, s->service);
}

FIELD_OF(field_host)
{
    (void)arg;
    return gen_put_text(out, s->host);
}

FIELD_OF(field_event)
{
    (void)arg;
    return gen_put_text(out, s->event);
}

FIELD_OF(field_command)
{
    (void)arg;
    return gen_put_text(out, s->command);
}

/* The company is the same in the whole world; the list of names is the field's alternatives. */
FIELD_OF(field_company)
{
    return write_alternative(arg, s->world->company % arg->count, out);
}

static const struct {
    const char *name;
    gen_field_writer write;
    size_t bound;
} fields[] = {
#define FIELD(name, function, bound) {name, function, bound},
#include "generate/fields.def"
#undef FIELD
};

static const struct {
    const char *name, *list;
} words[] = {
#define WORDS(name, list) {#name, list},
#include "generate/words.def"
#undef WORDS
};

gen_field_writer gen_field_find(const char *name, size_t *bound, const char **list)
{
    *list = NULL;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].name, name) != 0) continue;
        *bound = 64;
        *list = words[i].list;
        return strcmp(name, "company") == 0 ? field_company : field_one;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i].name, name) != 0) continue;
        *bound = fields[i].bound;
        return fields[i].write;
    }
    *bound = GEN_ENTITY_MAX;
    return gen_entity_find(name) < GEN_ENTITY_COUNT ? gen_field_entity : NULL;
}
