# SPDX-License-Identifier: Apache-2.0
"""Audit log, and fairness: one user who floods leaves nodes and others served; flow schemas and priority levels say who
is served when, at once when they change."""
import concurrent.futures
import glob
import json
import os
import subprocess
import time

from api import MERGE, Api, config_map
from harness import Cluster, ClusterTest
from machine import wait_until

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
SCHEMAS, LEVELS = f"{FLOW}/flowschemas", f"{FLOW}/prioritylevelconfigurations"
SCHEMA_UID, LEVEL_UID = "X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID"

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
  resources:
  - group: images.tetrarch.dev
    resources: [images]
- level: Metadata
  nonResourceURLs: ["/version"]
"""


def jail(name, shares, response=None):
    """A level without seats that borrows none."""
    return {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration", "metadata": {"name": name},
            "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": shares, "borrowingLimitPercent": 0,
                                                    "limitResponse": response or {"type": "Reject"}}}}


def schema_of(name, namespace, account, level):
    """What an account of the namespace does with config maps there belongs to the level."""
    rule = {"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": namespace}}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": [""], "resources": ["configmaps"], "namespaces": [namespace]}]}
    return {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
            "spec": {"matchingPrecedence": 20, "priorityLevelConfiguration": {"name": level},
                     "distinguisherMethod": {"type": "ByUser"}, "rules": [rule]}}


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

    def test_the_image_registry_has_the_same_log_and_the_same_order(self):
        self.assertEqual(self.api.get("/v2/_catalog").status, 200)
        seen = self.wait_events(1, requestURI="/v2/_catalog")[0]
        self.assertEqual((seen["verb"], seen["user"]["username"]), ("list", "kubernetes-admin"))
        self.assertEqual(seen["objectRef"], {"resource": "images", "apiGroup": "images.tetrarch.dev", "apiVersion": "v1"})
        jailed = self.user("jailed-images")
        self.assertEqual(jailed.get("/v2/_catalog").status, 403, "it has its turn, and no role")
        level, schema = f"images-{self.namespace}", f"images-{self.namespace}"
        self.remove_after(f"{LEVELS}/{level}", f"{SCHEMAS}/{schema}")
        flow = schema_of(schema, self.namespace, "jailed-images", level)
        flow["spec"]["rules"][0]["resourceRules"] = [{"verbs": ["*"], "apiGroups": ["images.tetrarch.dev"],
                                                      "resources": ["images"], "clusterScope": True}]
        self.apply(jail(level, 0), flow)
        refused = wait_until(lambda: (answer := jailed.get("/v2/_catalog")).status == 429 and answer, 10, "429")
        self.assertEqual(refused.headers["Retry-After"], "1")
        self.assertEqual(refused.json["errors"][0]["code"], "TOOMANYREQUESTS")
        reasons = lambda: {event["responseStatus"].get("reason") for event in self.events(requestURI="/v2/_catalog")}
        wait_until(lambda: {"DENIED", "TOOMANYREQUESTS"} <= reasons(), 10, "the refusals are in the log")

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
                   if line.startswith("apiserver_flowcontrol_rejected_requests_total") and 'level="workload-low"' in line]
        self.assertGreater(sum(float(line.split()[-1]) for line in refused), 0)

    def uids(self, answer):
        return answer.headers[SCHEMA_UID], answer.headers[LEVEL_UID]

    def uid(self, path):
        return self.api.ok("GET", path)["metadata"]["uid"]

    def remove_after(self, *paths):
        for path in paths:
            self.addCleanup(self.api.delete, path)

    def test_a_jail_holds_its_own_and_nobody_else(self):
        jailed, free = self.user("jailed"), self.user("free")
        level, schema = f"jail-{self.namespace}", f"jailed-{self.namespace}"
        self.remove_after(f"{LEVELS}/{level}", f"{SCHEMAS}/{schema}")
        self.assertEqual(jailed.get(self.maps).status, 200)
        self.apply(jail(level, 0), schema_of(schema, self.namespace, "jailed", level))
        refused = wait_until(lambda: (answer := jailed.get(self.maps)).status == 429 and answer, 10, "429")
        self.assertEqual(refused.headers["Retry-After"], "1")
        self.assertEqual((refused.json["reason"], refused.json["code"]), ("TooManyRequests", 429))
        self.assertEqual(self.uids(refused), (self.uid(f"{SCHEMAS}/{schema}"), self.uid(f"{LEVELS}/{level}")))
        for _ in range(20):
            self.assertEqual(jailed.get(self.maps).status, 429)
            other = free.get(self.maps)
            self.assertEqual(other.status, 200, str(other))
            self.assertEqual(self.api.get(self.maps).status, 200)
        self.assertEqual(self.uids(other), (self.uid(f"{SCHEMAS}/service-accounts"), self.uid(f"{LEVELS}/workload-low")))
        elsewhere = jailed.get(f"/api/v1/namespaces/{self.namespace}/pods")
        self.assertEqual(elsewhere.status, 200, "only what the schema names")
        with self.api.watch(self.maps, timeoutSeconds="1") as watch:
            self.assertEqual(watch.response.headers[LEVEL_UID], self.uid(f"{LEVELS}/exempt"))
        self.kubectl("patch", "prioritylevelconfiguration", level, "--type=merge", "-p",
                     json.dumps({"spec": {"limited": {"nominalConcurrencyShares": 50}}}))
        wait_until(lambda: jailed.get(self.maps).status == 200, 10, "seats that are given are there at once")

    def test_a_queue_makes_wait_and_lets_go(self):
        waiting = self.user("waiting")
        level, schema = f"queue-{self.namespace}", f"queued-{self.namespace}"
        self.remove_after(f"{LEVELS}/{level}", f"{SCHEMAS}/{schema}")
        queuing = {"type": "Queue", "queuing": {"queues": 2, "handSize": 1, "queueLengthLimit": 3}}
        self.apply(jail(level, 0, queuing), schema_of(schema, self.namespace, "waiting", level))
        gauge = f'apiserver_flowcontrol_current_inqueue_requests{{priority_level="{level}"}}'
        self.wait_metric(gauge.replace("current_inqueue_requests", "nominal_limit_seats"), 0)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(waiting.get, self.maps) for _ in range(5)]
            self.wait_metric(gauge, 3)
            wait_until(lambda: sum(a.done() for a in asked) == 2, 10, "two found no room in the line")
            self.kubectl("patch", "prioritylevelconfiguration", level, "--type=merge", "-p",
                         json.dumps({"spec": {"limited": {"nominalConcurrencyShares": 50}}}))
            codes = sorted(a.result().status for a in asked)
        self.assertEqual(codes, [200, 200, 200, 429, 429])

    def wait_metric(self, series, value):
        def is_so():
            lines = dict(line.rsplit(" ", 1) for line in self.api.get("/metrics").text.splitlines() if line.startswith("apiserver_flow"))
            return series in lines and float(lines[series]) == value
        wait_until(is_so, 10, f"{series} is {value}")

    def test_a_schema_without_its_level_counts_for_nothing(self):
        lost = self.user("lost")
        level, schema = f"lost-{self.namespace}", f"lost-{self.namespace}"
        self.remove_after(f"{LEVELS}/{level}", f"{SCHEMAS}/{schema}")
        self.apply(jail(level, 0), schema_of(schema, self.namespace, "lost", level))
        wait_until(lambda: lost.get(self.maps).status == 429, 10, "429")
        self.kubectl("delete", "prioritylevelconfiguration", level)
        self.assertEqual(wait_until(lambda: (a := lost.get(self.maps)).status == 200 and a.headers[SCHEMA_UID], 10, "200"),
                         self.uid(f"{SCHEMAS}/service-accounts"))
        said = wait_until(lambda: (c := self.condition(schema))["status"] == "True" and c, 10, "it dangles")
        self.assertEqual((said["type"], said["reason"]), ("Dangling", "NotFound"))
        self.assertIn(f'named "{level}" but there is no such object', said["message"])
        rows = [line.split() for line in self.text("get", "flowschemas").splitlines()]
        self.assertEqual(rows[0], ["NAME", "PRIORITYLEVEL", "MATCHINGPRECEDENCE", "DISTINGUISHERMETHOD", "AGE", "MISSINGPL"])
        mine = next(row for row in rows if row[0] == schema)
        self.assertEqual((mine[1], mine[2], mine[3], mine[5]), (level, "20", "ByUser", "True"))

    def condition(self, schema):
        return self.get("flowschema", schema)["status"]["conditions"][0]

    def test_first_levels_are_printed_as_kubernetes_does(self):
        rows = [line.split() for line in self.text("get", "prioritylevelconfigurations").splitlines()]
        self.assertEqual(rows[0], ["NAME", "TYPE", "NOMINALCONCURRENCYSHARES", "QUEUES", "HANDSIZE", "QUEUELENGTHLIMIT", "AGE"])
        levels = {row[0]: row[1:-1] for row in rows[1:]}
        self.assertEqual(levels["exempt"], ["Exempt", "<none>", "<none>", "<none>", "<none>"])
        self.assertEqual(levels["catch-all"], ["Limited", "5", "<none>", "<none>", "<none>"])
        self.assertEqual(levels["leader-election"], ["Limited", "10", "16", "4", "50"])
        wait_until(lambda: all(self.condition(name)["status"] == "False" for name in ("exempt", "probes", "global-default")), 10,
                   "first schemas have their levels")

    def test_first_objects_are_kept(self):
        for kind, name in (("flowschema", "catch-all"), ("flowschema", "exempt"), ("prioritylevelconfiguration", "exempt"),
                           ("prioritylevelconfiguration", "system")):
            old = self.get(kind, name)["metadata"]["uid"]
            self.kubectl("delete", kind, name)
            again = wait_until(lambda k=kind, n=name: self.kubectl("get", k, n, "-o", "json", check=False).stdout, 10, f"{kind} {name}")
            self.assertNotEqual(json.loads(again)["metadata"]["uid"], old)
        fixed = self.api.patch(f"{SCHEMAS}/catch-all", {"spec": {"matchingPrecedence": 9000}})
        self.assertEqual(fixed.status, 422)
        self.assertIn("spec of 'catch-all' must equal the fixed value", fixed.json["message"])
        shares = lambda: self.api.ok("GET", f"{LEVELS}/workload-high")["spec"]["limited"]["nominalConcurrencyShares"]
        self.api.ok("PATCH", f"{LEVELS}/workload-high", {"spec": {"limited": {"nominalConcurrencyShares": 7}}}, content_type=MERGE)
        wait_until(lambda: shares() == 40, 10, "a suggested level is brought back")
        keeps = "apf.kubernetes.io/autoupdate-spec"
        self.kubectl("annotate", "--overwrite", "prioritylevelconfiguration", "workload-high", f"{keeps}=false")
        self.api.ok("PATCH", f"{LEVELS}/workload-high", {"spec": {"limited": {"nominalConcurrencyShares": 7}}}, content_type=MERGE)
        time.sleep(1)
        self.assertEqual(shares(), 7, "unless its operator says no")
        self.kubectl("annotate", "--overwrite", "prioritylevelconfiguration", "workload-high", f"{keeps}=true")
        wait_until(lambda: shares() == 40, 10, "and back")

    def lease(self):
        return self.cluster.get("-n", "kube-node-lease", "lease", self.cluster.node)["spec"]["renewTime"]
