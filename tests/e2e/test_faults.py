# SPDX-License-Identifier: Apache-2.0
"""Random faults under traffic, by seed: 20 here, as many as one likes with bench/faults."""
import os
import random
import time
import unittest
import unittest.mock

import fault_checks
import faults
from api import Api
from harness import BUSYBOX, READY_HTTP, make_deployment, make_service, make_template
from machine import wait_until
from machines import Machines, MachinesTest
from traffic import Call, Caller, Traffic, Writer, in_network

NAMESPACE = "faults"
AWAY = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
QUIET = 90  # seconds in which all must be at rest again
HOLD = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done")


def marked(template, seconds):
    """A template whose containers bear their pod's identity and which leaves a lost machine after a while."""
    template["spec"]["tolerations"] = [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
                                       for key in AWAY]
    template["spec"]["containers"][0]["env"] = fault_checks.FIELDS
    return template


def workloads():
    """A service by a DaemonSet and a Deployment, so that no single machine holds all of it; and identities."""
    web = make_deployment("moving", 3, container={"readinessProbe": READY_HTTP})
    web["spec"].update(selector={"matchLabels": {"set": "moving"}})
    labels = {"app": "web", "set": "moving"}
    template = marked(web["spec"]["template"], 3)
    template["metadata"]["labels"] = labels
    template["spec"]["topologySpreadConstraints"] = [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
         "labelSelector": {"matchLabels": {"set": "moving"}}}]
    steady = {"app": "web", "set": "steady"}
    daemon = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "steady"},
              "spec": {"selector": {"matchLabels": {"set": "steady"}}, "template": {
                  **template, "metadata": {"labels": steady},
                  "spec": {key: value for key, value in template["spec"].items()
                           if key not in ("topologySpreadConstraints", "tolerations")}}}}
    one = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "one"},
           "spec": {"replicas": 3, "serviceName": "one", "podManagementPolicy": "Parallel",
                    "selector": {"matchLabels": {"set": "one"}},
                    "template": marked(make_template({"set": "one"}, *HOLD, image=BUSYBOX), 3)}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "moving"},
              "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"set": "moving"}}}}
    churning = make_deployment("churning", 3, container={"readinessProbe": READY_HTTP})
    marked(churning["spec"]["template"], 3)
    return [make_service("web"), web, daemon, one, budget, churning]


class FaultRun:
    """One run on a cluster that is up: workloads, traffic, faults, and the judgement as a list of texts."""

    def __init__(self, cluster, test):
        self.cluster, self.test, self.api = cluster, test, Api(cluster)

    def prepare(self, seed):
        self.test.apply(*workloads())
        self.rest("the beginning")
        service = self.api.ok("GET", f"/api/v1/namespaces/{NAMESPACE}/services/web")["spec"]["clusterIP"]
        return Traffic(self.cluster, NAMESPACE, service, f"{service.rsplit('.', 2)[0]}.0.10", "cluster.local", seed)

    def rest(self, when):
        """Waits until nothing is left to do; how long it took."""
        began = time.monotonic()

        def is_at_rest():
            unrest = fault_checks.unrest(self.cluster, self.api, NAMESPACE)
            if unrest:
                raise AssertionError("\n  ".join([f"at {when}:", *unrest]))
            return True
        wait_until(is_at_rest, QUIET + self.longest_back_off(), f"all is at rest after {when}", pause=1)
        return time.monotonic() - began

    def longest_back_off(self):
        """Of containers that were killed again and again: 10 s, then twice as long each time, up to five minutes."""
        pods = self.api.ok("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        waits = [min(300, 10 * 2 ** max(0, one["restartCount"] - 1)) for pod in pods
                 for one in pod["status"].get("containerStatuses", [])
                 if one.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"]
        return max(waits, default=0)

    def judge(self, faults_to_do, seed):
        traffic = self.prepare(seed)
        observer = fault_checks.Observer(self.cluster, self.api, NAMESPACE)
        injector = faults.Injector(self.cluster, lambda text: print(text, flush=True))
        with traffic.flowing():
            observer.start()
            injector.run(faults_to_do)
            traffic.churn.is_over.set()
            traffic.churn.join(10)
            quiet = self.rest("the last fault")
            time.sleep(2)
            end = time.monotonic()
        observer.is_over.set()
        observer.join(10)
        self.tell(traffic, observer, quiet)
        done, away = injector.done, faults.AWAY
        return [*injector.errors, *observer.doubled,
                *fault_checks.slow_calls(traffic.services, done, away, end),
                *fault_checks.slow_calls(traffic.names, done, {*away, "kill agent"}, end),
                *fault_checks.unexplained_restarts(observer, done),
                *fault_checks.unexplained_removals(observer, done),
                *traffic.writer.refused, *traffic.writer.lost()]

    @staticmethod
    def tell(traffic, observer, quiet):
        for what, callers in (("service", traffic.services), ("names", traffic.names)):
            calls = [call for caller in callers for call in caller.calls]
            retried = [call for call in calls if call.tries > 1]
            longest = max((call.ended - call.began for call in calls), default=0)
            print(f"{what}: {len(calls)} calls, {len(retried)} were tried again, the longest took {longest:.1f} s")
        writer = traffic.writer
        print(f"API: {writer.acknowledged} writes acknowledged, {writer.unanswered} not answered")
        print(f"pods: {len(observer.pods)} were seen, {len(observer.gone)} taken away, "
              f"{sum(observer.restarts.values())} restarts; at rest {quiet:.1f} s after the last fault", flush=True)


class Faults(MachinesTest):
    name = "faults"
    # The last machine of them is on the other segment.
    segments = (1,) * (int(os.environ.get("FAULTS_HOSTS", "4")) - 1) + (2,)
    count = int(os.environ.get("FAULTS_COUNT", "20"))
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)

    @classmethod
    def start_cluster(cls):
        cls.cluster = Machines(cls.name, cls.segments, command="server")
        cls.cluster.start()

    def setUp(self):
        self.namespace = NAMESPACE
        self.make_namespace(NAMESPACE)

    def test_random_faults_cost_no_answer_no_write_and_no_identity(self):
        names = [host.name for host in self.cluster.hosts]
        todo = faults.plan(self.seed, self.count, names[0], names[1:])
        print(f"\nseed {self.seed}: bench/faults --faults {self.count} --seed {self.seed} --hosts {len(names)}", flush=True)
        with in_network(self.cluster.lab.network):
            problems = FaultRun(self.cluster, self).judge(todo, self.seed)
        self.assertEqual(problems, [], f"seed {self.seed}")


