/* SPDX-License-Identifier: Apache-2.0
 * Folders under watch: which files became complete in them, and which folders are new. One thread. */
#ifndef TH_OS_WATCH_H
#define TH_OS_WATCH_H

#include "os/os.h"

#define TH_OS_WATCH_FOLDERS_MAX (1u << 20)

typedef struct th_os_watch th_os_watch;
TH_MUST_CHECK th_err th_os_watch_open(th_os_watch **out, th_diag *diag);
void th_os_watch_close(th_os_watch *watch); /* accepts NULL */
/* Watch one folder, not what lies below it; again: no more than to give it another tag. TH_ELIMIT: the system watches as
 * much as it may; TH_ENOTFOUND, TH_EPERM. */
TH_MUST_CHECK th_err th_os_watch_add(th_os_watch *watch, const char *folder, uint32_t tag,
                                     th_diag *diag);

typedef enum th_os_watch_kind {
    TH_OS_WATCH_NOTHING,
    TH_OS_WATCH_FILE,    /* closed after writing, or moved in */
    TH_OS_WATCH_FOLDER,  /* made or moved in; not yet watched */
    TH_OS_WATCH_OVERFLOW /* events were lost: look at everything */
} th_os_watch_kind;
typedef struct th_os_watch_event {
    th_os_watch_kind kind;
    uint32_t tag;     /* of the folder that it happened in */
    const char *path; /* FILE, FOLDER: until the next call */
} th_os_watch_event;
/* The next event, waiting no longer than timeout_ms for one; a signal ends the wait, too. */
TH_MUST_CHECK th_err th_os_watch_next(th_os_watch *watch, int timeout_ms, th_os_watch_event *out,
                                      th_diag *diag);

/* Is an open file being written by anyone? fd is open for reading only. The kernel tells its owner. */
typedef enum th_os_writers {
    TH_OS_WRITERS_NONE,
    TH_OS_WRITERS_SOME,
    TH_OS_WRITERS_UNKNOWN
} th_os_writers;
th_os_writers th_os_writers_of(int fd);

#endif
