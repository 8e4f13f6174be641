# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of workload controllers, with pods that run, on two nodes."""
import json
import time

import harness
from api import STRATEGIC
from conform import FOREVER, ConformTest, ask_udp
from harness import BUSYBOX, DEMO, Cluster, container_of, is_ready, make_pod, make_template
from machine import free_port, run, wait_until

NODES = ("apps-one", "apps-two")
CRONS = "crons"
MARKED = {"readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}}
BROKEN = "tetrarch.dev/missing:9"


def template(name, *command, **more):
    return make_template({"app": name}, *command, **more)


def workload(kind, name, replicas=1, pod=None, **spec):
    """A Deployment, ReplicaSet, StatefulSet, DaemonSet or ReplicationController, of pods that run for ever."""
    is_old = kind == "ReplicationController"
    labels = {"app": name}
    body = {"selector": labels if is_old else {"matchLabels": labels}, "template": pod or template(name, *FOREVER), **spec}
    if kind != "DaemonSet":
        body["replicas"] = replicas
    if kind == "StatefulSet":
        body.setdefault("serviceName", "none")
    return {"apiVersion": "v1" if is_old else "apps/v1", "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": body}


def job(name, *command, restart="Never", pod=None, **spec):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": pod or template(name, *command, restart=restart), **spec}}


def cron_job(name, policy, **spec):
    """A job each second that lasts longer than that."""
    body = job(name, *FOREVER)["spec"]
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": {
        "schedule": "@every 1s", "concurrencyPolicy": policy, "jobTemplate": {"metadata": {"labels": {"cron": name}}, "spec": body},
        **spec}}


def conditions(made):
    return {c["type"]: c for c in made.get("status", {}).get("conditions", [])}


class Apps(ConformTest):
    name = "conform-apps"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server")
        cls.cluster.start_nodes(*NODES)
        crons = [cron_job("allowed", "Allow"), cron_job("forbidden", "Forbid"), cron_job("replaced", "Replace"),
                 cron_job("suspended", "Allow", suspend=True)]
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CRONS}}
        listed = {"apiVersion": "v1", "kind": "List", "items": [space, *crons]}
        cls.cluster.kubectl("create", "-n", CRONS, "-f", "-", input=json.dumps(listed))

    def path(self, kind, name=""):
        resource = {"Job": "jobs", "CronJob": "cronjobs"}.get(kind, kind.lower() + "s")
        group = "" if kind == "ReplicationController" else "batch" if kind in ("Job", "CronJob") else "apps"
        return self.at(resource, name, group)

    def start(self, body):
        return self.create(self.path(body["kind"]), body)

    def pods_of(self, name):
        return self.read(self.at("pods"), labelSelector=f"app={name}")["items"]

    def ready_of(self, name):
        return [pod for pod in self.pods_of(name) if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]

    def wait_pods(self, name, count, timeout=40):
        return wait_until(lambda: len(self.ready_of(name)) == count and self.ready_of(name), timeout,
                          f"{name} has {count} pods that are ready")

    def names_of(self, name):
        return sorted(pod["metadata"]["name"] for pod in self.pods_of(name))

    def wait_status(self, kind, name, check, what, timeout=40):
        """What the controller says of the newest generation."""
        def told(made):
            status = made.get("status", {})
            return status.get("observedGeneration", made["metadata"]["generation"]) >= made["metadata"]["generation"] and check(status)
        return self.wait_object(self.path(kind, name), told, what, timeout)


