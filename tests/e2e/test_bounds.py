# SPDX-License-Identifier: Apache-2.0
"""Bounds of docs/limits.md on the real server: bombs, floods and readers that do not read; others are served meanwhile."""
import contextlib
import resource
import socket
import ssl
import time

import machine
from api import Api, config_map
from harness import ClusterTest, make_pod
from machine import wait_until

KIB, MIB = 1 << 10, 1 << 20


class Bounds(ClusterTest):
    name = "bounds"

    def setUp(self):
        super().setUp()
        self.api = Api(self.cluster)
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"

    def tearDown(self):
        self.assertTrue(self.cluster.process.is_running(), "the process lives")
        self.assertEqual(self.api.get("/version").status, 200)

    def assert_refused(self, answer, code, reason, *words):
        self.assertEqual(answer.status, code, str(answer))
        self.assertEqual(answer.json["reason"], reason)
        for word in words:
            self.assertIn(word, answer.json["message"])

    @contextlib.contextmanager
    def open_tls(self, source="127.0.0.1"):
        with socket.create_connection(("127.0.0.1", self.cluster.port), 20, (source, 0)) as plain:
            with self.api.context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
                yield stream

    def answer_to(self, request, source="127.0.0.1"):
        """The head of what the server sends for these bytes, though it may answer before it has them all."""
        with self.open_tls(source) as stream:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                stream.sendall(request)
            got = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while b"\r\n\r\n" not in got and (more := stream.recv(65536)):
                    got += more
            return got.split(b"\r\n")[0].decode()

    def resident(self):
        status = machine.read_proc(self.cluster.process.pid, "status")
        return int(status.split("VmRSS:")[1].split()[0]) * KIB

    def test_header_bombs(self):
        head = b"GET /version HTTP/1.1\r\nHost: x\r\n"
        for what, bomb in (("one long", b"X: " + b"x" * 70_000), ("many", b"\r\n".join(b"X-%d: y" % i for i in range(300))),
                           ("endless", b"\r\n".join(b"X-%d: y" % i for i in range(200_000))),
                           ("cookies", b"\r\n".join(b"Cookie: " + b"c" * 4_000 for _ in range(100)))):
            with self.subTest(what):
                self.assertRegex(self.answer_to(head + bomb + b"\r\n\r\n"), r"^HTTP/1.1 431 ")
        selector = ",".join(f"key-{i}=value" for i in range(10_000))
        self.assertRegex(self.answer_to(f"GET {self.maps}?labelSelector={selector} HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
                         r"^HTTP/1.1 431 ")

    def test_deep_bodies(self):
        for what, content_type, body in (
                ("arrays", "application/json", '{"apiVersion":"v1","kind":"ConfigMap","x":' + "[" * 100_000 + "]" * 100_000 + "}"),
                ("objects", "application/json", '{"a":' * 200_000 + "1" + "}" * 200_000),
                ("yaml", "application/yaml", "[" * 100_000 + "]" * 100_000),
                ("aliases", "application/yaml", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
                    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)))):
            with self.subTest(what):
                begun = time.monotonic()
                self.assert_refused(self.api.post(self.maps, body, content_type=content_type), 400, "BadRequest")
                self.assertLess(time.monotonic() - begun, 5)

    def test_label_explosions(self):
        labels = {f"example.test/label-{i}": f"v{i}" for i in range(10_000)}
        self.api.ok("POST", self.maps, config_map("many", labels=labels))
        found = self.api.ok("GET", self.maps, labelSelector="example.test/label-9999=v9999,example.test/label-0")
        self.assertEqual([item["metadata"]["name"] for item in found["items"]], ["many"])
        pod = make_pod("many", "sleep", "3600", labels={f"l{i}": "v" for i in range(2_000)})
        self.run_pod(pod)
        node = f"/api/v1/nodes/{self.cluster.node}"
        self.api.patch(node, {"metadata": {"labels": {f"n{i}": "v" for i in range(5_000)}}})
        self.addCleanup(self.api.patch, node, {"metadata": {"labels": {f"n{i}": None for i in range(5_000)}}})
        self.run_pod(make_pod("picky", "sleep", "3600", nodeSelector={"n4999": "v"}))
        for name, label in (("long-key", {"k" * 64: "v"}), ("long-prefix", {"p" * 254 + "/k": "v"}), ("long-value", {"k": "v" * 64})):
            with self.subTest(name):
                self.assert_refused(self.api.post(self.maps, config_map(name, labels=label)), 422, "Invalid", "metadata.labels")
        for i in range(200):
            self.api.get(f"/api/v1/namespaces/{self.namespace}/made-up-{i}")
        metrics = self.api.get("/metrics").text
        self.assertNotIn("made-up", metrics, "what clients make up is no label of a metric")

    def test_many_faults_are_told_in_short(self):
        strange = {**config_map("strange"), **{f"unknown-field-number-{i}": 1 for i in range(1_000)}}
        answer = self.api.post(self.maps, strange, fieldValidation="Warn")
        self.assertEqual(answer.status, 201)
        warnings = answer.headers.get_all("Warning")
        self.assertGreater(len(warnings), 10)
        self.assertLessEqual(sum(len(w) for w in warnings), 4 * KIB)
        self.assertLess(len(self.api.post(self.maps, strange, fieldValidation="Strict").raw), 32 * KIB)

    def test_too_many_endpoints(self):
        endpoints = [{"addresses": [f"10.9.{i // 250}.{i % 250 + 1}"]} for i in range(1_001)]
        slice_of = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "many"},
                    "addressType": "IPv4", "ports": [], "endpoints": endpoints}
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        self.assert_refused(self.api.post(path, slice_of), 422, "Invalid", "endpoints", "1000")

    def test_a_long_list_is_not_copied_for_each_reader(self):
        for i in range(40):
            self.api.ok("POST", self.maps, config_map(f"large-{i}", {"k": "x" * 900 * KIB}))
        before = self.resident()
        with contextlib.ExitStack() as open_ones:
            for _ in range(30):  # 36 MB each, and nobody reads
                stream = open_ones.enter_context(self.open_tls())
                stream.sendall(f"GET {self.maps} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(2)
            self.assertLess(self.resident() - before, 100 * MIB)
            self.assertEqual(len(self.api.ok("GET", self.maps, limit="3")["items"]), 3)

    def test_watches_that_nobody_reads(self):
        self.api.ok("POST", self.maps, config_map("busy"))
        with contextlib.ExitStack() as open_ones:
            streams = [open_ones.enter_context(self.open_tls()) for _ in range(20)]
            for stream in streams:
                stream.sendall(f"GET {self.maps}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            self.assertIn(b" 200 ", streams[0].recv(100))
            before = self.resident()
            for i in range(400):  # 360 MB in all
                self.api.ok("PUT", f"{self.maps}/busy", config_map("busy", {"k": chr(97 + i % 26) * 900 * KIB}))
            # The history holds 128 MiB, each watch the same documents and 64 MiB at most.
            self.assertLess(self.resident() - before, 300 * MIB)
            streams[0].settimeout(30)
            got = b""
            while b'"type":"ERROR"' not in got[-2_000_000:]:
                more = streams[0].recv(MIB)
                self.assertTrue(more, "the watch says why it ends")
                got = got[-2_000_000:] + more
            self.assertIn(b'"code":410', got)
        with self.api.watch(self.maps) as watch:
            self.assertEqual(next(watch)["type"], "ADDED", "a new watch begins")

    def test_a_flood_of_connections(self):
        """From another address of this machine: its own are served on."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        flood = []
        with contextlib.ExitStack() as closing:
            def connect(count):
                for _ in range(count):
                    flood.append(closing.enter_context(socket.create_connection(
                        ("127.0.0.1", self.cluster.port), 10, ("127.0.0.77", 0))))
            connect(5_050)
            self.assertIn("503", self.answer_to(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "127.0.0.77"))
            connect(900)
            # For its silence a connection is closed after 15 s only.
            wait_until(lambda: self.count_closed(flood[-300:]) >= 250, 10, "far over the bound they are closed at once")
            self.assertEqual(self.api.get("/version").status, 200, "others are served")
            self.assertEqual(len(self.cluster.get("nodes")["items"]), 1)

        def served():
            with self.open_tls("127.0.0.77") as stream:
                stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                return b" 200 " in stream.recv(1000)
        wait_until(served, 30, "the address is served again")

    @staticmethod
    def count_closed(connections):
        closed = 0
        for connection in connections:
            try:
                closed += len(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)) == 0
            except BlockingIOError:
                continue
            except OSError:
                closed += 1
        return closed

