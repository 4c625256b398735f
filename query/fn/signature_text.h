/* SPDX-License-Identifier: Apache-2.0
 * Signatures of functions.def and aggregates.def as people read them. */
#ifndef TH_QUERY_FN_SIGNATURE_TEXT_H
#define TH_QUERY_FN_SIGNATURE_TEXT_H

#include "base/buf.h"

void th_signature_params(th_buf *out, const char *params);
/* "$1" is the type of the first parameter; "" is a type that only the arguments tell. */
void th_signature_result(th_buf *out, const char *result, const char *params);

#endif
