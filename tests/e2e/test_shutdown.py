# SPDX-License-Identifier: Apache-2.0
"""A machine that is shut down in order: its pods end by priority before it goes, and what belongs to it is back after
the next boot. The machine has a real systemd and a real logind, which is asked to power it off."""
import datetime
import signal

from harness import READY_HTTP, container_of, is_ready, make_deployment, make_pod
from machine import wait_until
from machines import MachinesTest

LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
# Ends two seconds after it is asked to; or never by itself.
POLITE = ("sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done")
STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
MESSAGE = "Pod was terminated in response to imminent node shutdown."


class Shutdown(MachinesTest):
    name = "shutdown"
    segments = (1,)

    @classmethod
    def start_cluster(cls):
        super().start_cluster()
        host = cls.cluster.lab.add_host("m2", 1, init="systemd")
        cls.cluster.put_images(host)
        cls.cluster.agent_flags = ("--shutdown-grace", "0=6,1000=8")
        cls.cluster.start_on(host)
        cls.cluster.wait_node("m2")

    def logind(self, *words):
        return self.cluster.host("m2").run("busctl", *words).stdout

    def wait_lock(self):
        host = self.cluster.host("m2")
        wait_until(lambda: "tetrarch" in self.logind("call", *LOGIND, "ListInhibitors"), 40,
                   f"the agent holds a lock of logind\n{self.cluster.tail(host)}")

    def put(self, name, *command, **spec):
        self.apply(make_pod(name, *command, nodeName="m2", **spec))
        return self.wait_ready(name)

    def ended(self, name):
        pod = self.get("pod", name)
        at = container_of(pod)["state"]["terminated"]["finishedAt"]
        return pod, datetime.datetime.fromisoformat(at.replace("Z", "+00:00"))

    def node_condition(self):
        return next(c for c in self.get("node", "m2")["status"]["conditions"] if c["type"] == "Ready")

    def is_off(self):
        # It is stopped with the agent that it has started in the machine, before all there is killed.
        self.cluster.running["m2"].send_signal(signal.SIGCONT)
        return not self.cluster.host("m2").is_alive()

    def put_everything(self):
        self.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                    "metadata": {"name": "important"}, "value": 1000})
        self.addCleanup(self.kubectl, "delete", "priorityclass", "important")
        self.put("usual", *POLITE, terminationGracePeriodSeconds=30)
        self.put("stubborn", *STUBBORN, terminationGracePeriodSeconds=60)
        self.put("important", *POLITE, priorityClassName="important", terminationGracePeriodSeconds=30)
        web = make_deployment("web", 2, container={"readinessProbe": READY_HTTP})
        web["spec"]["template"]["spec"]["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["m2"]}]}}]}}
        each = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "each"}, "spec": {
            "selector": {"matchLabels": {"app": "each"}},
            "template": {"metadata": {"labels": {"app": "each"}}, "spec": make_pod("x", "sleep", "3600")["spec"]}}}
        self.apply(web, each)
        self.wait_rollout("web")
        wait_until(lambda: len([p for p in self.pods("app=each") if is_ready(p)]) == 2, 30, "one on each machine")
        self.assertIn("m2", {p["spec"]["nodeName"] for p in self.pods("app=web")})

    def test_pods_end_by_priority_before_the_machine_goes(self):
        host = self.cluster.host("m2")
        self.wait_lock()
        self.assertGreaterEqual(int(self.logind("get-property", *LOGIND, "InhibitDelayMaxUSec").split()[1]), 14_000_000)
        self.put_everything()
        self.logind("call", *LOGIND, "PowerOff", "b", "false")
        with self.subTest("its Node says so, and it takes nothing new"):
            wait_until(lambda: self.node_condition()["status"] == "False", 5, "not ready")
            self.assertEqual(self.node_condition()["message"], "node is shutting down")
            wait_until(lambda: "node.kubernetes.io/not-ready" in [t["key"] for t in self.get("node", "m2")["spec"]["taints"]],
                       5, "a taint")
            self.apply(make_pod("late", "sleep", "3600", nodeName="m2"))
            late = self.wait_pod("late", lambda pod: pod["status"]["phase"] == "Failed", 5, "is refused")
            self.assertEqual((late["status"]["reason"], late["status"]["message"]),
                             ("NodeShutdown", "Pod was rejected as the node is shutting down."))
        wait_until(self.is_off, 60, "the machine is off")
        with self.subTest("in order, within what each may take"):
            usual, usual_end = self.ended("usual")
            stubborn, stubborn_end = self.ended("stubborn")
            important, important_end = self.ended("important")
            for pod in (usual, stubborn, important):
                status = pod["status"]
                self.assertEqual((status["phase"], status["reason"], status["message"]), ("Failed", "Terminated", MESSAGE))
                self.assertIn(("DisruptionTarget", "True", "TerminationByKubelet"),
                              [(c["type"], c["status"], c.get("reason")) for c in status["conditions"]])
            self.assertEqual(container_of(usual)["state"]["terminated"]["exitCode"], 0)
            self.assertEqual(container_of(important)["state"]["terminated"]["exitCode"], 0)
            self.assertEqual(container_of(stubborn)["state"]["terminated"]["exitCode"], 137)
            self.assertLess(usual_end, stubborn_end)
            self.assertLess(stubborn_end, important_end)
        with self.subTest("its work is made anew elsewhere"):
            wait_until(lambda: [p["spec"]["nodeName"] for p in self.pods("app=web") if is_ready(p)] == ["m1", "m1"], 40,
                       "both run on the other machine")
        host.boot()
        self.cluster.start_on(host)
        self.cluster.wait_node("m2")
        with self.subTest("after the boot"):
            wait_until(lambda: len([p for p in self.pods("app=each") if is_ready(p)]) == 2, 40, "the machine's own is back")
            self.assertEqual(self.get("pod", "usual")["status"]["reason"], "Terminated")
            self.assertFalse(host.run("pgrep", "-f", "trap", check=False).stdout, "what ended stays so")
            self.put("new", "sleep", "3600")
            self.wait_lock()
