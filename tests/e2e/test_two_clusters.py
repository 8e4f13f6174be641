# SPDX-License-Identifier: Apache-2.0
"""Two clusters on one machine know nothing of each other, and `down` leaves the machine as it was."""
import json
import os
import re
import unittest

import machine
from harness import KUBECTLS, LIVE, NEWEST, READY_HTTP, Cluster, container_of, make_deployment, make_pod, make_service
from machine import run, wait_until


def snapshot():
    """What clusters change on a machine, as sets: what one side has and the other has not is told by a failure."""
    daemons = machine.pids_with("containerd", "tetrarch", of=("cmdline",))
    rules = run("nft", "list", "ruleset").stdout
    cgroups = run("find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d", "-name", "*tetrarch-*").stdout
    return {
        "processes": {machine.read_proc(pid, "cmdline") for pid in daemons if "test_two_clusters" not in
                      machine.read_proc(pid, "cmdline")},
        "links": set(machine.links()),
        "addresses": set(re.findall(r"inet (\S+)", run("ip", "-o", "-4", "addr").stdout)),
        "routes": set(run("ip", "route").stdout.split("\n")),
        "tables": set(machine.nft_tables()),
        "rules": {line.strip() for line in rules.split("\n") if "counter" not in line},
        "mounts": set(machine.mounts()),
        "namespaces": set(machine.named_network_namespaces().values()),
        "cgroups": set(cgroups.split()),
        "run": set(os.listdir("/run/tetrarch")) if os.path.isdir("/run/tetrarch") else set(),
    }


class TwoClusters(unittest.TestCase):
    def dump(self):
        return "\n".join(cluster.dump() for cluster in (self.one, self.two))

    def test_side_by_side_and_gone_without_a_trace(self):
        before = snapshot()
        self.one, self.two = Cluster("one"), Cluster("two")
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
        after = snapshot()
        for what, had in before.items():
            with self.subTest(of=what):
                self.assertEqual(after[what] - had, set(), "left behind")
                self.assertEqual(had - after[what], set(), "taken away")

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
