// SPDX-License-Identifier: Apache-2.0
// The build: the module table (which folder has which sources and may include which), the plugins, and the steps.
// Set-up and the daily commands are in ./dev; how to use both is in docs/HACKING.md.
const std = @import("std");
const builtin = @import("builtin");

comptime {
    if (!std.mem.eql(u8, builtin.zig_version_string, "0.16.0"))
        @compileError("Trailhold is built with Zig 0.16.0; ./dev installs it as .tools/zig");
}

/// A folder of C sources. `includes` are the modules whose headers it may include; layers point down only.
/// `libs` are Debian's shared libraries. `fetched` are sources that ./dev fetched, compiled without our warnings.
const Module = struct {
    name: []const u8,
    dir: []const u8,
    includes: []const []const u8,
    libs: []const []const u8 = &.{},
    files: []const []const u8,
    fetched: []const []const u8 = &.{},
    fetched_dir: []const u8 = "",
};

const modules = [_]Module{
    .{
        .name = "base",
        .dir = "src/base",
        .includes = &.{},
        .libs = &.{ "crypto", "xxhash" },
        .files = &.{ "arena.c", "assert.c", "budget.c", "buf.c", "err.c", "hash.c", "log.c", "map.c", "merkle.c", "slice.c", "time.c" },
    },
    .{
        .name = "os",
        .dir = "src/os",
        .includes = &.{"base"},
        .files = &.{ "call.c", "clock.c", "failpoint.c", "fake.c", "file.c", "folder.c", "machine.c", "process.c", "thread.c", "watch.c" },
    },
    .{
        .name = "json",
        .dir = "src/json",
        .includes = &.{"base"},
        .files = &.{ "hasty.c", "quote.c", "read.c", "scan.c", "value.c", "write.c" },
    },
    .{
        .name = "model",
        .dir = "src/model",
        .includes = &.{ "base", "json" },
        .files = &.{ "key.c", "line.c", "member.c", "record.c", "schema.c", "table.c", "view.c" },
    },
    .{
        .name = "segment",
        .dir = "src/segment",
        .includes = &.{ "base", "json", "model" },
        .libs = &.{"lz4"},
        .files = &.{ "assemble.c", "build.c", "build_column.c", "build_refs.c", "build_rows.c", "build_share.c", "build_write.c", "build_zones.c", "cells.c", "codec_bits.c", "codec_choose.c", "codec_codes.c", "codec_compact.c", "codec_copy.c", "codec_describe.c", "codec_encode.c", "codec_ints.c", "codec_ints_read.c", "codec_marks.c", "codec_out.c", "codec_pool.c", "codec_radix.c", "codec_read.c", "codec_read_parts.c", "codec_read_typed.c", "codec_simd.c", "codec_split.c", "codec_text.c", "codec_typed.c", "column.c", "cpu.c", "dictionary.c", "filter.c", "layout.c", "memory.c", "open.c", "paths.c", "payload_read.c", "payload_write.c", "preset.c", "resolve.c", "route.c", "scan.c", "search.c", "segment.c", "shape.c", "shape_avx2.c", "shape_strict.c", "shape_walk.c", "skeleton.c", "text.c", "v1/chunk.c", "v1/decode.c", "v1/open.c", "v1/read.c", "v1/records.c", "v1/verify.c", "verify.c", "zone.c" },
    },
    .{
        .name = "store",
        .dir = "src/store",
        .includes = &.{ "base", "os", "json", "model", "segment" },
        .libs = &.{ "lmdb", "crypto" },
        .files = &.{ "bulk.c", "cache.c", "catalog.c", "commit.c", "compact.c", "cool.c", "encode.c", "encoded.c", "env.c", "file.c", "filter.c", "find.c", "format.c", "journal.c", "kv.c", "log.c", "lookup.c", "merge.c", "outputs.c", "pages.c", "part.c", "plan.c", "prepare.c", "queue.c", "read.c", "reader.c", "roll.c", "rows.c", "sealed.c", "spool.c", "store.c", "trash.c", "tree.c", "verify.c", "write.c" },
    },
    .{
        .name = "ingest",
        .dir = "src/ingest",
        .includes = &.{ "base", "os", "json", "model", "segment", "store" },
        .libs = &.{ "isal", "z" },
        .files = &.{ "commit.c", "content.c", "content_list.c", "delivery.c", "escape.c", "format/alb.c", "format/asff.c", "format/cloudtrail.c", "format/config.c", "format/digest.c", "format/dns.c", "format/eks.c", "format/guardduty.c", "format/s3access.c", "format/vpcflow.c", "format/waf.c", "helper.c", "inflate.c", "ingest.c", "jsonsame.c", "object.c", "path.c", "pool.c", "recipe.c", "recognise.c", "resolve.c", "resolve_seen.c", "seen.c", "since.c", "slurp.c", "spill.c", "split.c", "split_json.c", "split_lines.c", "split_wrapped.c", "stage.c", "variant_group.c", "variants.c", "walk.c", "window.c", "writer.c" },
    },
    .{
        .name = "query",
        .dir = "query",
        .includes = &.{ "base", "json", "os" },
        .libs = &.{ "pcre2-8", "crypto", "xxhash", "lz4" },
        .files = &.{
            "lex.c",              "parser.c",              "parse.c",               "parse_expr.c",         "parse_primary.c",     "parse_call.c",
            "parse_type.c",       "parse_window.c",        "parse_query.c",         "parse_select.c",       "parse_relation.c",    "bind_agg.c",
            "bind_call.c",        "bind_coerce.c",         "bind_expr.c",           "bind_function.c",      "bind_join.c",         "bind_literal.c",
            "bind_name.c",        "bind_query.c",          "bind_relation.c",       "bind_select.c",        "bind_setop.c",        "bind_table.c",
            "bind_unnest.c",      "explain.c",             "plan_build.c",          "plan_expr.c",          "plan_narrow.c",       "plan_optimize.c",
            "plan_push.c",        "plan_scan.c",           "query.c",               "show.c",               "split.c",             "builder.c",
            "eval.c",             "eval_call.c",           "eval_logic.c",          "eval_plan.c",          "fn/arithmetic.c",     "fn/array.c",
            "fn/array_set.c",     "fn/aggregate.c",        "fn/aggregate_number.c", "fn/aggregate_value.c", "fn/bytes.c",          "fn/call.c",
            "fn/compare.c",       "fn/datetime.c",         "fn/format.c",           "fn/function.c",        "fn/instant.c",        "fn/json.c",
            "fn/lambda.c",        "fn/like.c",             "fn/map.c",              "fn/math.c",            "fn/misc.c",           "fn/regexp.c",
            "fn/resolve.c",       "fn/string.c",           "fn/zone.c",             "op/aggregate.c",       "op/join.c",           "op/op.c",
            "op/scan.c",          "op/simple.c",           "op/sort.c",             "op/unnest.c",          "op/valueset.c",       "result.c",
            "result_table.c",     "result_value.c",        "run.c",                 "type/cast.c",          "type/cast_json.c",    "type/cast_text.c",
            "type/coerce.c",      "type/datetime.c",       "type/number.c",         "type/type.c",          "type/type_parse.c",   "value.c",
            "op/window.c",        "op/window_aggregate.c", "op/window_frame.c",     "op/window_value.c",    "bind_window.c",       "plan_window.c",
            "bind_subquery.c",    "plan_apply.c",          "plan_depend.c",         "plan_pull.c",          "plan_walk.c",         "fn/aggregate_merge.c",
            "fn/text_types.c",    "fn/char.c",             "options.c",             "bind_group.c",         "fn/aggregate_text.c", "eval_memo.c",
            "op/agg_codes.c",     "fn/aggregate_rank.c",   "op/agg_merge.c",        "op/agg_parallel.c",    "fn/digest.c",         "fn/spooky.c",
            "fn/encode.c",        "fn/text_more.c",        "fn/probability.c",      "fn/array_more.c",      "fn/lambda_more.c",    "fn/jsonpath_parse.c",
            "fn/jsonpath_eval.c", "fn/json_standard.c",    "fn/overlaps.c",         "parse_json.c",         "fn/aggregate_pair.c", "fn/aggregate_more.c",
            "fn/format_text.c",   "fn/signature_text.c",   "bind_json.c",           "parse_ddl.c",          "parse_statement.c",   "parse_table.c",
            "parse_words.c",      "catalog.c",             "define.c",              "ddl.c",                "alter.c",             "write.c",
            "prepared.c",         "session.c",             "listing.c",             "show_schema.c",        "show_create.c",       "op/recursive.c",
            "bind_recursive.c",   "bind_unique.c",         "op/agg_spill.c",        "op/spill.c",           "plan_estimate.c",     "plan_order.c",
        },
    },
    .{
        .name = "proof",
        .dir = "src/proof",
        .includes = &.{ "base", "os", "json", "model", "store" },
        .libs = &.{"crypto"},
        .files = &.{},
    },
    .{
        .name = "finding",
        .dir = "src/finding",
        .includes = &.{ "base", "os", "json", "model", "store" },
        .files = &.{ "body.c", "current.c", "id.c" },
    },
    .{
        .name = "engine",
        .dir = "src/engine",
        .includes = &.{ "base", "os", "json", "model", "segment", "store", "ingest", "query", "finding" },
        .libs = &.{"z"},
        .files = &.{ "cells.c", "column.c", "engine.c", "filter.c", "keep.c", "meta.c", "nested.c", "prune.c", "rows.c", "scan.c", "select.c", "change.c", "defined.c", "export.c", "own.c", "sessions.c" },
    },
    .{
        .name = "plugin",
        .dir = "src/plugin",
        .includes = &.{ "base", "os", "json", "model", "segment", "store", "query", "finding", "engine", "sdk" },
        .files = &.{ "abi.c", "batch.c", "deliver.c", "feed.c", "hits.c", "host.c", "process.c", "runner.c", "settle.c", "wire.c" },
    },
    .{
        .name = "generate",
        .dir = "src/generate",
        .includes = &.{ "base", "os", "json", "model" },
        .libs = &.{"z"},
        .files = &.{ "catalog.c", "fields.c", "file.c", "flow.c", "options.c", "out.c", "plan.c", "template.c", "trail.c", "trail_record.c", "trail_tables.c", "world.c", "write.c" },
    },
    .{
        .name = "net",
        .dir = "src/net",
        .includes = &.{ "base", "os", "json", "model", "store", "ingest", "query", "engine", "plugin", "finding", "proof" },
        .libs = &.{ "uv", "ssl", "crypto", "z" },
        .files = &.{ "answer.c", "client.c", "conn.c", "http_parse.c", "jobs.c", "listen.c", "load.c", "metrics.c", "routes.c", "server.c", "services.c", "sql.c", "unix_address.c", "words.c" },
        .fetched_dir = ".tools/llhttp",
        .fetched = &.{ "api.c", "http.c", "llhttp.c" },
    },
    .{
        .name = "cmd",
        .dir = "src/cmd",
        .includes = &.{ "base", "os", "json", "model", "segment", "store", "ingest", "query", "proof", "finding", "plugin", "engine", "generate", "net" },
        .libs = &.{"edit"},
        .files = &.{ "access.c", "export.c", "findings.c", "generate.c", "follow.c", "ingest.c", "line.c", "main.c", "node.c", "object.c", "plugins.c", "repl.c", "serve.c", "sql.c", "upkeep.c", "upload.c", "words.c" },
    },
    .{
        .name = "main",
        .dir = "src",
        .includes = &.{ "base", "cmd" },
        .files = &.{"main.c"},
    },
    // The plugin ABI: headers only. Plugins see nothing else of ours.
    .{
        .name = "sdk",
        .dir = "plugins/sdk",
        .includes = &.{},
        .files = &.{},
    },
};