class Judges(unittest.TestCase):
    """They can find fault."""

    def done(self, kind, host, began, ended):
        return faults.Done(faults.Fault(0, kind, host, 0), began, ended)

    def observer(self, node="m2", restarts=0, gone=None):
        seen = fault_checks.Observer(None, None, NAMESPACE)
        seen.pods["u"], seen.created["u"], seen.restarts["u", "main"] = ("one-0", node, "StatefulSet"), 0, restarts
        if gone is not None:
            seen.gone["u"] = gone
        return seen

    def test_identities(self):
        apart = {("m2", "one-0", "a", "1"), ("m3", "one-1", "b", "2"), ("m3", "moving-x-y", "c", "3")}
        self.assertEqual(fault_checks.doubled(apart), [])
        for what, more in (("a uid on two machines", ("m3", "moving-x-y", "c", "4")),
                           ("another pod of that name", ("m3", "one-0", "d", "4"))):
            with self.subTest(what):
                self.assertEqual(len(fault_checks.doubled(apart | {more})), 1)

    def test_slow_calls(self):
        caller = Caller(None, None)
        for took, began, ended, found in ((5, 0, 0, 0), (14, 0, 0, 1), (20, 2, 12, 0), (40, 2, 12, 1)):
            with self.subTest(took=took, ended=ended):
                caller.calls = [Call("m2", 0, took, 9, "no answer")]
                cut = self.done("cut off", "m2", began, ended)
                elsewhere = self.done("cut off", "m3", 0, 60)
                self.assertEqual(len(fault_checks.slow_calls([caller], [cut, elsewhere], faults.AWAY, 100)), found)

    def test_restarts(self):
        for restarts, kind, host, found in ((1, "reboot", "m2", 0), (2, "reboot", "m2", 1), (1, "reboot", "m3", 1),
                                            (1, "kill agent", "m2", 1), (1, "kill containerd", "m2", 1)):
            with self.subTest(restarts=restarts, kind=kind, host=host):
                cause = self.done(kind, host, 5, 9)
                self.assertEqual(len(fault_checks.unexplained_restarts(self.observer(restarts=restarts), [cause])), found)

    def test_removals(self):
        for kind, host, took, found in (("drain", "m2", 1, 0), ("cut off", "m2", 10, 0), ("cut off", "m2", 2, 1),
                                        ("cut off", "m1", 20, 1), ("kill agent", "m2", 3, 1)):
            with self.subTest(kind=kind, host=host, took=took):
                cause = self.done(kind, host, 5, 5 + took)
                self.assertEqual(len(fault_checks.unexplained_removals(self.observer(gone=40), [cause])), found)

    def test_removals_by_a_runtime_that_waits_to_start(self):
        for times, found in (((5, 10, 30), 0), ((5, 10), 1), ((5, 70, 80), 1), ((5, 10, 50), 1)):
            with self.subTest(times=times):
                causes = [self.done("kill containerd", "m2", time, time) for time in times]
                self.assertEqual(len(fault_checks.unexplained_removals(self.observer(gone=40), causes)), found)

    def test_writes(self):
        writer = Writer(None, NAMESPACE, None)
        writer.possible = {"w1": {"1"}, "w2": {"2", "3"}, "w3": {None}, "w4": {"4"}}
        items = [{"metadata": {"name": name}, "data": {"v": value}} for name, value in
                 (("w1", "1"), ("w2", "3"), ("w3", "3"), ("other", "0"))]
        writer.api = unittest.mock.Mock(ok=lambda *_: {"items": items})
        self.assertEqual(len(writer.lost()), 2, "w3 came back, w4 is lost")


class Plans(unittest.TestCase):
    def test_a_seed_replays_its_plan(self):
        plans = [faults.plan(seed, 100, "m1", ["m2", "m3", "m4"]) for seed in (7, 7, 8)]
        self.assertEqual(plans[0], plans[1])
        self.assertNotEqual(plans[0], plans[2])

    def test_one_machine_is_away_at_a_time_and_every_kind_comes(self):
        plan = faults.plan(1, 400, "m1", ["m2", "m3", "m4"])
        away = [fault for fault in plan if fault.kind in faults.AWAY]
        for one, after in zip(away, away[1:]):
            self.assertGreaterEqual(after.at, one.at + one.lasts)
        self.assertEqual({fault.kind for fault in plan},
                         {*faults.AGENT, *faults.AGENT_AWAY, *faults.SERVER, *faults.SERVER_AWAY})
