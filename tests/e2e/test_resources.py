# SPDX-License-Identifier: Apache-2.0
"""Where pods go and why they wait, on a server and three nodes: extended resources, taints, selectors and affinity,
topology spread, host ports, priority. A refusal counts the nodes by reason, in the event and in the condition."""
import json
import time

import machine
from harness import Cluster, ClusterTest, container_of, make_deployment, make_pod
from machine import wait_until

NODES = ("one", "two", "three")
ZONES = {"one": "a", "two": "a", "three": "b"}
FOREVER = ("sleep", "3600")
UNTIL_TOLD = ("sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done")
HOSTNAME = "kubernetes.io/hostname"


def on(node, **more):
    return {"nodeSelector": {HOSTNAME: node}, **more}


def takes(name, amount):
    return {"resources": {"requests": {"cpu": "1m", name: amount}, "limits": {name: amount}}}


def condition_of(pod, kind="PodScheduled"):
    return next((c for c in pod["status"].get("conditions", []) if c["type"] == kind), {})


class Resources(ClusterTest):
    name = "resources"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server")
        cls.cluster.start_nodes(*NODES)
        for node in NODES:
            cls.cluster.kubectl("label", "node", node, f"zone={ZONES[node]}")

    # ---- shorthands -------------------------------------------------------------------------------------------

    def admin(self, *words, **options):
        return self.cluster.kubectl(*words, **options)

    def taint(self, node, taint):
        self.addCleanup(self.admin, "taint", "node", node, f"{taint.split('=')[0]}-", check=False)
        self.admin("taint", "node", node, taint)

    def cordon(self, node):
        self.addCleanup(self.admin, "uncordon", node)
        self.admin("cordon", node)

    def offer(self, node, resource, amount):
        """As the documentation's "Advertise Extended Resources for a Node" does it."""
        path = f"/status/capacity/{resource.replace('/', '~1')}"
        self.addCleanup(self.admin, "patch", "node", node, "--subresource=status", "--type=json",
                        "-p", json.dumps([{"op": "remove", "path": path}]), check=False)
        self.admin("patch", "node", node, "--subresource=status", "--type=json",
                   "-p", json.dumps([{"op": "add", "path": path, "value": amount}]))
        wait_until(lambda: self.cluster.get("node", node)["status"]["allocatable"].get(resource) == amount, 15,
                   f"{resource} of {node} can be allocated")

    def node_of(self, name):
        return self.wait_ready(name)["spec"]["nodeName"]

    def nodes_of(self, selector):
        return sorted(pod["spec"].get("nodeName", "-") for pod in self.pods(selector))

    def assert_waits(self, name, *reasons):
        """The pod waits, and its condition and an event count all nodes by exactly these reasons."""
        message = f"0/{len(NODES)} nodes are available: {', '.join(reasons)}."
        pod = self.wait_pod(name, lambda p: condition_of(p).get("message", "").startswith(message), 20, f"waits: {message}")
        told = condition_of(pod)
        self.assertEqual((told["status"], told["reason"], pod["status"]["phase"]), ("False", "Unschedulable", "Pending"))
        self.assertNotIn("nodeName", pod["spec"])
        wait_until(lambda: [e for e in self.get("events")["items"] if e["involvedObject"]["name"] == name and
                            e["reason"] == "FailedScheduling" and e["message"].startswith(message)], 10, f"{name}: the event")

    # ---- tests ------------------------------------------------------------------------------------------------

    def test_an_extended_resource_is_taken_and_given_back(self):
        self.offer("two", "example.com/foo", "2")
        self.apply(make_pod("first", *UNTIL_TOLD, container=takes("example.com/foo", "2"), restartPolicy="Never"))
        self.assertEqual(self.node_of("first"), "two")
        self.apply(make_pod("second", *FOREVER, container=takes("example.com/foo", "1")))
        self.assert_waits("second", "3 Insufficient example.com/foo")
        self.assertRegex(self.admin("describe", "node", "two").stdout, r"example.com/foo +2 +2\b")
        self.exec("first", "touch", "/tmp/go")
        self.wait_phase("first", "Succeeded")
        self.assertEqual(self.node_of("second"), "two", "what has ended holds nothing, though it is still there")
        node = self.cluster.get("node", "two")["status"]
        self.assertEqual((node["capacity"]["example.com/foo"], node["allocatable"]["example.com/foo"]), ("2", "2"))
        self.assertNotIn("example.com/foo", self.cluster.get("node", "one")["status"]["capacity"])
        half = self.apply(make_pod("half", *FOREVER, container=takes("example.com/foo", "500m")), check=False)
        self.assert_fails(half, "must be an integer")

    def test_reasons_are_counted_over_all_nodes(self):
        self.cordon("one")
        self.taint("two", "dedicated=db:NoSchedule")
        self.apply(make_pod("huge", *FOREVER, container={"resources": {"requests": {"cpu": "1000", "memory": "1Pi"}}}),
                   make_pod("picky", *FOREVER, nodeSelector={"disk": "ssd"}))
        self.assert_waits("huge", "1 Insufficient cpu", "1 Insufficient memory", "1 node(s) had untolerated taint {dedicated: db}",
                          "1 node(s) were unschedulable")
        self.assert_waits("picky", "1 node(s) didn't match Pod's node affinity/selector",
                          "1 node(s) had untolerated taint {dedicated: db}", "1 node(s) were unschedulable")
        self.assertRegex(self.text("describe", "pod", "picky"), r"Warning +FailedScheduling .*0/3 nodes are available")
        self.addCleanup(self.admin, "label", "node", "three", "disk-")
        self.admin("label", "node", "three", "disk=ssd")
        self.assertEqual(self.node_of("picky"), "three", "a label that comes later lets it go")

    def test_no_schedule_keeps_out_and_leaves_what_runs(self):
        before = self.run_pod(make_pod("before", *FOREVER, **on("one")))["metadata"]["uid"]
        self.taint("one", "dedicated=db:NoSchedule")
        tolerations = {"equal": {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
                       "exists": {"key": "dedicated", "operator": "Exists"}, "any": {"operator": "Exists"}}
        wrong = {"other": {"key": "dedicated", "value": "web", "effect": "NoSchedule"},
                 "effect": {"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}}
        self.apply(*(make_pod(name, *FOREVER, **on("one"), tolerations=[t]) for name, t in {**tolerations, **wrong}.items()))
        for name in tolerations:
            self.assertEqual(self.node_of(name), "one")
        for name in wrong:
            self.assert_waits(name, "1 node(s) had untolerated taint {dedicated: db}",
                              "2 node(s) didn't match Pod's node affinity/selector")
        self.assertEqual(self.wait_ready("before")["metadata"]["uid"], before)
        self.admin("taint", "node", "one", "dedicated-")
        for name in wrong:
            self.assertEqual(self.node_of(name), "one")

    def test_no_execute_ends_each_pod_at_its_time(self):
        tolerates = lambda **more: {"tolerations": [{"key": "out", "operator": "Exists", "effect": "NoExecute", **more}]}
        self.apply(make_pod("at-once", *FOREVER, **on("two")), make_pod("a-while", *FOREVER, **on("two", **tolerates(tolerationSeconds=4))),
                   make_pod("stays", *FOREVER, **on("two", **tolerates())), make_pod("elsewhere", *FOREVER, **on("three")))
        for name in ("at-once", "a-while", "stays", "elsewhere"):
            self.wait_ready(name)
        stays = container_of(self.get("pod", "stays"))["containerID"]
        began = time.monotonic()
        self.taint("two", "out=now:NoExecute")
        gone = lambda name: name not in self.text("get", "pods", "-o", "name")
        wait_until(lambda: gone("at-once"), 10, "what does not tolerate it goes")
        self.assertFalse(gone("a-while"), "its time has not come")
        wait_until(lambda: gone("a-while"), 15, "its time is over")
        self.assertGreaterEqual(time.monotonic() - began, 3)  # the taint's time has whole seconds
        self.assertTrue(self.wait_events("TaintManagerEviction"))
        for name in ("stays", "elsewhere"):
            self.wait_ready(name)
        self.assertEqual(container_of(self.get("pod", "stays"))["containerID"], stays)
        self.apply(make_pod("late", *FOREVER, **on("two")))
        self.assert_waits("late", "1 node(s) had untolerated taint {out: now}", "2 node(s) didn't match Pod's node affinity/selector")

    def test_selectors_and_affinity(self):
        self.addCleanup(self.admin, "label", "nodes", "--all", "size-")
        for node, size in zip(NODES, ("1", "5", "9")):
            self.admin("label", "node", node, f"size={size}")
        needs = lambda *terms: {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": list(term)} for term in terms]}}}}
        rule = lambda key, operator, *values: {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
        prefers = {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": [rule("size", "In", "5")]}}]}}}
        rows = {"selector": ({"nodeSelector": {"zone": "b"}}, "three"),
                "in": (needs([rule("zone", "In", "b", "c")]), "three"),
                "not-in": (needs([rule("zone", "NotIn", "b"), rule("size", "Lt", "3")]), "one"),
                "greater": (needs([rule("size", "Gt", "5")]), "three"),
                "absent": (needs([rule("size", "DoesNotExist")], [rule(HOSTNAME, "In", "two")]), "two"),
                "both": ({"nodeSelector": {"zone": "a"}, **needs([rule("size", "Gt", "2")])}, "two"),
                "prefers": (prefers, "two")}
        self.apply(*(make_pod(name, *FOREVER, **spec) for name, (spec, _) in rows.items()),
                   make_pod("nowhere", *FOREVER, **needs([rule("zone", "In", "a"), rule("size", "Gt", "5")])))
        self.assertEqual({name: self.node_of(name) for name in rows}, {name: node for name, (_, node) in rows.items()})
        self.assert_waits("nowhere", "3 node(s) didn't match Pod's node affinity/selector")

    def spread(self, name, replicas, key):
        return make_deployment(name, replicas, container={"command": list(FOREVER), "resources": {"requests": {"cpu": "1m"}}},
                               image="tetrarch.dev/busybox:1"), {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
                                                                 "labelSelector": {"matchLabels": {"app": name}}}

    def test_topology_spread(self):
        hosts, rule = self.spread("hosts", 6, HOSTNAME)
        hosts["spec"]["template"]["spec"]["topologySpreadConstraints"] = [rule]
        zones, rule = self.spread("zones", 4, "zone")
        zones["spec"]["template"]["spec"]["topologySpreadConstraints"] = [rule]
        self.apply(hosts, zones)
        self.wait_rollout("hosts")
        self.wait_rollout("zones")
        self.assertEqual(self.nodes_of("app=hosts"), ["one", "one", "three", "three", "two", "two"])
        self.assertEqual(sorted(ZONES[node] for node in self.nodes_of("app=zones")), ["a", "a", "b", "b"])
        self.cordon("three")
        self.kubectl("scale", "deployment", "zones", "--replicas=6")
        wait_until(lambda: len([n for n in self.nodes_of("app=zones") if n != "-"]) == 5, 15, "one more fits the skew")
        waiting = wait_until(lambda: [p["metadata"]["name"] for p in self.pods("app=zones") if "nodeName" not in p["spec"]], 5, "one waits")
        self.assert_waits(waiting[0], "1 node(s) were unschedulable", "2 node(s) didn't match pod topology spread constraints")
        self.admin("uncordon", "three")
        self.wait_rollout("zones")
        self.assertEqual(sorted(ZONES[node] for node in self.nodes_of("app=zones")), ["a", "a", "a", "b", "b", "b"])

    def test_a_host_port_is_held_once_a_node(self):
        port = machine.free_port()
        holds = {"ports": [{"containerPort": 8080, "hostPort": port}]}
        self.apply(*(make_pod(f"p{n}", *FOREVER, container=holds) for n in range(3)))
        self.assertEqual(sorted(self.node_of(f"p{n}") for n in range(3)), sorted(NODES))
        self.apply(make_pod("fourth", *FOREVER, container=holds),
                   make_pod("datagrams", *FOREVER, container={"ports": [{"containerPort": 8080, "hostPort": port, "protocol": "UDP"}]}))
        self.wait_ready("datagrams")
        self.assert_waits("fourth", "3 node(s) didn't have free ports for the requested pod ports")
        freed = self.get("pod", "p1")["spec"]["nodeName"]
        self.kubectl("delete", "pod", "p1")
        self.assertEqual(self.node_of("fourth"), freed)

    def test_the_most_important_goes_first(self):
        # Each end of a pod makes room, and a pod that is tried in vain is tried again later and later.
        wait_until(lambda: not self.cluster.get("pods", "-A")["items"], 30, "the pods of other tests are gone")
        self.offer("one", "example.com/seat", "1")
        for name, value in (("low", 1), ("high", 1000), ("top", 2000)):
            self.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": f"seat-{name}"},
                        "value": value, "preemptionPolicy": "Never"})
            self.addCleanup(self.admin, "delete", "priorityclass", f"seat-{name}", check=False)
        seat = lambda name, *command: make_pod(name, *command, container=takes("example.com/seat", "1"), restartPolicy="Never",
                                               priorityClassName=f"seat-{name}")
        self.run_pod(seat("top", *UNTIL_TOLD))
        self.apply(seat("low", *UNTIL_TOLD), seat("high", *UNTIL_TOLD))  # age alone would let the first go first
        for name in ("low", "high"):
            self.assert_waits(name, "3 Insufficient example.com/seat")
        time.sleep(1.5)  # no back-off lasts longer after one try
        for ends, follows in (("top", "high"), ("high", "low")):
            self.exec(ends, "touch", "/tmp/go")
            self.assertEqual(self.node_of(follows), "one")
            if follows == "high":
                self.assert_waits("low", "3 Insufficient example.com/seat")
