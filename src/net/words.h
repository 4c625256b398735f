/* SPDX-License-Identifier: Apache-2.0
 * The small texts of HTTP: status lines, dates, percent encoding, our error object, and who may ask from where. */
#ifndef TH_NET_WORDS_H
#define TH_NET_WORDS_H

#include "base/buf.h"

const char *net_status_text(int status); /* "Not Found"; "Unknown" for others */
/* The HTTP status that answers an error. */
int net_status_of(th_err err);
/* "Sat, 21 Nov 2026 08:00:00 GMT" */
void net_add_date(th_buf *out, int64_t us);
/* Percent encoding of all but letters, digits and -._~; and back (false: a broken escape). */
void net_url_encode(th_buf *out, th_slice text);
bool net_url_decode(th_buf *out, th_slice text);
/* {"error":{"code","message","line","column","hint"}}, without a newline. */
void net_error_json(th_buf *out, th_err err, const th_diag *diag);

/* Without names and passwords the only defence of a port on loopback against web pages in the same machine's browser is
 * to know our own names: a Host that is not loopback is DNS rebinding, an Origin other than ours is another site's page. */
bool net_host_is_ours(th_slice host);
bool net_origin_is_ours(th_slice origin, th_slice host);

#endif
