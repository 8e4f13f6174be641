# SPDX-License-Identifier: Apache-2.0
"""The wire of the API: HTTP/2 with kubectl and curl, gzip, request ids, and what a bad client gets."""
import gzip
import json
import os
import signal
import socket
import struct
import subprocess
import time

from api import Api, config_map
from harness import KUBECTLS, NEWEST, ClusterTest, make_pod
from machine import run

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ENHANCE_YOUR_CALM = 11


def frame(kind, flags, stream, payload=b""):
    """Source: RFC 9113 section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def frames(data):
    """(type, payload) of each whole frame."""
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        yield data[3], data[9:9 + size]
        data = data[9 + size:]


class Wire(ClusterTest):
    name = "wire"

    def setUp(self):
        super().setUp()
        self.api = Api(self.cluster)
        self.base = f"https://127.0.0.1:{self.cluster.port}"
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"

    def curl(self, *words):
        """curl with the administrator's certificate; its standard output."""
        place = os.path.join(self.cluster.directory, "api")
        pair = [os.path.join(place, f) for f in sorted(os.listdir(place)) if f.endswith((".crt", ".key"))][:2]
        ca = os.path.join(place, "ca.pem")
        with open(ca, "w", encoding="ascii") as file:
            file.write(self.api.ca)
        return run("curl", "-sS", "--noproxy", "*", "-m", "60", "--cacert", ca, "--cert", pair[0], "--key", pair[1],
                   *words).stdout

    def test_kubectl_speaks_http2(self):
        done = self.kubectl("get", "pods", env={"GODEBUG": "http2debug=1"})
        self.assertIn("http2: Transport received SETTINGS", done.stderr, "kubectl has chosen HTTP/2")
        self.assertIn("MAX_CONCURRENT_STREAMS=250", done.stderr)
        self.apply(config_map("a", {"k": "v"}))
        self.assertEqual(self.text("get", "configmap", "a", "-o", "jsonpath={.data.k}"), "v")
        self.assertIn("configmap/a", self.text("get", "configmaps", "-o", "name", version="1.20"))

    def test_a_watch_by_kubectl(self):
        watch = subprocess.Popen([KUBECTLS[NEWEST], "-n", self.namespace, "get", "configmaps", "-w", "-o", "name"],
                                 text=True, stdout=subprocess.PIPE, env=self.cluster.environment())
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait, 10)
        self.addCleanup(watch.terminate)
        wanted = [f"configmap/m{i}" for i in range(5)]
        seen = []
        for name in wanted:
            self.apply(config_map(name.split("/")[1]))
            while name not in seen:
                seen.append(watch.stdout.readline().strip())
        self.assertEqual([n for n in seen if n in wanted], wanted)

    def test_logs_and_exec_by_kubectl(self):
        self.run_pod(make_pod("talks", "sh", "-c", "i=0; while true; do echo line-$i; i=$((i+1)); sleep 0.1; done"))
        follow = subprocess.Popen([KUBECTLS[NEWEST], "-n", self.namespace, "logs", "-f", "talks"], text=True,
                                  stdout=subprocess.PIPE, env=self.cluster.environment())
        self.addCleanup(follow.stdout.close)
        self.addCleanup(follow.wait, 10)
        self.addCleanup(follow.terminate)
        self.assertEqual([follow.stdout.readline().strip() for _ in range(10)], [f"line-{i}" for i in range(10)])
        self.assertEqual(self.exec("talks", "cat", input="by stdin").stdout, "by stdin")
        self.assertEqual(self.exec("talks", "sh", "-c", "exit 7", check=False).returncode, 7)

    def test_many_requests_on_one_connection(self):
        self.apply(config_map("a"))
        urls = [word for _ in range(100) for word in (f"{self.base}{self.maps}/a", "-o", "/dev/null")]
        out = self.curl("--http2", "-w", "%{http_version} %{http_code} %{num_connects}\n", *urls)
        answers = [line.split() for line in out.splitlines()]
        self.assertEqual(len(answers), 100)
        self.assertEqual({tuple(a[:2]) for a in answers}, {("2", "200")})
        self.assertEqual(sum(int(a[2]) for a in answers), 1)
        side_by_side = self.curl("--http2", "-Z", "--parallel-max", "100", "-w", "%{http_version} %{http_code}\n", *urls)
        self.assertEqual(set(side_by_side.splitlines()), {"2 200"})
        self.assertEqual(self.curl("--http1.1", "-o", "/dev/null", "-w", "%{http_version}", f"{self.base}/version"), "1.1")

    def test_bodies_of_any_size(self):
        size = 900_000
        for i in range(4):
            self.api.ok("POST", self.maps, config_map(f"large-{i}", {"k": "x" * size}))
        plain = self.api.get(self.maps)
        by_http2 = json.loads(self.curl("--http2", f"{self.base}{self.maps}"))
        self.assertTrue(by_http2["items"] == plain.json["items"], "the same, whatever else was written between the two")
        body = os.path.join(self.cluster.directory, "body.json")
        for count, code in ((size, "201"), (10 << 20, "413")):
            with open(body, "w", encoding="ascii") as file:
                json.dump(config_map("by-curl", {"k": "x" * count}), file)
            out = self.curl("--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H",
                            "Content-Type: application/json", "--data-binary", f"@{body}", f"{self.base}{self.maps}")
            self.assertEqual(out, f"2 {code}")

    def test_gzip(self):
        for i in range(3):
            self.api.ok("POST", self.maps, config_map(f"g{i}", {"k": "abcdefgh" * 20_000}))
        plain = self.api.get(self.maps)
        self.assertIsNone(plain.headers["Content-Encoding"])
        small = self.api.get(f"{self.maps}?limit=0&fieldSelector=metadata.name=none", headers={"Accept-Encoding": "gzip"})
        self.assertIsNone(small.headers["Content-Encoding"])
        zipped = self.api.get(self.maps, headers={"Accept-Encoding": "gzip"})
        self.assertEqual(zipped.headers["Content-Encoding"], "gzip")
        self.assertLess(len(zipped.raw), len(plain.raw) // 10)
        self.assertEqual(json.loads(gzip.decompress(zipped.raw))["items"], plain.json["items"])
        by_curl = self.curl("--http2", "--compressed", f"{self.base}{self.maps}")
        self.assertEqual(json.loads(by_curl)["items"], plain.json["items"])

    def test_request_ids(self):
        self.assertRegex(self.api.get("/version").headers["Audit-Id"], "^[0-9a-f-]{36}$")
        mine = self.api.get(f"{self.maps}/none", headers={"Audit-ID": "mine-7"})
        self.assertEqual((mine.status, mine.headers["Audit-Id"]), (404, "mine-7"))

    def test_a_flood_of_pings_ends_its_connection_only(self):
        context = Api(self.cluster).context  # its own: others speak HTTP/1.1
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", self.cluster.port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as wire:
                self.assertEqual(wire.selected_alpn_protocol(), "h2")
                wire.sendall(PREFACE + frame(SETTINGS, 0, 0))
                wire.sendall(frame(PING, 0, 0, b"12345678") * 5000)
                received = b""
                while True:
                    more = wire.recv(65536)
                    received += more
                    if not more:
                        break
        goaways = [payload for kind, payload in frames(received) if kind == GOAWAY]
        self.assertEqual([int.from_bytes(p[4:8], "big") for p in goaways], [ENHANCE_YOUR_CALM])
        self.assertEqual(self.api.get("/version").status, 200)

    def test_zz_a_stop_with_open_streams(self):
        self.apply(config_map("a"))
        watch = subprocess.Popen([KUBECTLS[NEWEST], "-n", self.namespace, "get", "configmaps", "-w", "-o", "name"],
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=self.cluster.environment())
        seen = []
        while "configmap/a" not in seen:
            seen.append(watch.stdout.readline().strip())
        begun = time.monotonic()
        self.assertEqual(self.cluster.process.kill(signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - begun, 10, "the open watch does not hold it up")
        watch.communicate(timeout=30)
        self.cluster.start()
        self.assertEqual(self.text("get", "configmap", "a", "-o", "name").strip(), "configmap/a")
