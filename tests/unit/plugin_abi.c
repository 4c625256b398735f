/* SPDX-License-Identifier: Apache-2.0
 * Which plugins are refused, and in which words. */
#include "plugin/abi.h"
#include "tests/unit/test.h"

static int open_call(const th_host *host, const char *config, th_plugin_state **out)
{
    (void)host;
    (void)config;
    *out = NULL;
    return 0;
}

static int subscriptions_call(th_plugin_state *state, const th_subscription **out, uint32_t *count)
{
    (void)state;
    *out = NULL;
    *count = 0;
    return 0;
}

static int batch_call(th_plugin_state *state, const th_plugin_batch *batch)
{
    (void)state;
    (void)batch;
    return 0;
}

static void close_call(th_plugin_state *state)
{
    (void)state;
}

static th_plugin good(void)
{
    return (th_plugin){.struct_size = sizeof(th_plugin),
                       .abi_major = TH_ABI_MAJOR,
                       .abi_minor = TH_ABI_MINOR,
                       .caps = TH_CAP_DETECT,
                       .name = "some-rule",
                       .version = "1.0.0",
                       .open = open_call,
                       .subscriptions = subscriptions_call,
                       .on_batch = batch_call,
                       .close = close_call};
}

static void check_refused(const th_plugin *plugin, th_err err, const char *words)
{
    th_diag diag = {0};
    CHECK_EQ_I64(plugin_abi_check(plugin, &diag), err);
    if (strstr(diag.text, words) == NULL) FAIL("\"%s\" does not say \"%s\"", diag.text, words);
}

TEST(a_complete_plugin_is_taken)
{
    th_plugin plugin = good();
    th_diag diag = {0};
    CHECK(plugin_abi_check(&plugin, &diag) == TH_OK);
    plugin.caps = TH_CAP_DETECT | TH_CAP_CLASSIFY;
    CHECK(plugin_abi_check(&plugin, &diag) == TH_OK);
}

TEST(a_newer_minor_version_with_a_larger_struct_is_taken)
{
    th_plugin plugin = good();
    th_diag diag = {0};
    plugin.abi_minor = TH_ABI_MINOR + 7;
    plugin.struct_size = sizeof(th_plugin) + 64;
    CHECK(plugin_abi_check(&plugin, &diag) == TH_OK);
}

TEST(another_major_version_is_refused_before_anything_else_is_read)
{
    th_plugin plugin = good();
    plugin.abi_major = TH_ABI_MAJOR + 1;
    plugin.struct_size = offsetof(th_plugin, caps); /* all that a later version promises */
    plugin.name = NULL;
    check_refused(&plugin, TH_EVERSION, "built for ABI 2.0, this is 1.0");
}

TEST(a_short_description_is_refused)
{
    check_refused(NULL, TH_EINVAL, "gave nothing");
    th_plugin plugin = good();
    plugin.struct_size = 4;
    check_refused(&plugin, TH_EINVAL, "only 4 bytes");
    plugin.struct_size = offsetof(th_plugin, close);
    check_refused(&plugin, TH_EINVAL, "ABI 1.0 has");
}

TEST(a_plugin_needs_a_name_and_its_calls)
{
    th_plugin plugin = good();
    plugin.name = "";
    check_refused(&plugin, TH_EINVAL, "no name");
    plugin = good();
    plugin.version = NULL;
    check_refused(&plugin, TH_EINVAL, "no version");
    plugin = good();
    plugin.subscriptions = NULL;
    check_refused(&plugin, TH_EINVAL, "lacks open, subscriptions or close");
}

TEST(a_capability_without_its_call_is_refused_by_name)
{
    th_plugin plugin = good();
    plugin.on_batch = NULL;
    check_refused(&plugin, TH_EINVAL, "says that it detects but has no on_batch");
    plugin.caps = TH_CAP_CLASSIFY;
    check_refused(&plugin, TH_EINVAL, "says that it classifies but has no on_batch");
}

TEST(capabilities_that_this_host_does_not_have_are_refused)
{
    th_plugin plugin = good();
    plugin.caps = TH_CAP_DETECT | TH_CAP_ENRICH;
    check_refused(&plugin, TH_EUNSUPPORTED, "capabilities are 5, this host knows 3");
    plugin.caps = 0;
    check_refused(&plugin, TH_EUNSUPPORTED, "capabilities are 0");
}

TEST_MAIN(a_complete_plugin_is_taken, a_newer_minor_version_with_a_larger_struct_is_taken,
          another_major_version_is_refused_before_anything_else_is_read,
          a_short_description_is_refused, a_plugin_needs_a_name_and_its_calls,
          a_capability_without_its_call_is_refused_by_name,
          capabilities_that_this_host_does_not_have_are_refused)
