# SPDX-License-Identifier: Apache-2.0
"""Two clusters on one machine know nothing of each other, and `down` leaves the machine as it was."""
import json
import os
import re
import unittest

import machine
from harness import KUBECTLS, LIVE, NEWEST, READY_HTTP, Cluster, container_of, make_deployment, make_pod, make_service
from machine import run, wait_until


# Names that belong to one data directory: tetrarch_1a2b3c_policies, tetrarch-1a2b3c, /run/tetrarch/1a2b3c.
MARK = re.compile(r"tetrarch[-_/]([0-9a-f]{6})(?![0-9a-z])")
# What clusters make under names that do not say whose it is, and what tests beside this one make. What is our own is
# found by Cluster.remains_of.
NAMELESS = re.compile(r"veth|cni-|te2e|tete2e-|lab-")
# Mounts of a cluster that is perhaps killed, so that nothing tells its data directory, and of other tests.
OF_SOME_AGENT = re.compile(r"/agent/(pods|containerd|network)/|/run/netns/(cni|tete2e|lab)-|/build/e2e/")


class Snapshot:
    """What clusters change on a machine, less what is of clusters that are not the test's: they come and go beside it.
    Sets of texts, so that a failure tells what one has and the other has not."""

    def __init__(self, *own):
        self.own = [machine.instance_of(cluster.data) for cluster in own]
        self.directories = tuple(cluster.directory for cluster in own)
        daemons = machine.pids_with("containerd", "tetrarch", of=("cmdline",))
        processes = {pid: line for pid in daemons if (line := machine.read_proc(pid, "cmdline"))}
        links = machine.links()
        cgroups = run("find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d", "-name", "*tetrarch-*").stdout.split()
        runs = os.listdir("/run/tetrarch") if os.path.isdir("/run/tetrarch") else []
        tables = machine.nft_tables()
        self.seen = {
            "processes": {line for line in processes.values() if not self.is_of_a_stranger(line)},
            "links": {name for name in links if not self.is_strange_link(name)},
            "addresses": set(self.of_links(run("ip", "-o", "-4", "addr").stdout, r"^\d+: (\S+) +(inet \S+)")),
            "routes": set(self.of_links(run("ip", "route").stdout, r"dev (\S+)")),
            "tables": {line for line in tables if not self.has_strange_mark(line)},
            "rules": self.rules(),
            "mounts": {at for at in machine.mounts() if at.startswith(self.directories) or not (
                self.has_strange_mark(at) or OF_SOME_AGENT.search(at))},
            "namespaces": {n for n in machine.named_network_namespaces().values() if not NAMELESS.match(n)},
            "cgroups": {path for path in cgroups if not self.has_strange_mark(path)},
            "run": {name for name in runs if not re.fullmatch(r"[0-9a-f]{6}", name) or name in self.own} - {"fleet.sock"},
        }
        self.strangers = {key: self.things_of(key[0], links, tables, cgroups, runs) for key in self.servers(processes)}

    def has_strange_mark(self, text):
        return any(mark not in self.own for mark in MARK.findall(text))

    def is_strange_link(self, name):
        return bool(NAMELESS.match(name)) or name.startswith("tet") and not any(mark[:4] in name for mark in self.own)

    def is_of_a_stranger(self, line):
        """Also what only speaks of a cluster: its build, a test of it, its kubectl."""
        is_own = any(word in line for word in (*self.directories, *self.own))
        return not is_own and ("tetrarch" in line or "/agent/" in line)

    def of_links(self, text, pattern):
        """The lines of a text whose first group, a link, is no stranger's, without what counts down in them."""
        for line in text.split("\n"):
            found = re.search(pattern, line)
            if found and not self.is_strange_link(found[1]):
                yield " ".join(found.groups()) if found.lastindex > 1 else line.strip()

    def rules(self):
        """Of tables that are no stranger's: "table: rule"."""
        table, out = "", set()
        for line in run("nft", "list", "ruleset").stdout.split("\n"):
            table = line.rstrip(" {") if line.startswith("table ") else table
            if "counter" not in line and not self.has_strange_mark(table):
                out.add(f"{table}: {line.strip()}")
        return out

    def servers(self, processes):
        """(instance, pid, start time) of each tetrarch that runs on another data directory."""
        for pid, line in processes.items():
            found = re.search(r"tetrarch (?:up|server|agent) .*?--data-dir (\S+)", line)
            if found and machine.instance_of(found[1]) not in self.own:
                yield machine.instance_of(found[1]), pid, machine.start_time(pid)

    @staticmethod
    def things_of(instance, links, tables, cgroups, runs):
        """What a running tetrarch has all the time; not what its pods have."""
        named = [*links, *tables, *(path for path in cgroups if path.endswith(f"tetrarch-{instance}")), *runs]
        return {name for name in named if instance in name}


