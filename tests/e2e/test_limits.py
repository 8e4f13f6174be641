# SPDX-License-Identifier: Apache-2.0
"""Audit log, and fairness: one user who floods leaves nodes and others served."""
import glob
import json
import os
import subprocess
import time

from api import Api, config_map
from harness import Cluster, ClusterTest
from machine import wait_until

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  userGroups: ["system:nodes"]
- level: Metadata
  resources:
  - group: ""
    resources: [secrets]
- level: RequestResponse
  verbs: [create, update]
  resources:
  - group: ""
    resources: [configmaps]
- level: Metadata
  nonResourceURLs: ["/version"]
"""


class Limits(ClusterTest):
    name = "limits"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name)
        policy = os.path.join(cls.cluster.directory, "policy.yaml")
        cls.log = os.path.join(cls.cluster.directory, "audit.log")
        with open(policy, "w", encoding="ascii") as file:
            file.write(POLICY)
        cls.cluster.process.words += ["--audit-policy-file", policy, "--audit-log-path", cls.log,
                                      "--audit-log-maxsize", "1", "--max-requests-inflight", "10", "--watch-history", "400"]
        cls.cluster.start()

    def setUp(self):
        super().setUp()
        self.api = Api(self.cluster)
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"

    def events(self, **wanted):
        """Events of this test's namespace, or of no resource, that have these values."""
        out = []
        for path in sorted(glob.glob(self.log.replace(".log", "*.log"))):
            with open(path, encoding="utf-8") as file:
                out += [json.loads(line) for line in file]
        mine = [e for e in out if e.get("objectRef", {}).get("namespace", self.namespace) == self.namespace]
        return [e for e in mine if all(e.get(key) == value for key, value in wanted.items())]

    def wait_events(self, count=1, **wanted):
        def seen():
            found = self.events(**wanted)
            return found if len(found) >= count else None
        return wait_until(seen, 10, f"{count} events with {wanted}")

    def user(self, name):
        """A service account that may read config maps here, and its caller."""
        self.kubectl("create", "serviceaccount", name)
        self.kubectl("create", "rolebinding", name, "--clusterrole=view", f"--serviceaccount={self.namespace}:{name}")
        token = self.text("create", "token", name).strip()
        return Api(self.cluster, token=token)

    def test_audit(self):
        self.api.ok("POST", self.maps, config_map("a", {"k": "v"}), headers={"Audit-ID": "by-hand"})
        self.kubectl("create", "secret", "generic", "s", "--from-literal=password=very-secret")
        self.assertEqual(self.api.get(f"{self.maps}/a").status, 200)
        self.assertEqual(self.api.post(self.maps, config_map("a")).status, 409)
        done, refused = self.wait_events(2, verb="create", level="RequestResponse")
        self.assertEqual((done["auditID"], done["stage"], done["responseStatus"]["code"]), ("by-hand", "ResponseComplete", 201))
        self.assertEqual(done["user"]["username"], "kubernetes-admin")
        self.assertEqual(done["sourceIPs"], ["127.0.0.1"])
        self.assertEqual(done["objectRef"], {"resource": "configmaps", "namespace": self.namespace, "apiVersion": "v1"})
        self.assertEqual(done["requestObject"]["data"], {"k": "v"})
        self.assertEqual(done["responseObject"]["metadata"]["name"], "a")
        self.assertNotIn("managedFields", done["responseObject"]["metadata"])
        self.assertEqual(refused["responseStatus"]["reason"], "AlreadyExists")
        secret = self.wait_events(1, level="Metadata", verb="create")[0]
        self.assertEqual(secret["objectRef"]["resource"], "secrets")
        self.assertIn("kubectl", secret["userAgent"])
        self.assertNotIn("very-secret", json.dumps(self.events()))
        self.assertEqual(self.events(verb="get", level="RequestResponse"), [])

    def test_audit_files_are_rotated(self):
        for i in range(4):
            self.api.ok("POST", self.maps, config_map(f"m{i}", {"k": "x" * 400_000}))
        self.wait_events(4, verb="create", level="RequestResponse")
        aside = glob.glob(self.log.replace(".log", "-*.log"))
        self.assertGreaterEqual(len(aside), 1)
        for path in aside:
            with open(path, encoding="utf-8") as file:
                is_one_line = len(file.readlines()) == 1
            self.assertTrue(os.path.getsize(path) <= 1 << 20 or is_one_line, path)
        self.assertEqual(os.stat(self.log).st_mode & 0o777, 0o600)

    def test_a_watch_resumes_from_so_many_changes(self):
        made = self.api.ok("POST", self.maps, config_map("a"))["metadata"]["resourceVersion"]
        with self.api.watch(self.maps, resourceVersion=made, timeoutSeconds="1") as watch:
            self.assertEqual(watch.status, 200)
        for i in range(900):
            self.api.ok("PUT", f"{self.maps}/a", config_map("a", {"k": str(i)}))
        with self.api.watch(self.maps, resourceVersion=made) as watch:
            code = watch.status if watch.status != 200 else next(watch)["object"]["code"]
        self.assertEqual(code, 410)

    def test_a_flood_of_one_user(self):
        for i in range(3):
            self.api.ok("POST", self.maps, config_map(f"large-{i}", {"k": "x" * 900_000}))
        flood, calm = self.user("flood"), self.user("calm")
        ca = os.path.join(self.cluster.directory, "api-ca.pem")
        with open(ca, "w", encoding="ascii") as file:
            file.write(self.api.ca)
        url = f"https://127.0.0.1:{self.cluster.port}{self.maps}"
        words = ["curl", "-sS", "--noproxy", "*", "--cacert", ca, "--http2", "-Z", "--parallel-max", "300",
                 "-H", f"Authorization: Bearer {flood.token}", "-w", "%{http_code} %header{retry-after}\n"]
        words += [word for _ in range(1500) for word in (url, "-o", "/dev/null")]
        floods = [subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(3)]
        times, lease = [], self.lease()
        try:
            while any(f.poll() is None for f in floods) and len(times) < 200:
                begun = time.monotonic()
                answer = calm.get(f"{self.maps}/large-0")
                self.assertEqual(answer.status, 200, str(answer)[:300])
                times.append(time.monotonic() - begun)
                self.assertEqual(self.api.get("/version").status, 200)
        finally:
            answers = [line for f in floods for line in f.communicate(timeout=120)[0].splitlines()]
        codes = {line.split()[0] for line in answers}
        self.assertEqual(codes, {"200", "429"}, "the flood is served in part, and refused in part")
        self.assertEqual({line for line in answers if line.startswith("429")}, {"429 1"}, "refusals say when to come again")
        self.assertGreater(len(times), 5)
        self.assertLess(sorted(times)[len(times) // 2], 3, f"another user is served: {times}")
        node = self.cluster.get("node", self.cluster.node)
        self.assertTrue(any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"]))
        wait_until(lambda: self.lease() > lease, 30, "the node renews its lease")
        metrics = self.api.get("/metrics").text
        refused = [line for line in metrics.splitlines()
                   if line.startswith("apiserver_flowcontrol_rejected_requests_total") and 'level="workload"' in line]
        self.assertGreater(sum(float(line.split()[-1]) for line in refused), 0)

    def lease(self):
        return self.cluster.get("-n", "kube-node-lease", "lease", self.cluster.node)["spec"]["renewTime"]