/// Each becomes zig-out/plugins/NAME.so; its SHA-256 is compiled into the program.
const Plugin = struct {
    name: []const u8,
    files: []const []const u8,
};

const plugins = [_]Plugin{
    .{ .name = "root-use", .files = &.{"root_use.c"} },
    .{ .name = "trail-tampering", .files = &.{"trail_tampering.c"} },
};

const c_flags = [_][]const u8{
    "-std=c17",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Wvla",
    "-Wstrict-prototypes",
    "-Wno-string-conversion", // TH_ASSERT(!"words")
    "-Wno-unterminated-string-initialization", // char magic[8] = "8 bytes!"
    "-Wno-unknown-warning-option", // clang 14, of the checks, does not know the one above
    "-Werror",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
};
const release_flags = c_flags ++ [_][]const u8{ "-O2", "-D_FORTIFY_SOURCE=2", "-fno-omit-frame-pointer" };
const debug_flags = c_flags ++ [_][]const u8{ "-O1", "-DTH_SLOW_CHECKS", "-fno-omit-frame-pointer" };
const fetched_flags = [_][]const u8{ "-w", "-fvisibility=hidden" };

/// One way to compile the modules: the program's (release, hardened) or the tests' (debug, UBSan, slow checks).
const Variant = struct {
    b: *std.Build,
    target: std.Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
    pinned: ?std.Build.LazyPath = null,
    libs: [modules.len]?*std.Build.Step.Compile = @splat(null),

    fn debug(v: *const Variant) bool {
        return v.optimize == .Debug;
    }

    fn flags(v: *const Variant) []const []const u8 {
        // Messages and assertions name files as in the repository, wherever that was built.
        const root = v.b.fmt("-ffile-prefix-map={s}/=", .{v.b.pathFromRoot("")});
        const own: []const []const u8 = if (v.debug()) &debug_flags else &release_flags;
        return std.mem.concat(v.b.allocator, []const u8, &.{ own, &.{root} }) catch @panic("OOM");
    }

    fn newModule(v: *const Variant, pic: bool) *std.Build.Module {
        const m = v.b.createModule(.{
            .target = v.target,
            .optimize = v.optimize,
            .link_libc = true,
            .pic = pic,
            // Traps, because Zig's runtime that would say what was wrong takes 256 KiB of every thread's stack.
            .sanitize_c = if (v.debug()) .trap else .off,
            .stack_protector = true,
            .omit_frame_pointer = false,
            .unwind_tables = .async,
        });
        m.addIncludePath(v.b.path("src"));
        m.addIncludePath(v.b.path("."));
        // For the libraries' headers. After Zig's own, so that libc's headers are always Zig's.
        m.addAfterIncludePath(.{ .cwd_relative = "/usr/include" });
        m.addAfterIncludePath(.{ .cwd_relative = v.b.fmt("/usr/include/{s}-linux-gnu", .{@tagName(v.target.result.cpu.arch)}) });
        return m;
    }

    /// The static library of one module; null while it has no sources.
    fn library(v: *Variant, index: usize) ?*std.Build.Step.Compile {
        const spec = modules[index];
        if (v.libs[index] == null and spec.files.len > 0) {
            const m = v.newModule(true);
            m.addCSourceFiles(.{ .root = v.b.path(spec.dir), .files = spec.files, .flags = v.flags() });
            if (spec.fetched.len > 0) {
                m.addSystemIncludePath(v.b.path(spec.fetched_dir));
                m.addCSourceFiles(.{ .root = v.b.path(spec.fetched_dir), .files = spec.fetched, .flags = &fetched_flags });
            }
            if (std.mem.eql(u8, spec.name, "plugin")) {
                if (v.pinned) |file| m.addCSourceFile(.{ .file = file, .flags = v.flags() });
            }
            v.libs[index] = v.b.addLibrary(.{
                .name = v.b.fmt("th_{s}", .{spec.name}),
                .linkage = .static,
                .root_module = m,
            });
        }
        return v.libs[index];
    }

    fn linkClosure(v: *Variant, m: *std.Build.Module, index: usize) void {
        const closure = closureOf(index);
        for (0..modules.len) |i| {
            if (closure[i]) if (v.library(i)) |lib| m.linkLibrary(lib);
        }
        linkSystem(m, index);
    }

    /// A program of one C file over a module and what lies below it.
    fn program(v: *Variant, name: []const u8, files: []const []const u8, index: usize) *std.Build.Step.Compile {
        const m = v.newModule(true);
        m.addCSourceFiles(.{ .files = files, .flags = v.flags() });
        if (modules[index].fetched.len > 0) m.addSystemIncludePath(v.b.path(modules[index].fetched_dir));
        v.linkClosure(m, index);
        const exe = v.b.addExecutable(.{ .name = name, .root_module = m });
        if (v.target.result.cpu.arch == .x86_64) {
            // Zig's runtime would bring a memcpy and a memcmp of its own; those of the C library know the CPU. What else is
            // in it (division of 128 bits) libgcc has too.
            exe.bundle_compiler_rt = false;
            m.addObjectFile(.{ .cwd_relative = "/lib/x86_64-linux-gnu/libgcc_s.so.1" });
        }
        exe.pie = true;
        return exe;
    }
};