class CollectsSnapshots(unittest.TestCase):
    """What is whose, by examples: the test below relies on it."""

    def test_signs_of_strangers(self):
        snapshot = Snapshot.__new__(Snapshot)
        snapshot.own, snapshot.directories = ["aaaaaa"], ("/e2e/one-1",)
        for text in ("table ip tetrarch_bbbbbb_policies", "/sys/fs/cgroup/tetrarch-bbbbbb", "/run/tetrarch/bbbbbb/x"):
            self.assertTrue(snapshot.has_strange_mark(text), text)
        for text in ("table ip tetrarch_aaaaaa", "/sys/fs/cgroup/tetrarch-aaaaaa", "table ip filter", "/run/tetrarch"):
            self.assertFalse(snapshot.has_strange_mark(text), text)
        self.assertEqual([name for name in ("eth0", "tet-aaaaaa", "tet-bbbbbb", "veth1", "lo", "docker0")
                          if not snapshot.is_strange_link(name)], ["eth0", "tet-aaaaaa", "lo", "docker0"])
        self.assertFalse(snapshot.is_of_a_stranger("/usr/bin/containerd"))
        self.assertFalse(snapshot.is_of_a_stranger("containerd-shim -address /run/tetrarch/aaaaaa/containerd.sock"))
        self.assertTrue(snapshot.is_of_a_stranger("containerd-shim -address /run/tetrarch/bbbbbb/containerd.sock"))
        self.assertTrue(snapshot.is_of_a_stranger("containerd --config /e2e/soak-9/data/agent/containerd/config.toml"))
        routes = "default via 192.0.2.1 dev eth0 \n10.80.0.0/24 dev tet-bbbbbb proto kernel\n10.82.0.0/24 dev tet-aaaaaa "
        self.assertEqual(list(snapshot.of_links(routes, r"dev (\S+)")),
                         ["default via 192.0.2.1 dev eth0", "10.82.0.0/24 dev tet-aaaaaa"])


class TwoClusters(unittest.TestCase):
    def dump(self):
        return "\n".join(cluster.dump() for cluster in (self.one, self.two))

    def test_side_by_side_and_gone_without_a_trace(self):
        self.one, self.two = Cluster("one"), Cluster("two")
        before = Snapshot(self.one, self.two)
        try:
            for cluster in (self.one, self.two):
                cluster.start()
                self.put_work(cluster)
            for cluster in (self.one, self.two):
                self.assert_works(cluster)
            self.assertNotEqual(self.pods_of(self.one), self.pods_of(self.two))
            self.assert_strangers()
            running = self.processes_of(self.two)

            self.assertEqual(self.one.stop(), [])

            self.assertEqual(self.processes_of(self.two), running, "the other's containers are the same processes")
            self.assert_works(self.two)
            self.scale(self.two, 3)
        finally:
            remains = [line for cluster in (self.one, self.two) if cluster in LIVE for line in cluster.stop()]
        self.assertEqual(remains, [])
        after = Snapshot(self.one, self.two)
        for what, had in before.seen.items():
            with self.subTest(of=what):
                self.assertEqual(after.seen[what] - had, set(), "left behind")
                self.assertEqual(had - after.seen[what], set(), "taken away")
        for who in before.strangers.keys() & after.strangers.keys():
            with self.subTest(of=who):
                self.assertEqual(before.strangers[who] - after.strangers[who], set(), "taken away from another cluster")

    def put_work(self, cluster):
        objects = [make_deployment("web", 2, container={"readinessProbe": READY_HTTP}), make_service("web"),
                   make_pod("client", "sleep", "3600")]
        cluster.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        cluster.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s")

    def assert_works(self, cluster):
        """By address from the machine, and by name from a pod of its own."""
        address = cluster.get("service", "web")["spec"]["clusterIP"]
        wait_until(lambda: "Hello from web-" in cluster.curl(f"http://{address}/"), 20, "the service answers")
        inside = cluster.kubectl("exec", "client", "--", "wget", "-qO-", "http://web.default.svc.cluster.local/")
        self.assertIn("Hello from web-", inside.stdout)

    def assert_strangers(self):
        """One's key opens nothing of the other."""
        done = run(KUBECTLS[NEWEST], "get", "nodes", "--server",
                   f"https://127.0.0.1:{self.two.port}", check=False, env=self.one.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"x509|certificate")

    def scale(self, cluster, count):
        cluster.kubectl("scale", "deployment/web", f"--replicas={count}")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    @staticmethod
    def pods_of(cluster):
        return {pod["metadata"]["uid"] for pod in cluster.get("pods")["items"]}

    @staticmethod
    def processes_of(cluster):
        return {pod["metadata"]["name"]: machine.container_pids(container_of(pod)["containerID"])
                for pod in cluster.get("pods")["items"]}
