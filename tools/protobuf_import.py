#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes schema/protobuf.numbers: the protobuf numbers of the fields in schema/*.schema.

  protobuf_import.py API_DIR MACHINERY_DIR AGGREGATOR_DIR RELEASE

The folders are source trees of k8s.io/api, k8s.io/apimachinery and k8s.io/kube-aggregator at RELEASE.
Only facts are taken: the numbers, which fields are embedded, and which are written although they are
zero. They are read from the struct tags that generated.proto is made from, because only these know the
JSON names.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Protobuf numbers of the fields in the tables: a type, then field=number. `!`: a zero counts as given, where it is
# otherwise absent. `*Type=number`: the message of that Type (of the same package) has fields of this one.
# Source: struct tags of k8s.io/api, k8s.io/apimachinery and k8s.io/kube-aggregator {release}. Made by
# tools/protobuf_import.py, but for dev.tetrarch.
"""
MEMBER = re.compile(r"^\t(?:\w+\s+)?(\S+)\s+`(json:.*)`")
JSON = re.compile(r'\bjson:"([^"]*)"')
NUMBER = re.compile(r'\bprotobuf:"[^",]*,(\d+),')


def tables():
    """Package and name of each type in the tables, and the names of its fields."""
    types, package, fields = {}, "", None
    for path in sorted((ROOT / "schema").glob("*.schema")):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if line.startswith("package "):
                package = words[1]
            elif line.startswith("type "):
                fields = types.setdefault((package, words[1]), [])
            elif line.startswith("kind "):
                fields = None
            elif line.startswith(" ") and fields is not None and words and words[0] != "#":
                fields.append(words[0])
    return types


def structs(folder):
    """The tagged fields of each Go struct of a package: JSON name, number, Go type, JSON options."""
    found = {}
    for path in sorted(folder.glob("*.go")):
        name = None
        for line in path.read_text(encoding="utf-8").splitlines():
            begin = re.match(r"^type (\w+) struct \{", line)
            if begin:
                name = begin.group(1)
            elif line == "}":
                name = None
            elif name and (member := MEMBER.match(line)):
                go_type, tags = member.groups()
                if number := NUMBER.search(tags):
                    json = JSON.search(tags).group(1).split(",")
                    found.setdefault(name, []).append((json, number.group(1), go_type))
    return found


def folder_of(package, trees):
    """io.k8s.api.core.v1 is core/v1 of its tree, the others are pkg/apis/… of theirs."""
    tree = trees[package.split(".")[2]]
    return tree.joinpath(*package.split(".")[3:])


def entries(name, known, wanted, lines, package):
    """The words of one type; embedded types get lines of their own, with the fields that are wanted."""
    words = []
    for (json, *options), number, go_type in known.get(name, []):
        if not json and "inline" in options:
            words.append(f"*{go_type}={number}")
            if (package, go_type) not in lines:
                lines[package, go_type] = entries(go_type, known, wanted, lines, package)
        elif json in wanted or wanted is None:
            is_zero_written = go_type.startswith("*") or "omitempty" not in options
            words.append(f"{json}={number}{'!' if is_zero_written else ''}")
    return words


# Our own kinds have numbers of our own.
KEPT = "dev.tetrarch."


def main():
    trees = dict(zip(("api", "apimachinery", "kube-aggregator"), map(pathlib.Path, sys.argv[1:4])))
    release = sys.argv[4]
    path = ROOT / "schema" / "protobuf.numbers"
    types = {at: fields for at, fields in tables().items() if not at[0].startswith(KEPT)}
    lines = {}
    packages = {package: structs(folder_of(package, trees)) for package, _ in types}
    for (package, name), fields in types.items():
        lines[package, name] = entries(name, packages[package], fields, lines, package)
    text = HEAD.format(release=release)
    for (package, name), words in sorted(lines.items()):
        text += " ".join([f"{package}.{name}", *words]) + "\n"
    text += "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if line.startswith(KEPT))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
