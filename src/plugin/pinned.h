/* SPDX-License-Identifier: Apache-2.0
 * Our own plugins by SHA-256, written by the build into the binary: a file that is not one of them is refused. */
#ifndef TH_PLUGIN_PINNED_H
#define TH_PLUGIN_PINNED_H

#include <stddef.h>
#include <stdint.h>

typedef struct th_pinned_plugin {
    const char *name;
    uint8_t sha256[32];
} th_pinned_plugin;

extern const th_pinned_plugin th_pinned_plugins[];
extern const size_t th_pinned_plugin_count;

#endif
