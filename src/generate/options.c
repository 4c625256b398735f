/* SPDX-License-Identifier: Apache-2.0
 * What people write: sizes and lists of sources. */
#include "generate/generate_private.h"

th_err th_generate_parse_size(const char *text, uint64_t *bytes, th_diag *diag)
{
    static const char units[] = "KMGT";
    size_t digits = strspn(text, "0123456789");
    uint64_t value = 0, factor = 1;
    const char *p = text + digits;
    bool good = digits > 0 && th_slice_to_u64(th_slice_of(text, digits), &value);
    const char *unit = *p == '\0' ? NULL : strchr(units, *p >= 'a' ? *p - 'a' + 'A' : *p);
    if (unit != NULL) {
        uint64_t step = p[1] == 'i' ? 1024 : 1000;
        for (int i = 0; i <= unit - units; i++) factor *= step;
        p += p[1] == 'i' ? 2 : 1;
    }
    if (*p == 'B') p++;
    good = good && *p == '\0' && value > 0 && value <= TH_GENERATE_BYTES_MAX / factor;
    if (!good) {
        th_fail(diag, TH_EINVAL, NULL, "'%.60s' is no size", text);
        th_diag_hint(diag, "1M, 500M, 30G: bytes of records before compression");
        return TH_EINVAL;
    }
    *bytes = value * factor;
    return TH_OK;
}

static th_err no_source(th_slice name, th_diag *diag)
{
    th_fail(diag, TH_EINVAL, NULL, "no source '%.*s'", name.size > 60 ? 60 : (int)name.size,
            (const char *)name.bytes);
    th_diag_hint(
        diag,
        "cloudtrail, vpc_flow, dns, config, findings; NAME=PARTS for other parts of the whole");
    return TH_EINVAL;
}

static th_err take_source(th_slice word, uint32_t *share, th_diag *diag)
{
    size_t equals = th_slice_find(word, TH_SLICE("="));
    th_slice name = {word.bytes, equals == SIZE_MAX ? word.size : equals};
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++) {
        if (!th_slice_is(name, gen_sources[i].name)) continue;
        uint64_t parts = gen_sources[i].share;
        if (equals != SIZE_MAX &&
            (!th_slice_to_u64((th_slice){word.bytes + equals + 1, word.size - equals - 1},
                              &parts) ||
             parts == 0 || parts > 1000000))
            return th_fail(diag, TH_EINVAL, NULL, "'%.*s': parts are 1 to 1000000", (int)word.size,
                           (const char *)word.bytes);
        share[i] = (uint32_t)parts;
        return TH_OK;
    }
    return no_source(name, diag);
}

th_err th_generate_parse_sources(const char *list, uint32_t share[TH_GENERATE_SOURCE_COUNT],
                                 th_diag *diag)
{
    memset(share, 0, sizeof(*share) * TH_GENERATE_SOURCE_COUNT);
    for (const char *p = list;; p++) {
        size_t size = strcspn(p, ",");
        if (size > 80) return no_source(th_slice_of(p, size), diag);
        TH_TRY(take_source(th_slice_of(p, size), share, diag));
        p += size;
        if (*p == '\0') return TH_OK;
    }
}