fn linkSystem(m: *std.Build.Module, index: usize) void {
    const closure = closureOf(index);
    var seen: std.StringHashMapUnmanaged(void) = .empty;
    for (0..modules.len) |i| {
        if (!closure[i]) continue;
        for (modules[i].libs) |lib| {
            const entry = seen.getOrPut(m.owner.allocator, lib) catch @panic("OOM");
            if (!entry.found_existing) m.linkSystemLibrary(lib, .{ .use_pkg_config = .no });
        }
    }
}

fn indexOf(name: []const u8) ?usize {
    for (modules, 0..) |m, i| if (std.mem.eql(u8, m.name, name)) return i;
    return null;
}

/// The module itself and all below it.
fn closureOf(index: usize) [modules.len]bool {
    var closure: [modules.len]bool = @splat(false);
    mark(&closure, index);
    return closure;
}

fn mark(closure: *[modules.len]bool, index: usize) void {
    if (closure[index]) return;
    closure[index] = true;
    for (modules[index].includes) |name| {
        mark(closure, indexOf(name) orelse std.debug.panic("build.zig: module '{s}' includes unknown '{s}'", .{ modules[index].name, name }));
    }
}

fn exists(b: *std.Build, path: []const u8) bool {
    b.build_root.handle.access(b.graph.io, path, .{}) catch return false;
    return true;
}

