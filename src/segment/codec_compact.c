/* SPDX-License-Identifier: Apache-2.0
 * The smallest of many encodings. */
#include "segment/codec_private.h"

th_err codec_put_smallest(codec_out *out, codec_strings s)
{
    return codec_put_chosen(out, s);
}
