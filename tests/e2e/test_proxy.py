# SPDX-License-Identifier: Apache-2.0
"""The proxy subresources of pods, services and nodes, through the API and through kubectl, to servers in real pods."""
import contextlib
import hashlib
import json
import os
import re
import threading
import time
import urllib.request

import harness
from api import Api
from backends import LARGE, Backend
from conform import ConformTest
from harness import DEMO, container_of, make_pod, make_service
from machine import container_pids, free_port, read_proc, run, wait_until
from programs import Program

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", read_proc(pid, "status"))[1])


class Proxy(ConformTest):
    name = "proxy"

    def start_pod(self, name="box", **more):
        self.create(self.at("pods"), make_pod(name, "sleep", "3600", **more))
        pod = self.wait_ready(name)
        return min(container_pids(container_of(pod)["containerID"]))[0], pod

    def backend(self, pid, port, **more):
        backend = Backend(pid, port, **more)
        self.addCleanup(backend.close)
        return backend

    def start_service(self, *ports, name="web", app="box"):
        service = make_service(name, app=app)
        service["spec"]["ports"] = [{"name": n, "port": p, "targetPort": t} for n, p, t in ports]
        self.create(self.at("services"), service)
        wait_until(lambda: "addresses" in str(self.read(self.at("endpoints", name)).get("subsets")), 20, "an endpoint")

    def certificate(self):
        key, certificate = (os.path.join(self.cluster.directory, f"backend.{end}") for end in ("key", "crt"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
            "-subj", "/CN=nobody", "-keyout", key, "-out", certificate)
        return certificate, key

    def proxied(self, resource, name, path="", method="GET", body=None, **more):
        return self.api.call(method, self.at(resource, name, part="proxy" + path), body, **more)

    def at_root(self, resource, name):
        return self.at(resource, name, part="proxy")

    def assert_unavailable(self, answer, *words):
        self.assertEqual((answer.status, answer.json["reason"], answer.json["kind"]), (503, "ServiceUnavailable", "Status"))
        for word in words:
            self.assertIn(word, answer.json["message"])

    # ---- conformance ------------------------------------------------------------------------------------------

    def test_every_method_reaches_pods_and_services(self):
        pid, _ = self.start_pod(container={"ports": [{"containerPort": 8080}]})
        self.backend(pid, 8080)
        self.start_service(("", 80, 8080))
        for resource, name in (("pods", "box"), ("services", "web:80")):
            for method in METHODS:
                answer = self.proxied(resource, name, method=method)
                if method in ("GET", "HEAD"):
                    self.assertEqual((answer.status, answer.headers["Location"]), (301, self.at_root(resource, name) + "/"))
                    continue
                self.assertEqual((answer.status, answer.json["method"], answer.json["path"]), (200, method, "/"))

    def test_every_method_with_a_path(self):
        pid, _ = self.start_pod(container={"ports": [{"containerPort": 8080}]})
        self.backend(pid, 8080)
        self.start_service(("", 80, 8080))
        for resource, name in (("pods", "box"), ("services", "web:80")):
            for method in METHODS:
                answer = self.proxied(resource, name, f"/some/path%2Fwith?method={method}", method=method)
                self.assertEqual(answer.status, 200, f"{resource} {method}: {answer}")
                if method == "HEAD":
                    self.assertEqual(answer.text, "")
                    self.assertGreater(int(answer.headers["Content-Length"]), 100)
                    continue
                self.assertEqual((answer.json["method"], answer.json["path"]), (method, f"/some/path%2Fwith?method={method}"))

    def test_through_a_service_and_a_pod_by_every_name(self):
        pid, _ = self.start_pod()
        plain, tls = self.backend(pid, 1160), self.backend(pid, 1162, certificate=self.certificate())
        self.start_service(("portname1", 80, 1160), ("tlsportname1", 443, 1162))
        names = {"services": {"web:portname1": plain, "http:web:portname1": plain, "web:80": plain, "http:web:80": plain,
                              "https:web:tlsportname1": tls, "https:web:443": tls},
                 "pods": {"box:1160": plain, "http:box:1160": plain, "https:box:1162": tls}}
        for resource, wanted in names.items():
            for name, backend in wanted.items():
                answer = self.proxied(resource, name, "/")
                self.assertEqual((answer.status, answer.json["port"]), (200, backend.port), name)

    # ---- what comes through -----------------------------------------------------------------------------------

    def test_headers_and_redirects(self):
        pid, _ = self.start_pod()
        self.backend(pid, 8080)
        heard = self.proxied("pods", "box:8080", "/x", headers={
            "Connection": "X-Hop", "X-Hop": "1", "X-Own": "kept", "Cookie": "a=b", "X-Forwarded-For": "10.9.9.9"}).json["headers"]
        self.assertEqual((heard["x-own"], heard["cookie"], heard["x-forwarded-for"]), ("kept", "a=b", "10.9.9.9, 127.0.0.1"))
        self.assertEqual(heard["x-forwarded-uri"], self.at("pods", "box:8080", part="proxy/x"))
        self.assertNotIn("x-hop", heard)
        self.assertEqual(self.proxied("pods", "box:8080", "/redirect").headers["Location"],
                         self.at("pods", "box:8080", part="proxy/landed?a=b"))

    def test_bodies_both_ways(self):
        pid, _ = self.start_pod()
        backend = self.backend(pid, 8080)
        answer = self.proxied("pods", "box:8080", "/large")
        self.assertEqual(int(answer.headers["Content-Length"]), len(LARGE))
        self.assertEqual(answer.raw, LARGE)
        sent = self.proxied("pods", "box:8080", "/x", "PUT", LARGE[:2_500_000]).json
        self.assertEqual(sent["bytes"], 2_500_000)

        with contextlib.closing(self.api.connect()) as connection:
            connection.request("GET", self.at("pods", "box:8080", part="proxy/slow"))
            response = connection.getresponse()
            self.assertEqual(response.readline(), b"first\n")  # before the second is written
            backend.go.set()
            self.assertEqual(response.read(), b"second\n")
        with self.assertRaisesRegex(Exception, "IncompleteRead"):
            self.proxied("pods", "box:8080", "/cut")

    def test_answers_without_end_come_as_they_are_made(self):
        pid, _ = self.start_pod()
        backend = self.backend(pid, 8080)
        path = self.at("pods", "box:8080", part="proxy/lines")
        with contextlib.closing(self.api.connect()) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            at = [time.monotonic() for i in range(3) if self.assertEqual(response.readline(), b"line %d\n" % i) is None]
            self.assertGreater(at[2] - at[1], 0.2)  # not two at once
            self.assertFalse(backend.gone.is_set())
        self.assertTrue(backend.gone.wait(10), "the pod is told that nobody reads any more")

        backend.gone.clear()
        program = Program(self.words("get", "--raw", path), self.cluster.environment())
        self.addCleanup(program.close)
        self.assertEqual([program.child.stdout.readline() for _ in range(3)], ["line 0\n", "line 1\n", "line 2\n"])
        program.close()
        self.assertTrue(backend.gone.wait(10))

    def test_a_client_that_leaves_before_the_answer(self):
        pid, _ = self.start_pod()
        backend = self.backend(pid, 8080)
        with contextlib.closing(self.api.connect()) as connection:
            connection.request("GET", self.at("pods", "box:8080", part="proxy/late"))
            self.assertFalse(backend.gone.wait(1))
        self.assertTrue(backend.gone.wait(10))

    def test_a_slow_reader_slows_the_pod(self):
        pid, _ = self.start_pod()
        backend = self.backend(pid, 8080)
        with contextlib.closing(self.api.connect()) as connection:
            connection.request("GET", self.at("pods", "box:8080", part="proxy/flood"))
            response = connection.getresponse()
            response.read(1)

            def has_stopped():
                before = backend.sent
                time.sleep(0.5)
                return backend.sent == before
            wait_until(has_stopped, 20, "the pod has to wait")
            self.assertLess(backend.sent, 32 << 20)  # the sockets' buffers on the way
            held = backend.sent
            response.read(64 << 20)
            self.assertGreater(backend.sent, held)
        self.assertTrue(backend.gone.wait(10))

    def test_fifty_megabytes_both_ways(self):
        pid, _ = self.start_pod()
        self.backend(pid, 8080)
        large = b"0123456789abcdef" * (50 << 16)
        server = self.cluster.process.pid
        before = resident_kb(server)
        for headers, body in (({}, large), ({"Transfer-Encoding": "chunked"}, iter([large[:7 << 20], large[7 << 20:]]))):
            with contextlib.closing(self.api.connect()) as connection:
                path = self.at("pods", "box:8080", part="proxy/x")
                connection.request("PUT", path, body=body, headers=headers, encode_chunked=bool(headers))
                said = json.loads(connection.getresponse().read())
            self.assertEqual((said["bytes"], said["sum"]), (len(large), hashlib.sha256(large).hexdigest()))
            self.assertEqual("content-length" in said["headers"], not headers)
        self.assertEqual(b"".join(self.pieces_back(large)), large)
        self.assertLess(resident_kb(server) - before, 16 << 10)  # nothing of it is kept

        place = os.path.join(self.cluster.directory, "large")
        with open(place, "wb") as file:
            file.write(large)
        said = json.loads(self.text("create", "--raw", self.at("pods", "box:8080", part="proxy/x"), "-f", place))
        self.assertEqual((said["bytes"], said["sum"]), (len(large), hashlib.sha256(large).hexdigest()))  # over HTTP/2

    def pieces_back(self, large):
        """Sends it to /back and reads what comes of it meanwhile, so that neither side can hold it all."""
        with contextlib.closing(self.api.connect()) as connection:
            connection.putrequest("PUT", self.at("pods", "box:8080", part="proxy/back"))
            connection.putheader("Content-Length", str(len(large)))
            connection.endheaders()
            sender = threading.Thread(target=connection.send, args=(large,))
            sender.start()
            response = connection.getresponse()
            while piece := response.read(1 << 20):
                yield piece
            sender.join(30)

    def test_a_pod_that_does_not_read_stops_the_client(self):
        pid, _ = self.start_pod()
        backend = self.backend(pid, 8080)
        sent = 0
        with contextlib.closing(self.api.connect(timeout=2)) as connection:
            connection.putrequest("PUT", self.at("pods", "box:8080", part="proxy/wait"))
            connection.putheader("Content-Length", str(64 << 20))
            connection.endheaders()
            with self.assertRaises(TimeoutError):
                while sent < 64 << 20:
                    connection.send(LARGE[:1 << 18])
                    sent += 1 << 18
        self.assertLess(sent, 32 << 20)
        backend.go.set()

    def test_an_upgrade_goes_through(self):
        pid, _ = self.start_pod()
        self.backend(pid, 8080)
        self.start_service(("", 80, 8080))
        for resource, name in (("pods", "box:8080"), ("services", "web:80")):
            with self.api.upgraded(self.at(resource, name, part="proxy/echo"), "echo") as to:
                for word in (b"one", b"two" * 100_000):
                    to.sendall(word)
                    heard = b""
                    while len(heard) < len(word):
                        heard += to.recv(1 << 16)
                    self.assertEqual(heard, word)

    def test_a_node_by_a_port(self):
        port, node = free_port(), self.get("nodes")["items"][0]
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        self.backend(os.getpid(), port, address=address)
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        self.assertEqual(self.api.ok("GET", f"{path}:{port}/proxy/metrics")["path"], "/metrics")
        answer = self.api.get(f"{path}/proxy/stats/summary")
        self.assertEqual((answer.status, answer.json["reason"]), (501, "NotImplemented"))

    # ---- what does not ----------------------------------------------------------------------------------------

    def test_what_is_not_there(self):
        pid, _ = self.start_pod()
        self.backend(pid, 9999, address="127.0.0.1")
        self.start_service(("", 80, 8080))
        refused = ("error trying to reach service: dial tcp ", "onnection refused")
        self.assert_unavailable(self.proxied("pods", "box:8080", "/"), *refused)
        self.assert_unavailable(self.proxied("services", "web:80", "/"), *refused)
        self.assert_unavailable(self.proxied("pods", "box:9999", "/"), *refused)  # what only the pod itself may hear
        self.assert_unavailable(self.proxied("services", "web:81", "/"), 'no service port 81 found for service "web"')
        self.assertEqual(self.proxied("services", "none", "/").status, 404)
        self.assertEqual(self.proxied("pods", "none", "/").status, 404)
        self.create(self.at("services"), make_service("empty"))
        self.assert_unavailable(self.proxied("services", "empty:80", "/"), 'no endpoints available for service "empty:80"')

    def test_who_may(self):
        pid, _ = self.start_pod()
        self.backend(pid, 8080)
        self.make("serviceaccount", "reader")
        self.make("role", "reader", "--verb=get", "--resource=pods/proxy")
        self.make("rolebinding", "reader", "--role=reader", f"--serviceaccount={self.namespace}:reader")
        token = self.api.ok("POST", self.at("serviceaccounts", "reader", part="token"), {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})["status"]["token"]
        reader = Api(self.cluster, token=token)
        path = self.at("pods", "box:8080", part="proxy/x")
        answer = reader.get(path)
        self.assertEqual(answer.status, 200, str(answer))
        self.assertNotIn("authorization", answer.json["headers"])
        self.assertEqual(reader.call("HEAD", path).status, 200)
        answer = reader.post(path, "x")
        self.assertEqual((answer.status, answer.json["reason"]), (403, "Forbidden"))
        self.assertIn('cannot create resource "pods/proxy"', answer.json["message"])
        self.assertEqual(reader.get(self.at("services", "web", part="proxy/")).status, 403)

    # ---- kubectl ----------------------------------------------------------------------------------------------

    def test_kubectl_gets_and_proxies(self):
        self.create(self.at("pods"), make_pod("demo", image=DEMO, labels={"app": "demo"}))
        self.wait_ready("demo")
        self.start_service(("http", 80, 8080), name="demo", app="demo")
        for name in ("services/demo:80", "services/demo:http", "pods/demo:8080"):
            path = f"/api/v1/namespaces/{self.namespace}/{name}/proxy/"
            self.assertEqual(self.text("get", "--raw", path).strip(), "Hello from demo")
            self.assertEqual(self.text("get", "--raw", path + "healthz").strip(), "ok")
        failed = self.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/services/demo:81/proxy/", check=False)
        self.assert_fails(failed, "ServiceUnavailable", 'no service port 81 found for service "demo"')

        program = Program(self.words("proxy", "--port=0"), self.cluster.environment())
        self.addCleanup(program.close)
        port = re.search(r"127\.0\.0\.1:(\d+)", program.child.stdout.readline())[1]
        url = f"http://127.0.0.1:{port}/api/v1/namespaces/{self.namespace}/services/demo:80/proxy"  # redirected to its slash
        with urllib.request.urlopen(url, timeout=20) as answer:
            self.assertEqual(answer.read(), b"Hello from demo\n")
            self.assertTrue(answer.url.endswith("/proxy/"))


tearDownModule = harness.stop_shared_cluster