/// Names (without `.c`) of the C files of a folder, sorted; none when the folder is missing.
fn sourcesIn(b: *std.Build, path: []const u8) []const []const u8 {
    const io = b.graph.io;
    var names: std.ArrayList([]const u8) = .empty;
    var dir = b.build_root.handle.openDir(io, path, .{ .iterate = true }) catch return &.{};
    defer dir.close(io);
    var it = dir.iterate();
    while (it.next(io) catch null) |entry| {
        if (entry.kind != .file or !std.mem.endsWith(u8, entry.name, ".c")) continue;
        names.append(b.allocator, b.dupe(entry.name[0 .. entry.name.len - 2])) catch @panic("OOM");
    }
    std.mem.sort([]const u8, names.items, {}, struct {
        fn less(_: void, x: []const u8, y: []const u8) bool {
            return std.mem.lessThan(u8, x, y);
        }
    }.less);
    return names.items;
}

/// tests/unit/MODULE_topic.c tests MODULE.
fn moduleOfTest(name: []const u8) ?usize {
    const end = std.mem.indexOfScalar(u8, name, '_') orelse name.len;
    return indexOf(name[0..end]);
}

/// A C file of tests/unit with a header beside it is not a test: it is linked into what includes that header.
fn isHelper(b: *std.Build, name: []const u8) bool {
    return exists(b, b.fmt("tests/unit/{s}.h", .{name})) and exists(b, b.fmt("tests/unit/{s}.c", .{name}));
}

