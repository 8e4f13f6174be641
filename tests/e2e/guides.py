# SPDX-License-Identifier: Apache-2.0
"""The commands of a guide, as a reader types them."""
import os
import re

from harness import BINARY, KUBECTLS, ROOT, USUAL
from machines import DATA


def commands_of(name):
    """Lines of docs/guides/<name> that stand as code, without remarks, in order; those that go on in the next are one."""
    with open(os.path.join(ROOT, "docs/guides", name), encoding="utf-8") as file:
        text = file.read().replace("\\\n", " ")
    lines = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    return [re.sub(r"\s+", " ", re.sub(r"\s{2,}# .*$", "", line.removeprefix("$ "))).strip() for line in lines]


def mentioned_in(name, program):
    """Commands of a program that stand within a sentence."""
    with open(os.path.join(ROOT, "docs/guides", name), encoding="utf-8") as file:
        return [" ".join(found.split()) for found in re.findall(rf"`({program} [^`]+)`", file.read())]


def shape(command):
    """What is left of a command that joins a machine, without the address and the token, which are the reader's own."""
    return re.sub(r"tetrarch1\.\S+|TOKEN", "…", re.sub(r"https://[\w.]+:", "https://HOST:", command))


class Reader:
    """Types lines at the machines of a cluster, in a directory of its own; tetrarch and kubectl are on the PATH."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.programs, self.directory = (os.path.join(cluster.directory, name) for name in ("bin", "typed"))
        os.makedirs(self.programs)
        os.makedirs(self.directory)
        os.symlink(BINARY, os.path.join(self.programs, "tetrarch"))
        os.symlink(KUBECTLS[USUAL], os.path.join(self.programs, "kubectl"))

    def install(self, name, script):
        with open(os.path.join(self.programs, name), "w", encoding="utf-8") as file:
            file.write(script)
            os.chmod(file.fileno(), 0o755)

    def words(self, line):
        settings = f"export PATH={self.programs}:$PATH KUBECONFIG={DATA}/admin.kubeconfig; cd {self.directory}"
        return ["sh", "-c", f"{settings}; {line}"]

    def type(self, line, host="m1", timeout=120):
        return self.cluster.host(host).run(*self.words(line), timeout=timeout).stdout

    def join(self, line, host):
        """The line is an agent's, which stays."""
        self.cluster.running[host.name] = host.start(self.cluster.log_of(host), *self.words(f"exec {line}"))
