# SPDX-License-Identifier: Apache-2.0
"""The commands of a guide, as a reader types them."""
import os
import re

from harness import ROOT


def commands_of(name):
    """Lines of docs/guides/<name> that stand as code, without remarks, in order; those that go on in the next are one."""
    with open(os.path.join(ROOT, "docs/guides", name), encoding="utf-8") as file:
        text = file.read().replace("\\\n", " ")
    lines = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    return [re.sub(r"\s+", " ", re.sub(r"\s{2,}# .*$", "", line)).strip() for line in lines]


def mentioned_in(name, program):
    """Commands of a program that stand within a sentence."""
    with open(os.path.join(ROOT, "docs/guides", name), encoding="utf-8") as file:
        return [" ".join(found.split()) for found in re.findall(rf"`({program} [^`]+)`", file.read())]
