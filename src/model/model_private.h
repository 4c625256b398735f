/* SPDX-License-Identifier: Apache-2.0
 * Shared inside src/model. */
#ifndef TH_MODEL_MODEL_PRIVATE_H
#define TH_MODEL_MODEL_PRIVATE_H

#include "json/json.h"
#include "model/model.h"

/* The members called names[0..count) of an object in one pass: values[i] is raw, or has NULL bytes when absent. The
 * exact spelling wins over one that differs in case, the first over later ones. */
void model_find_members(th_slice record, const char *const *names, size_t count, th_slice *values);
/* The same where the members are known; members may be NULL. */
void model_find_members_in(th_slice record, const th_json_members *members,
                           const char *const *names, size_t count, th_slice *values);
/* Text of a scalar: a string without its quotes, a number as written. False for anything else, for an empty string,
 * and for a string with escapes (no account, time or identifier of AWS has one). Borrowed. */
bool model_scalar_text(th_slice raw, th_slice *out);

#endif
