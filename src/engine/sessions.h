/* SPDX-License-Identifier: Apache-2.0
 * Sessions of a process that owns the archive: by a name that the client gave, in memory; or in a file, a line of JSON a
 * change, taken up where it was left. One statement at a time runs in a session. */
#ifndef TH_ENGINE_SESSIONS_H
#define TH_ENGINE_SESSIONS_H

#include "query/query.h"

/* In memory at once; the one that was idle longest goes first. */
#define TH_SESSIONS_MAX 256u
#define TH_SESSION_NAME_MAX 128u

typedef struct th_sessions th_sessions;
th_sessions *th_sessions_new(void);           /* NULL: no memory */
void th_sessions_free(th_sessions *sessions); /* accepts NULL; none may be taken */

typedef struct th_session_lease {
    th_session *session;
    void *entry;
    int fd; /* of its file, locked; -1 */
} th_session_lease;

/* The session of this name, new when it is not known. path not NULL: that is its file, made when it is missing, and what the
 * session defines stays in it. TH_EBUSY: it runs a statement; TH_EIO, TH_EPARSE: the file. */
TH_MUST_CHECK th_err th_session_take(th_sessions *sessions, const char *name, const char *path,
                                     th_session_lease *out, th_diag *diag);
void th_session_give(th_sessions *sessions, th_session_lease *lease);

#endif