class Replicated(Apps):
    def test_each_controller_runs_as_many_as_it_is_told(self):
        def grow(kind):
            name = f"grows-{kind.lower()}"[:20]
            path = self.path(kind, name)
            self.start(workload(kind, name))
            self.wait_pods(name, 1)
            scale = self.read(f"{path}/scale")
            self.assertEqual((scale["spec"]["replicas"], scale["status"]["replicas"]), (1, 1))
            scale["spec"]["replicas"] = 2
            scale["metadata"].pop("resourceVersion")
            self.assertEqual(self.api.ok("PUT", f"{path}/scale", scale)["spec"]["replicas"], 2)
            self.wait_pods(name, 2)
            self.merge(f"{path}/scale", {"spec": {"replicas": 4}})
            self.assertEqual(self.read(path)["spec"]["replicas"], 4)
            self.merge(path, {"spec": {"replicas": 3}, "metadata": {"labels": {"patched": "yes"}}})
            self.wait_pods(name, 3)
            self.assertEqual(self.read(path)["metadata"]["labels"]["patched"], "yes")
            self.wait_status(kind, name, lambda s: s.get("readyReplicas") == 3, "says so")
            self.remove(path, "Background")
            wait_until(lambda: not self.pods_of(name), 30, "its pods go with it")
        self.side_by_side(*((kind, lambda k=kind: grow(k)) for kind in
                            ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")))

    def test_controllers_adopt_what_matches_and_release_what_does_not(self):
        def adopt(kind):
            name = f"adopts-{kind.lower()}"[:20]
            orphan = self.create(self.at("pods"), make_pod(f"{name}-orphan", *FOREVER, labels={"app": name}))
            made = self.start(workload(kind, name))
            owners = lambda: self.read(self.at("pods", orphan["metadata"]["name"]))["metadata"].get("ownerReferences", [])
            wait_until(lambda: [o["uid"] for o in owners() if o.get("controller")] == [made["metadata"]["uid"]], 20, "it is adopted")
            self.assertEqual(self.names_of(name), [f"{name}-orphan"], "and counts")
            self.merge(self.at("pods", f"{name}-orphan"), {"metadata": {"labels": {"app": "stray"}}})
            wait_until(lambda: owners() == [], 20, "it is released")
            self.wait_pods(name, 1)
        self.side_by_side(*((kind, lambda k=kind: adopt(k)) for kind in ("ReplicaSet", "ReplicationController")))

    def test_every_replica_serves(self):
        def serve(kind):
            name = f"serves-{kind.lower()}"[:20]
            self.start(workload(kind, name, 2, template(name, image=DEMO)))
            for pod in self.wait_pods(name, 2):
                own = pod["metadata"]["name"]
                self.wait_text(f"http://{pod['status']['podIP']}:8080/", f"Hello from {own}")
                self.assertEqual(ask_udp(pod["status"]["podIP"]), own)
        self.side_by_side(*((kind, lambda k=kind: serve(k)) for kind in ("ReplicaSet", "ReplicationController")))

    def test_a_controller_over_its_quota_says_so(self):
        self.create(self.at("resourcequotas"), {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two"},
                                                "spec": {"hard": {"pods": "2"}}})
        self.start(workload("ReplicationController", "many", 3))
        failing = lambda s: {c["type"]: c["reason"] for c in s.get("conditions", [])} == {"ReplicaFailure": "FailedCreate"}
        self.wait_status("ReplicationController", "many", failing, "says that it fails")
        self.merge(self.path("ReplicationController", "many") + "/scale", {"spec": {"replicas": 2}})
        self.wait_status("ReplicationController", "many", lambda s: not s.get("conditions"), "is well again")


class Deployments(Apps):
    def sets_of(self, name):
        """Replica sets, oldest first: spec.replicas by image."""
        sets = self.read(self.at("replicasets", group="apps"), labelSelector=f"app={name}")["items"]
        sets.sort(key=lambda s: int(s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))
        return [(s["spec"]["template"]["spec"]["containers"][0]["image"], s["spec"]["replicas"]) for s in sets]

    def set_image(self, name, image):
        self.api.ok("PATCH", self.path("Deployment", name), {"spec": {"template": {"spec": {"containers": [
            {"name": "main", "image": image}]}}}}, content_type=STRATEGIC)

    def test_a_rolling_update_replaces_old_pods(self):
        self.start(workload("ReplicaSet", "rolls", 1))  # as the suite does: a set without an owner, which is adopted
        old = self.wait_pods("rolls", 1)[0]["metadata"]["uid"]
        self.start(workload("Deployment", "rolls", 1, template("rolls", image=DEMO)))
        self.wait_status("Deployment", "rolls", lambda s: s.get("updatedReplicas") == s.get("readyReplicas") == s.get("replicas") == 1,
                         "is rolled out")
        wait_until(lambda: [p["metadata"]["uid"] == old for p in self.pods_of("rolls")] == [False], 20, "the old pod is gone")
        sets = self.read(self.at("replicasets", group="apps"))["items"]
        self.assertEqual({s["metadata"]["ownerReferences"][0]["kind"] for s in sets}, {"Deployment"}, "the old set is adopted")

    def test_a_rollout_is_overtaken_by_the_next(self):
        self.start(workload("Deployment", "over", 2, template("over", image=DEMO, container=MARKED), minReadySeconds=1,
                            strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}))
        wait_until(lambda: len(self.pods_of("over")) == 2, 20, "its pods are made; they are never ready")
        self.set_image("over", BROKEN)
        wait_until(lambda: BROKEN in dict(self.sets_of("over")), 20, "a second set")
        self.merge(self.path("Deployment", "over"), {"spec": {"template": template("over", *FOREVER)}})
        self.wait_status("Deployment", "over", lambda s: s.get("availableReplicas") == s.get("updatedReplicas") == s.get("replicas") == 2,
                         "the third is rolled out", 60)
        self.assertEqual(self.sets_of("over"), [(DEMO, 0), (BROKEN, 0), (BUSYBOX, 2)])

    def test_sets_grow_in_proportion(self):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
        self.start(workload("Deployment", "scales", 10, strategy=strategy))
        self.wait_pods("scales", 10, 60)
        self.set_image("scales", BROKEN)
        wait_until(lambda: self.sets_of("scales") == [(BUSYBOX, 8), (BROKEN, 5)], 30, "two may be missing, three too many")
        wait_until(lambda: self.read(self.path("Deployment", "scales"))["status"].get("replicas") == 13, 20, "all are counted")
        self.merge(self.path("Deployment", "scales"), {"spec": {"replicas": 30}})
        wait_until(lambda: self.sets_of("scales") == [(BUSYBOX, 20), (BROKEN, 13)] or self.fail(str(self.sets_of("scales"))), 20,
                   "as the suite has it: 30 + 3, by size")
        self.remove(self.path("Deployment", "scales"), "Background")

    def test_what_a_deployment_is_told_happens(self):
        path = self.path("Deployment", "lives")
        self.start(workload("Deployment", "lives", 1))
        self.wait_pods("lives", 1)
        self.merge(path, {"metadata": {"labels": {"patched": "yes"}}, "spec": {"replicas": 2, "template": template("lives", image=DEMO)}})
        self.wait_status("Deployment", "lives", lambda s: s.get("updatedReplicas") == s.get("readyReplicas") == s.get("replicas") == 2,
                         "two of the new")
        self.assertEqual({container_of(p)["image"] for p in self.wait_pods("lives", 2)}, {DEMO})
        patched = self.merge(f"{path}/status", {"metadata": {"labels": {"seen": "yes"}}, "status": {"readyReplicas": 0}})
        self.assertEqual(patched["metadata"]["labels"]["patched"], "yes")
        self.wait_status("Deployment", "lives", lambda s: s.get("readyReplicas") == 2, "the truth comes back")
        self.update(path, lambda o: o["metadata"]["labels"].update(updated="yes"))
        self.remove(path, "Background")
        wait_until(lambda: not self.pods_of("lives"), 20, "all of it goes")


class Daemons(Apps):
    def test_a_daemon_that_fails_or_is_deleted_is_made_again(self):
        self.start(workload("DaemonSet", "simple"))
        pods = self.wait_pods("simple", 2)
        self.assertEqual(sorted(pod["spec"]["nodeName"] for pod in pods), sorted(NODES))
        failed, deleted = (pod["metadata"] for pod in pods)
        self.merge(self.at("pods", failed["name"], part="status"), {"status": {"phase": "Failed"}})
        self.remove(self.at("pods", deleted["name"]))
        gone = {failed["uid"], deleted["uid"]}
        wait_until(lambda: not gone & {p["metadata"]["uid"] for p in self.pods_of("simple")}, 20, "both are gone")
        self.wait_pods("simple", 2)

    def test_a_rollback_restarts_no_pod_that_is_right(self):
        self.start(workload("DaemonSet", "back"))
        before = {pod["spec"]["nodeName"]: pod["metadata"]["uid"] for pod in self.wait_pods("back", 2)}
        image = lambda name: self.api.ok("PATCH", self.path("DaemonSet", "back"), {"spec": {"template": {"spec": {
            "containers": [{"name": "main", "image": name}]}}}}, content_type=STRATEGIC)
        image(BROKEN)
        broken = wait_until(lambda: [p for p in self.pods_of("back") if p["spec"]["containers"][0]["image"] == BROKEN], 20, "one fails")
        self.assertEqual(len(broken), 1, "no more than one at a time")
        image(BUSYBOX)
        self.wait_status("DaemonSet", "back", lambda s: s.get("updatedNumberScheduled") == s.get("numberReady") == 2, "is back")
        after = {pod["spec"]["nodeName"]: pod for pod in self.wait_pods("back", 2)}
        kept = [node for node in NODES if after[node]["metadata"]["uid"] == before[node]]
        self.assertEqual(kept, [node for node in NODES if node != broken[0]["spec"]["nodeName"]])
        self.assertEqual(container_of(after[kept[0]])["restartCount"], 0)

    def test_daemons_are_updated_one_after_the_other(self):
        self.start(workload("DaemonSet", "step"))
        old = {pod["metadata"]["uid"] for pod in self.wait_pods("step", 2)}
        self.merge(self.path("DaemonSet", "step"), {"spec": {"template": template("step", image=DEMO)}})
        self.wait_status("DaemonSet", "step", lambda s: s.get("updatedNumberScheduled") == s.get("numberAvailable") == 2, "is updated")
        pods = self.wait_pods("step", 2)
        self.assertFalse(old & {pod["metadata"]["uid"] for pod in pods})
        self.assertEqual({container_of(pod)["image"] for pod in pods}, {DEMO})
        history = self.read(self.at("controllerrevisions", group="apps"), labelSelector="app=step")["items"]
        self.assertEqual(sorted(revision["revision"] for revision in history), [1, 2])
        newest = max(history, key=lambda revision: revision["revision"])["metadata"]["labels"]["controller-revision-hash"]
        self.assertEqual({pod["metadata"]["labels"]["controller-revision-hash"] for pod in pods}, {newest})


class Stateful(Apps):
    def mark(self, name, is_ready=True):
        self.exec(name, "touch" if is_ready else "rm", "/tmp/ready")

    def test_scaling_goes_in_order_and_waits_for_the_unwell(self):
        self.start(workload("StatefulSet", "calm", 3, template("calm", *FOREVER, container=MARKED)))
        path = self.path("StatefulSet", "calm")
        for number in range(3):
            self.wait_phase(f"calm-{number}", "Running")
            time.sleep(0.7)  # a next one would come now
            self.assertEqual(self.names_of("calm"), [f"calm-{n}" for n in range(number + 1)])
            self.mark(f"calm-{number}")
        self.wait_pods("calm", 3)
        for number in range(3):
            self.mark(f"calm-{number}", False)
        wait_until(lambda: not self.ready_of("calm"), 20, "none is ready")
        self.merge(f"{path}/scale", {"spec": {"replicas": 0}})
        self.wait_status("StatefulSet", "calm", lambda s: s.get("observedGeneration") == 2, "has seen it")
        time.sleep(1)
        self.assertEqual(len(self.pods_of("calm")), 3, "what is unwell holds it")
        with self.api.watch(self.at("pods"), labelSelector="app=calm",
                            resourceVersion=self.read(self.at("pods"))["metadata"]["resourceVersion"]) as events:
            for number in range(3):
                self.mark(f"calm-{number}")
            gone = []
            for event in events:
                gone += [event["object"]["metadata"]["name"]] if event["type"] == "DELETED" else []
                if len(gone) == 3:
                    break
        self.assertEqual(gone, ["calm-2", "calm-1", "calm-0"])

    def test_a_burst_asks_nobody(self):
        self.start(workload("StatefulSet", "burst", 1, template("burst", *FOREVER, container=MARKED), podManagementPolicy="Parallel"))
        self.wait_phase("burst-0", "Running")
        path = self.path("StatefulSet", "burst") + "/scale"
        self.merge(path, {"spec": {"replicas": 3}})
        wait_until(lambda: len(self.pods_of("burst")) == 3, 20, "all are made, though the first is not ready")
        for number in range(3):
            self.wait_phase(f"burst-{number}", "Running")
            self.mark(f"burst-{number}")
        self.wait_pods("burst", 3)
        self.mark("burst-1", False)
        self.wait_pod("burst-1", lambda p: not is_ready(p), 20, "is not ready")
        self.merge(path, {"spec": {"replicas": 0}})
        wait_until(lambda: not self.pods_of("burst"), 30, "and all go, though one is not ready")

    def test_a_pod_that_its_node_refuses_is_made_again(self):
        holds = {"ports": [{"containerPort": 80, "hostPort": free_port()}]}
        on = {"nodeName": NODES[0]}
        self.create(self.at("pods"), make_pod("holder", *FOREVER, container=holds, **on))
        self.wait_ready("holder")
        self.start(workload("StatefulSet", "evicted", 1, template("evicted", *FOREVER, container=holds, **on)))
        seen = set()

        def is_made_again():
            for pod in self.pods_of("evicted"):
                if pod["status"].get("phase") == "Failed" or len(seen) > 0:
                    seen.add(pod["metadata"]["uid"])
            return len(seen) > 1
        wait_until(is_made_again, 30, "it fails, goes and is made again", pause=0.02)
        self.remove(self.at("pods", "holder"))
        self.wait_pods("evicted", 1, 60)

    def revisions(self, name):
        status = self.read(self.path("StatefulSet", name))["status"]
        pods = {pod["metadata"]["name"]: pod["metadata"]["labels"]["controller-revision-hash"] for pod in self.pods_of(name)}
        return status["currentRevision"], status["updateRevision"], [pods.get(f"{name}-{n}") for n in range(3)]

    def wait_revisions(self, name, wanted):
        wait_until(lambda: len(self.ready_of(name)) == 3 and self.revisions(name)[2] == wanted
                   or self.fail(f"{self.revisions(name)}, not {wanted}"), 40, f"{name} has those revisions")

    def test_updates_by_parts_and_back(self):
        path = self.path("StatefulSet", "parts")
        self.start(workload("StatefulSet", "parts", 3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}))
        self.wait_pods("parts", 3)
        partition = lambda n: self.merge(path, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": n}}}})
        first = self.revisions("parts")[0]
        self.merge(path, {"spec": {"template": template("parts", image=DEMO)}})
        self.wait_status("StatefulSet", "parts", lambda s: s["updateRevision"] != first, "has a new revision")
        second = self.revisions("parts")[1]
        time.sleep(0.7)
        self.wait_revisions("parts", [first] * 3)
        partition(2)
        self.wait_revisions("parts", [first, first, second])
        for number in (0, 2):  # each comes back as what it was
            self.remove(self.at("pods", f"parts-{number}"))
            self.wait_gone_or_new(f"parts-{number}")
        self.wait_revisions("parts", [first, first, second])
        for number, wanted in ((1, [first, second, second]), (0, [second] * 3)):
            partition(number)
            self.wait_revisions("parts", wanted)
        self.wait_status("StatefulSet", "parts", lambda s: s["currentRevision"] == second, "is one revision")
        self.merge(path, {"spec": {"template": template("parts", *FOREVER)}})
        self.wait_revisions("parts", [first] * 3)
        self.assertEqual(self.revisions("parts")[1], first, "going back is no new revision")
        history = self.read(self.at("controllerrevisions", group="apps"), labelSelector="app=parts")["items"]
        self.assertEqual({r["metadata"]["name"]: r["revision"] for r in history}, {first: 3, second: 2})

    def wait_gone_or_new(self, name):
        wait_until(lambda: self.is_gone(self.at("pods", name)) or "deletionTimestamp" not in
                   self.read(self.at("pods", name))["metadata"], 20, f"{name} has ended")


class Jobs(Apps):
    def wait_job(self, name, kind="Complete", timeout=60):
        return self.wait_object(self.path("Job", name), lambda o: conditions(o).get(kind, {}).get("status") == "True", kind, timeout)

    def test_a_job_adopts_and_releases(self):
        made = self.start(job("adopts", *FOREVER, parallelism=2))
        pod = wait_until(lambda: len(self.pods_of("adopts")) == 2 and self.pods_of("adopts")[0], 20, "two pods")["metadata"]["name"]
        owners = lambda: [o["uid"] for o in self.read(self.at("pods", pod))["metadata"].get("ownerReferences", [])]
        self.merge(self.at("pods", pod), {"metadata": {"ownerReferences": None}})
        wait_until(lambda: owners() == [made["metadata"]["uid"]], 20, "it is adopted again")
        labels = {key: None for key in self.read(self.at("pods", pod))["metadata"]["labels"]}
        self.merge(self.at("pods", pod), {"metadata": {"labels": labels}})
        wait_until(lambda: owners() == [], 20, "it is released")

    def test_a_job_is_deleted_with_its_pods(self):
        self.start(job("active", *FOREVER, parallelism=2))
        self.wait_status("Job", "active", lambda s: s.get("active") == 2 and s.get("ready") == 2, "two are active")
        self.remove(self.path("Job", "active"), "Foreground")
        self.wait_gone(self.path("Job", "active"))
        self.assertEqual(self.pods_of("active"), [])

    def test_tasks_that_fail_are_restarted_where_they_are(self):
        once = "[ -e /d/failed ] && exit 0; touch /d/failed; exit 1"
        pod = template("retries", "sh", "-c", once, restart="OnFailure", container={"volumeMounts": [{"name": "d", "mountPath": "/d"}]},
                       volumes=[{"name": "d", "emptyDir": {}}])
        self.start(job("retries", pod=pod, completions=4, parallelism=2))
        self.assertEqual(self.wait_job("retries")["status"]["succeeded"], 4)
        self.assertEqual({container_of(p)["restartCount"] for p in self.pods_of("retries")}, {1})

    def test_pods_of_an_indexed_job_know_their_index(self):
        self.start(job("knows", "sh", "-c", 'echo "$JOB_COMPLETION_INDEX $(hostname)"', completions=4, parallelism=4,
                       completionMode="Indexed"))
        self.assertEqual(self.wait_job("knows")["status"]["completedIndexes"], "0-3")
        said = {pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]: self.text("logs", pod["metadata"]["name"]).strip()
                for pod in self.pods_of("knows")}
        self.assertEqual(said, {str(n): f"{n} knows-{n}" for n in range(4)})

    def indexed(self, name, script, count=4, **spec):
        return job(name, "sh", "-c", script, completions=count, parallelism=count, completionMode="Indexed", **spec)

    def test_what_fails_by_index(self):
        odd = "exit $((JOB_COMPLETION_INDEX % 2 * 42))"
        fail_index = {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}}]}
        self.start(self.indexed("despite", odd, backoffLimitPerIndex=1))
        self.start(self.indexed("at-once", odd, backoffLimitPerIndex=5, podFailurePolicy=fail_index))
        self.start(self.indexed("too-many", f"[ $JOB_COMPLETION_INDEX = 2 ] && exec sleep 3600; exit 1", backoffLimitPerIndex=0,
                                maxFailedIndexes=1))
        rows = {"despite": ("0,2", "1,3", 2, 4, "FailedIndexes"), "at-once": ("0,2", "1,3", 2, 2, "FailedIndexes"),
                "too-many": (None, None, 0, None, "MaxFailedIndexesExceeded")}
        for name, (completed, failed, succeeded, failures, reason) in rows.items():
            with self.subTest(name):
                done = self.wait_job(name, "Failed")
                status = done["status"]
                self.assertEqual((conditions(done)["Failed"]["reason"], status.get("succeeded", 0)), (reason, succeeded))
                if completed:
                    self.assertEqual((status["completedIndexes"], status["failedIndexes"], status["failed"]), (completed, failed, failures))
                else:
                    self.assertGreaterEqual(status["failed"], 2)
                    wait_until(lambda: not [p for p in self.pods_of(name) if p["status"]["phase"] == "Running"], 20, "the others are ended")

    def test_when_a_job_has_succeeded_enough(self):
        first = "[ $JOB_COMPLETION_INDEX = 0 ] && exit 0; exec sleep 3600"
        self.start(self.indexed("all", "exit 0", 2, successPolicy={"rules": [{"succeededIndexes": "0-1"}]}))
        self.start(self.indexed("count", first, 3, successPolicy={"rules": [{"succeededCount": 1}]}))
        self.start(self.indexed("which", first, 3, successPolicy={"rules": [{"succeededIndexes": "0"}]}))
        for name, completed in (("all", "0,1"), ("count", "0"), ("which", "0")):
            with self.subTest(name):
                done = self.wait_job(name)
                self.assertEqual(conditions(done)["SuccessCriteriaMet"]["reason"], "SuccessPolicy")
                self.assertEqual(done["status"]["completedIndexes"], completed)
                wait_until(lambda n=name: not [p for p in self.pods_of(n) if p["status"]["phase"] == "Running"], 20, "the others are ended")

    def test_a_policy_fails_a_job_at_once(self):
        rules = {"rules": [{"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [1]}}]}
        self.start(self.indexed("strict", "[ $JOB_COMPLETION_INDEX = 0 ] && exit 1; exec sleep 3600", 3, backoffLimit=6,
                                podFailurePolicy=rules))
        done = self.wait_job("strict", "Failed")
        self.assertEqual((conditions(done)["Failed"]["reason"], done["status"]["failed"] >= 1), ("PodFailurePolicy", True))

    def test_a_policy_ignores_evictions(self):
        place = f"{self.cluster.directory}/ignored"
        run("mkdir", "-p", place)
        script = "[ -e /m/$JOB_COMPLETION_INDEX ] && exit 0; touch /m/$JOB_COMPLETION_INDEX; trap 'exit 1' TERM; sleep 3600 & wait"
        pod = template("evicts", "sh", "-c", script, restart="Never", container={"volumeMounts": [{"name": "m", "mountPath": "/m"}]},
                       volumes=[{"name": "m", "hostPath": {"path": place}}])
        rules = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                           {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}}]}
        self.start(job("evicts", pod=pod, completions=2, parallelism=2, completionMode="Indexed", backoffLimit=0, podFailurePolicy=rules))
        for victim in self.wait_pods("evicts", 2):
            name = victim["metadata"]["name"]
            wait_until(lambda: run("ls", place).stdout.split() == ["0", "1"], 10, "both have begun")
            self.create(self.at("pods", name, part="eviction"), {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {
                "name": name, "namespace": self.namespace}})
        done = self.wait_job("evicts")
        self.assertEqual((done["status"]["succeeded"], done["status"].get("failed", 0)), (2, 0))


class Times(Apps):
    """Last in the module: a minute has gone by since the schedules began, and names of jobs tell minutes."""

    def setUp(self):
        super().setUp()
        self.namespace = CRONS

    def alive(self, name):
        """Minutes that the jobs were made for."""
        jobs = self.read(self.at("jobs", group="batch"), labelSelector=f"cron={name}")["items"]
        return sorted(int(j["metadata"]["name"].rsplit("-", 1)[1]) for j in jobs if "deletionTimestamp" not in j["metadata"])

    def active(self, name):
        return self.read(self.path("CronJob", name)).get("status", {}).get("active", [])

    def test_what_happens_while_the_job_before_runs(self):
        wait_until(lambda: len(self.active("allowed")) > 1, 90, "several run at a time")
        first = self.alive("allowed")[0]
        wait_until(lambda: self.alive("replaced") and self.alive("replaced")[0] > first, 10, "another has taken the place of the first")
        self.assertEqual((len(self.alive("replaced")), len(self.active("replaced"))), (1, 1))
        self.assertEqual((self.alive("forbidden"), len(self.active("forbidden"))), ([first], 1))
        self.assertEqual((self.alive("suspended"), self.active("suspended")), ([], []))


tearDownModule = harness.stop_shared_cluster
