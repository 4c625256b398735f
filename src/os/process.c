/* SPDX-License-Identifier: Apache-2.0
 * Other processes. Between fork and execve the child of a threaded process may only use async-signal-safe calls; what
 * it needs is prepared before the fork. A failure in the child comes back through a pipe that a good execve closes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "os/os_private.h"

enum { SPAWN_FDS_MAX = 16 };

static _Noreturn void child_fail(int report)
{
    int error = errno;
    (void)!write(report, &error, sizeof error);
    _exit(127);
}

/* Back to defaults: an ignored SIGPIPE or a blocked mask would outlive execve. */
static void child_reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++) {
        if (sig != SIGKILL && sig != SIGSTOP) sigaction(sig, &action, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0..count-1 become fds[], count becomes the report pipe, nothing else stays. First all move out of the
 * way, since fds[] may itself name small numbers in another order. */
static int child_place_fds(const int *fds, int count, int report)
{
    int high[SPAWN_FDS_MAX];
    int moved = fcntl(report, F_DUPFD_CLOEXEC, count);
    if (moved < 0) child_fail(report);
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, count);
        if (high[i] < 0) child_fail(moved);
    }
    for (int i = 0; i < count; i++) {
        if (dup2(high[i], i) < 0) child_fail(moved);
    }
    if (moved != count && dup3(moved, count, O_CLOEXEC) < 0) child_fail(moved);
    if (close_range((unsigned)count + 1, ~0u, 0) != 0) child_fail(count);
    return count;
}

static _Noreturn void child_run(const th_os_spawn *spec, char *const *env, pid_t parent, int report)
{
    child_reset_signals();
    report = child_place_fds(spec->fds, (int)spec->fd_count, report);
    if (spec->die_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) child_fail(report);
        if (getppid() != parent) _exit(127); /* it died before the call above */
    }
    execve(spec->program, (char *const *)spec->argv, env);
    child_fail(report);
}

/* 0 when the child has become the program, else its errno. */
static int read_report(int fd)
{
    int error = 0;
    ssize_t n;
    do {
        n = read(fd, &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? error : 0;
}

th_err th_os_spawn_process(const th_os_spawn *spec, pid_t *pid, th_diag *diag)
{
    if (spec->fd_count > SPAWN_FDS_MAX) {
        return th_fail(diag, TH_EINVAL, NULL, "more than %d descriptors for %s", SPAWN_FDS_MAX,
                       spec->program);
    }
    int report[2];
    if (os_call.pipe2(report, O_CLOEXEC) != 0)
        return os_fail(diag, errno, "cannot start", spec->program);
    char *const *env = spec->env == NULL ? environ : (char *const *)spec->env;
    pid_t parent = getpid();

    /* A handler of ours must not run in the child before its handlers are reset. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = os_call.fork();
    if (child == 0) child_run(spec, env, parent, report[1]);
    int error = child < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    th_os_close(report[1]);
    if (child > 0) {
        error = read_report(report[0]);
        if (error != 0) {
            while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        }
    }
    th_os_close(report[0]);
    if (error != 0) return os_fail(diag, error, "cannot start", spec->program);
    *pid = child;
    return TH_OK;
}

th_err th_os_run_process(const th_os_spawn *spec, int *status, th_diag *diag)
{
    pid_t child = 0;
    TH_TRY(th_os_spawn_process(spec, &child, diag));
    int raw = 0;
    while (waitpid(child, &raw, 0) < 0) {
        if (errno != EINTR) return os_fail(diag, errno, "cannot wait for", spec->program);
    }
    *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return TH_OK;
}

th_err th_os_self_path(char *out, size_t size, th_diag *diag)
{
    ssize_t n = os_call.readlink("/proc/self/exe", out, size);
    if (n < 0)
        return os_fail(diag, errno, "cannot find the path of this program in", "/proc/self/exe");
    if ((size_t)n >= size)
        return th_fail(diag, TH_ELIMIT, NULL, "the path of this program is too long");
    out[n] = '\0';
    return TH_OK;
}
