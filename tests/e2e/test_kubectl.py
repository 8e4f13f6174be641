# SPDX-License-Identifier: Apache-2.0
"""Every verb of kubectl, by the oldest and the newest client that we promise to serve."""
import json
import os
import re
import signal
import subprocess
import threading

import harness
import machine
from harness import SharedCluster, container_of, make_deployment, make_pod, make_service
from machine import wait_until

SERVED = ("namespaces", "nodes", "pods", "services", "endpoints", "configmaps", "secrets", "serviceaccounts", "events",
          "deployments", "replicasets", "controllerrevisions", "endpointslices", "leases", "roles", "rolebindings",
          "clusterroles", "clusterrolebindings", "runtimeclasses", "priorityclasses")


class Kubectl:
    """The tests of one version; not a TestCase itself, so that it runs only in its two forms below."""

    def test_apply_get_edit_patch_diff_delete(self):
        made = self.apply(make_deployment("web", 2), make_service("web")).stdout
        self.assertIn("deployment.apps/web created", made)
        again = self.apply(make_deployment("web", 2), make_service("web")).stdout
        self.assertEqual(again.count("unchanged"), 2, again)
        changed = self.apply(make_deployment("web", 3)).stdout
        self.assertIn("configured", changed)
        self.wait_rollout("web")
        self.check_get()
        self.check_describe()
        self.check_patches()
        self.check_marks()
        self.check_edit()
        self.check_diff()
        self.check_deletes()

    def check_get(self):
        table = self.text("get", "deployments")
        self.assertRegex(table, r"NAME +READY +UP-TO-DATE +AVAILABLE +AGE")
        self.assertRegex(table, r"web +3/3 +3 +3 +\d+s")
        wide = self.text("get", "pods", "-o", "wide")
        self.assertRegex(wide, r"NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES")
        self.assertRegex(wide, rf"web-\w+-\w+ +1/1 +Running +0 +\d+s +[\d.]+ +{self.cluster.node}")
        self.assertRegex(self.text("get", "svc"), r"NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE")
        self.assertRegex(self.text("get", "svc", "web"), r"web +ClusterIP +[\d.]+ +<none> +80/TCP")
        self.assertRegex(self.text("get", "nodes"), rf"{self.cluster.node} +Ready +\S+ +\S+ +v1\.\d+")
        everything = self.text("get", "all", "-o", "name").split()
        self.assertIn("deployment.apps/web", everything)
        self.assertIn("service/web", everything)
        self.assertEqual(len([n for n in everything if n.startswith("pod/web-")]), 3)
        self.assertIn("kind: Deployment", self.text("get", "deploy", "web", "-o", "yaml"))
        self.assertEqual(self.text("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}"), "3")
        columns = self.text("get", "deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas")
        self.assertEqual(columns.split(), ["N", "R", "web", "3"])
        self.assertIn("app=web", self.text("get", "pods", "--show-labels"))
        # kubectl sorts by the numbers in names (6x before 52x), so only the set is compared.
        names = self.text("get", "pods", "-o", "name").split()
        self.assertCountEqual(self.text("get", "pods", "--sort-by=.metadata.name", "-o", "name").split(), names)
        done = self.kubectl("get", "pods", "nothing", check=False)
        self.assert_fails(done, 'Error from server (NotFound): pods "nothing" not found')
        self.assert_fails(self.kubectl("get", "nonsense", check=False), 'doesn\'t have a resource type "nonsense"')

    def check_describe(self):
        text = self.text("describe", "deployment", "web")
        for word in ("Replicas:               3 desired | 3 updated | 3 total | 3 available | 0 unavailable",
                     "StrategyType:           RollingUpdate", "ScalingReplicaSet", "tetrarch.dev/demo:1"):
            self.assertIn(word, text)
        pod = self.pods("app=web")[0]["metadata"]["name"]
        text = self.text("describe", "pod", pod)
        for word in ("Controlled By:  ReplicaSet/web-", "Scheduled", "Started", "QoS Class:", "kube-api-access-"):
            self.assertIn(word, text)
        self.assertIn("Endpoints:", self.text("describe", "service", "web"))
        node = self.text("describe", "node", self.cluster.node)
        for word in ("Capacity:", "Allocatable:", "Non-terminated Pods:", "Allocated resources:", pod):
            self.assertIn(word, node)
        for kind in SERVED:
            # kubectl 1.20 describes endpoint slices through discovery.k8s.io/v1beta1, which ended with 1.25.
            if (self.version, kind) == ("1.20", "endpointslices"):
                continue
            with self.subTest(describe=kind):
                self.text("describe", kind)

    def check_patches(self):
        self.kubectl("patch", "deployment", "web", "-p", '{"spec":{"replicas":2}}')
        self.assertEqual(self.get("deploy", "web")["spec"]["replicas"], 2)
        strategic = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}}}
        self.kubectl("patch", "deployment", "web", "--type=strategic", "-p", json.dumps(strategic))
        container = self.get("deploy", "web")["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual((container["image"], container["env"]), (harness.DEMO, [{"name": "A", "value": "1"}]))
        self.kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"labels":{"team":"blue"}}}')
        self.kubectl("patch", "deployment", "web", "--type=json",
                     "-p", '[{"op":"replace","path":"/spec/replicas","value":1}]')
        deployment = self.get("deploy", "web")
        self.assertEqual((deployment["spec"]["replicas"], deployment["metadata"]["labels"]["team"]), (1, "blue"))
        done = self.kubectl("patch", "deployment", "web", "--type=json",
                            "-p", '[{"op":"test","path":"/spec/replicas","value":7}]', check=False)
        self.assert_fails(done)
        self.wait_rollout("web")

    def check_marks(self):
        self.kubectl("label", "deployment", "web", "tier=front")
        self.assert_fails(self.kubectl("label", "deployment", "web", "tier=back", check=False), "overwrite")
        self.kubectl("label", "deployment", "web", "tier=back", "--overwrite")
        self.kubectl("annotate", "deployment", "web", "note=hello there")
        metadata = self.get("deploy", "web")["metadata"]
        self.assertEqual((metadata["labels"]["tier"], metadata["annotations"]["note"]), ("back", "hello there"))
        self.kubectl("label", "deployment", "web", "tier-")
        self.assertNotIn("tier", self.get("deploy", "web")["metadata"]["labels"])

    def check_edit(self):
        done = self.kubectl("edit", "deployment", "web",
                            env=self.editor("two", "exec sed -i 's/replicas: 1$/replicas: 2/' $1"))
        self.assertIn("deployment.apps/web edited", done.stdout)
        self.assertEqual(self.get("deploy", "web")["spec"]["replicas"], 2)

    def check_diff(self):
        listed = json.dumps(make_deployment("web", 5))
        done = self.kubectl("diff", "-f", "-", input=listed, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^\+  replicas: 5$")
        self.assertEqual(self.get("deploy", "web")["spec"]["replicas"], 2, "a diff changes nothing")

    def check_deletes(self):
        self.kubectl("delete", "service", "web")
        self.kubectl("delete", "deployment", "web")
        wait_until(lambda: self.get("pods", "-l", "app=web")["items"] == [], 60, "the pods of a deleted deployment go")
        self.assertEqual(self.get("replicasets")["items"], [])
        self.assert_fails(self.kubectl("delete", "service", "web", check=False), "NotFound")
        self.assertIn("No resources found", self.kubectl("delete", "service", "--all").stdout)

    def test_wait_and_watch(self):
        self.apply(make_pod("slow", "sleep", "3600", container={"readinessProbe": {
            "exec": {"command": ["test", "-e", "/tmp/go"]}, "periodSeconds": 1}}))
        self.wait_phase("slow", "Running")
        self.assert_fails(self.kubectl("wait", "--for=condition=Ready", "pod/slow", "--timeout=1s", check=False), "timed out")
        watcher = subprocess.Popen(self.words("get", "pods", "--watch"),
                                   stdout=subprocess.PIPE, text=True, env=self.cluster.environment())
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(watcher.stdout), daemon=True)
        reader.start()
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait, 10)
        self.addCleanup(watcher.send_signal, signal.SIGTERM)
        self.exec("slow", "touch", "/tmp/go")
        self.kubectl("wait", "--for=condition=Ready", "pod/slow", "--timeout=20s")
        wait_until(lambda: [line for line in lines if re.search(r"slow +1/1 +Running", line)], 10,
                   "get --watch shows the pod become ready")
        self.kubectl("delete", "pod", "slow", "--wait=false")
        self.kubectl("wait", "--for=delete", "pod/slow", "--timeout=30s", check=False)
        self.assertEqual(self.pods(), [])
        wait_until(lambda: [line for line in lines if "Terminating" in line], 10, "get --watch shows Terminating")

    def test_logs_and_exec(self):
        self.apply(make_pod("talk", "sh", "-c", "echo first; echo second; n=0; while :; do n=$((n+1)); echo tick $n; sleep 1; done",
                            container={"name": "talk"}))
        self.wait_ready("talk")
        self.assertRegex(self.text("logs", "talk"), r"^first\nsecond\n")
        self.assertEqual(len(self.text("logs", "talk", "--tail=1").splitlines()), 1)
        self.assertIn("first", self.text("logs", "talk", "-c", "talk"))
        self.assert_fails(self.kubectl("logs", "talk", "-c", "other", check=False), "other")
        self.assertRegex(self.text("logs", "talk", "--timestamps").splitlines()[0], r"^\d{4}-\d\d-\d\dT[\d:.]+Z first$")
        self.assertEqual(self.text("logs", "talk", "--limit-bytes=5"), "first")
        self.assertIn("first", self.text("logs", "-l", "app=talk", "--tail=-1"))
        follower = subprocess.Popen(self.words("logs", "-f", "talk"),
                                    stdout=subprocess.PIPE, text=True, env=self.cluster.environment())
        seen = [follower.stdout.readline() for _ in range(6)]
        self.assertEqual(seen[:4], ["first\n", "second\n", "tick 1\n", "tick 2\n"])

        done = self.exec("talk", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
        self.assertEqual((done.returncode, done.stdout), (7, "out\n"))
        self.assertIn("err\n", done.stderr)
        self.assertEqual(self.exec("talk", "cat", input="line one\nline two\n").stdout, "line one\nline two\n")
        large = "x" * 99 + "\n"
        self.assertEqual(self.exec("talk", "wc", "-c", input=large * 20000).stdout.strip(), "2000000")
        done = self.exec("talk", "/no/such/program", check=False)
        self.assert_fails(done, "no such file")
        self.assert_fails(self.exec("nobody", "true", check=False), 'pods "nobody" not found')
        self.kubectl("delete", "pod", "talk", "--wait=true")
        follower.communicate(timeout=20)
        self.assertEqual(follower.returncode, 0, "logs -f ends well with its container")

    def test_logs_of_the_run_before(self):
        self.apply(make_pod("again", "sh", "-c", "if [ -e /data/seen ]; then echo later; exec sleep 3600; fi; "
                            "touch /data/seen; echo earlier; exit 1",
                            container={"volumeMounts": [{"name": "d", "mountPath": "/data"}]},
                            volumes=[{"name": "d", "emptyDir": {}}]))
        self.wait_pod("again", lambda p: harness.is_ready(p) and harness.container_of(p)["restartCount"] == 1, 60,
                      "has restarted once")
        self.assertEqual(self.text("logs", "again", "--previous"), "earlier\n")
        self.assertEqual(self.text("logs", "again"), "later\n")

    def test_discovery_and_explain(self):
        listed = self.text("api-resources", "--verbs=list", "-o", "name").split()
        for kind in SERVED:
            self.assertIn(kind, [name.split(".")[0] for name in listed])
        self.assertRegex(self.text("api-resources"), r"(?m)^deployments +deploy +apps/v1 +true +Deployment$")
        versions = self.text("api-versions").split()
        for version in ("v1", "apps/v1", "rbac.authorization.k8s.io/v1", "events.k8s.io/v1", "discovery.k8s.io/v1",
                        "coordination.k8s.io/v1"):
            self.assertIn(version, versions)
        for kind in SERVED:
            with self.subTest(explain=kind):
                self.assertRegex(self.text("explain", kind), r"(?m)^KIND: +\w+")
        for path, word in (("pod.spec.containers.livenessProbe.httpGet", "port"),
                           ("deployment.spec.strategy.rollingUpdate", "maxSurge"),
                           ("service.spec.ports", "nodePort"), ("role.rules", "verbs"),
                           ("pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
                            "nodeSelectorTerms")):
            with self.subTest(explain=path):
                self.assertIn(word, self.text("explain", path))
        self.assertIn("containers", self.text("explain", "pod.spec", "--recursive"))
        self.assert_fails(self.kubectl("explain", "pod.spec.nonsense", check=False), "nonsense")
        version = self.text("version")
        self.assertRegex(version, r"Server Version")
        self.assertIn("is running at", self.text("cluster-info"))
        self.assert_fails(self.kubectl("top", "nodes", check=False), "etrics")

    def test_create_namespace(self):
        name = f"{self.namespace}-made"
        self.kubectl("create", "namespace", name)
        self.addCleanup(self.kubectl, "delete", "namespace", name, "--wait=false", check=False)
        self.assertRegex(self.text("get", "namespace", name), rf"{name} +Active")

    def test_imperative_commands(self):
        self.kubectl("create", "deployment", "api", f"--image={harness.DEMO}")
        self.wait_rollout("api")
        self.kubectl("expose", "deployment", "api", "--port=80", "--target-port=8080")
        address = self.get("service", "api")["spec"]["clusterIP"]
        self.wait_text(f"http://{address}/", "Hello from api-")
        self.kubectl("scale", "deployment", "api", "--replicas=2")
        self.wait_rollout("api")
        self.assertEqual(len(self.pods("app=api")), 2)
        self.kubectl("set", "env", "deployment/api", "GREETING=Changed")
        self.wait_rollout("api")
        self.wait_text(f"http://{address}/", "Changed from api-")
        name = self.get("deploy", "api")["spec"]["template"]["spec"]["containers"][0]["name"]
        self.kubectl("set", "image", "deployment/api", f"{name}={harness.BUSYBOX}")
        self.assertEqual(self.get("deploy", "api")["spec"]["template"]["spec"]["containers"][0]["image"], harness.BUSYBOX)
        self.kubectl("delete", "deployment", "api")
        self.kubectl("create", "configmap", "settings", "--from-literal=a=1", "--from-literal=b=two")
        self.assertEqual(self.get("configmap", "settings")["data"], {"a": "1", "b": "two"})
        self.kubectl("create", "secret", "generic", "key", "--from-literal=password=hunter2")
        self.assertEqual(self.get("secret", "key")["data"], {"password": "aHVudGVyMg=="})
        self.kubectl("create", "serviceaccount", "robot")
        self.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
        self.kubectl("create", "rolebinding", "robot", "--role=reader", f"--serviceaccount={self.namespace}:robot")
        robot = f"--as=system:serviceaccount:{self.namespace}:robot"
        self.assertEqual(self.text("auth", "can-i", "list", "pods", robot).strip(), "yes")
        done = self.kubectl("auth", "can-i", "delete", "pods", robot, check=False)
        self.assertEqual((done.stdout.strip(), done.returncode), ("no", 1))
        self.assertEqual(self.text("auth", "can-i", "*", "*").strip(), "yes")
        self.assertIn("pods", self.text("auth", "can-i", "--list", robot))
        self.assert_fails(self.kubectl("delete", "secret", "key", robot, check=False), "Forbidden", "cannot")

    def test_events_are_told_in_their_order(self):
        self.apply(make_pod("told", "sleep", "1000", initContainers=[{"name": "first", "image": harness.BUSYBOX,
                                                                      "command": ["true"]}]))
        self.wait_ready("told")
        expected = ["Scheduled", *["Pulled", "Created", "Started"] * 2]
        wait_until(lambda: len(self.get("events")["items"]) == len(expected), 10, "all are there")
        self.assertEqual([event["reason"] for event in self.get("events")["items"]], expected)
        shown = self.text("describe", "pod", "told").partition("Events:")[2]
        self.assertEqual(re.findall(r"^  Normal\s+(\w+)", shown, re.MULTILINE), expected)

    def test_run_and_attach_to_the_result(self):
        self.kubectl("run", "once", f"--image={harness.BUSYBOX}", "--restart=Never", "--", "sh", "-c", "echo done; exit 3")
        pod = self.wait_phase("once", "Failed")
        ended = harness.container_of(pod)["state"]["terminated"]
        self.assertEqual((ended["exitCode"], ended["reason"]), (3, "Error"))
        self.assertEqual(self.text("logs", "once"), "done\n")

    def test_selectors_pages_and_dry_run(self):
        maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{n:02}", "labels": {
            "parity": "even" if n % 2 == 0 else "odd"}}} for n in range(12)]
        self.apply(*maps)
        self.assertEqual(len(self.text("get", "cm", "-l", "parity=even", "-o", "name").split()), 6)
        self.assertEqual(len(self.text("get", "cm", "-l", "parity in (odd)", "-o", "name").split()), 6)
        self.assertNotIn("m01", self.text("get", "cm", "-l", "parity!=odd", "-o", "name"))
        self.assertEqual(len(self.text("get", "cm", "--chunk-size=5", "-o", "name").split()), 13, "with kube-root-ca.crt")
        self.assertEqual(self.text("get", "cm", "--field-selector=metadata.name=m03", "-o", "name").strip(), "configmap/m03")
        self.apply(make_pod("idle", "sleep", "3600"))
        self.wait_ready("idle")
        self.assertIn("idle", self.text("get", "pods", "--field-selector=status.phase=Running"))
        self.assertEqual(self.text("get", "pods", "--field-selector=status.phase!=Running", "-o", "name"), "")
        self.assertIn("idle", self.text("get", "pods", f"--field-selector=spec.nodeName={self.cluster.node}"))
        self.assert_fails(self.kubectl("get", "pods", "--field-selector=spec.nonsense=1", check=False), "nonsense")
        done = self.apply({**maps[0], "metadata": {"name": "ghost"}}, check=True)
        self.assertIn("created", done.stdout)
        self.kubectl("create", "configmap", "phantom", "--dry-run=server", "--from-literal=a=1")
        self.assert_fails(self.kubectl("get", "cm", "phantom", check=False), "NotFound")
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}})
        names = {self.kubectl("create", "-f", "-", "-o", "name", input=body).stdout.strip() for _ in range(3)}
        self.assertEqual(len(names), 3)
        for name in names:
            self.assertRegex(name, r"^configmap/made-[a-z0-9]{5}$")
        self.kubectl("delete", "cm", "-l", "parity=odd")
        self.assertEqual(self.text("get", "cm", "-l", "parity=odd", "-o", "name"), "")
        self.kubectl("replace", "-f", "-", input=json.dumps({**maps[0], "data": {"replaced": "yes"}}))
        self.assertEqual(self.get("cm", "m00")["data"], {"replaced": "yes"})

    def test_cordon_and_taint(self):
        node = self.cluster.node
        self.addCleanup(self.cluster.kubectl, "uncordon", node)
        self.kubectl("cordon", node)
        self.assertRegex(self.text("get", "node", node), r"Ready,SchedulingDisabled")
        self.apply(make_pod("waits", "sleep", "3600"))
        self.wait_events("unschedulable")
        self.kubectl("uncordon", node)
        self.wait_ready("waits")
        self.kubectl("taint", "nodes", node, "only=me:NoSchedule")
        self.addCleanup(self.cluster.kubectl, "taint", "nodes", node, "only-", check=False)
        self.apply(make_pod("kept-out", "sleep", "3600"))
        self.wait_events("untolerated taint")
        self.apply(make_pod("let-in", "sleep", "3600", tolerations=[{"key": "only", "operator": "Exists"}]))
        self.wait_ready("let-in")
        self.kubectl("taint", "nodes", node, "only-")
        self.wait_ready("kept-out")


    def test_ways_to_delete_and_replace(self):
        self.apply(make_deployment("web", 1), make_pod("one", "sleep", "3600"))
        self.wait_rollout("web")
        first = self.wait_ready("one")["metadata"]["uid"]
        self.assert_fails(self.kubectl("scale", "deployment/web", "--current-replicas=5", "--replicas=2", check=False),
                          "Expected replicas to be 5")
        self.kubectl("scale", "deployment/web", "--current-replicas=1", "--replicas=2")
        self.wait_rollout("web")
        kept = {pod["metadata"]["uid"] for pod in self.pods("app=web")}
        self.kubectl("delete", "deployment", "web", "--cascade=orphan")
        self.assertEqual(len(self.get("replicasets")["items"]), 1)
        self.kubectl("delete", "replicaset", "--all", "--cascade=orphan")
        self.assertEqual({p["metadata"]["uid"] for p in self.pods("app=web") if harness.is_ready(p)}, kept, "orphans run on")
        self.kubectl("delete", "pods", "-l", "app=web", "--now")

        self.kubectl("replace", "--force", "-f", "-", input=json.dumps(make_pod("one", "sleep", "3601")))
        self.assertNotEqual(self.wait_ready("one")["metadata"]["uid"], first)
        self.assertIn("sleep 3601", self.exec("one", "ps", "-o", "args").stdout)
        process = machine.container_pids(container_of(self.get("pod", "one"))["containerID"])[0]
        self.kubectl("delete", "pod", "one", "--force", "--grace-period=0")
        self.assertEqual(self.pods(), [])
        wait_until(lambda: not machine.is_alive(process[0]), 15, "what was removed by force ends too")

        maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n, "labels": {"set": "p"}}} for n in "ab"]
        self.apply(*maps)
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": maps[:1]})
        self.kubectl("apply", "--prune", "-l", "set=p", "--prune-whitelist=core/v1/ConfigMap" if self.version == "1.20"
                     else "--prune-allowlist=core/v1/ConfigMap", "-f", "-", input=listed)
        self.assertEqual(self.text("get", "cm", "-l", "set=p", "-o", "name").split(), ["configmap/a"])

    def test_drain_and_uncordon(self):
        node = self.cluster.node
        self.addCleanup(self.cluster.kubectl, "uncordon", node)
        self.apply(make_deployment("web", 2), make_pod("lone", "sleep", "3600"),
                   make_pod("scratch", "sleep", "3600", volumes=[{"name": "d", "emptyDir": {}}]))
        self.wait_rollout("web")
        pods = [self.wait_ready(pod["metadata"]["name"]) for pod in self.pods()]
        processes = [process for pod in pods for process in machine.container_pids(container_of(pod)["containerID"])]
        alive = lambda: [pid for pid, began in processes if machine.is_alive(pid) and machine.start_time(pid) == began]

        refused = self.kubectl("drain", node, check=False)
        self.assert_fails(refused, "cannot delete", f"{self.namespace}/lone", "--force")
        self.assertIn("SchedulingDisabled", self.text("get", "node", node))
        self.assert_fails(self.kubectl("drain", node, "--force", check=False), f"{self.namespace}/scratch", "emptydir")
        self.assertEqual(len(alive()), 4, "a drain that is refused ends nothing")

        self.kubectl("drain", node, "--force", "--delete-emptydir-data", "--timeout=60s")
        self.assertEqual(alive(), [])
        left = self.pods()
        self.assertEqual({pod["metadata"].get("ownerReferences", [{}])[0].get("kind") for pod in left}, {"ReplicaSet"})
        self.assertEqual([pod["status"]["phase"] for pod in left], ["Pending"] * 2, "replaced, but by pods without a node")
        self.wait_events("unschedulable")
        self.kubectl("uncordon", node)
        self.wait_rollout("web")
        self.assertNotIn("SchedulingDisabled", self.text("get", "node", node))

    def editor(self, name, script):
        """An editor that is no person: a shell script whose $1 is the file."""
        path = os.path.join(self.cluster.directory, f"{name}{self.suffix}")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)
        return {"EDITOR": path, "KUBE_EDITOR": path}

    def test_what_is_edited_happens(self):
        env = [{"name": "GREETING", "value": "Before"}]
        self.apply(make_deployment("web", 2, container={"env": env, "readinessProbe": harness.READY_HTTP}), make_service("web"))
        self.wait_rollout("web")
        address = self.get("service", "web")["spec"]["clusterIP"]
        self.wait_text(f"http://{address}/", "Before from web-")

        self.kubectl("edit", "deployment", "web", env=self.editor("after", "exec sed -i 's/value: Before/value: After/' $1"))
        self.wait_rollout("web")
        wait_until(lambda: all("After from web-" in self.cluster.curl(f"http://{address}/") for _ in range(8)), 15,
                   "all that answers is of the edited template")
        generation = self.get("deploy", "web")["metadata"]["generation"]
        same = self.kubectl("edit", "deployment", "web", env=self.editor("same", "exit 0"))
        self.assertIn("Edit cancelled, no changes made", same.stdout + same.stderr)
        # Wrong at first; kubectl opens it again with the reason in it, and this time it is left as it is.
        note = os.path.join(self.cluster.directory, f"shown{self.suffix}")
        wrong = self.editor("wrong", f"cat $1 >> {note}; exec sed -i 's/replicas: 2$/replicas: -2/' $1")
        self.assert_fails(self.kubectl("edit", "deployment", "web", env=wrong, check=False), "no valid changes")
        with open(note, encoding="utf-8") as file:
            self.assertRegex(file.read(), r'# deployments.apps "web" was not valid:\n# \* spec.replicas: Invalid value')
        self.assertEqual(self.get("deploy", "web")["metadata"]["generation"], generation)

    def test_what_is_labelled_and_annotated_happens(self):
        self.apply(make_deployment("web", 2, container={"readinessProbe": harness.READY_HTTP}), make_service("web"),
                   make_pod("told", "sleep", "3600", container={"volumeMounts": [{"name": "me", "mountPath": "/me"}]},
                            volumes=[{"name": "me", "downwardAPI": {"items": [
                                {"path": "notes", "fieldRef": {"fieldPath": "metadata.annotations"}}]}}]))
        self.wait_rollout("web")
        stray = self.pods("app=web")[0]["metadata"]["name"]
        self.kubectl("label", "pod", stray, "app=stray", "--overwrite")
        self.wait_rollout("web")
        wait_until(lambda: len([p for p in self.pods("app=web") if harness.is_ready(p)]) == 2, 30, "another takes its place")
        pod = self.get("pod", stray)
        self.assertNotIn("ownerReferences", pod["metadata"], "it belongs to nobody now")
        address = self.get("service", "web")["spec"]["clusterIP"]
        answering = lambda: {self.cluster.curl(f"http://{address}/").split()[-1] for _ in range(20)}
        wait_until(lambda: answering() == {p["metadata"]["name"] for p in self.pods("app=web")}, 15, "and gets no requests")
        self.assertIn(stray, self.cluster.curl(f"http://{pod['status']['podIP']}:8080/"), "but runs on")

        self.wait_ready("told")
        self.kubectl("annotate", "pods", "--all", "note=first")
        notes = lambda: self.exec("told", "cat", "/me/notes").stdout
        wait_until(lambda: 'note="first"' in notes(), 90, "a running pod reads its annotation", pause=0.5)
        self.assert_fails(self.kubectl("annotate", "pod", "told", "note=second", check=False), "--overwrite")
        self.kubectl("annotate", "pod", "told", "note-")
        wait_until(lambda: "note=" not in notes(), 90, "and sees it go", pause=0.5)


