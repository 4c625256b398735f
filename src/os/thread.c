/* SPDX-License-Identifier: Apache-2.0
 * Threads. Signals from outside are for the main thread alone: one that a worker took would not wake the main thread's
 * wait. The new thread names itself: a name set from outside could come too late for its first messages. */
#include <signal.h>
#include <stdlib.h>

#include "os/os_private.h"

enum { THREAD_STACK_DEFAULT = 1 << 20, THREAD_STACK_MIN = 64 << 10 };

typedef struct thread_start {
    void *(*run)(void *);
    void *arg;
    char name[16];
} thread_start;

static void *thread_main(void *arg)
{
    thread_start start = *(thread_start *)arg;
    free(arg);
    pthread_setname_np(pthread_self(), start.name);
    return start.run(start.arg);
}

th_err th_os_thread(pthread_t *out, const char *name, size_t stack_bytes, void *(*run)(void *),
                    void *arg, th_diag *diag)
{
    thread_start *start = malloc(sizeof *start);
    if (start == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for thread %s", name);
    start->run = run;
    start->arg = arg;
    snprintf(start->name, sizeof start->name, "%s", name);
    if (stack_bytes == 0) stack_bytes = THREAD_STACK_DEFAULT;
    if (stack_bytes < THREAD_STACK_MIN) stack_bytes = THREAD_STACK_MIN;
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error == 0) {
        error = pthread_attr_setstacksize(&attr, stack_bytes);
        sigset_t asynchronous, before;
        sigfillset(&asynchronous);
        sigdelset(&asynchronous, SIGBUS);
        sigdelset(&asynchronous, SIGSEGV);
        sigdelset(&asynchronous, SIGFPE);
        sigdelset(&asynchronous, SIGILL);
        sigdelset(&asynchronous, SIGABRT);
        pthread_sigmask(SIG_SETMASK, &asynchronous, &before);
        if (error == 0) error = pthread_create(out, &attr, thread_main, start);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
    }
    if (error == 0) return TH_OK;
    free(start);
    return os_fail(diag, error, "cannot start thread", name);
}
