# SPDX-License-Identifier: Apache-2.0
"""Daemon sets, jobs, cron jobs, stateful sets and replication controllers, on two nodes of which one is tainted."""
import json
import re

import harness
from api import Api
from harness import BUSYBOX, Cluster, ClusterTest, is_ready, make_service, make_template
from machine import wait_until

TAINTED = "workloads-second"
SLEEP = ["sh", "-c", "trap exit TERM; sleep 3600 & wait"]
BEAR_ALL = [{"operator": "Exists"}]


def make_set(kind, name, replicas=None, pod=None, **spec):
    """A DaemonSet, StatefulSet or, with a plain selector, ReplicationController."""
    labels = {"app": name}
    is_old = kind == "ReplicationController"
    body = {"selector": labels if is_old else {"matchLabels": labels},
            "template": make_template(labels, *SLEEP, **(pod or {})), **spec}
    if replicas is not None:
        body["replicas"] = replicas
    return {"apiVersion": "v1" if is_old else "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


def make_job(name, *command, restart="Never", **spec):
    template = make_template({"app": name}, *command, restart=restart)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


class Workloads(ClusterTest):
    name = "workloads"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name)
        cls.cluster.start()
        with open(f"{cls.cluster.data}/join-token", encoding="ascii") as file:
            agent = cls.cluster.add_agent(TAINTED, file.read().strip())
        agent.start()
        cls.cluster.wait_node(TAINTED)
        cls.cluster.kubectl("taint", "node", TAINTED, "kept=apart:NoSchedule")

    def rows(self, *words, version="1.35"):
        """What kubectl get prints: a dict for each line."""
        lines = self.text("get", *words, version=version).splitlines()
        starts = [match.start() for match in re.finditer(r"(?<!\S)\S", lines[0]) if lines[0][:match.start()].endswith("  ")
                  or match.start() == 0]
        spans = list(zip(starts, starts[1:] + [None]))
        head = [lines[0][a:b].strip() for a, b in spans]
        return [dict(zip(head, (line[a:b].strip() for a, b in spans))) for line in lines[1:]]

    def wait_rolled_out(self, what, timeout=40, version="1.35"):
        self.kubectl("rollout", "status", what, f"--timeout={timeout}s", timeout=timeout + 10, version=version)

    def wait_job(self, name, condition="complete", timeout=40):
        self.kubectl("wait", f"job/{name}", f"--for=condition={condition}", f"--timeout={timeout}s", timeout=timeout + 10)
        return self.get("job", name)

    def revisions(self, what, version="1.35"):
        return re.findall(r"(?m)^(\d+) ", self.text("rollout", "history", what, version=version))

    # ---- daemon sets --------------------------------------------------------------------------------------------

    def test_a_daemon_set_has_a_pod_on_every_node_that_it_bears(self):
        self.apply(make_set("DaemonSet", "plain"), make_set("DaemonSet", "bold", pod={"tolerations": BEAR_ALL}))
        for name in ("plain", "bold"):
            self.wait_rolled_out(f"daemonset/{name}")
            self.wait_rolled_out(f"daemonset/{name}", version="1.20")

        nodes = {name: sorted(p["spec"]["nodeName"] for p in self.pods(f"app={name}")) for name in ("plain", "bold")}
        self.assertEqual(nodes, {"plain": [self.cluster.node], "bold": sorted([self.cluster.node, TAINTED])})
        row = self.rows("ds", "bold")[0]
        self.assertEqual(list(row), ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR", "AGE"])
        self.assertEqual([row[c] for c in list(row)[1:7]], ["2", "2", "2", "2", "2", "<none>"])
        pod = self.pods("app=bold")[0]
        self.assertEqual(pod["metadata"]["ownerReferences"][0]["kind"], "DaemonSet")
        self.assertIn("Desired Number of Nodes Scheduled: 2", self.text("describe", "ds", "bold"))

        self.kubectl("label", "node", TAINTED, "disk=fast")
        self.kubectl("patch", "ds", "bold", "--type=merge", "-p",
                     '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"fast"}}}}}')
        self.wait_rolled_out("daemonset/bold")
        wait_until(lambda: [p["spec"]["nodeName"] for p in self.pods("app=bold")] == [TAINTED], 20, "one node is selected")
        self.kubectl("label", "node", TAINTED, "disk-")
        wait_until(lambda: not self.pods("app=bold"), 20, "none is selected")

    def test_a_daemon_set_is_updated_and_goes_back(self):
        self.apply(make_set("DaemonSet", "step", pod={"tolerations": BEAR_ALL}))
        self.wait_rolled_out("daemonset/step")
        before = {pod["metadata"]["uid"] for pod in self.pods("app=step")}

        self.kubectl("set", "env", "daemonset/step", "EXTRA=two")
        self.wait_rolled_out("daemonset/step")
        pods = self.pods("app=step")
        self.assertEqual(len(pods), 2)
        self.assertFalse(before & {pod["metadata"]["uid"] for pod in pods})
        self.assertEqual(self.revisions("daemonset/step"), ["1", "2"])
        self.assertEqual(self.revisions("daemonset/step", version="1.20"), ["1", "2"])
        self.assertIn("EXTRA", self.text("rollout", "history", "daemonset/step", "--revision=2"))

        self.kubectl("rollout", "undo", "daemonset/step")
        self.wait_rolled_out("daemonset/step")
        self.assertEqual(self.revisions("daemonset/step"), ["2", "3"])
        self.assertNotIn("env", self.get("ds", "step")["spec"]["template"]["spec"]["containers"][0])

        on_delete = {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}
        self.kubectl("patch", "ds", "step", "--type=merge", "-p", json.dumps({"spec": on_delete}))
        self.kubectl("set", "env", "daemonset/step", "EXTRA=three")
        wait_until(lambda: self.get("ds", "step")["status"].get("updatedNumberScheduled", 0) == 0, 10, "both are old")
        self.kubectl("delete", "pod", self.pods("app=step")[0]["metadata"]["name"])
        wait_until(lambda: self.get("ds", "step")["status"].get("updatedNumberScheduled") == 1, 20, "one is new")

    # ---- jobs ---------------------------------------------------------------------------------------------------

    def test_a_job_runs_to_its_end(self):
        self.kubectl("create", "job", "hello", f"--image={BUSYBOX}", "--", "echo", "done at last")
        job = self.wait_job("hello")

        self.assertEqual(self.text("logs", "job/hello"), "done at last\n")
        self.assertEqual((job["status"]["succeeded"], job["status"]["ready"], job["status"]["terminating"]), (1, 0, 0))
        self.assertEqual([c["type"] for c in job["status"]["conditions"]], ["SuccessCriteriaMet", "Complete"])
        row = self.rows("job", "hello")[0]
        self.assertEqual(list(row), ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"])
        self.assertEqual((row["STATUS"], row["COMPLETIONS"]), ("Complete", "1/1"))
        self.assertIn("1 Succeeded", self.text("describe", "job", "hello", version="1.20"))
        pod = self.pods("job-name=hello")[0]
        self.assertNotIn("finalizers", pod["metadata"])
        self.assertEqual(pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"], job["metadata"]["uid"])
        done = self.kubectl("patch", "job", "hello", "--type=merge", "-p",
                            '{"spec":{"template":{"spec":{"hostNetwork":true}}}}', check=False)
        self.assert_fails(done, "spec.template: Invalid value", "field is immutable")
        self.kubectl("delete", "job", "hello")
        wait_until(lambda: not self.pods(), 20, "its pod goes with it")

    def test_each_index_of_a_job_knows_itself(self):
        self.apply(make_job("parts", "sh", "-c", 'echo "$JOB_COMPLETION_INDEX $(hostname)"', completions=3, parallelism=2,
                            completionMode="Indexed"))
        job = self.wait_job("parts")

        self.assertEqual(job["status"]["completedIndexes"], "0-2")
        said = {self.text("logs", pod["metadata"]["name"]).strip() for pod in self.pods("app=parts")}
        self.assertEqual(said, {"0 parts-0", "1 parts-1", "2 parts-2"})
        self.assertRegex(self.pods("app=parts")[0]["metadata"]["name"], r"^parts-\d-\w{5}$")

    def test_a_job_that_fails_is_tried_again_and_then_given_up(self):
        self.apply(make_job("doomed", "sh", "-c", "exit 3", backoffLimit=1),
                   make_job("strict", "sh", "-c", "exit 42", backoffLimit=5, podFailurePolicy={"rules": [
                       {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}),
                   make_job("late", *SLEEP, activeDeadlineSeconds=2),
                   make_job("again", "sh", "-c", "exit 1", restart="OnFailure", backoffLimit=1))
        strict = self.wait_job("strict", "failed")
        self.assertEqual(strict["status"]["failed"], 1)
        failed = {c["type"]: c for c in strict["status"]["conditions"]}["Failed"]
        self.assertEqual(failed["reason"], "PodFailurePolicy")
        self.assertRegex(failed["message"], r"^Container main for pod \S+/strict-\w+ failed with exit code 42 matching FailJob")
        for name, count, reason in (("late", 1, "DeadlineExceeded"), ("again", 1, "BackoffLimitExceeded"),
                                    ("doomed", 2, "BackoffLimitExceeded")):
            job = self.wait_job(name, "failed")
            self.assertEqual(job["status"].get("failed"), count, name)
            self.assertEqual({c["reason"] for c in job["status"]["conditions"]}, {reason})
        self.assertEqual(self.rows("job", "doomed")[0]["STATUS"], "Failed")

    def test_a_job_is_suspended_resumed_and_cleared_away(self):
        self.apply(make_job("calm", "sh", "-c", "sleep 4", suspend=True, ttlSecondsAfterFinished=3, backoffLimit=0))
        wait_until(lambda: self.rows("job", "calm")[0]["STATUS"] == "Suspended", 10, "it is suspended")
        self.assertEqual(self.pods(), [])
        self.kubectl("patch", "job", "calm", "--type=merge", "-p", '{"spec":{"suspend":false}}')
        pod = wait_until(self.pods, 10, "a pod")[0]["metadata"]["name"]
        self.wait_ready(pod)
        self.kubectl("patch", "job", "calm", "--type=merge", "-p", '{"spec":{"suspend":true}}')
        wait_until(lambda: not self.pods(), 20, "the pod is gone")
        self.assertNotIn("failed", self.get("job", "calm")["status"])
        self.kubectl("patch", "job", "calm", "--type=merge", "-p", '{"spec":{"suspend":false}}')
        self.wait_job("calm")
        wait_until(lambda: not self.get("job")["items"] and not self.pods(), 20, "job and pods are cleared away")

    def test_deleting_a_job_leaves_its_pods_where_nobody_says_otherwise(self):
        self.apply(make_job("left", "sh", "-c", "true"))
        self.wait_job("left")
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs/left"
        answer = Api(self.cluster).delete(path)
        self.assertEqual(answer.status, 200)
        self.assertIn("child pods are preserved by default", answer.headers["Warning"])
        wait_until(lambda: not self.get("job")["items"], 10, "the job is gone")
        self.assertEqual(len(self.pods("app=left")), 1)
        self.assertNotIn("ownerReferences", self.pods("app=left")[0]["metadata"])

    def test_a_cron_job_makes_jobs(self):
        self.kubectl("create", "cronjob", "yearly", f"--image={BUSYBOX}", "--schedule=0 0 1 1 *", "--", "echo", "by hand")
        self.kubectl("create", "job", "manual", "--from=cronjob/yearly")
        frequent = make_job("x", "sh", "-c", "echo by itself")
        self.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "often"},
                    "spec": {"schedule": "@every 3s", "jobTemplate": {"spec": frequent["spec"]}, "timeZone": "Europe/Berlin"}})
        self.wait_job("manual")
        self.assertEqual(self.text("logs", "job/manual"), "by hand\n")
        row = self.rows("cronjob", "yearly")[0]
        self.assertEqual(list(row), ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE"])
        self.assertEqual([row[c] for c in list(row)[1:6]], ["0 0 1 1 *", "<none>", "False", "0", "<none>"])

        made = wait_until(lambda: [j for j in self.get("job")["items"] if j["metadata"]["name"].startswith("often-")], 20,
                          "a job by the schedule")[0]["metadata"]
        self.kubectl("patch", "cronjob", "often", "--type=merge", "-p", '{"spec":{"suspend":true}}')
        self.wait_job(made["name"])
        self.assertRegex(made["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"], r"\+0[12]:00$")
        wait_until(lambda: "lastSuccessfulTime" in self.get("cronjob", "often")["status"], 10, "its success is noted")
        self.kubectl("delete", "cronjob", "often")
        wait_until(lambda: [j["metadata"]["name"] for j in self.get("job")["items"]] == ["manual"], 20, "jobs go with it")
        bad = self.kubectl("create", "cronjob", "bad", f"--image={BUSYBOX}", "--schedule=61 * * * *", check=False)
        self.assert_fails(bad, "spec.schedule: Invalid value", "end of range (61) above maximum (59): 61")

    # ---- stateful sets ------------------------------------------------------------------------------------------

    def test_a_stateful_set_starts_in_order_under_names_that_resolve(self):
        self.apply(make_service("peers", app="db", clusterIP="None"),
                   make_set("StatefulSet", "db", 3, serviceName="peers"))
        self.wait_rolled_out("statefulset/db")
        self.wait_rolled_out("statefulset/db", version="1.20")

        pods = {pod["metadata"]["name"]: pod for pod in self.pods("app=db")}
        self.assertEqual(sorted(pods), ["db-0", "db-1", "db-2"])
        for lower, higher in (("db-0", "db-1"), ("db-1", "db-2")):
            ready = next(c for c in pods[lower]["status"]["conditions"] if c["type"] == "Ready")["lastTransitionTime"]
            self.assertLessEqual(ready, pods[higher]["metadata"]["creationTimestamp"], f"{higher} waits for {lower}")
        self.assertEqual(self.exec("db-1", "hostname").stdout, "db-1\n")
        for name in ("db-0", "db-2"):
            full = f"{name}.peers.{self.namespace}.svc.cluster.local"
            wait_until(lambda: pods[name]["status"]["podIP"] in self.exec("db-1", "nslookup", full, check=False).stdout, 15,
                       f"{full} resolves")
        row = self.rows("sts", "db")[0]
        self.assertEqual((list(row), row["READY"]), (["NAME", "READY", "AGE"], "3/3"))

        self.kubectl("delete", "pod", "db-1")
        again = self.wait_pod("db-1", lambda pod: is_ready(pod) and pod["metadata"]["uid"] != pods["db-1"]["metadata"]["uid"],
                              20, "is ready again")
        self.assertEqual(again["spec"]["hostname"], "db-1")
        self.kubectl("scale", "statefulset/db", "--replicas=1")
        wait_until(lambda: [p["metadata"]["name"] for p in self.pods("app=db")] == ["db-0"], 20, "the highest go")
        done = self.kubectl("patch", "sts", "db", "--type=merge", "-p", '{"spec":{"serviceName":"other"}}', check=False)
        self.assert_fails(done, "spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")

    def test_a_stateful_set_is_updated_from_the_partition_on_and_goes_back(self):
        self.apply(make_set("StatefulSet", "log", 3, serviceName="none", podManagementPolicy="Parallel", updateStrategy={
            "type": "RollingUpdate", "rollingUpdate": {"partition": 2}}))
        self.wait_rolled_out("statefulset/log")

        def env():
            return {p["metadata"]["name"]: "env" in p["spec"]["containers"][0] for p in self.pods("app=log")}
        self.kubectl("set", "env", "statefulset/log", "EXTRA=two")
        self.wait_rolled_out("statefulset/log")
        self.assertEqual(env(), {"log-0": False, "log-1": False, "log-2": True})
        self.kubectl("patch", "sts", "log", "--type=merge", "-p", '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}')
        self.wait_rolled_out("statefulset/log")
        self.assertEqual(set(env().values()), {True})
        self.assertEqual(self.revisions("statefulset/log"), ["1", "2"])
        self.kubectl("rollout", "undo", "statefulset/log")
        self.wait_rolled_out("statefulset/log")
        self.assertEqual(set(env().values()), {False})
        status = self.get("sts", "log")["status"]
        self.assertEqual(status["currentRevision"], status["updateRevision"])

    # ---- replication controllers, pod templates -----------------------------------------------------------------

    def test_a_replication_controller_keeps_its_pods(self):
        self.apply(make_set("ReplicationController", "old", 1))
        self.kubectl("scale", "rc", "old", "--replicas=3")
        wait_until(lambda: self.get("rc", "old")["status"].get("readyReplicas") == 3, 30, "three are ready")
        row = self.rows("rc", "old")[0]
        self.assertEqual(list(row), ["NAME", "DESIRED", "CURRENT", "READY", "AGE"])
        self.assertEqual(self.get("rc", "old")["metadata"]["labels"], {"app": "old"}, "the labels of its pods")
        self.assertIn("3 current / 3 desired", self.text("describe", "rc", "old"))
        scale = self.cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/replicationcontrollers/old/scale")
        self.assertEqual(json.loads(scale.stdout)["status"], {"replicas": 3, "selector": "app=old"})
        self.kubectl("delete", "rc", "old")
        wait_until(lambda: not self.pods(), 30, "kubectl deletes the pods too")

    def test_a_pod_template_is_kept(self):
        self.apply({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "form"},
                    "template": make_template({"app": "form"}, *SLEEP)})

        row = self.rows("podtemplates")[0]
        self.assertEqual(row, {"NAME": "form", "CONTAINERS": "main", "IMAGES": harness.BUSYBOX, "POD LABELS": "app=form"})
