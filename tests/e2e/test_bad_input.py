# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind gets the error that a Kubernetes user knows, and changes nothing."""
import contextlib
import json
import os
import socket
import ssl

from api import JSON, JSON_PATCH, MERGE, STRATEGIC, Api, config_map, write_pair
from harness import ClusterTest, make_deployment, make_pod, make_service
from machine import run


class BadInput(ClusterTest):
    name = "badinput"

    def setUp(self):
        super().setUp()
        self.api = Api(self.cluster)
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"
        self.pods_path = f"/api/v1/namespaces/{self.namespace}/pods"

    def tearDown(self):
        self.assertTrue(self.cluster.process.is_running(), "the process lives")

    def assert_status(self, answer, code, reason, *words):
        """A Status object with a code, a reason and a message that says the words."""
        self.assertEqual(answer.status, code, str(answer))
        status = answer.json
        self.assertEqual((status["kind"], status["status"], status["code"]), ("Status", "Failure", code))
        self.assertEqual(status.get("reason"), reason, str(answer))
        for word in words:
            self.assertIn(word, status["message"])
        return status

    def test_broken_files_by_kubectl(self):
        self.assert_fails(self.apply("a: b: c: [", check=False), "error")
        for version in ("1.20", "1.35"):
            for verb in ("apply", "create", "delete", "diff"):
                for kind, group in (("Nonsense", "v1"), ("StatefulSet", "apps/v9"), ("Foo", "example.com/v1")):
                    body = f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: a}}\n"
                    done = self.kubectl(verb, "-f", "-", input=body, version=version, check=False)
                    self.assert_fails(done, f'no matches for kind "{kind}" in version "{group}"')
            self.assert_fails(self.kubectl("get", "nonsense", version=version, check=False), 'resource type "nonsense"')
        pod = json.dumps(make_pod("typed")).replace('"containers"', '"containrs"')
        self.assert_fails(self.apply(pod, check=False), "containrs")
        self.assert_fails(self.apply(pod, version="1.20", check=False), "containrs")
        done = self.apply(make_deployment("d", "three"), check=False)
        self.assert_fails(done, "replicas")
        self.assert_fails(self.apply({**make_deployment("d", 1), "metadata": {"name": "Not_A_Name"}}, check=False),
                          "Invalid value", "RFC 1123")
        self.assertEqual(self.get("deployments")["items"], [])
        self.assertEqual(self.pods(), [])

    def test_broken_json(self):
        for body in (b"{", b"", b"[]", b"null", b'{"kind":"ConfigMap"', b'{"kind":1}', b"\xff\xfe", b'"text"', b"{}"):
            with self.subTest(body=body):
                answer = self.api.post(self.maps, body)
                self.assertIn(answer.status, (400, 422), str(answer))
                self.assertEqual(answer.json["kind"], "Status")
        wrong = {**config_map("a"), "kind": "Secret"}
        self.assert_status(self.api.post(self.maps, wrong), 400, "BadRequest", "Secret")
        self.assert_status(self.api.post(self.maps, {**config_map("a"), "apiVersion": "v2"}), 400, "BadRequest", "v2")
        self.assert_status(self.api.post(self.maps, config_map("a", namespace="kube-system")), 400, "BadRequest", "namespace")
        self.assert_status(self.api.put(f"{self.maps}/b", config_map("a")), 400, "BadRequest", "name")
        self.assert_status(self.api.post(self.maps, {**config_map("a"), "data": {"k": 1}}), 400, "BadRequest", "data")
        self.assert_status(self.api.post(self.maps, {**config_map("a"), "data": []}), 400, "BadRequest", "data")

    def test_deep_and_large_bodies(self):
        deep = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"x":' + "[" * 100000 + "]" * 100000 + "}"
        self.assertIn(self.api.post(self.maps, deep).status, (400, 413, 422))
        large = json.dumps(config_map("large", {"k": "x" * (10 << 20)}))
        answer = self.api.post(self.maps, large)
        self.assert_status(answer, 413, "RequestEntityTooLarge")
        three = config_map("three", {"k": "x" * (3 << 20)})
        self.assertIn(self.api.post(self.maps, three).status, (413, 422))
        full = config_map("full", {"k": "x" * 1_000_000})
        self.assertEqual(self.api.post(self.maps, full).status, 201)
        many = self.api.post(self.maps, config_map("meta", annotations={"a": "x" * 300_000}))
        self.assert_status(many, 422, "Invalid", "annotations")

    def test_field_validation(self):
        body = {**config_map("odd"), "unknown": 1}
        body["metadata"]["lables"] = {}
        answer = self.api.post(self.maps, body, fieldValidation="Strict")
        self.assert_status(answer, 400, "BadRequest", 'unknown field "unknown"', 'unknown field "metadata.lables"')
        twice = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"data":{},"data":{"a":"1"}}'
        self.assert_status(self.api.post(self.maps, twice, fieldValidation="Strict"), 400, "BadRequest", 'duplicate field "data"')
        self.assertEqual(self.api.get(f"{self.maps}/odd").status, 404)
        answer = self.api.post(self.maps, body, fieldValidation="Warn")
        self.assertEqual(answer.status, 201, str(answer))
        self.assertIn('unknown field \\"unknown\\"', " ".join(answer.headers.get_all("Warning") or []))
        answer = self.api.post(self.maps, {**body, "metadata": {"name": "odd2", "lables": {}}}, fieldValidation="Ignore")
        self.assertEqual((answer.status, answer.headers.get("Warning")), (201, None))
        self.assertNotIn("unknown", answer.json)
        self.assert_status(self.api.post(self.maps, config_map("x"), fieldValidation="Nonsense"), 422, "Invalid")

    def test_invalid_objects_name_every_field_at_fault(self):
        pod = make_pod("bad", container={"name": "Upper_Case", "image": "", "ports": [{"containerPort": 99999}],
                                         "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})
        status = self.assert_status(self.api.post(self.pods_path, pod), 422, "Invalid", "bad")
        fields = {cause["field"] for cause in status["details"]["causes"]}
        for field in ("spec.containers[0].name", "spec.containers[0].image", "spec.containers[0].ports[0].containerPort",
                      "spec.containers[0].resources.requests"):
            self.assertIn(field, fields)
        self.assertEqual((status["details"]["kind"], status["details"]["name"]), ("Pod", "bad"))
        empty = make_pod("empty")
        empty["spec"]["containers"] = []
        self.assert_status(self.api.post(self.pods_path, empty), 422, "Invalid", "spec.containers", "Required value")
        broken = make_pod("mounts", container={"volumeMounts": [{"name": "none", "mountPath": "/x"}]})
        self.assert_status(self.api.post(self.pods_path, broken), 422, "Invalid", "volumeMounts[0].name")
        amount = make_pod("amount", container={"resources": {"limits": {"memory": "many"}}})
        self.assertIn(self.api.post(self.pods_path, amount).status, (400, 422))
        service = make_service("s", port=70000)
        self.assert_status(self.api.post(f"/api/v1/namespaces/{self.namespace}/services", service), 422, "Invalid", "ports[0].port")
        mismatch = make_deployment("d", 1)
        mismatch["spec"]["selector"]["matchLabels"] = {"other": "one"}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        self.assert_status(self.api.post(path, mismatch), 422, "Invalid", "selector")
        self.assert_status(self.api.post(path, make_deployment("d", -1)), 422, "Invalid", "spec.replicas")

    def test_immutable_fields(self):
        self.apply(make_deployment("web", 0), make_service("web"), make_pod("still", "sleep", "60"))
        change = {"spec": {"selector": {"matchLabels": {"app": "web", "more": "x"}},
                           "template": {"metadata": {"labels": {"more": "x"}}}}}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"
        self.assert_status(self.api.patch(path, change), 422, "Invalid", "spec.selector", "field is immutable")
        service = f"/api/v1/namespaces/{self.namespace}/services/web"
        self.assert_status(self.api.patch(service, {"spec": {"clusterIP": "10.1.2.3", "clusterIPs": ["10.1.2.3"]}}), 422, "Invalid")
        pod = self.api.patch(f"{self.pods_path}/still", {"spec": {"restartPolicy": "Never"}})
        self.assert_status(pod, 422, "Invalid", "pod updates may not change fields other than")
        self.assert_fails(self.kubectl("patch", "pod", "still", "-p", '{"spec":{"hostname":"x"}}', check=False), "Forbidden")
        self.api.ok("POST", self.maps, {**config_map("fixed", {"a": "1"}), "immutable": True})
        self.assert_status(self.api.patch(f"{self.maps}/fixed", {"data": {"a": "2"}}), 422, "Invalid", "immutable")
        uid = self.api.patch(f"{self.maps}/fixed", {"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}})
        self.assertIn(uid.status, (409, 422))

    def test_conflicts(self):
        old = self.api.ok("POST", self.maps, config_map("one", {"n": "1"}))
        self.api.ok("PUT", f"{self.maps}/one", {**old, "data": {"n": "2"}})
        answer = self.api.put(f"{self.maps}/one", {**old, "data": {"n": "3"}})
        self.assert_status(answer, 409, "Conflict", "the object has been modified; please apply your changes to the latest version")
        self.assertEqual(self.api.ok("GET", f"{self.maps}/one")["data"], {"n": "2"})
        self.assert_status(self.api.post(self.maps, config_map("one")), 409, "AlreadyExists", 'configmaps "one" already exists')
        stale = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"n": "4"}}
        self.assert_status(self.api.patch(f"{self.maps}/one", stale), 409, "Conflict")
        fresh = config_map("two", resourceVersion="5")
        self.assertEqual(self.api.post(self.maps, fresh).status, 400)
        self.assert_status(self.api.post("/api/v1/namespaces/nowhere/configmaps", config_map("a")), 404, "NotFound", "nowhere")

    def test_bad_patches(self):
        self.api.ok("POST", self.maps, config_map("one", {"n": "1"}))
        path = f"{self.maps}/one"
        for body, kind, codes in (("{", MERGE, (400,)), ("[1]", MERGE, (400,)), ('{"data":5}', MERGE, (400, 422)),
                                  ("[{}]", JSON_PATCH, (400, 422)), ("{}", JSON_PATCH, (400,)),
                                  ('[{"op":"remove","path":"/data/none"}]', JSON_PATCH, (422,)),
                                  ('[{"op":"test","path":"/data/n","value":"7"}]', JSON_PATCH, (422,)),
                                  ('{"data":["x"]}', STRATEGIC, (400, 422)), ('{"metadata":{"$patch":"bad"}}', STRATEGIC, (400, 422)),
                                  ('{"metadata":{"name":"other"}}', MERGE, (400, 422))):
            with self.subTest(body=body, kind=kind):
                answer = self.api.patch(path, body, content_type=kind)
                self.assertIn(answer.status, codes, str(answer))
                self.assertEqual(answer.json["kind"], "Status")
        self.assert_status(self.api.patch(path, "{}", content_type=JSON), 415, "UnsupportedMediaType")
        self.assert_status(self.api.patch(f"{self.maps}/none", "{}"), 404, "NotFound", 'configmaps "none" not found')
        self.assertEqual(self.api.ok("GET", path)["data"], {"n": "1"})

    def test_wrong_types_and_paths(self):
        self.assert_status(self.api.post(self.maps, "a=b", content_type="application/x-www-form-urlencoded"), 415, "UnsupportedMediaType")
        self.assert_status(self.api.get(self.maps, headers={"Accept": "image/png"}), 406, "NotAcceptable")
        self.assertEqual(self.api.get("/api/v1/nonsense").status, 404)
        self.assertEqual(self.api.get("/apis/none.example.com/v1/things").status, 404)
        self.assertEqual(self.api.call("PUT", self.maps, config_map("a")).status, 405)
        self.assertEqual(self.api.get("/../../etc/passwd").status, 404)
        self.assertLess(self.api.get("/api/v1/namespaces/%00/pods").status, 500)
        for query in ({"limit": "many"}, {"labelSelector": "a in ("}, {"fieldSelector": "a"}, {"resourceVersion": "abc"},
                      {"continue": "nonsense"}, {"watch": "true", "timeoutSeconds": "x"}):
            with self.subTest(query=query):
                self.assertIn(self.api.get(self.maps, **query).status, (400, 422))

    def raw(self, data, is_tls=True):
        """What the server sends for these bytes."""
        with socket.create_connection(("127.0.0.1", self.cluster.port), timeout=10) as plain:
            with (self.api.context.wrap_socket(plain, server_hostname="127.0.0.1") if is_tls
                  else contextlib.nullcontext(plain)) as stream:
                stream.sendall(data)
                got = b""
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    while b"\r\n\r\n" not in got and (more := stream.recv(65536)):
                        got += more
                return got

    def test_malformed_http(self):
        head = b"GET /version HTTP/1.1\r\nHost: x\r\n"
        for text in (b"NONSENSE\r\n\r\n", b"GET /version\r\n\r\n", b"GET /version HTTP/9.9\r\nHost: x\r\n\r\n",
                     b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"GET /a b c HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                     b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                     b"POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with self.subTest(text=text):
                self.assertRegex(self.raw(text), rb"^HTTP/1\.1 (400|404|505) ")
        self.assertRegex(self.raw(head + b"X-Long: " + b"x" * 2_000_000 + b"\r\n\r\n"), rb"^HTTP/1\.1 (400|431) |^$")
        self.assertRegex(self.raw(head + b"\r\n"), rb"^HTTP/1\.1 200 ")
        self.assertNotRegex(self.raw(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", is_tls=False), rb" 200 ")
        self.assertNotIn(b" 200 ", self.raw(os.urandom(4096)))

    def test_who_may_not(self):
        anonymous = Api.anonymous(self.cluster)
        for path in ("/version", "/healthz", "/livez", "/readyz"):
            self.assertEqual(anonymous.get(path).status, 200, path)
        for path in (self.maps, "/api/v1/nodes", "/metrics", "/api", "/apis", "/openapi/v2"):
            with self.subTest(path=path):
                self.assert_status(anonymous.get(path), 403, "Forbidden", "system:anonymous")
        self.assertEqual(anonymous.post(self.maps, config_map("a")).status, 403)
        good = self.cluster.kubectl("-n", self.namespace, "get", "--raw", "/version").stdout
        self.assertIn("gitVersion", good)
        for token in ("lie", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ.", "x" * 5000):
            with self.subTest(token=token[:30]):
                self.assert_status(Api(self.cluster, token=token).get(self.maps), 401, "Unauthorized", "Unauthorized")

    def make_token(self, account):
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        return self.api.ok("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                          "spec": {"expirationSeconds": 600}})["status"]["token"]

    def test_tokens_that_lie(self):
        self.make("serviceaccount", "robot")
        token = self.make_token("robot")
        self.assertEqual(Api(self.cluster, token=token).get(self.maps).status, 403)
        head, claims, signature = token.split(".")
        swapped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
        for lie in (f"{head}.{claims}.{swapped}", f"{head}.{claims}.", f"{head}.{claims[:-4]}AAAA.{signature}"):
            self.assertEqual(Api(self.cluster, token=lie).get(self.maps).status, 401)
        self.kubectl("delete", "serviceaccount", "robot")
        self.assertEqual(Api(self.cluster, token=token).get(self.maps).status, 401, "the account is gone")
        self.make("serviceaccount", "robot")
        self.assertEqual(Api(self.cluster, token=token).get(self.maps).status, 401, "another account of that name")

    def test_a_role_allows_what_it_says_and_no_more(self):
        self.make("serviceaccount", "robot")
        self.make("role", "r", "--verb=get,list,create", "--resource=configmaps")
        self.make("rolebinding", "r", "--role=r", f"--serviceaccount={self.namespace}:robot")
        self.api.ok("POST", self.maps, config_map("one"))
        robot = Api(self.cluster, token=self.make_token("robot"))

        self.assertEqual(robot.get(self.maps).status, 200)
        self.assertEqual(robot.post(self.maps, config_map("mine")).status, 201)
        status = self.assert_status(robot.delete(f"{self.maps}/one"), 403, "Forbidden", f"system:serviceaccount:{self.namespace}:robot",
                                    'cannot delete resource "configmaps"')
        self.assertEqual(status["details"]["kind"], "configmaps")
        for method, path, body in (("PATCH", f"{self.maps}/one", "{}"), ("GET", "/api/v1/configmaps", None),
                                   ("GET", "/api/v1/namespaces/default/configmaps", None), ("DELETE", self.maps, None),
                                   ("GET", self.pods_path, None), ("GET", f"{self.maps}?watch=true", None)):
            with self.subTest(method=method, path=path):
                kind = MERGE if method == "PATCH" else JSON
                self.assertEqual(robot.call(method, path, body, content_type=kind).status, 403)
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        self.make("role", "granter", "--verb=create,update,get", "--resource=roles,rolebindings")
        self.make("rolebinding", "granter", "--role=granter", f"--serviceaccount={self.namespace}:robot")
        more = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "more"},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
        self.assert_status(robot.post(f"{roles}/roles", more), 403, "Forbidden", "attempting to grant RBAC permissions not currently held")
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "up"},
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                   "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": self.namespace}]}
        self.assertEqual(robot.post(f"{roles}/rolebindings", binding).status, 403)
        self.assertEqual(robot.get(self.maps, headers={"Impersonate-User": "system:admin"}).status, 403)
        self.kubectl("delete", "rolebinding", "r")
        self.assertEqual(robot.get(self.maps).status, 403, "a deleted binding ends at once")

    def test_a_node_sees_its_own_and_no_more(self):
        node = self.node_api("impostor")
        self.make("secret", "generic", "s", "--from-literal=a=b")
        secrets = f"/api/v1/namespaces/{self.namespace}/secrets"
        for method, path, body in (("GET", secrets, None), ("GET", f"{secrets}/s", None), ("GET", "/api/v1/secrets", None),
                                   ("POST", self.maps, config_map("a")), ("DELETE", f"/api/v1/nodes/{self.cluster.node}", None),
                                   ("GET", f"/tetrarch/v1/nodes/{self.cluster.node}/feed", None),
                                   ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {})):
            with self.subTest(method=method, path=path):
                self.assertEqual(node.call(method, path, body).status, 403)
        change = {"status": {"capacity": {"cpu": "1000"}}}
        self.assertEqual(node.patch(f"/api/v1/nodes/{self.cluster.node}/status", change).status, 403)

    def node_api(self, name):
        """A node of that name, joined with the real token but running nothing."""
        with open(f"{self.cluster.data}/join-token", encoding="ascii") as file:
            token = file.read().strip()
        place = self.cluster.directory
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{place}/node.key", "-out", f"{place}/node.csr", "-subj", f"/O=system:nodes/CN=system:node:{name}")
        with open(f"{place}/node.csr", encoding="ascii") as csr, open(f"{place}/node.key", encoding="ascii") as key:
            request, key_text = csr.read(), key.read()
        anonymous = Api.anonymous(self.cluster)
        refused = anonymous.post("/tetrarch/v1/join", {"node": name, "csr": request, "token": token[:-1] + ("a" if token[-1] != "a" else "b")})
        self.assertIn(refused.status, (401, 403), str(refused))
        joined = anonymous.ok("POST", "/tetrarch/v1/join", {"node": name, "csr": request, "token": token})
        write_pair(place, (joined["certificate"], key_text))
        return Api(self.cluster, certificate=(joined["certificate"], key_text))
