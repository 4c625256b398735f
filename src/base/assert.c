/* SPDX-License-Identifier: Apache-2.0
 * The end of the process after a broken invariant. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void th_assert_failed(const char *cond, const char *file, int line, const char *func)
{
    fprintf(stderr, "trailhold: broken invariant: %s (%s:%d, %s)\n", cond, file, line, func);
    abort();
}
