# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of kubectl."""
import json
import os
import re
import subprocess

import harness
from conform import FOREVER, ConformTest
from harness import BUSYBOX, DEMO, container_of, make_deployment, make_pod, make_service
from machine import run, wait_until

SERVE = "chmod 755 /w/cgi-bin/*; exec httpd -f -p 0.0.0.0:8080 -h /w"
ARGUMENT = "value=${QUERY_STRING#value=}"


def controller(name, replicas, image=DEMO):
    pod = make_pod("x", image=image, labels={"app": name})
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "replicas": replicas, "selector": {"app": name}, "template": {"metadata": {"labels": {"app": name}}, "spec": pod["spec"]}}}


def script(name, *lines):
    """A shell command that writes a CGI program."""
    quoted = " ".join(f"'{line}'" for line in ("#!/bin/sh", "echo", *lines))
    return f"printf '%s\\n' {quoted} > /w/cgi-bin/{name}; "


class Cli(ConformTest):
    name = "conform-cli"

    def create_file(self, *objects):
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("create", "-f", "-", input=json.dumps(listed))

    def wait_pods(self, name, count):
        return wait_until(lambda: len([p for p in self.pods(f"app={name}") if harness.is_ready(p)]) == count
                          and len(self.pods(f"app={name}")) == count and self.pods(f"app={name}"), 40, f"{count} of {name}")

    def test_an_application_of_three_parts(self):
        """A guest book: entries are written through the front to the primary, and read from replicas."""
        def part(name, replicas, code):
            made = make_deployment(name, replicas, image=BUSYBOX, container={
                "command": ["sh", "-c", f"mkdir -p /w/cgi-bin; {code}{SERVE}"], "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}})
            return made, make_service(name)
        primary = part("primary", 1, script("set", ARGUMENT, "echo $value >> /w/entries; echo stored $value") + "touch /w/entries; ")
        replica = part("replica", 2, script("get", "wget -qO- http://primary/entries"))
        front = part("front", 3, script("set", ARGUMENT, "wget -qO- http://primary/cgi-bin/set?value=$value")
                     + script("get", "wget -qO- http://replica/cgi-bin/get"))
        objects = [one for pair in (primary, replica, front) for one in pair]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("create", "-f", "-", input=text)
        for name, count in (("primary", 1), ("replica", 2), ("front", 3)):
            self.wait_pods(name, count)
        address = f"http://{self.get('service', 'front')['spec']['clusterIP']}/cgi-bin"
        self.wait_text(f"{address}/set?value=TestEntry", "stored TestEntry")
        self.wait_text(f"{address}/get", "TestEntry")
        self.kubectl("delete", "--grace-period=0", "--force", "-f", "-", input=text)
        wait_until(lambda: not self.pods() and not self.get("services")["items"], 30, "all of it is gone")

    def test_a_replication_controller_is_made_and_scaled(self):
        self.create_file(controller("update-demo", 2))
        for count in (2, 1, 2):
            self.kubectl("scale", "rc", "update-demo", f"--replicas={count}", "--timeout=5m")
            pods = self.wait_pods("update-demo", count)
            for pod in pods:
                self.wait_text(f"http://{pod['status']['podIP']}:8080/", pod["metadata"]["name"])
        names = self.text("get", "pods", "-l", "app=update-demo", "-o", "template",
                          "--template={{range.items}}{{.metadata.name}} {{end}}").split()
        self.assertEqual(len(names), 2)
        self.kubectl("delete", "--grace-period=0", "--force", "rc", "update-demo")
        wait_until(lambda: not self.pods(), 20, "its pods go")

    def test_versions_and_the_cluster(self):
        self.assertIn("v1", self.text("api-versions").split())
        self.assertIn("Kubernetes control plane", re.sub(r"\x1b\[[\d;]*m", "", self.text("cluster-info")))
        told = json.loads(self.text("version", "-o", "json"))
        for side in ("clientVersion", "serverVersion"):
            for field in ("major", "minor", "gitVersion", "buildDate", "goVersion", "compiler", "platform"):
                self.assertTrue(told[side].get(field), f"{side}.{field}")

    def test_describe(self):
        self.create_file(controller("primary", 1), make_service("primary", 6379))
        pod = self.wait_pods("primary", 1)[0]
        node = self.cluster.node
        rows = {("pod", pod["metadata"]["name"]): ("Name:", "Namespace:", "Node:", "Labels:", "app=primary", "Status:", "Running", "IP:",
                                                   "Controlled By:", "ReplicationController/primary", "Image:", "State:", "QoS Class:"),
                ("rc", "primary"): ("Name:", "Namespace:", "Image:", "Selector:", "app=primary", "Labels:", "Annotations:", "Replicas:",
                                    "1 current", "1 desired", "Pods Status:", "1 Running", "0 Waiting", "Pod Template:", "Events:"),
                ("service", "primary"): ("Name:", "Namespace:", "Labels:", "Selector:", "app=primary", "Type:", "ClusterIP", "IP:", "Port:",
                                         "Endpoints:", "Session Affinity:"),
                ("node", node): ("Name:", "Labels:", "Annotations:", "CreationTimestamp:", "Conditions:", "Type", "Status", "LastHeartbeatTime",
                                 "LastTransitionTime", "Reason", "Message", "Addresses:", "Capacity:", "Version:", "Kubelet Version:", "Pods:"),
                ("namespace", self.namespace): ("Name:", "Labels:", "Annotations:", "Status:", "Active", "No resource quota")}
        for (kind, name), words in rows.items():
            text = self.text("describe", kind, name)
            with self.subTest(kind):
                self.assertRegex(text, rf"(?m)^Name:\s+{re.escape(name)}$")
                for word in words:
                    self.assertIn(word.lower(), text.lower())

    def test_diff_names_another_image(self):
        self.create_file(make_deployment("web", 1))
        done = self.kubectl("diff", "-f", "-", input=json.dumps(make_deployment("web", 1, image=BUSYBOX)), check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, rf"(?m)^-\s+- image: {DEMO}$")
        self.assertRegex(done.stdout, rf"(?m)^\+\s+- image: {BUSYBOX}$")

    def test_expose_makes_services(self):
        self.create_file(controller("primary", 1))
        pod = self.wait_pods("primary", 1)[0]
        ports = lambda name: [(p["port"], p["targetPort"]) for p in self.get("service", name)["spec"]["ports"]]
        wants = {a["ip"] for a in pod["status"]["podIPs"]}

        def led_to(name):
            subsets = self.get("endpoints", name).get("subsets", [])
            return {a["ip"] for s in subsets for a in s["addresses"]} == wants and {p["port"] for s in subsets for p in s["ports"]} == {8080}
        for words, name, port in ((("rc", "primary"), "rm2", 1234), (("service", "rm2"), "rm3", 2345)):
            self.kubectl("expose", *words, f"--name={name}", f"--port={port}", "--target-port=8080")
            self.assertEqual(ports(name), [(port, 8080)])
            wait_until(lambda n=name: led_to(n), 20, f"{name} leads to the pod")
            self.wait_text(f"http://{self.get('service', name)['spec']['clusterIP']}:{port}/", "Hello")

    def test_labels_of_a_pod(self):
        self.create_file(make_pod("one", *FOREVER))
        self.kubectl("label", "pods", "one", "testing-label=testing-label-value")
        self.assertIn("testing-label-value", self.text("get", "pod", "one", "-L", "testing-label"))
        self.kubectl("label", "pods", "one", "testing-label-")
        self.assertNotIn("testing-label-value", self.text("get", "pod", "one", "-L", "testing-label"))
        self.assertEqual(self.text("get", "pods", "-l", "testing-label", "-o", "name"), "")

    def test_patch_annotates_pods_of_a_controller(self):
        self.create_file(controller("primary", 2))
        for pod in self.wait_pods("primary", 2):
            self.kubectl("patch", "pod", pod["metadata"]["name"], "-p", '{"metadata":{"annotations":{"x":"y"}}}')
        self.assertEqual([p["metadata"]["annotations"]["x"] for p in self.pods("app=primary")], ["y", "y"])

    def test_run_replace_and_dry_run(self):
        self.kubectl("run", "one", f"--image={DEMO}", "--restart=Never", "--labels=run=one")
        pod = self.wait_ready("one")
        self.assertEqual((len(pod["spec"]["containers"]), container_of(pod)["image"], pod["spec"]["restartPolicy"]), (1, DEMO, "Never"))
        image = {"spec": {"containers": [{"name": "one", "image": BUSYBOX}]}}
        self.kubectl("patch", "pod", "one", "-p", json.dumps(image), "--dry-run=server")
        self.assertEqual(self.get("pod", "one")["spec"]["containers"][0]["image"], DEMO, "a dry run changes nothing")
        text = self.text("get", "pod", "one", "-o", "json").replace(f'"image": "{DEMO}"', f'"image": "{BUSYBOX}"')
        self.kubectl("replace", "-f", "-", input=text)
        self.assertEqual(self.get("pod", "one")["spec"]["containers"][0]["image"], BUSYBOX)

    def test_proxies(self):
        path = os.path.join("/tmp", f"tetrarch-e2e-{os.getpid()}.sock")
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        for words in (["--port=0", "--disable-filter"], [f"--unix-socket={path}"]):
            with self.subTest(words[0]):
                proxy = subprocess.Popen([harness.KUBECTLS[harness.NEWEST], "proxy", *words], stdout=subprocess.PIPE, text=True,
                                         env=self.cluster.environment())
                try:
                    at = re.search(r"Starting to serve on (\S+)", proxy.stdout.readline())[1]
                    where = ["--unix-socket", path, "http://localhost/api/"] if "sock" in words[0] else [f"http://{at}/api/"]
                    answer = run("curl", "-fsS", "--noproxy", "*", "-m", "5", *where).stdout
                    self.assertEqual(json.loads(answer)["versions"], ["v1"])
                finally:
                    proxy.terminate()
                    proxy.wait(10)
                    proxy.stdout.close()

    def test_logs_are_filtered(self):
        self.create_file(make_pod("logs", "sh", "-c", "for n in $(seq 20); do echo line $n; sleep 0.1; done; " + FOREVER[2]))
        wait_until(lambda: "line 20\n" in self.text("logs", "logs"), 30, "all is said")
        self.assertEqual(self.text("logs", "logs", "--tail=1"), "line 20\n")
        self.assertEqual(self.text("logs", "logs", "--limit-bytes=1"), "l")
        self.assertRegex(self.text("logs", "logs", "--tail=1", "--timestamps"), r"^\d{4}-\d\d-\d\dT[\d:.]+Z line 20\n$")
        recent = lambda seconds: len(self.text("logs", "logs", f"--since={seconds}").splitlines())
        wait_until(lambda: recent("1s") < recent("24h") == 20, 10, "the last second has less than the last day")


tearDownModule = harness.stop_shared_cluster
