# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of preemption, and what it leaves open: a server and two nodes with seats
(an extended resource), of which every pod takes some. Victims ignore SIGTERM: they take all of their grace."""
import json
import signal

from harness import Cluster, ClusterTest, make_pod
from machine import wait_until

NODES = ("one", "two")
SEAT = "example.com/seat"
LEVELS = {"low": 10, "medium": 100, "high": 1000}
GRACE = 4
FOREVER = ("sleep", "3600")


def condition_of(pod, kind):
    return next((c for c in pod["status"].get("conditions", []) if c["type"] == kind), {})


def takes(seats):
    return {"resources": {"requests": {"cpu": "1m", SEAT: str(seats)}, "limits": {SEAT: str(seats)}}}


def seated(name, seats, level, **more):
    spec = {"terminationGracePeriodSeconds": GRACE, "priorityClassName": level, **more}
    return make_pod(name, *FOREVER, container=takes(seats), **spec)


def replica_set(name, replicas, seats, level):
    pod = seated(name, seats, level, terminationGracePeriodSeconds=1)
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": pod["spec"]}}}


class Preemption(ClusterTest):
    name = "conform-scheduling"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server")
        cls.cluster.start_nodes(*NODES)
        for level, value in LEVELS.items():
            cls.cluster.kubectl("apply", "-f", "-", input=json.dumps(
                {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": level}, "value": value}))

    def setUp(self):
        super().setUp()
        wait_until(lambda: not self.cluster.get("pods", "-A")["items"], 40, "the pods of other tests are gone")

    # ---- shorthands -------------------------------------------------------------------------------------------

    def offer(self, **seats):
        for node, amount in seats.items():
            path = "/status/capacity/" + SEAT.replace("/", "~1")
            self.cluster.kubectl("patch", "node", node, "--subresource=status", "--type=json", version="1.35", *(
                "-p", json.dumps([{"op": "add", "path": path, "value": str(amount)}])))
            wait_until(lambda n=node, a=amount: self.cluster.get("node", n)["status"]["allocatable"].get(SEAT) == str(a), 15,
                       f"{node} offers {amount} seats")

    def is_gone(self, name):
        return name not in self.text("get", "pods", "-o", "name")

    def wait_preempted(self, name):
        """It ends, and says why."""
        pod = self.wait_pod(name, lambda p: "deletionTimestamp" in p["metadata"], 20, "is being ended")
        told = condition_of(pod, "DisruptionTarget")
        self.assertEqual((told["status"], told["reason"], told["message"]),
                         ("True", "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"))
        self.assertEqual(pod["metadata"]["deletionGracePeriodSeconds"], pod["spec"]["terminationGracePeriodSeconds"])
        return pod

    # ---- tests ------------------------------------------------------------------------------------------------

    def test_a_less_important_pod_makes_room(self):
        self.offer(one=5, two=5)
        self.apply(seated("lowly", 3, "low", nodeSelector={"kubernetes.io/hostname": "one"}),
                   seated("middle", 3, "medium", nodeSelector={"kubernetes.io/hostname": "two"}))
        middle = [self.wait_ready(name)["metadata"]["uid"] for name in ("lowly", "middle")][1]
        self.apply(seated("urgent", 3, "high"))
        self.wait_preempted("lowly")
        urgent = self.wait_pod("urgent", lambda p: p["status"].get("nominatedNodeName") == "one", 10, "is nominated")
        self.assertNotIn("nodeName", urgent["spec"])
        self.assertEqual(condition_of(urgent, "PodScheduled")["message"], f"0/2 nodes are available: 2 Insufficient {SEAT}.")
        self.assertIn("one", self.text("get", "pod", "urgent", "-o", "wide", "--no-headers").split())
        self.apply(seated("late", 3, "medium"))  # may not have what is being freed
        urgent = self.wait_ready("urgent")
        self.assertEqual(urgent["spec"]["nodeName"], "one")
        self.assertNotIn("nominatedNodeName", urgent["status"])
        self.assertTrue(self.is_gone("lowly"))
        uid = urgent["metadata"]["uid"]
        self.assertTrue(self.wait_events(f"Preempted by pod {uid} on node one"))
        self.assertEqual(self.wait_ready("middle")["metadata"]["uid"], middle)
        told = (f"0/2 nodes are available: 2 Insufficient {SEAT}. preemption: 0/2 nodes are available: "
                "2 No preemption victims found for incoming pod.")
        late = self.wait_pod("late", lambda p: condition_of(p, "PodScheduled").get("message") == told, 20, "waits: " + told)
        self.assertNotIn("nominatedNodeName", late["status"])

    def test_a_critical_pod_makes_room(self):
        self.offer(one=5, two=0)
        self.run_pod(seated("lowly", 4, "low"))
        critical = seated("critical", 4, "system-cluster-critical")
        self.cluster.kubectl("-n", "kube-system", "apply", "-f", "-", input=json.dumps(critical))
        self.addCleanup(self.cluster.kubectl, "-n", "kube-system", "delete", "pod", "critical", "--now", check=False)
        self.wait_preempted("lowly")

        def runs():
            pod = self.cluster.get("-n", "kube-system", "pod", "critical")
            return pod if pod["status"].get("phase") == "Running" else self.fail(str(pod["status"]))
        self.assertEqual(wait_until(runs, 40, "the critical pod runs")["spec"]["priority"], 2000000000)
        self.assertTrue(self.is_gone("lowly"))

    def test_replica_sets_make_room_for_each_other(self):
        self.offer(one=10, two=0)
        self.apply(replica_set("first", 5, 1, "low"), replica_set("second", 3, 1, "medium"), replica_set("third", 2, 1, "medium"))
        ready = lambda name: self.get("replicaset", name)["status"].get("readyReplicas", 0)
        for name, count in (("first", 5), ("second", 3), ("third", 2)):
            wait_until(lambda n=name, c=count: ready(n) == c, 60, f"{count} of {name} are ready")
        uids = lambda name: {p["metadata"]["uid"] for p in self.pods(f"app={name}")}
        others = uids("second") | uids("third")
        self.apply(replica_set("fourth", 1, 4, "high"))
        wait_until(lambda: ready("fourth") == 1, 60, "the most important is ready")
        # What was evicted is made again and waits: it is the least important.
        wait_until(lambda: len([p for p in self.pods("app=first") if "nodeName" not in p["spec"]]) == 4, 30, "four wait")
        self.assertEqual(ready("first"), 1)
        self.assertEqual(uids("second") | uids("third"), others)
        self.assertEqual((ready("second"), ready("third")), (3, 2))

    def test_a_victim_with_a_finalizer_says_why_it_ends(self):
        self.offer(one=1, two=0)
        lowly = seated("lowly", 1, "low")
        lowly["metadata"]["finalizers"] = ["example.com/test"]
        self.addCleanup(self.kubectl, "patch", "pod", "lowly", "-p", '{"metadata":{"finalizers":null}}', check=False)
        self.run_pod(lowly)
        self.apply(seated("urgent", 1, "high"))
        self.wait_preempted("lowly")
        self.assertEqual(self.wait_ready("urgent")["spec"]["nodeName"], "one")
        pod = self.get("pod", "lowly")  # its program has ended; the object is held
        self.assertEqual(condition_of(pod, "DisruptionTarget")["reason"], "PreemptionByScheduler")
        self.kubectl("patch", "pod", "lowly", "-p", '{"metadata":{"finalizers":null}}')
        wait_until(lambda: self.is_gone("lowly"), 20, "it is gone")

    def test_budgets_are_kept_where_another_pod_will_do(self):
        self.offer(one=1, two=1)
        guarded = seated("guarded", 1, "low")
        self.apply(guarded, seated("other", 1, "medium"),
                   {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "one"},
                    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}})
        for name in ("guarded", "other"):
            self.wait_ready(name)
        wait_until(lambda: self.get("pdb", "one")["status"].get("currentHealthy") == 1, 20, "the budget is counted")
        self.apply(seated("urgent", 1, "high"))
        self.wait_preempted("other")
        self.wait_ready("urgent")
        self.assertNotIn("deletionTimestamp", self.get("pod", "guarded")["metadata"])
        self.apply(seated("more", 1, "high"))  # there is no other choice now
        self.wait_preempted("guarded")
        self.wait_ready("more")

    def test_who_must_not_preempt_waits_and_says_so(self):
        self.offer(one=1, two=0)
        self.run_pod(seated("lowly", 1, "low"))
        patient = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "patient"},
                   "value": 5000, "preemptionPolicy": "Never"}
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps(patient))
        self.addCleanup(self.cluster.kubectl, "delete", "priorityclass", "patient")
        self.apply(seated("polite", 1, "patient"))
        end = "preemption: not eligible due to preemptionPolicy=Never."
        self.wait_pod("polite", lambda p: condition_of(p, "PodScheduled").get("message", "").endswith(end), 20, "says so")
        self.assertNotIn("deletionTimestamp", self.get("pod", "lowly")["metadata"])
        self.kubectl("delete", "pod", "lowly", "--now")
        self.wait_ready("polite")

    def test_a_server_that_is_killed_in_between_forgets_nobody(self):
        self.offer(one=1, two=0)
        self.run_pod(seated("lowly", 1, "low", terminationGracePeriodSeconds=8))
        self.apply(seated("urgent", 1, "high"))
        self.wait_preempted("lowly")
        self.wait_pod("urgent", lambda p: p["status"].get("nominatedNodeName") == "one", 10, "is nominated")
        self.cluster.process.kill(signal.SIGKILL)
        self.cluster.start(node=False)
        self.apply(seated("late", 1, "medium"))
        self.assertEqual(self.get("pod", "urgent")["status"].get("nominatedNodeName"), "one")
        self.assertEqual(self.wait_ready("urgent")["spec"]["nodeName"], "one")
        self.assertNotIn("nodeName", self.get("pod", "late")["spec"])
