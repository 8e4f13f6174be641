#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/protocols/kubernetes-conformance.md: every behaviour of the published list once, every named test in the tree.

Usage: tools/conformance.py LIST.yaml   compares the table with a list of the conformance suite; exit 1 if they differ.
tools/tidy calls check().
"""
import collections
import hashlib
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = "docs/protocols/kubernetes-conformance.md"
BEHAVIOURS = 446  # of Kubernetes 1.35

Row = collections.namedtuple("Row", "area id text shown")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def rows_of(text):
    rows, area = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            area = line[3:].strip()
        match = re.match(r"\| ([0-9a-f]{8}) \| (.+) \| (.+) \|$", line)
        if match:
            rows.append(Row(area, *match.groups()))
    return rows


def counts_of(text):
    return {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r"(?m)^\| ([\w-]+) \| (\d+) \| (\d+) \|$", text)}


def check():
    """What is wrong, a sentence each."""
    text = read(TABLE)
    rows, wrong = rows_of(text), []
    seen = collections.Counter(row.id for row in rows)
    wrong += [f"{name} has {count} rows" for name, count in seen.items() if count > 1]
    if len(seen) != BEHAVIOURS:
        wrong.append(f"{len(seen)} behaviours, not {BEHAVIOURS}")
    counted = collections.Counter()
    for row in rows:
        tests = re.findall(r"`(test_\w+)\.(test_\w+)`", row.shown)
        counted.update([(row.area, bool(tests)), ("all", bool(tests))])
        if not tests and not row.shown.startswith("not yet: "):
            wrong.append(f"{row.id} ({row.text}): neither a test nor \"not yet: …\"")
        for module, test in tests:
            path = f"tests/e2e/{module}.py"
            if not os.path.exists(os.path.join(ROOT, path)) or f"def {test}(" not in read(path):
                wrong.append(f"{row.id} ({row.text}): there is no {module}.{test}")
    for area, told in counts_of(text).items():
        have = (counted[area, True] + counted[area, False], counted[area, True])
        if told != have:
            wrong.append(f"the summary says {told} of {area}, the rows are {have}")
    return wrong


def compare(path):
    import yaml
    with open(path, encoding="utf-8") as file:
        published = {hashlib.sha256(one["codename"].encode()).hexdigest()[:8]: one["codename"] for one in yaml.safe_load(file)}
    ours = {row.id: row.text for row in rows_of(read(TABLE))}
    for name in sorted(published.keys() - ours.keys()):
        print(f"not in the table: {name} {published[name]}")
    for name in sorted(ours.keys() - published.keys()):
        print(f"not in the list: {name} {ours[name]}")
    return int(published.keys() != ours.keys())


if __name__ == "__main__":
    sys.exit(compare(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
