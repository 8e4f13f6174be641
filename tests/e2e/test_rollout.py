# SPDX-License-Identifier: Apache-2.0
"""Deployments over time: broken images, going back, pausing, sizes, crash loops and readiness."""
import json
import re
import time

import harness
from harness import ClusterTest, container_of, is_ready, make_deployment, make_pod, make_service
from machine import run, wait_until


class Rollout(ClusterTest):
    name = "rollout"

    def image_of(self, name):
        return self.get("deploy", name)["spec"]["template"]["spec"]["containers"][0]["image"]

    def ready_count(self, app):
        return len([pod for pod in self.pods(f"app={app}") if is_ready(pod)])

    def test_a_broken_image_stops_the_rollout_and_undo_repairs(self):
        self.apply(make_deployment("web", 3, container={"readinessProbe": harness.READY_HTTP},
                                   progressDeadlineSeconds=5, minReadySeconds=0),
                   make_service("web"))
        self.wait_rollout("web")
        address = self.get("service", "web")["spec"]["clusterIP"]
        self.wait_text(f"http://{address}/", "Hello")
        before = {pod["metadata"]["uid"] for pod in self.pods("app=web")}

        self.kubectl("set", "image", "deployment/web", "main=tetrarch.dev/missing:9")
        done = self.kubectl("rollout", "status", "deployment/web", "--timeout=40s", check=False)
        self.assert_fails(done, "exceeded its progress deadline")
        condition = {c["type"]: c for c in self.get("deploy", "web")["status"]["conditions"]}
        self.assertEqual(condition["Progressing"]["reason"], "ProgressDeadlineExceeded")
        self.assertEqual(condition["Available"]["status"], "True")
        reasons = {container_of(pod).get("state", {}).get("waiting", {}).get("reason") for pod in self.pods("app=web")}
        self.assertTrue(reasons & {"ErrImagePull", "ImagePullBackOff"}, reasons)
        kept = before & {pod["metadata"]["uid"] for pod in self.pods("app=web") if is_ready(pod)}
        self.assertEqual(len(kept), 3, "25 % unavailable of 3 is 0: all old pods stay until a new one is ready")
        self.wait_text(f"http://{address}/", "Hello")

        history = self.text("rollout", "history", "deployment/web")
        self.assertEqual(re.findall(r"(?m)^(\d+) ", history), ["1", "2"])
        self.assertIn("missing:9", self.text("rollout", "history", "deployment/web", "--revision=2"))
        self.kubectl("rollout", "undo", "deployment/web")
        self.wait_rollout("web")
        self.assertEqual(self.image_of("web"), harness.DEMO)
        after = {pod["metadata"]["uid"] for pod in self.pods("app=web") if is_ready(pod)}
        self.assertEqual(after, before, "going back to what still runs replaces nothing")
        self.assertEqual(re.findall(r"(?m)^(\d+) ", self.text("rollout", "history", "deployment/web")), ["2", "3"])
        self.kubectl("rollout", "undo", "deployment/web", "--to-revision=2")
        self.assertEqual(self.image_of("web"), "tetrarch.dev/missing:9")
        self.assert_fails(self.kubectl("rollout", "undo", "deployment/web", "--to-revision=77", check=False), "77")

    def test_pause_collects_changes_and_resume_applies_them_once(self):
        self.apply(make_deployment("calm", 2))
        self.wait_rollout("calm")

        self.kubectl("rollout", "pause", "deployment/calm")
        self.kubectl("set", "env", "deployment/calm", "GREETING=One")
        self.kubectl("set", "env", "deployment/calm", "EXTRA=Two")
        generation = self.get("deploy", "calm")["metadata"]["generation"]
        wait_until(lambda: self.get("deploy", "calm")["status"]["observedGeneration"] == generation, 10, "the pause is seen")
        self.assertEqual(len(self.get("rs", "-l", "app=calm")["items"]), 1)
        self.assertIn("DeploymentPaused", json.dumps(self.get("deploy", "calm")["status"]["conditions"]))
        self.kubectl("scale", "deployment/calm", "--replicas=3")
        wait_until(lambda: self.ready_count("calm") == 3, 30, "a paused deployment still scales")

        self.kubectl("rollout", "resume", "deployment/calm")
        self.wait_rollout("calm")
        self.assertEqual(len(self.get("rs", "-l", "app=calm")["items"]), 2, "one new replica set for both changes")
        env = self.pods("app=calm")[0]["spec"]["containers"][0]["env"]
        self.assertEqual({e["name"] for e in env}, {"GREETING", "EXTRA"})

    def test_a_rollout_never_interrupts_the_service(self):
        lifecycle = {"preStop": {"exec": {"command": ["/demo", "client", "127.0.0.1", "8080", "/healthz"]}}}
        self.apply(make_deployment("steady", 3, container={"readinessProbe": harness.READY_HTTP, "lifecycle": lifecycle}),
                   make_service("steady"))
        self.wait_rollout("steady")
        address = self.get("service", "steady")["spec"]["clusterIP"]
        self.wait_text(f"http://{address}/", "Hello")
        self.kubectl("rollout", "restart", "deployment/steady")

        failures, asked, most, fewest = [], 0, 0, 99
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            for _ in range(10):
                done = run("curl", "-fsS", "--noproxy", "*", "-m", "3", "--retry", "1", "--retry-delay", "0",
                           "--retry-all-errors", f"http://{address}/", check=False)
                asked += 1
                failures += [done.stderr] if done.returncode else []
            pods = [p for p in self.pods("app=steady") if "deletionTimestamp" not in p["metadata"]]
            most, fewest = max(most, len(pods)), min(fewest, sum(map(is_ready, pods)))
            status = self.get("deploy", "steady")["status"]
            if status.get("updatedReplicas") == 3 and status["replicas"] == 3 and status.get("readyReplicas") == 3:
                break
        self.wait_rollout("steady", 10)
        self.assertEqual(failures, [], f"of {asked} requests")
        self.assertLessEqual(most, 4, "maxSurge 25 % of 3 is 1")
        self.assertGreaterEqual(fewest, 3, "maxUnavailable 25 % of 3 is 0")

    def test_scale_to_fifty_and_back(self):
        self.apply(make_deployment("many", 1))
        self.wait_rollout("many")

        began = time.monotonic()
        self.kubectl("scale", "deployment", "many", "--replicas=50")
        self.wait_rollout("many", 120)
        print(f"[1 to 50 pods in {time.monotonic() - began:.1f} s] ", end="", flush=True)
        pods = [pod for pod in self.pods("app=many") if is_ready(pod)]
        self.assertEqual(len(pods), 50)
        addresses = {pod["status"]["podIP"] for pod in pods}
        self.assertEqual(len(addresses), 50, "every pod has an address of its own")
        for address in sorted(addresses)[::10]:
            self.wait_text(f"http://{address}:8080/", "Hello from many-")
        self.kubectl("scale", "deployment", "many", "--replicas=1")
        wait_until(lambda: len(self.pods("app=many")) == 1, 60, "49 pods are gone", pause=0.5)
        self.assertEqual(self.ready_count("many"), 1)

    def running(self, selector):
        """A pod that has ended may still be listed for a moment; it runs nothing."""
        return {pod["metadata"]["uid"] for pod in self.pods(selector)
                if pod["status"].get("phase") not in ("Succeeded", "Failed")}

    def test_recreate_never_runs_old_and_new_together(self):
        self.apply(make_deployment("solo", 2, strategy={"type": "Recreate"}))
        self.wait_rollout("solo")
        old = self.running("app=solo")

        self.kubectl("set", "env", "deployment/solo", "GREETING=New")

        def is_over():
            now = self.running("app=solo")
            if now & old and now - old:
                raise RuntimeError(f"old and new pods at once: {now & old} and {now - old}")
            return now and not now & old and self.ready_count("solo") == 2
        wait_until(is_over, 60, "both pods are new")

    def test_a_crash_looping_pod_backs_off(self):
        self.apply(make_pod("crash", "sh", "-c", "echo started; exit 5"))
        pod = self.wait_pod("crash", lambda p: container_of(p).get("restartCount", 0) >= 2 and
                            container_of(p)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff",
                            90, "is in CrashLoopBackOff")
        ended = container_of(pod)["lastState"]["terminated"]
        self.assertEqual((ended["exitCode"], ended["reason"]), (5, "Error"))
        self.assertEqual(pod["status"]["phase"], "Running")
        self.assertFalse(is_ready(pod))
        self.assertRegex(self.text("get", "pod", "crash"), r"crash +0/1 +CrashLoopBackOff +\d+")
        self.assertRegex(container_of(pod)["state"]["waiting"]["message"], r"back-off (10|20|40)s")
        self.assertTrue(self.wait_events("BackOff"))
        self.assertEqual(self.text("logs", "crash"), "started\n")

    def test_a_failing_readiness_probe_leaves_the_endpoints(self):
        fit = make_deployment("fit", 2, container={"readinessProbe": harness.READY_HTTP,
                                                   "volumeMounts": [{"name": "t", "mountPath": "/tmp"}]})
        fit["spec"]["template"]["spec"]["volumes"] = [{"name": "t", "emptyDir": {}}]
        self.apply(fit, make_service("fit"))
        self.wait_rollout("fit")
        pods = self.pods("app=fit")
        sick, well = pods[0]["metadata"], pods[1]["metadata"]
        sick_ip, well_ip = (pod["status"]["podIP"] for pod in pods)

        self.mark(sick["uid"], True)
        wait_until(lambda: self.endpoints("fit") == {well_ip}, 20, "the sick pod leaves the endpoints")
        slices = self.get("endpointslices", "-l", "kubernetes.io/service-name=fit")["items"]
        ready = {e["addresses"][0]: e["conditions"]["ready"] for s in slices for e in s["endpoints"]}
        self.assertEqual(ready, {sick_ip: False, well_ip: True})
        address = self.get("service", "fit")["spec"]["clusterIP"]
        wait_until(lambda: {self.cluster.curl(f"http://{address}/").split()[-1] for _ in range(12)} == {well["name"]}, 10,
                   "all requests go to the well pod")
        self.assertEqual(self.get("pod", sick["name"])["status"]["containerStatuses"][0]["restartCount"], 0)

        self.mark(sick["uid"], False)
        wait_until(lambda: self.endpoints("fit") == {sick_ip, well_ip}, 20, "and comes back when it is well")

    def endpoints(self, name):
        subsets = self.get("endpoints", name).get("subsets") or []
        return {a["ip"] for s in subsets for a in s.get("addresses") or []}

    def mark(self, uid, is_sick):
        """Makes or removes /tmp/unhealthy in the pod's emptyDir, from the outside: the demo image has no shell."""
        found = run("find", self.cluster.data, "-path", f"*{uid}*", "-type", "d", "-name", "t").stdout.split()
        self.assertEqual(len(found), 1, f"one directory for the emptyDir: {found}")
        run("touch" if is_sick else "rm", f"{found[0]}/unhealthy")

    def test_a_deleted_pod_is_replaced(self):
        self.apply(make_deployment("kept", 2))
        self.wait_rollout("kept")
        gone = self.pods("app=kept")[0]["metadata"]["name"]

        self.kubectl("delete", "pod", gone)
        wait_until(lambda: self.ready_count("kept") == 2 and gone not in [p["metadata"]["name"] for p in self.pods("app=kept")],
                   30, "another pod takes its place")
        self.kubectl("delete", "rs", "--all")
        wait_until(lambda: self.ready_count("kept") == 2 and len(self.get("rs")["items"]) == 1, 60,
                   "a deleted replica set is made again")

    def test_old_replica_sets_go_beyond_the_history_limit(self):
        self.apply(make_deployment("short", 1, revisionHistoryLimit=1))
        for number in range(3):
            self.kubectl("set", "env", "deployment/short", f"N={number}")
            self.wait_rollout("short")
        wait_until(lambda: len(self.get("rs", "-l", "app=short")["items"]) == 2, 20, "one old replica set is kept")