class Kubectl120(Kubectl, SharedCluster):
    name = "kubectl"
    version = "1.20"
    suffix = "-120"


class Kubectl135(Kubectl, SharedCluster):
    name = "kubectl"
    version = "1.35"
    suffix = "-135"

    def test_words_that_only_newer_clients_have(self):
        self.apply(make_deployment("web", 1))
        self.kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=1", "--timeout=60s")
        self.assertEqual(self.text("get", "deployment", "web", "--subresource=scale", "-o", "jsonpath={.spec.replicas}"), "1")
        self.kubectl("scale", "deployment/web", "--replicas=2")
        self.kubectl("wait", "pods", "-l", "app=web", "--for=create", "--timeout=20s")
        self.wait_rollout("web")
        self.assertRegex(self.text("events", "--for", "deployment/web"), r"ScalingReplicaSet +Deployment/web +Scaled up")
        self.assertIn("system:masters", self.text("auth", "whoami"))
        self.kubectl("create", "serviceaccount", "robot")
        token = self.text("create", "token", "robot", "--duration=20m").strip()
        who = self.text("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", env={"KUBECONFIG": self.bare(token)})
        self.assertEqual(who, f"system:serviceaccount:{self.namespace}:robot", "the token opens the API")
        pod = self.pods("app=web")[0]["metadata"]["name"]
        condition = {"status": {"conditions": [{"type": "tests/seen", "status": "True"}]}}
        self.kubectl("patch", "pod", pod, "--subresource=status", "-p", json.dumps(condition))
        self.assertIn("tests/seen", [c["type"] for c in self.get("pod", pod)["status"]["conditions"]])

    def bare(self, token):
        """A kubeconfig of nothing but the place of the API and a token."""
        config = self.cluster.get_config()
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        path = os.path.join(self.cluster.directory, "bare.kubeconfig")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(config, file)
        return path


tearDownModule = harness.stop_shared_cluster
