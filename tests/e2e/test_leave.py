# SPDX-License-Identifier: Apache-2.0
"""Machines that go out of their cluster for good: by a command, or when their agent is ended; and come again."""
import os

from harness import BINARY, READY_HTTP, make_deployment, make_pod
from machine import run, wait_until
from machines import MachinesTest

SLEEP = ("sleep", "3600")
# What an agent makes on its machine, by what would show it.
TRACES = {
    "links": "ip -o link show | grep -E 'tet-|tetv-|veth'",
    "routes": "ip route show proto 116 | grep .",
    "tables": "nft list tables | grep tetrarch",
    "processes": "pgrep -l 'containerd|pause|sleep 360'",
    "networks": "find /run/netns /var/lib/cni -type f | grep .",
    "mounts": "grep -E '/(run|var/lib)/tetrarch/.' /proc/mounts",
    "run": "find /run/tetrarch -mindepth 2 | grep .",
    "agent": "find /var/lib/tetrarch/agent | grep .",
}


class Leaving(MachinesTest):
    name = "leave"
    segments = (1, 2)

    def join(self, name, *flags):
        """A machine that is in it when this returns."""
        host = self.cluster.lab.hosts.get(name)
        if host is None:
            host = self.cluster.lab.add_host(name, 1)
            self.cluster.put_images(host)
            self.addCleanup(self.cluster.tetrarch, "node", "rm", name, "--force", check=False)  # the next has its address
            self.addCleanup(self.cluster.lab.remove_host, name)
        self.cluster.agent_flags = flags
        self.cluster.start_on(host)
        self.cluster.wait_node(name)
        return host

    def put_budgeted(self, host, name, replicas=3):
        """Pods that prefer the machine and of which one may be missing."""
        prefer = [{"weight": 100, "preference": {"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [host.name]}]}}]
        work = make_deployment(name, replicas, container={"readinessProbe": READY_HTTP})
        work["spec"]["template"]["spec"]["affinity"] = {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": prefer}}
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
                  "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}}
        self.apply(budget, work)
        self.wait_rollout(name)
        self.assertGreater(len(self.names_on(host, name)), 1)

    def names_on(self, host, app):
        return [pod["metadata"]["name"] for pod in self.pods(f"app={app}") if pod["spec"].get("nodeName") == host.name]

    def assert_left(self, host):
        wait_until(lambda: not self.cluster.is_running(host), 20, "its agent has ended")
        for name, command in TRACES.items():
            with self.subTest(left_of=name):
                self.assertEqual(host.run("sh", "-c", command, check=False).stdout, "")
        self.assertNotIn(host.name, self.cluster.kubectl("get", "nodes").stdout)
        self.assertNotIn(host.name, self.cluster.kubectl("get", "leases", "-n", "kube-node-lease").stdout)
        wait_until(lambda: host.name not in self.text("get", "noderoutes"), 10, "nobody has a route to it")
        others = [each for each in self.cluster.hosts if each is not host]
        for other in others:
            wait_until(lambda: host.address not in other.run("ip", "route", "show", "proto", "116").stdout, 10,
                       f"{other.name} has no route to it")

    def test_a_machine_leaves_and_joins_again_with_a_new_token(self):
        host = self.join("m3")
        self.put_budgeted(host, "web")
        self.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "each"}, "spec": {
            "selector": {"matchLabels": {"app": "each"}}, "template": {
                "metadata": {"labels": {"app": "each"}},
                "spec": make_pod("x", "sleep", "3601")["spec"]}}})
        wait_until(lambda: self.names_on(host, "each"), 30, "a pod on each machine")
        said = self.cluster.tetrarch("node", "leave", host=host, timeout=120).stdout
        for words in ("takes no further pods", "is drained", "forgotten by the cluster", "removed from this machine"):
            self.assertIn(words, said)
        self.assertIn("disruption budget", said, "it says what it waits for")
        self.assert_left(host)
        wait_until(lambda: not self.names_on(host, "each"), 20, "the pods that stayed to the end are gone")
        self.wait_rollout("web")
        with self.subTest("a machine that is in no cluster"):
            self.assert_fails(self.cluster.tetrarch("node", "leave", host=host, check=False), "has joined no cluster")
        self.join("m3")
        self.apply(make_pod("again", *SLEEP, nodeName="m3"))
        self.wait_ready("again")

    def test_a_machine_is_sent_away_from_elsewhere(self):
        host = self.join("m6")
        self.put_budgeted(host, "sent")
        admin = os.path.join(self.cluster.directory, "admin.kubeconfig")
        with open(self.cluster.kubeconfig, encoding="utf-8") as ours, open(admin, "w", encoding="utf-8") as copy:
            copy.write(ours.read().replace("127.0.0.1", self.cluster.address))
        done = run("ip", "netns", "exec", self.cluster.lab.netns, "env", f"KUBECONFIG={admin}", BINARY, "node", "leave",
                   "m6", "--data-dir", "/nonexistent", timeout=120)
        for words in ("takes no further pods", "disruption budget", "is drained", "is told to leave", "has left"):
            self.assertIn(words, done.stdout)
        self.assert_left(host)
        self.assertEqual(self.cluster.running["m6"].returncode, 0, self.cluster.tail(host))
        self.wait_rollout("sent")
        with self.subTest("a machine that does not answer"):
            self.join("m6")
            host.pause()
            self.cluster.wait_node("m6", status="Unknown")
            self.assert_fails(self.cluster.tetrarch("node", "leave", "m6", check=False), "tetrarch node rm m6")
            host.resume()
        with self.subTest("by force, though a budget holds its pods"):
            self.cluster.wait_node("m6")
            self.put_budgeted(host, "held")
            self.kubectl("patch", "pdb", "held", "--type=merge", "-p", '{"spec":{"maxUnavailable":0}}')
            wait_until(lambda: self.get("pdb", "held")["status"]["disruptionsAllowed"] == 0, 10, "no disruption is allowed")
            done = self.cluster.tetrarch("node", "leave", "m6", "--timeout", "2s", check=False)
            self.assert_fails(done, "still on m6 after 2 s")
            self.assertTrue(self.cluster.is_running(host), "it was not told to leave")
            said = self.cluster.tetrarch("node", "leave", "m6", "--timeout", "2s", "--force", timeout=120).stdout
            self.assertIn("leaving all the same", said)
            self.assert_left(host)
            self.wait_rollout("held")

    def test_a_budget_that_holds_keeps_it(self):
        host = self.join("m4")
        self.put_budgeted(host, "kept")
        self.kubectl("patch", "pdb", "kept", "--type=merge", "-p", '{"spec":{"maxUnavailable":0}}')
        wait_until(lambda: self.get("pdb", "kept")["status"]["disruptionsAllowed"] == 0, 10, "no disruption is allowed")
        done = self.cluster.tetrarch("node", "leave", "--timeout", "3s", host=host, check=False)
        self.assert_fails(done, "still on m4 after 3 s")
        self.assertIn("stays cordoned", done.stderr)
        self.assertTrue(self.cluster.is_running(host))
        self.assertGreater(len(self.names_on(host, "kept")), 1, "nothing of it was touched")
        said = self.cluster.tetrarch("node", "leave", "--timeout", "2s", "--force", host=host).stdout
        self.assertIn("leaving all the same", said)
        self.assert_left(host)
        self.wait_rollout("kept")

    def test_ending_an_agent_leaves_where_that_is_wanted(self):
        host = self.join("m5", "--leave-on-stop", "true")
        self.put_budgeted(host, "stop")
        self.cluster.end_on(host, timeout=60)
        self.assertEqual(self.cluster.running["m5"].returncode, 0, self.cluster.tail(host))
        self.assert_left(host)
        self.wait_rollout("stop")

    def test_where_it_makes_no_sense_it_says_so(self):
        self.assert_fails(self.cluster.tetrarch("node", "leave", check=False), "where the control plane runs")
        self.assert_fails(self.cluster.tetrarch("node", "leave", "m1", check=False), "runs the control plane")
        self.assert_fails(self.cluster.tetrarch("node", "leave", "none", check=False), "not found")
        self.assert_fails(self.cluster.tetrarch("node", "leave", "m1", "m2", check=False), "say what:")
        for words in (("agent", "--leave-on-stop", "maybe"), ("up", "--leave-on-stop", "true")):
            with self.subTest(words=words):
                done = self.cluster.tetrarch(*words, "--data-dir", "/tmp/x", "--server", self.cluster.url, check=False)
                self.assert_fails(done, "leave-on-stop")
