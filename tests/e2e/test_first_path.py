# SPDX-License-Identifier: Apache-2.0
"""What a user does first: apply examples/hello.yaml, and find the service from everywhere it can be found from."""
import collections
import json
import os
import re
import shutil

import harness
import machine
from harness import BINARY, BUSYBOX, ROOT, OutsideTest, make_deployment, make_pod, make_service
from machine import run, wait_until


class FirstPath(OutsideTest):
    name = "first"

    def setUp(self):
        super().setUp()
        self.port = self.cluster.slot.node_ports[0]

    def hello(self):
        with open(f"{ROOT}/examples/hello.yaml", encoding="utf-8") as file:
            text = file.read().replace("30080", str(self.port))
        self.apply(text)
        self.wait_rollout("hello")
        return self.get("service", "hello")["spec"]["clusterIP"]

    def test_hello_answers_from_everywhere(self):
        address = self.hello()

        self.assertEqual(len([p for p in self.pods("app=hello") if harness.is_ready(p)]), 3)
        self.assertTrue(address.startswith(self.cluster.slot.service_prefix.rsplit(".", 1)[0]), address)
        names = {pod["metadata"]["name"] for pod in self.pods("app=hello")}
        self.wait_text(f"http://{address}/", "Hello from hello-")
        seen = {self.cluster.curl(f"http://{address}/").split()[-1] for _ in range(60)}
        self.assertEqual(seen, names, "60 requests by cluster address reach all three replicas and nothing else")
        self.wait_text(f"http://127.0.0.1:{self.port}/", "Hello from hello-")
        for at in (self.outside.host_address,):
            answer = self.outside.inside("curl", "-fsS", "-m", "5", f"http://{at}:{self.port}/").stdout
            self.assertIn("Hello from hello-", answer, "by node port, from another network namespace")
        self.check_names(address)
        pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in self.pods("app=hello")}
        for name, ip in pods.items():
            self.assertIn(name, self.cluster.curl(f"http://{ip}:8080/"), "from the host by pod address")

    def check_names(self, address):
        headless = make_service("bare", app="hello", clusterIP="None")
        self.apply(headless)
        self.run_pod(make_pod("client", "sleep", "3600"))
        space = self.namespace
        for name in ("hello", f"hello.{space}", f"hello.{space}.svc", f"hello.{space}.svc.cluster.local"):
            with self.subTest(name=name):
                text = self.exec("client", "wget", "-qO-", f"http://{name}/").stdout
                self.assertIn("Hello from hello-", text)
        found = self.exec("client", "nslookup", f"hello.{space}.svc.cluster.local").stdout
        self.assertIn(address, found)
        ips = {pod["status"]["podIP"] for pod in self.pods("app=hello")}

        def has_all():
            text = self.exec("client", "nslookup", f"bare.{space}.svc.cluster.local").stdout
            return ips <= set(re.findall(r"[\d.]+\d", text)) or text
        wait_until(lambda: has_all() is True, 15, f"the headless name has the records {ips}")
        settings = self.exec("client", "cat", "/etc/resolv.conf").stdout
        self.assertIn(f"nameserver {self.cluster.slot.service_prefix}.10", settings)
        self.assertIn(f"search {space}.svc.cluster.local svc.cluster.local cluster.local", settings)
        api = self.exec("client", "nslookup", "kubernetes.default.svc.cluster.local").stdout
        self.assertIn(f"{self.cluster.slot.service_prefix}.1", api)
        missing = self.exec("client", "nslookup", f"nothing.{space}.svc.cluster.local", check=False)
        self.assertNotEqual(missing.returncode, 0, missing.stdout)

    def test_pods_reach_each_other_and_the_api(self):
        self.apply(make_pod("web", image=harness.DEMO), make_pod("client", "sleep", "3600"))
        ip = self.wait_ready("web")["status"]["podIP"]
        self.wait_ready("client")

        self.assertIn("Hello from web", self.exec("client", "wget", "-qO-", f"http://{ip}:8080/").stdout)
        script = f"echo | nc -w 3 {self.cluster.slot.service_prefix}.1 443 && echo reached"
        self.assertIn("reached", self.exec("client", "sh", "-c", script).stdout, "the API's service address")
        self.assertEqual(self.exec("client", "hostname").stdout.strip(), "client")

    def test_session_affinity_keeps_a_client_on_one_pod(self):
        self.apply(make_deployment("sticky", 3, container={"readinessProbe": harness.READY_HTTP}),
                   make_service("sticky", sessionAffinity="ClientIP"), make_service("spread", app="sticky"))
        self.wait_rollout("sticky")
        sticky, spread = (self.get("service", n)["spec"]["clusterIP"] for n in ("sticky", "spread"))
        self.wait_text(f"http://{sticky}/", "Hello")
        self.wait_text(f"http://{spread}/", "Hello")

        count = collections.Counter(self.cluster.curl(f"http://{sticky}/") for _ in range(20))
        self.assertEqual(len(count), 1, count)
        count = collections.Counter(self.cluster.curl(f"http://{spread}/") for _ in range(60))
        self.assertGreater(len(count), 1, count)

    def test_a_host_port_is_open_while_its_pod_lives(self):
        port = machine.free_port()
        pod = make_pod("hosted", image=harness.DEMO,
                       container={"ports": [{"containerPort": 8080, "hostPort": port, "hostIP": "127.0.0.1"}]})
        self.run_pod(pod)
        self.wait_text(f"http://127.0.0.1:{port}/", "Hello from hosted")
        self.apply(make_pod("second", image=harness.DEMO, container={"ports": [{"containerPort": 8080, "hostPort": port,
                                                                                "hostIP": "127.0.0.1"}]}))
        self.wait_events("free ports")
        self.kubectl("delete", "pod", "hosted", "--wait=true")
        self.wait_ready("second")
        self.wait_text(f"http://127.0.0.1:{port}/", "Hello from second")
        self.kubectl("delete", "pod", "second", "--wait=true")
        wait_until(lambda: run("curl", "-m", "2", f"http://127.0.0.1:{port}/", check=False).returncode != 0, 10,
                   "the host port is closed after its pod")

    def test_a_service_without_endpoints_refuses(self):
        self.apply(make_service("nobody"))
        address = self.get("service", "nobody")["spec"]["clusterIP"]

        def is_refused():
            done = run("curl", "-sS", "--noproxy", "*", "-m", "3", f"http://{address}/", check=False)
            return done.returncode == 7 or self.fail(f"curl ends with {done.returncode}: {done.stderr}")
        wait_until(is_refused, 10, "the connection is refused (curl's 7), rather than timing out (28)")

    def test_a_loaded_image_runs_by_its_name(self):
        archive = os.path.join(self.cluster.directory, "copy.tar")
        shutil.copy(f"{harness.IMAGES}/demo.tar", archive)
        loaded = self.cluster.tetrarch("image", "load", archive)
        self.assertIn(harness.DEMO, loaded.stdout)

        missing = self.cluster.tetrarch("image", "load", "/nonexistent.tar", check=False)
        self.assert_fails(missing, "/nonexistent.tar")
        broken = os.path.join(self.cluster.directory, "broken.tar")
        with open(broken, "wb") as file:
            file.write(b"this is no archive" * 100)
        self.assert_fails(self.cluster.tetrarch("image", "load", broken, check=False), "tetrarch:")
        images = {name for image in self.cluster.get("node", self.cluster.node)["status"]["images"]
                  for name in image["names"]}
        self.assertIn(harness.DEMO, images)
        self.assertIn(BUSYBOX, images)

    def test_the_commands_say_what_runs(self):
        self.apply(make_deployment("shown", 1))
        self.wait_rollout("shown")

        status = self.cluster.tetrarch("status").stdout
        self.assertRegex(status, rf"{self.cluster.node} +Ready +\d+")
        self.assertRegex(status, rf"{self.namespace}/shown +1/1 +healthy")
        self.assertRegex(run(BINARY, "version").stdout, r"^tetrarch \d+\.\d+\.\d+ \(Kubernetes API v1\.\d+\)$")
        for shell in ("bash", "zsh", "fish"):
            text = run(BINARY, "completion", shell).stdout
            for command in ("up", "down", "status", "agent", "server", "image"):
                self.assertRegex(text, rf"\b{command}\b")
        done = run("bash", "-n", "-c", run(BINARY, "completion", "bash").stdout)
        self.assertEqual(done.stderr, "")
        for words in ((), ("nonsense",), ("up", "--no-such-flag", "1"), ("up", "--io-threads", "many"),
                      ("up", "--data-dir", self.cluster.data)):
            with self.subTest(words=words):
                done = run(BINARY, *words, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertTrue(done.stderr.strip() or "usage" in done.stdout)

    def test_keys_are_private(self):
        for name in ("admin.kubeconfig", "join-token"):
            mode = os.stat(f"{self.cluster.data}/{name}").st_mode & 0o777
            self.assertEqual(mode, 0o600, name)
        for name in ("server", "agent"):
            mode = os.stat(f"{self.cluster.data}/{name}").st_mode & 0o777
            self.assertEqual(mode, 0o700, name)
        keys = run("find", self.cluster.data, "-type", "f", "-name", "*.key*").stdout.split()
        self.assertTrue(keys)
        for path in keys:
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)

    def test_the_node_says_what_it_has(self):
        node = self.cluster.get("node", self.cluster.node)
        self.assertEqual(node["status"]["capacity"]["cpu"], str(os.cpu_count()))
        self.assertTrue(node["status"]["capacity"]["memory"].endswith("Ki"), node["status"]["capacity"])
        self.assertIn("containerd://", node["status"]["nodeInfo"]["containerRuntimeVersion"])
        self.assertTrue(node["spec"]["podCIDR"].startswith(self.cluster.slot.pod_cidr.split(".0.0")[0]))
        self.assertIn("127.0.0.1", json.dumps(node["status"]["addresses"]))
        self.assertEqual(node["metadata"]["labels"]["kubernetes.io/hostname"], self.cluster.node)
        lease = self.cluster.get("-n", "kube-node-lease", "lease", self.cluster.node)
        first = lease["spec"]["renewTime"]
        wait_until(lambda: self.cluster.get("-n", "kube-node-lease", "lease",
                                            self.cluster.node)["spec"]["renewTime"] != first, 30, "the lease is renewed")