/// The file and the helpers that it includes.
fn withHelpers(b: *std.Build, path: []const u8) []const []const u8 {
    var files: std.ArrayList([]const u8) = .empty;
    files.append(b.allocator, path) catch @panic("OOM");
    const text = b.build_root.handle.readFileAlloc(b.graph.io, path, b.allocator, .limited(1 << 20)) catch "";
    const key = "#include \"tests/unit/";
    var rest: []const u8 = text;
    while (std.mem.indexOf(u8, rest, key)) |at| {
        rest = rest[at + key.len ..];
        const name = rest[0 .. std.mem.indexOf(u8, rest, ".h\"") orelse 0];
        if (isHelper(b, name)) files.append(b.allocator, b.fmt("tests/unit/{s}.c", .{name})) catch @panic("OOM");
    }
    return files.items;
}

/// A fuzz target names the module it needs: a line with `fuzz-module: NAME`.
fn moduleOfFuzz(b: *std.Build, name: []const u8) ?usize {
    const path = b.fmt("fuzz/{s}.c", .{name});
    const text = b.build_root.handle.readFileAlloc(b.graph.io, path, b.allocator, .limited(1 << 20)) catch return null;
    const key = "fuzz-module:";
    const at = std.mem.indexOf(u8, text, key) orelse return null;
    const rest = std.mem.trimStart(u8, text[at + key.len ..], " ");
    const end = std.mem.indexOfNone(u8, rest, "abcdefghijklmnopqrstuvwxyz") orelse rest.len;
    return indexOf(rest[0..end]);
}

