#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""faults.py [--statements N]: the control of random_queries. Puts one fault after the other into a copy of the engine, builds
random_queries with it and counts the faults that N statements find; fails when more than one in twenty stays unseen.

A fault is a piece of text that occurs once in a source file, and what it becomes. One that no longer applies is an error: write
it anew for the code as it is."""

import argparse
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "run"))
from clangbuild import Builder  # noqa: E402

FAULTS = [
    ("AND and OR forget NULL", "query/eval_logic.c", "if (t == decided || t == UNDECIDED) z->truth[row] = t;",
     "if (t == decided) z->truth[row] = t;"),
    ("NOT NULL is true", "query/eval_logic.c", "[UNDECIDED] = UNDECIDED", "[UNDECIDED] = YES"),
    ("CASE takes a NULL condition for true", "query/eval_logic.c", "bool hit = truth_at(&z->v, i) == YES;",
     "bool hit = truth_at(&z->v, i) != NO;"),
    ("top-N keeps no rows for OFFSET", "query/bind_query.c", "input->limit_rows = top;", "input->limit_rows = limit;"),
    ("UNION ALL forgets its last input", "query/op/simple.c", "for (; s->at < op->plan->input_count; s->at++)",
     "for (; s->at + 1 < op->plan->input_count; s->at++)"),
    ("NULL keys join", "query/op/join.c", "if (tuple[k].null || !can_match(keys[k].type, &tuple[k])) return false;",
     "if (!tuple[k].null && !can_match(keys[k].type, &tuple[k])) return false;"),
    ("the first build row is not in the table", "query/op/join.c", "for (uint32_t i = j->right_rows; i > 0; i--)",
     "for (uint32_t i = j->right_rows; i > 1; i--)"),
    ("a product forgets the last right row", "query/op/join.c", "return candidate < j->right_rows ? candidate + 1 : 0;",
     "return candidate + 1 < j->right_rows ? candidate + 1 : 0;"),
    ("a row counts as matched before the residual condition", "query/op/join.c",
     "if (j->predicate != NULL && *count > 0) {",
     "for (uint32_t i = 0; i < *count; i++) set_bit(j->left_matched, left[i]), set_bit(j->right_matched, right[i]);\n"
     "    if (j->predicate != NULL && *count > 0) {"),
    ("WHERE on the left side goes below a FULL JOIN", "query/plan_push.c", "inner || plan->join == TH_JOIN_LEFT,\n         keeps_right",
     "inner || plan->join == TH_JOIN_LEFT || plan->join == TH_JOIN_FULL,\n         keeps_right"),
    ("WHERE on the right side goes below a LEFT JOIN", "query/plan_push.c", "keeps_right = inner || plan->join == TH_JOIN_RIGHT;",
     "keeps_right = true;"),
    ("ON's condition on the left side goes below a LEFT JOIN", "query/plan_push.c",
     "inner || plan->join == TH_JOIN_RIGHT,\n                       inner || plan->join == TH_JOIN_LEFT",
     "inner || plan->join != TH_JOIN_FULL,\n                       inner || plan->join == TH_JOIN_LEFT"),
    ("a value set that grows forgets one", "query/op/valueset.c",
     "for (uint32_t i = 0; i < set->count; i++) {\n        uint32_t at", "for (uint32_t i = 1; i < set->count; i++) {\n        uint32_t at"),
    ("count(x) counts NULLs", "query/op/aggregate.c", "a->vectors[0].form == TH_FLAT && a->vectors[0].valid == NULL",
     "a->vectors[0].form == TH_FLAT"),
    ("FILTER is not looked at", "query/op/aggregate.c", "if (a->filter != NULL) TH_TRY(th_eval_filter(a->filter,",
     "if (a->filter == (void *)1) TH_TRY(th_eval_filter(a->filter,"),
    ("the last row's dictionary entry is not computed", "query/eval_call.c",
     "for (uint32_t i = 0; i < frame->count; i++) used[v->codes[i]] = 1;",
     "for (uint32_t i = 0; i + 1 < frame->count; i++) used[v->codes[i]] = 1;"),
    ("5 < x is handed to the scan as x < 5", "query/plan_scan.c", '{"$lt", TH_CMP_LT, TH_CMP_GT}', '{"$lt", TH_CMP_LT, TH_CMP_LT}'),
    ("IS NULL and IS NOT NULL are handed to the scan the wrong way", "query/plan_scan.c",
     "inner == e ? TH_CMP_IS_NULL : TH_CMP_NOT_NULL", "inner != e ? TH_CMP_IS_NULL : TH_CMP_NOT_NULL"),
    ("LIKE 'a%' is handed to the scan as = 'a'", "query/plan_scan.c", "n == v.s.size ? TH_CMP_EQ : TH_CMP_PREFIX", "TH_CMP_EQ"),
    ("CAST(ts AS date) = d is handed to the scan as ts = d", "query/plan_scan.c",
     "&& keeps_order(e->children[0]->type, e->type))", "&& (keeps_order(e->children[0]->type, e->type) || true))"),
    ("EXCEPT keeps what both sides have", "query/bind_setop.c", 'body->kind == AST_INTERSECT ? "$gt" : "$eq"', '"$gt"'),
    ("COALESCE stops at its first argument", "query/eval_logic.c", "bool null = unknown || th_vector_is_null(&z->v, i);",
     "bool null = unknown;"),
]


def apply(fault):
    name, path, old, new = fault
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        sys.exit(f"faults.py: '{name}' no longer applies to {path}: its text occurs {text.count(old)} times")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    return text


def make_copy(copy):
    """The sources that the program is built from, in a folder of their own; it becomes the current one."""
    os.chdir(TOP)
    subprocess.run([".tools/zig", "build", "sources"], check=True)
    shutil.rmtree(copy, ignore_errors=True)
    for part in ("query", "src", "tests/sql", "tests/unit", "plugins/sdk"):
        shutil.copytree(part, os.path.join(copy, part))
    os.makedirs(os.path.join(copy, "zig-out"))
    shutil.copy("zig-out/sources.json", os.path.join(copy, "zig-out"))
    os.chdir(copy)


def ask(statements):
    """Why the program ended badly, or None."""
    program = Builder("faults", []).program("random_queries", ["tests/sql/random_queries.c"], "query")
    try:
        run = subprocess.run([program, "--queries", str(statements)], stdout=subprocess.PIPE, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "did not end"
    if run.returncode < 0:
        return f"killed by signal {-run.returncode}"
    if run.returncode == 0:
        return None
    return next((line for line in run.stdout.splitlines() if line.startswith(("MISMATCH", "REFUSED"))), "failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=40_000)
    args = parser.parse_args()
    make_copy(os.path.join("zig-out", "faults"))
    why = ask(args.statements)
    if why is not None:
        print(f"not ok: the engine as it is: {why}")
        return 1
    seen = 0
    for fault in FAULTS:
        text = apply(fault)
        why = ask(args.statements)
        seen += why is not None
        print(f"{'found' if why else 'NOT FOUND'}: {fault[0]}{': ' + why if why else ''}", flush=True)
        with open(fault[1], "w", encoding="utf-8") as f:
            f.write(text)
    print(f"{seen} of {len(FAULTS)} faults found")
    return 0 if (len(FAULTS) - seen) * 20 <= len(FAULTS) else 1


if __name__ == "__main__":
    sys.exit(main())
