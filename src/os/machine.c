/* SPDX-License-Identifier: Apache-2.0
 * What machine this is: processors and memory, with the limits that a container sets. */
#include <fcntl.h>
#include <sched.h>

#include "os/os_private.h"

uint32_t th_os_cpu_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                            : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
}

/* Text of a small file of the kernel's; empty when it is not there. */
static void read_small(const char *path, char *out, size_t size)
{
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used + 1 < size) {
        ssize_t n = read(fd, out + used, size - 1 - used);
        if (n <= 0) break;
        used += (size_t)n;
    }
    th_os_close(fd);
    out[used] = '\0';
}

/* The number that starts text after blanks, or none when there is no number ("max"). */
static uint64_t leading_number(const char *text, uint64_t none)
{
    while (*text == ' ' || *text == '\t') text++;
    size_t digits = strspn(text, "0123456789");
    uint64_t v;
    return th_slice_to_u64(th_slice_of(text, digits), &v) ? v : none;
}

static uint64_t file_limit(const char *path, uint64_t limit)
{
    char text[64];
    read_small(path, text, sizeof text);
    uint64_t v = leading_number(text, limit);
    return v < limit ? v : limit;
}

/* The lowest limit of our control group and its parents. */
static uint64_t cgroup_limit(uint64_t limit)
{
    limit = file_limit("/sys/fs/cgroup/memory.max", limit);
    limit = file_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
    char groups[4096];
    read_small("/proc/self/cgroup", groups, sizeof groups);
    char *group = strstr(groups, "0::/");
    if (group == NULL) return limit;
    group += 3;
    group[strcspn(group, "\n")] = '\0';
    for (char *slash; *group != '\0' && (slash = strrchr(group, '/')) != NULL; *slash = '\0') {
        char path[4200];
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        limit = file_limit(path, limit);
    }
    return limit;
}

uint64_t th_os_memory_size(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_size = sysconf(_SC_PAGESIZE);
    uint64_t size =
        pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size : UINT64_C(1) << 30;
    return cgroup_limit(size);
}

static uint64_t status_bytes(const char *status, const char *field)
{
    const char *at = strstr(status, field);
    return at == NULL ? 0 : leading_number(at + strlen(field), 0) * 1024;
}

uint64_t th_os_memory_used(void)
{
    char status[8192];
    read_small("/proc/self/status", status, sizeof status);
    return status_bytes(status, "\nRssAnon:") + status_bytes(status, "\nRssShmem:");
}