/// What the scripts under tests/ and fuzz/ need to know, so that this file stays the only list.
const Sources = struct {
    const ModuleOut = struct {
        name: []const u8,
        dir: []const u8,
        includes: []const []const u8,
        libs: []const []const u8,
        files: []const []const u8,
        fetched: []const []const u8,
        fetched_dir: []const u8,
        closure: []const []const u8,
    };
    const ProgramOut = struct { name: []const u8, file: []const u8, files: []const []const u8, module: []const u8 };

    flags: []const []const u8,
    modules: []const ModuleOut,
    plugins: []const Plugin,
    tests: []const ProgramOut,
    fuzz: []const ProgramOut,
};

fn sourcesJson(b: *std.Build, tests: []const []const u8, fuzz: []const []const u8) []const u8 {
    var mods: std.ArrayList(Sources.ModuleOut) = .empty;
    for (modules, 0..) |m, i| {
        var names: std.ArrayList([]const u8) = .empty;
        const closure = closureOf(i);
        for (modules, 0..) |below, k| if (closure[k]) names.append(b.allocator, below.name) catch @panic("OOM");
        mods.append(b.allocator, .{
            .name = m.name,
            .dir = m.dir,
            .includes = m.includes,
            .libs = m.libs,
            .files = m.files,
            .fetched = m.fetched,
            .fetched_dir = m.fetched_dir,
            .closure = names.items,
        }) catch @panic("OOM");
    }
    var test_list: std.ArrayList(Sources.ProgramOut) = .empty;
    for (tests) |name| test_list.append(b.allocator, .{
        .name = name,
        .file = b.fmt("tests/unit/{s}.c", .{name}),
        .files = withHelpers(b, b.fmt("tests/unit/{s}.c", .{name})),
        .module = if (moduleOfTest(name)) |i| modules[i].name else "",
    }) catch @panic("OOM");
    var fuzz_list: std.ArrayList(Sources.ProgramOut) = .empty;
    for (fuzz) |name| fuzz_list.append(b.allocator, .{
        .name = name,
        .file = b.fmt("fuzz/{s}.c", .{name}),
        .files = withHelpers(b, b.fmt("fuzz/{s}.c", .{name})),
        .module = if (moduleOfFuzz(b, name)) |i| modules[i].name else "",
    }) catch @panic("OOM");
    const all: Sources = .{
        .flags = &c_flags,
        .modules = mods.items,
        .plugins = &plugins,
        .tests = test_list.items,
        .fuzz = fuzz_list.items,
    };
    return b.fmt("{f}\n", .{std.json.fmt(all, .{ .whitespace = .indent_1 })});
}

