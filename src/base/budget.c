/* SPDX-License-Identifier: Apache-2.0
 * Counters of memory taken, in a tree. Each level is raised with a compare-and-swap that never passes its limit, so
 * that two threads near the limit cannot both be refused when one of them would fit. */
#include "base/budget.h"

#include "base/assert.h"

void th_budget_init(th_budget *budget, const char *name, size_t limit_bytes, th_budget *parent)
{
    budget->name = name;
    budget->limit_bytes = limit_bytes;
    budget->parent = parent;
    atomic_init(&budget->used_bytes, 0);
    atomic_init(&budget->peak_bytes, 0);
}

static bool charge_one(th_budget *budget, size_t bytes)
{
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    do {
        if (used > budget->limit_bytes || bytes > budget->limit_bytes - used) return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    size_t now = used + bytes;
    size_t peak = atomic_load_explicit(&budget->peak_bytes, memory_order_relaxed);
    while (peak < now &&
           !atomic_compare_exchange_weak_explicit(&budget->peak_bytes, &peak, now,
                                                  memory_order_relaxed, memory_order_relaxed)) {}
    return true;
}

static void release_one(th_budget *budget, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    TH_ASSERT(before >= bytes);
}

bool th_budget_charge(th_budget *budget, size_t bytes)
{
    for (th_budget *b = budget; b != NULL; b = b->parent) {
        if (charge_one(b, bytes)) continue;
        for (th_budget *undo = budget; undo != b; undo = undo->parent) release_one(undo, bytes);
        return false;
    }
    return true;
}

void th_budget_release(th_budget *budget, size_t bytes)
{
    for (th_budget *b = budget; b != NULL; b = b->parent) release_one(b, bytes);
}

size_t th_budget_used(const th_budget *budget)
{
    return budget == NULL ? 0 : atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
}
