/* SPDX-License-Identifier: Apache-2.0
 * May this plugin be used? Sizes, versions and capabilities, refused in words. */
#ifndef TH_PLUGIN_ABI_H
#define TH_PLUGIN_ABI_H

#include "base/err.h"
#include "plugins/sdk/trailhold_plugin.h"

/* TH_EVERSION (another major), TH_EINVAL (short struct, missing call or name). plugin may be NULL. */
TH_MUST_CHECK th_err plugin_abi_check(const th_plugin *plugin, th_diag *diag);

#endif
