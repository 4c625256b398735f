/* SPDX-License-Identifier: Apache-2.0
 * Places where the crash rigs kill or stop the process. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "os/os_private.h"

int th_failpoints_on;

const char *const th_failpoint_names[] = {
#define FAILPOINT(name, text) #name,
#include "os/failpoints.def"
#undef FAILPOINT
    NULL,
};

static const char *armed_name;
static bool armed_stop;
static uint64_t armed_pass;
static _Atomic uint64_t passes;

static const char *find_name(th_slice name)
{
    for (size_t i = 0; th_failpoint_names[i] != NULL; i++) {
        if (th_slice_is(name, th_failpoint_names[i])) return th_failpoint_names[i];
    }
    return NULL;
}

/* NAME, NAME:N, NAME=stop, NAME=stop:N */
static bool arm(const char *text)
{
    size_t name_size = strcspn(text, ":=");
    const char *name = find_name(th_slice_of(text, name_size));
    if (name == NULL) return false;
    const char *rest = text + name_size;
    bool stop = strncmp(rest, "=stop", 5) == 0;
    if (stop) rest += 5;
    uint64_t pass = 1;
    if (*rest == ':' && (!th_slice_to_u64(th_slice_text(rest + 1), &pass) || pass == 0))
        return false;
    if (*rest != ':' && *rest != '\0') return false;
    armed_name = name;
    armed_stop = stop;
    armed_pass = pass;
    atomic_store(&passes, 0);
    return true;
}

void th_failpoints_init(void)
{
    const char *text = getenv("TRAILHOLD_FAILPOINT");
    if (text == NULL || text[0] == '\0') return;
    th_failpoints_on = 1;
    /* A rig with a misspelt name would never crash anything and pass. */
    if (!arm(text))
        th_log(TH_LOG_ERROR, "TRAILHOLD_FAILPOINT=%s names no failpoint of this program", text);
}

void th_failpoint_hit(const char *name)
{
    TH_ASSERT(find_name(th_slice_text(name)) != NULL);
    if (armed_name == NULL || strcmp(name, armed_name) != 0) return;
    if (atomic_fetch_add(&passes, 1) + 1 != armed_pass) return;
    kill(getpid(), armed_stop ? SIGSTOP : SIGKILL);
    while (!armed_stop) pause();
}
