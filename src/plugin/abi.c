/* SPDX-License-Identifier: Apache-2.0
 * The handshake. struct_size and the versions are read before anything else, as the header promises. */
#include "plugin/abi.h"

#include <string.h>

#define CAPS_KNOWN (TH_CAP_DETECT | TH_CAP_CLASSIFY)
#define PLUGIN_SIZE_MIN (offsetof(th_plugin, close) + sizeof(void *))

th_err plugin_abi_check(const th_plugin *plugin, th_diag *diag)
{
    if (plugin == NULL) return th_fail(diag, TH_EINVAL, NULL, "th_plugin_entry gave nothing");
    if (plugin->struct_size < offsetof(th_plugin, caps)) {
        return th_fail(diag, TH_EINVAL, NULL, "the plugin's description is only %u bytes",
                       plugin->struct_size);
    }
    if (plugin->abi_major != TH_ABI_MAJOR) {
        return th_fail(diag, TH_EVERSION, NULL, "the plugin was built for ABI %u.%u, this is %u.%u",
                       plugin->abi_major, plugin->abi_minor, TH_ABI_MAJOR, TH_ABI_MINOR);
    }
    if (plugin->struct_size < PLUGIN_SIZE_MIN) {
        return th_fail(diag, TH_EINVAL, NULL,
                       "the plugin's description is %u bytes, ABI %u.0 has %zu",
                       plugin->struct_size, TH_ABI_MAJOR, (size_t)PLUGIN_SIZE_MIN);
    }
    if (plugin->name == NULL || plugin->name[0] == '\0' || plugin->version == NULL) {
        return th_fail(diag, TH_EINVAL, NULL, "the plugin has no name or no version");
    }
    if (plugin->open == NULL || plugin->subscriptions == NULL || plugin->close == NULL) {
        return th_fail(diag, TH_EINVAL, NULL, "the plugin lacks open, subscriptions or close");
    }
    if ((plugin->caps & CAPS_KNOWN) != 0 && plugin->on_batch == NULL) {
        return th_fail(diag, TH_EINVAL, NULL, "the plugin says that it %s but has no on_batch",
                       (plugin->caps & TH_CAP_DETECT) != 0 ? "detects" : "classifies");
    }
    if ((plugin->caps & ~CAPS_KNOWN) != 0 || plugin->caps == 0) {
        return th_fail(diag, TH_EUNSUPPORTED, NULL,
                       "the plugin's capabilities are %u, this host knows %u", plugin->caps,
                       CAPS_KNOWN);
    }
    return TH_OK;
}
