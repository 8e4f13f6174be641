# SPDX-License-Identifier: Apache-2.0
"""Machines: one cluster over several hosts of hosts.py; MachinesTest: a test case on one.

The first host runs `tetrarch up` (or `server`), the others join with its token. kubectl and curl run in the first
host's network."""
import json
import os
import shutil
import subprocess

import harness
import hosts
import machine
from harness import BINARY, CALM, IMAGES, KUBECTLS, NEWEST, USUAL, ClusterTest
from machine import run, wait_until

DATA = "/var/lib/tetrarch"  # on every host
PORT = 6443


class Machines:
    def __init__(self, name, segments=(1, 1, 1), command="up", flags=(), agent_flags=(), mtus=None):
        harness.purge_dead_runs()
        self.command, self.server_flags, self.agent_flags = command, flags, agent_flags
        self.running = {}  # host name -> Popen of its tetrarch
        self.lab = hosts.Lab(name, mtus)
        self.directory = self.lab.directory
        harness.LIVE.add(self)
        for number, segment in enumerate(segments, 1):
            self.put_images(self.lab.add_host(f"m{number}", segment))

    # ---- life -------------------------------------------------------------------------------------------------

    @property
    def hosts(self):
        return list(self.lab.hosts.values())

    @property
    def first(self):
        return self.hosts[0]

    @property
    def agents(self):
        """The hosts that run pods."""
        return self.hosts if self.command == "up" else self.hosts[1:]

    def host(self, name):
        return self.lab.hosts[name]

    @staticmethod
    def put_images(host):
        place = os.path.join(host.disk, "tetrarch/images")
        os.makedirs(place, exist_ok=True)
        for image in ("pause", "demo", "busybox"):
            shutil.copy(f"{IMAGES}/{image}.tar", place)

    port = PORT

    @property
    def address(self):
        return self.first.address

    @property
    def url(self):
        return f"https://{self.address}:{PORT}"

    @property
    def token(self):
        with open(f"{self.first.disk}/tetrarch/join-token", encoding="ascii") as file:
            return file.read().strip()

    def log_of(self, host):
        return os.path.join(host.state, "tetrarch.log")

    def words_for(self, host):
        if host is self.first:
            return [self.command, "--advertise-address", host.address, *self.server_flags]
        return ["agent", "--server", self.url, "--token", self.token, *self.agent_flags]

    def start_on(self, host):
        """tetrarch, as its service would be started; a first process that is there already is a mistake."""
        assert not self.is_running(host), f"tetrarch runs on {host.name}"
        words = [BINARY, *self.words_for(host), "--data-dir", DATA, "--node-name", host.name, *CALM]
        self.running[host.name] = host.start(self.log_of(host), *words)

    def is_running(self, host):
        child = self.running.get(host.name)
        return child is not None and child.poll() is None

    def end_on(self, host, how="TERM", timeout=30):
        """A signal to tetrarch alone; its containers run on."""
        host.run("pkill", f"-{how}", "-x", "tetrarch", check=False)
        self.running[host.name].wait(timeout)

    def start(self, timeout=60):
        self.start_on(self.first)
        wait_until(lambda: self.is_up(self.first), timeout, "the server is ready", pause=0.2)
        for host in self.hosts[1:]:
            self.start_on(host)
        for host in self.agents:
            self.wait_node(host.name, timeout)
        return self

    def is_up(self, host):
        if not self.is_running(host):
            raise RuntimeError(f"tetrarch ended on {host.name}:\n{self.tail(host, 15)}")
        return os.path.exists(self.kubeconfig) and \
            self.kubectl("get", "--raw", "/readyz", check=False).stdout.strip() == "ok"

    def wait_node(self, name, timeout=60, status="True"):
        def is_so():
            conditions = self.get("node", name)["status"]["conditions"]
            return any(c["type"] == "Ready" and c["status"] == status for c in conditions)
        wait_until(is_so, timeout, f"node {name} is Ready={status}", pause=0.2)

    def stop(self):
        """All hosts are switched off; what is left of them is told."""
        harness.LIVE.discard(self)
        remains = self.lab.close()
        for child in self.running.values():
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                remains.append(f"process {child.pid}")
        return remains

    # ---- clients ----------------------------------------------------------------------------------------------

    @property
    def kubeconfig(self):
        return f"{self.first.disk}/tetrarch/admin.kubeconfig"

    def environment(self, **more):
        clean = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        return {**clean, "KUBECONFIG": self.kubeconfig, "HOME": self.directory, **more}

    def inside(self, host=None):
        return ["nsenter", "-t", str((host or self.first).pid), "-n"]

    def kubectl(self, *words, check=True, input=None, timeout=120, version=USUAL, env=None, outside=False):
        """`outside`: from the lab's router, for callers that must not care whether the first host is there."""
        place = ["ip", "netns", "exec", self.lab.netns] if outside else self.inside()
        return run(*place, KUBECTLS[version], "--server", self.url, *words, check=check, input=input,
                   timeout=timeout, env=self.environment(**(env or {})))

    def get_config(self):
        """The administrator's kubeconfig, as a dict."""
        return json.loads(self.kubectl("config", "view", "--raw", "-o", "json").stdout)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def curl(self, url, timeout=3, host=None):
        return run(*self.inside(host), "curl", "-fsS", "--noproxy", "*", "-m", timeout, url).stdout

    def tetrarch(self, *words, host=None, check=True, timeout=60):
        return (host or self.first).run(BINARY, *words, check=check, timeout=timeout)

    def tail(self, host, lines=40):
        try:
            with open(self.log_of(host), encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return "(no log)"

    def logs(self):
        return "\n".join(f"--- {host.name}\n{self.tail(host)}" for host in self.hosts)

    def dump(self, namespace=None):
        scope = ["-n", namespace] if namespace else ["-A"]
        parts = []
        for words in (["get", "nodes,pods,services,noderoutes", "-o", "wide", *scope], ["get", "events", *scope]):
            done = self.kubectl(*words, check=False, version=NEWEST, timeout=20)
            parts.append(f"--- kubectl {' '.join(words)}\n{done.stdout[-6000:]}{done.stderr[-1000:]}")
        return "\n".join([*parts, self.logs()])


class MachinesTest(ClusterTest):
    """Owns the machines of a module; subclasses set `name` and `segments`."""

    segments = (1, 1, 1)

    @classmethod
    def start_cluster(cls):
        cls.cluster = Machines(cls.name, cls.segments)
        cls.cluster.start()

    def net_of(self, pod):
        """The words that run a program of ours in the pod's network."""
        container = self.get("pod", pod)["status"]["containerStatuses"][0]["containerID"]
        pid = machine.container_pids(container)[0][0]
        return ["nsenter", f"--net=/proc/{pid}/ns/net"]
