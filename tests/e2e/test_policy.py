# SPDX-License-Identifier: Apache-2.0
"""What a namespace may take and what may be taken from it: disruption budgets, quotas, limit ranges."""
import concurrent.futures
import json

import harness
from harness import ClusterTest, is_ready, make_deployment, make_pod
from machine import wait_until


class Policy(ClusterTest):
    name = "policy"

    def budget(self, name):
        return self.get("pdb", name).get("status", {})

    def used(self, name):
        return self.get("quota", name)["status"].get("used", {})

    def evict(self, pod, version="v1"):
        body = {"apiVersion": f"policy/{version}", "kind": "Eviction",
                "metadata": {"name": pod, "namespace": self.namespace}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        return self.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(body), check=False)

    # ---- disruption budgets -----------------------------------------------------------------------------------

    def test_drain_waits_for_the_budget(self):
        node = self.cluster.node
        self.apply(make_deployment("web", 2, container={"readinessProbe": harness.READY_HTTP}))
        self.wait_rollout("web")
        self.kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2")
        wait_until(lambda: self.budget("web").get("expectedPods") == 2, 20, "the budget is counted")
        lines = self.text("get", "pdb").splitlines()
        self.assertEqual(lines[0].split(), "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE".split())
        self.assertEqual(lines[1].split()[:4], ["web", "2", "N/A", "0"])
        self.addCleanup(self.kubectl, "uncordon", node)

        stuck = self.kubectl("drain", node, "--pod-selector=app=web", "--timeout=6s", check=False)
        self.assert_fails(stuck, "Cannot evict pod as it would violate the pod's disruption budget.")
        self.assertEqual(len([pod for pod in self.pods("app=web") if is_ready(pod)]), 2)

        self.kubectl("patch", "pdb", "web", "--type=merge", "-p", '{"spec":{"minAvailable":0}}')
        wait_until(lambda: self.budget("web").get("disruptionsAllowed") == 2, 20, "two may go")
        self.kubectl("drain", node, "--pod-selector=app=web", "--timeout=60s", version="1.20")
        waiting = wait_until(lambda: [p for p in self.pods("app=web") if not p["spec"].get("nodeName")], 20,
                             "new pods wait for a node")
        self.assertTrue(waiting)
        self.kubectl("uncordon", node)
        self.wait_rollout("web")

    def test_an_eviction_takes_from_the_budget_once(self):
        self.apply(make_deployment("web", 3, container={"readinessProbe": harness.READY_HTTP}))
        self.wait_rollout("web")
        self.kubectl("create", "pdb", "web", "--selector=app=web", "--max-unavailable=1")
        wait_until(lambda: self.budget("web").get("disruptionsAllowed") == 1, 20, "one may go")
        names = [pod["metadata"]["name"] for pod in self.pods("app=web")]

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(self.evict, names))
        allowed = [name for name, answer in zip(names, answers) if answer.returncode == 0]
        self.assertEqual(len(allowed), 1, [a.stderr for a in answers])
        refused = next(answer for answer in answers if answer.returncode != 0)
        self.assertIn("Cannot evict pod as it would violate the pod's disruption budget", refused.stderr)
        wait_until(lambda: self.budget("web").get("disruptionsAllowed") == 1, 40, "a new pod made it possible again")
        self.assertNotIn(allowed[0], self.budget("web").get("disruptedPods", {}))

    # ---- quotas -----------------------------------------------------------------------------------------------

    def test_a_quota_counts_refuses_and_gives_back(self):
        self.kubectl("create", "quota", "q", "--hard=pods=2,requests.cpu=100m,count/deployments.apps=1,configmaps=3")
        lines = self.text("get", "quota", version="1.20").splitlines()
        self.assertIn("requests.cpu: 0/100m", lines[1])
        self.apply(make_deployment("web", 3))
        wait_until(lambda: self.used("q").get("pods") == "2", 30, "two pods are charged")
        self.wait_events('is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2')
        self.assertEqual(self.used("q")["requests.cpu"], "2m")
        self.assertEqual(self.used("q")["configmaps"], "1", "the namespace's CA")
        failing = {c["type"]: c for c in self.get("deploy", "web")["status"].get("conditions", [])}
        self.assertEqual(failing["ReplicaFailure"]["reason"], "FailedCreate")
        refused = self.apply(make_deployment("other", 1), check=False)
        self.assert_fails(refused, 'deployments.apps "other" is forbidden: exceeded quota: q, requested: '
                          'count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1')

        self.kubectl("delete", "deployment", "web")
        wait_until(lambda: self.used("q").get("pods") == "0", 30, "what is gone is given back")
        self.assertEqual(self.used("q")["count/deployments.apps"], "0")

    def test_a_quota_is_never_exceeded(self):
        self.kubectl("create", "quota", "q", "--hard=configmaps=8")

        def make(place):
            return self.kubectl("create", "configmap", f"c{place}", check=False).returncode
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(make, range(16))).count(0)
        there = len(self.get("configmaps")["items"])
        self.assertEqual(self.used("q")["configmaps"], str(there))
        self.assertEqual(there, 8)
        self.assertLessEqual(made, 8)

    def test_a_quota_of_limits_makes_pods_state_them(self):
        self.kubectl("create", "quota", "q", "--hard=limits.cpu=1", "--scopes=NotTerminating")
        done = self.apply(make_pod("p", "true"), check=False)
        self.assert_fails(done, 'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: main')

    # ---- limit ranges -----------------------------------------------------------------------------------------

    def test_limit_ranges_give_defaults_and_bounds(self):
        limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "bounds"}, "spec": {"limits": [
            {"type": "Container", "default": {"memory": "64Mi"}, "defaultRequest": {"memory": "8Mi"},
             "min": {"memory": "4Mi"}, "max": {"memory": "128Mi"}},
            {"type": "Pod", "max": {"memory": "256Mi"}}]}}
        self.apply(limits)
        self.assertIn("CREATED AT", self.text("get", "limitrange"))
        self.assertIn("64Mi", self.text("describe", "limitrange", "bounds", version="1.20"))
        self.apply(make_pod("plain", "sleep", "60", container={"resources": {}}))
        resources = self.get("pod", "plain")["spec"]["containers"][0]["resources"]
        self.assertEqual(resources, {"limits": {"memory": "64Mi"}, "requests": {"memory": "8Mi"}})
        done = self.apply(make_pod("small", "true", container={"resources": {"requests": {"memory": "1Mi"}}}), check=False)
        self.assert_fails(done, "minimum memory usage per Container is 4Mi, but request is 1Mi")
        done = self.apply(make_pod("big", "true", container={"resources": {"limits": {"memory": "1Gi"}}}), check=False)
        self.assert_fails(done, "maximum memory usage per Container is 128Mi, but limit is 1Gi",
                          "maximum memory usage per Pod is 256Mi, but limit is 1Gi")