/// Turns the built plugins into the C table that src/plugin/pinned.h declares.
const pin_script =
    \\printf '/* Made by build.zig: SHA-256 of our own plugins. */\n#include "plugin/pinned.h"\n'
    \\printf 'const th_pinned_plugin th_pinned_plugins[] = {\n'
    \\count=0
    \\while [ $# -gt 1 ]; do
    \\  bytes=$(sha256sum <"$2" | cut -c1-64 | sed 's/../0x&,/g')
    \\  printf '    {"%s", {%s}},\n' "$1" "$bytes"
    \\  count=$((count + 1)); shift 2
    \\done
    \\[ $count -gt 0 ] || printf '    {"", {0}},\n'
    \\printf '};\nconst size_t th_pinned_plugin_count = %d;\n' $count
;

const BuiltPlugins = struct { step: *std.Build.Step, pinned: ?std.Build.LazyPath };

fn addPlugins(b: *std.Build, v: *const Variant) BuiltPlugins {
    const step = b.step("plugins", "Build zig-out/plugins/NAME.so");
    const pin = b.addSystemCommand(&.{ "sh", "-c", pin_script, "pin" });
    for (plugins) |p| {
        const m = b.createModule(.{
            .target = v.target,
            .optimize = v.optimize,
            .link_libc = true,
            .pic = true,
            .sanitize_c = .off,
            .stack_protector = true,
        });
        m.addIncludePath(b.path("."));
        m.addCSourceFiles(.{ .root = b.path(b.fmt("plugins/{s}", .{p.name})), .files = p.files, .flags = v.flags() });
        const lib = b.addLibrary(.{ .name = p.name, .linkage = .dynamic, .root_module = m });
        const install = b.addInstallFile(lib.getEmittedBin(), b.fmt("plugins/{s}.so", .{p.name}));
        step.dependOn(&install.step);
        pin.addArg(p.name);
        pin.addFileArg(lib.getEmittedBin());
    }
    // Until the plugin host's header is there, nothing can compile the table.
    if (!exists(b, "src/plugin/pinned.h")) return .{ .step = step, .pinned = null };
    const pinned = pin.captureStdOut(.{ .basename = "pinned.c" });
    step.dependOn(&b.addInstallFile(pinned, "gen/pinned.c").step);
    return .{ .step = step, .pinned = pinned };
}

fn script(b: *std.Build, step: *std.Build.Step, argv: []const []const u8) *std.Build.Step.Run {
    const run = b.addSystemCommand(argv);
    run.has_side_effects = true;
    run.stdio = .inherit;
    if (b.args) |args| run.addArgs(args);
    step.dependOn(&run.step);
    return run;
}

pub fn build(b: *std.Build) void {
    const optimize = b.option(std.builtin.OptimizeMode, "optimize", "How the program is built (default ReleaseFast; assertions stay on)") orelse .ReleaseFast;
    const only = b.option([]const u8, "module", "modules, test-programs, test-unit: only this module");
    const baseline: std.Target.Query = .{ .cpu_model = .baseline };
    const target = b.resolveTargetQuery(baseline);

    var shipped: Variant = .{ .b = b, .target = target, .optimize = optimize };
    const tested_optimize = b.option(std.builtin.OptimizeMode, "test-optimize", "How test programs are built (default Debug)") orelse .Debug;
    var tested: Variant = .{ .b = b, .target = target, .optimize = tested_optimize };

    var unit_tests: std.ArrayList([]const u8) = .empty;
    for (sourcesIn(b, "tests/unit")) |name| {
        if (!isHelper(b, name)) unit_tests.append(b.allocator, name) catch @panic("OOM");
    }
    const tests = unit_tests.items;
    var fuzz: std.ArrayList([]const u8) = .empty;
    for (sourcesIn(b, "fuzz")) |name| {
        if (!std.mem.eql(u8, name, "driver")) fuzz.append(b.allocator, name) catch @panic("OOM");
    }

    const sources = b.step("sources", "Write zig-out/sources.json: this file's tables for scripts");
    const files = b.addWriteFiles();
    const json = files.add("sources.json", sourcesJson(b, tests, fuzz.items));
    sources.dependOn(&b.addInstallFile(json, "sources.json").step);

    const built = addPlugins(b, &shipped);
    shipped.pinned = built.pinned;
    tested.pinned = built.pinned;

    const main = shipped.program("trailhold", &.{}, indexOf("main").?);
    const install = b.getInstallStep();
    install.dependOn(sources);
    install.dependOn(built.step);
    install.dependOn(&b.addInstallArtifact(main, .{}).step);

    const compiled = b.step("modules", "Compile the modules' sources, linking nothing [-Dmodule=NAME]");
    for (modules, 0..) |m, i| {
        if (only) |wanted| if (!std.mem.eql(u8, wanted, m.name)) continue;
        if (tested.library(i)) |lib| compiled.dependOn(&lib.step);
    }

    const programs = b.step("test-programs", "Build the unit tests and the corpus replayers (debug, UBSan)");
    programs.dependOn(sources);
    const unit_programs = b.step("unit-programs", "Build the unit tests only");
    unit_programs.dependOn(sources);
    for (tests) |name| {
        const index = moduleOfTest(name) orelse continue;
        if (only) |wanted| if (!std.mem.eql(u8, wanted, modules[index].name)) continue;
        const exe = tested.program(name, withHelpers(b, b.fmt("tests/unit/{s}.c", .{name})), index);
        unit_programs.dependOn(&b.addInstallArtifact(exe, .{ .dest_dir = .{ .override = .{ .custom = "tests/unit" } } }).step);
    }
    programs.dependOn(unit_programs);
    // Programs over query/ that the drivers of tests/sql start.
    for (sourcesIn(b, "tests/sql")) |name| {
        const exe = tested.program(name, withHelpers(b, b.fmt("tests/sql/{s}.c", .{name})), indexOf("query").?);
        programs.dependOn(&b.addInstallArtifact(exe, .{ .dest_dir = .{ .override = .{ .custom = "tests/sql" } } }).step);
    }
    for (fuzz.items) |name| {
        const index = moduleOfFuzz(b, name) orelse continue;
        if (only) |wanted| if (!std.mem.eql(u8, wanted, modules[index].name)) continue;
        const target_files = withHelpers(b, b.fmt("fuzz/{s}.c", .{name}));
        const exe = tested.program(name, std.mem.concat(b.allocator, []const u8, &.{ target_files, &.{"fuzz/driver.c"} }) catch @panic("OOM"), index);
        programs.dependOn(&b.addInstallArtifact(exe, .{ .dest_dir = .{ .override = .{ .custom = "tests/replay" } } }).step);
    }

    const unit = b.step("test-unit", "Run the unit tests [-Dmodule=NAME] [-- PATTERN]");
    const run_unit = script(b, unit, &.{ ".tools/venv/bin/python", "tests/run/run.py", "--only", "unit" });
    if (only) |wanted| run_unit.addArgs(&.{ "--module", wanted });
    run_unit.step.dependOn(unit_programs);

    const all = b.step("test", "Run every test [-- PATTERN]");
    const run_all = script(b, all, &.{ ".tools/venv/bin/python", "tests/run/run.py" });
    run_all.step.dependOn(install);
    run_all.step.dependOn(programs);

    const check = script(b, b.step("check", "Format, lint, layers, sizes, banned calls, headers alone [-- NAME]"), &.{ ".tools/venv/bin/python", "tests/check/check.py" });
    check.step.dependOn(sources);
    const asan = script(b, b.step("asan", "Unit tests and replay under AddressSanitizer and UBSan (clang) [-- PATTERN]"), &.{ ".tools/venv/bin/python", "tests/run/sanitize.py", "asan" });
    asan.step.dependOn(sources);
    const tsan = script(b, b.step("tsan", "Unit tests under ThreadSanitizer (clang) [-- PATTERN]"), &.{ ".tools/venv/bin/python", "tests/run/sanitize.py", "tsan" });
    tsan.step.dependOn(sources);
    if (built.pinned != null) {
        asan.step.dependOn(built.step);
        tsan.step.dependOn(built.step);
    }
    const fuzzing = script(b, b.step("fuzz", "Fuzz with libFuzzer (clang) [-- TARGET --minutes N]"), &.{ ".tools/venv/bin/python", "fuzz/fuzz.py" });
    fuzzing.step.dependOn(sources);
    if (built.pinned != null) fuzzing.step.dependOn(built.step);
    const bench = script(b, b.step("bench", "Measure [-- NAME --peers]"), &.{ ".tools/venv/bin/python", "tests/run/long.py", "bench" });
    bench.step.dependOn(install);
    const segment_bench = shipped.program("segment_bench", &.{"tests/bench/segment_bench.c"}, indexOf("ingest").?);
    const run_segment_bench = b.addRunArtifact(segment_bench);
    if (b.args) |args| run_segment_bench.addArgs(args);
    const query_bench = shipped.program("query_bench", &.{"tests/bench/query_bench.c"}, indexOf("engine").?);
    const bench_programs = b.step("bench-programs", "Programs that the benches use, into zig-out/bench/");
    bench_programs.dependOn(&b.addInstallArtifact(query_bench, .{ .dest_dir = .{ .override = .{ .custom = "bench" } } }).step);
    const store_sizes = shipped.program("store_sizes", &.{"tests/bench/store_sizes.c"}, indexOf("engine").?);
    bench_programs.dependOn(&b.addInstallArtifact(store_sizes, .{ .dest_dir = .{ .override = .{ .custom = "bench" } } }).step);
    b.step("bench-segment", "Speed and size of segments alone [-- TABLE FILE]").dependOn(&run_segment_bench.step);
}
