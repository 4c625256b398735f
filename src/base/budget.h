/* SPDX-License-Identifier: Apache-2.0
 * The resource governor's counters: who may still take how much memory.
 *
 * A budget has a limit and a parent; a charge must fit the budget and all its parents, or it is refused as a whole.
 * The process budget is the root; ingest, caches and queries are its children, one query is a child of queries.
 * All calls are safe from any thread. */
#ifndef TH_BASE_BUDGET_H
#define TH_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct th_budget {
    const char *name;
    size_t limit_bytes;
    struct th_budget *parent; /* NULL for the root; must outlive this one */
    atomic_size_t used_bytes;
    atomic_size_t peak_bytes;
} th_budget;

void th_budget_init(th_budget *budget, const char *name, size_t limit_bytes, th_budget *parent);
/* True and counted, or false and nothing changed. NULL budget: always true. */
bool th_budget_charge(th_budget *budget, size_t bytes);
void th_budget_release(th_budget *budget, size_t bytes);
size_t th_budget_used(const th_budget *budget);

#endif
