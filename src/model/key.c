/* SPDX-License-Identifier: Apache-2.0
 * What the name of a delivered object says: AWS's key layouts (plain, organisation, Hive) and file names. */
#include "base/time.h"
#include "model/model.h"

static bool take_component(th_slice *rest, th_slice *component)
{
    if (rest->size == 0) return false;
    const uint8_t *slash = memchr(rest->bytes, '/', rest->size);
    size_t size = slash == NULL ? rest->size : (size_t)(slash - rest->bytes);
    *component = (th_slice){rest->bytes, size};
    size += slash != NULL;
    *rest = (th_slice){rest->bytes + size, rest->size - size};
    return true;
}

/* The component up to the next slash; empty for the last one, which is the file. */
static th_slice peek_folder(th_slice rest)
{
    th_slice component;
    return take_component(&rest, &component) && rest.size > 0 ? component : (th_slice){NULL, 0};
}

static void skip_folder(th_slice *rest, th_slice folder)
{
    *rest = (th_slice){rest->bytes + folder.size + 1, rest->size - folder.size - 1};
}

static bool all_digits(th_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.bytes[i] < '0' || s.bytes[i] > '9') return false;
    return s.size > 0;
}

static bool is_account(th_slice s)
{
    return s.size == 12 && all_digits(s);
}

/* us-east-1, us-gov-west-1, me-central-1, global. */
static bool is_region(th_slice s)
{
    if (th_slice_is(s, "global")) return true;
    if (s.size < 8 || s.size > 20 || s.bytes[s.size - 1] < '0' || s.bytes[s.size - 1] > '9')
        return false;
    uint32_t dashes = 0;
    for (size_t i = 0; i < s.size; i++) {
        if (s.bytes[i] == '-')
            dashes++;
        else if (!(s.bytes[i] >= 'a' && s.bytes[i] <= 'z') &&
                 !(s.bytes[i] >= '0' && s.bytes[i] <= '9'))
            return false;
    }
    return dashes >= 2 && s.bytes[0] >= 'a';
}

/* "key=" of a Hive folder removed; the folder itself when it has none. */
static th_slice hive_value(th_slice folder, const char *name)
{
    th_slice prefix = th_slice_text(name);
    if (th_slice_starts(folder, prefix))
        return (th_slice){folder.bytes + prefix.size, folder.size - prefix.size};
    return folder;
}

/* YYYY/M/D, zeroes or not, or year=YYYY/month=MM/day=DD. */
static int32_t take_day(th_slice *rest)
{
    static const char *const names[3] = {"year=", "month=", "day="};
    int64_t part[3];
    th_slice at = *rest;
    for (int i = 0; i < 3; i++) {
        th_slice folder = peek_folder(at);
        th_slice digits = hive_value(folder, names[i]);
        if (!all_digits(digits) || digits.size > 4) return TH_DAY_UNDATED;
        part[i] = 0;
        for (size_t k = 0; k < digits.size; k++) part[i] = part[i] * 10 + (digits.bytes[k] - '0');
        skip_folder(&at, folder);
    }
    th_civil c = {.year = (int32_t)part[0], .month = (uint8_t)part[1], .day = (uint8_t)part[2]};
    if (part[0] < 1990 || part[1] > 12 || part[2] > 31 || !th_civil_valid(&c))
        return TH_DAY_UNDATED;
    *rest = at;
    return th_day_from_civil(c.year, c.month, c.day);
}

/* ACCOUNT_FOLDER_REGION_...: the name alone, for files that were copied out of their folders. */
static void parse_file_name(th_slice file, th_object_key *out)
{
    th_slice part[3];
    for (int i = 0; i < 3; i++) {
        const uint8_t *end = file.size == 0 ? NULL : memchr(file.bytes, '_', file.size);
        if (end == NULL) return;
        part[i] = (th_slice){file.bytes, (size_t)(end - file.bytes)};
        file = (th_slice){end + 1, file.size - part[i].size - 1};
    }
    if (!is_account(part[0]) || part[1].size == 0 || !is_region(part[2])) return;
    if (out->account.size == 0) out->account = part[0];
    if (out->folder.size == 0) out->folder = part[1];
    if (out->region.size == 0) out->region = part[2];
}

/* What follows AWSLogs/. */
static bool parse_layout(th_slice rest, th_object_key *out)
{
    th_slice folder = peek_folder(rest);
    if (th_slice_starts(folder, TH_SLICE("o-"))) {
        out->organisation = folder;
        skip_folder(&rest, folder);
        folder = peek_folder(rest);
    }
    th_slice account = hive_value(folder, "aws-account-id=");
    if (!is_account(account)) return false;
    out->account = account;
    skip_folder(&rest, folder);
    folder = peek_folder(rest);
    if (folder.size == 0) return true;
    out->folder = hive_value(folder, "aws-service=");
    skip_folder(&rest, folder);
    folder = peek_folder(rest);
    if (th_slice_is(out->folder, "CloudTrail-Lake") && th_slice_is(folder, "Query")) {
        skip_folder(&rest, folder);
        folder = peek_folder(rest);
    }
    th_slice region = hive_value(folder, "aws-region=");
    if (is_region(region)) {
        out->region = region;
        skip_folder(&rest, folder);
    }
    out->day = take_day(&rest);
    return true;
}

bool th_model_parse_key(th_slice name, th_object_key *out)
{
    *out = (th_object_key){.day = TH_DAY_UNDATED};
    th_slice rest = name, component;
    if (th_slice_starts(name, TH_SLICE("s3://"))) {
        rest = (th_slice){name.bytes + 5, name.size - 5};
        if (take_component(&rest, &component)) out->bucket = component;
    }
    const uint8_t *key = rest.bytes;
    th_slice at = rest;
    bool known = false;
    while (!known && take_component(&at, &component)) {
        if (th_slice_is(component, "AWSLogs")) {
            th_object_key parsed = {.bucket = out->bucket, .day = TH_DAY_UNDATED};
            known = parse_layout(at, &parsed);
            if (known) *out = parsed;
            size_t before = (size_t)(component.bytes - key);
            if (known) out->prefix = (th_slice){key, before > 0 ? before - 1 : 0};
        }
    }
    while (take_component(&rest, &component)) out->file = component;
    if (name.size > 0 && name.bytes[name.size - 1] == '/') out->file = (th_slice){NULL, 0};
    parse_file_name(out->file, out);
    return known;
}
