# SPDX-License-Identifier: Apache-2.0
"""Every verb of kubectl, by the oldest and the newest client that we promise to serve."""
import json
import os
import re
import signal
import subprocess
import threading

import harness
from harness import KUBECTLS, ClusterTest, make_deployment, make_pod, make_service
from machine import wait_until

SERVED = ("namespaces", "nodes", "pods", "services", "endpoints", "configmaps", "secrets", "serviceaccounts", "events",
          "deployments", "replicasets", "controllerrevisions", "endpointslices", "leases", "roles", "rolebindings",
          "clusterroles", "clusterrolebindings", "runtimeclasses", "priorityclasses")


class Kubectl:
    """The tests of one version; not a TestCase itself, so that it runs only in its two forms below."""

    version = ""

    def kubectl(self, *words, **options):
        return super().kubectl(*words, version=self.version, **options)

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
        editor = os.path.join(self.cluster.directory, "editor")
        with open(editor, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec sed -i 's/replicas: 1$/replicas: 2/' \"$1\"\n")
        os.chmod(editor, 0o755)
        done = self.kubectl("edit", "deployment", "web", env={"EDITOR": editor, "KUBE_EDITOR": editor})
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
        watcher = subprocess.Popen([KUBECTLS[self.version], "-n", self.namespace, "get", "pods", "--watch"],
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
        follower = subprocess.Popen([KUBECTLS[self.version], "-n", self.namespace, "logs", "-f", "talk"],
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


class SharedCluster(ClusterTest):
    """Both versions speak to one cluster: the first class makes it, the module's end takes it down."""

    shared = None

    @classmethod
    def setUpClass(cls):
        if SharedCluster.shared is None:
            ClusterTest.setUpClass.__func__(cls)
            SharedCluster.shared = cls.cluster
        cls.cluster = SharedCluster.shared

    @classmethod
    def tearDownClass(cls):
        pass


class Kubectl120(Kubectl, SharedCluster):
    name = "kubectl"
    version = "1.20"
    suffix = "-120"


class Kubectl135(Kubectl, SharedCluster):
    name = "kubectl"
    version = "1.35"
    suffix = "-135"


def tearDownModule():
    if SharedCluster.shared is not None:
        remains = SharedCluster.shared.stop()
        if remains:
            raise AssertionError("down --purge left:\n  " + "\n  ".join(remains))
