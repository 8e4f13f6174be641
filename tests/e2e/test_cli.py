# SPDX-License-Identifier: Apache-2.0
"""The `tetrarch` command itself: what it prints, what it refuses, what it tells systemd."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import unittest

import harness
import machine
from harness import BINARY, BUSYBOX, Cluster, ClusterTest, container_of, make_deployment, make_pod
from machine import run, wait_until

UNIT = os.path.join(harness.ROOT, "packaging/tetrarch.service")


def docker_archive(oci_archive, name, into):
    """What `docker save` writes, made of the image in an OCI archive. Source: Docker image specification 1.2."""
    with tarfile.open(oci_archive) as source:
        def blob(digest):
            return source.extractfile("blobs/sha256/" + digest.removeprefix("sha256:")).read()
        index = json.load(source.extractfile("index.json"))
        manifest = json.loads(blob(index["manifests"][0]["digest"]))
        parts = {"config.json": blob(manifest["config"]["digest"]),
                 "layer/layer.tar": blob(manifest["layers"][0]["digest"])}
    parts["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": [name],
                                          "Layers": ["layer/layer.tar"]}]).encode()
    with tarfile.open(into, "w") as out:
        for path, content in parts.items():
            place = f"{into}.part"
            with open(place, "wb") as file:
                file.write(content)
            out.add(place, arcname=path)
            os.unlink(place)


class NotifySocket:
    """Plays systemd's side of sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(60)

    def next(self):
        return self.socket.recv(4096).decode()

    def close(self):
        self.socket.close()


class Commands(ClusterTest):
    name = "cli"

    def test_status_tells_what_is_not_well(self):
        self.apply(make_pod("broken", image="tetrarch.dev/nothing:1"), make_deployment("fine", 1))
        self.wait_rollout("fine")

        def shown():
            status = self.cluster.tetrarch("status").stdout
            self.assertRegex(status, rf"NOT HEALTHY\n{self.namespace}/broken +(ErrImagePull|ImagePullBackOff)")
            return status
        status = wait_until(shown, 30, "status names the broken pod")
        self.assertNotIn(f"{self.namespace}/fine-", status)
        self.assertRegex(status, rf"{self.namespace}/fine +1/1 +healthy")

    def test_status_without_a_cluster(self):
        done = run(BINARY, "status", "--data-dir", f"{self.cluster.directory}/none", check=False)
        self.assert_fails(done, "no cluster answers", f"{self.cluster.directory}/none")

    def test_completion_completes(self):
        script = ('source <("$0" completion bash); COMP_WORDS=(tetrarch "$1"); COMP_CWORD=1; _tetrarch; '
                  'echo "${COMPREPLY[*]}"; COMP_WORDS=(tetrarch up "$2"); COMP_CWORD=2; _tetrarch; echo "${COMPREPLY[*]}"')
        commands, flags = run("bash", "-c", script, BINARY, "s", "--pod").stdout.split("\n")[:2]
        self.assertEqual(sorted(commands.split()), ["server", "status", "store"])
        self.assertEqual(flags.split(), ["--pod-cidr", "--pod-transport"])

    def test_docker_and_oci_archives_are_loaded_and_run(self):
        archive = f"{self.cluster.directory}/saved.tar"
        docker_archive(f"{harness.IMAGES}/busybox.tar", "example.test/saved:2", archive)
        self.assertIn("example.test/saved:2", self.cluster.tetrarch("image", "load", archive).stdout)
        self.run_pod(make_pod("saved", "sleep", "3600", image="example.test/saved:2"))
        self.assertEqual(self.exec("saved", "echo", "runs").stdout, "runs\n")

    def test_a_cut_archive_is_refused_and_named(self):
        archive = f"{self.cluster.directory}/cut.tar"
        with open(f"{harness.IMAGES}/busybox.tar", "rb") as whole, open(archive, "wb") as cut:
            cut.write(whole.read(200_000))
        self.assert_fails(self.cluster.tetrarch("image", "load", archive, check=False), "tetrarch:")
        self.assert_fails(self.cluster.tetrarch("image", "load", check=False), "usage: tetrarch image push FILE.tar")

    def test_bench_measures_and_leaves_nothing(self):
        place = f"{self.cluster.directory}/bench"
        os.makedirs(place)
        done = run("env", f"TMPDIR={place}", BINARY, "bench", "create", "--repeat", "1", timeout=120)
        self.assertRegex(done.stdout, r"(?m)^creates a second, 32 connections +[1-9]\d+ .*8000$")
        self.assertIn("[1/1] create: run 1 of 1", done.stderr)
        self.assertEqual(os.listdir(place), [])

    def test_bench_that_is_interrupted_leaves_nothing(self):
        """In the part with an agent: containerd and its containers end too."""
        place = f"{self.cluster.directory}/interrupted"
        os.makedirs(place)
        bench = subprocess.Popen(["env", f"TMPDIR={place}", BINARY, "bench", "run"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: [run(BINARY, "down", "--purge", "--data-dir", f"{place}/{left}/data", check=False)
                                 for left in os.listdir(place)])
        ours = lambda: subprocess.run(["pgrep", "-f", f"containerd.*{place}"], check=False).returncode == 0
        try:
            wait_until(ours, 30, "containerd of the benchmark runs")
        finally:
            bench.send_signal(signal.SIGINT)
        self.assertEqual(bench.wait(60), 128 + signal.SIGINT)
        self.assertEqual(os.listdir(place), [])
        self.assertFalse(ours(), "its containerd has ended")

    def test_unknown_words_and_flags_are_refused(self):
        for words, says in ((("uup",), "no command 'uup'"), (("up", "now"), "'now'"),
                            (("up", "--pod-cdir", "x"), "'--pod-cdir'"), (("status", "--json"), "'--json'"),
                            (("down", "--purge", "all"), "'all'"), (("up", "--pod-cidr"), "--pod-cidr needs a value"),
                            (("up", "--log-level", "loud"), "log-level: 'loud'"),
                            (("completion", "tcsh"), "'tcsh'"), (("bench", "speed"), "'speed'"),
                            (("bench", "--repeat", "0"), "--repeat 0"), (("agent",), "--server")):
            with self.subTest(words=words):
                self.assert_fails(run(BINARY, *words, check=False), "tetrarch: ", says)
        self.assertEqual(run(BINARY, check=False).returncode, 2, "no word at all: the usage, as an error")
        self.assertIn("usage: tetrarch COMMAND", run(BINARY, "--help").stdout)


class Values(unittest.TestCase):
    """Wrong values are told before anything starts: no file is made."""

    def setUp(self):
        self.directory = os.path.join(harness.ROOT, f"build/e2e/values-{os.getpid()}")
        os.makedirs(self.directory, exist_ok=True)
        self.addCleanup(shutil.rmtree, self.directory)
        self.data = f"{self.directory}/data"

    def dump(self):
        return ""

    def test_a_value_that_means_nothing(self):
        for flag, value, says in (("pod-cidr", "banana", '"banana" is not an IPv4 range'),
                                  ("pod-cidr", "10.42.0.0/30", "each node takes a /24"),
                                  ("service-cidr", "10.42.0.0/16", "overlap"),
                                  ("api-listen", "here", "'here' is not host:port"),
                                  ("node-name", "No_Name", "node-name: 'No_Name'"),
                                  ("node-taints", "a=b", "node-taints: 'a=b'"),
                                  ("max-pods", "-1", "'-1' is not a positive number"),
                                  ("service-node-ports", "9-1", "'9-1' is not FROM-TO")):
            with self.subTest(flag=flag, value=value):
                done = run(BINARY, "up", "--data-dir", self.data, f"--{flag}", value, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(says, done.stderr)
                self.assertIn(flag, done.stderr)
                self.assertFalse(os.path.exists(self.data), "nothing was made")

    def test_the_file_says_the_same(self):
        path = f"{self.directory}/config.yaml"
        for text, says in (("pod-cidr: 300.0.0.0/8\n", "pod-cidr"), ("pod_cidr: 10.0.0.0/8\n", "unknown key 'pod_cidr'"),
                           ("max-pods: [1]\n", "must be a plain value"), ("a: b: c\n", path), ("- a\n", "must be a map")):
            with self.subTest(text=text):
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
                done = run(BINARY, "up", "--data-dir", self.data, "--config", path, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(says, done.stderr)
        done = run(BINARY, "up", "--data-dir", self.data, "--config", f"{self.directory}/none", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{self.directory}/none", done.stderr)


class OnOneAddress(ClusterTest):
    """The API listens on one address that is not 127.0.0.1."""

    name = "oneaddress"

    @classmethod
    def start_cluster(cls):
        cls.place = f"127.0.0.2:{machine.free_port()}"
        cls.cluster = Cluster(cls.name, flags=("--api-listen", cls.place))
        cls.cluster.start()

    def test_its_agent_and_its_commands_go_there(self):
        self.assertEqual(self.cluster.get_config()["clusters"][0]["cluster"]["server"], f"https://{self.place}")
        self.run_pod(make_pod("there", "sleep", "3600"))
        self.assertEqual(self.exec("there", "echo", "heard").stdout, "heard\n")
        self.assertIn(self.cluster.node, self.cluster.tetrarch("status").stdout)
        port = self.place.split(":")[1]
        refused = run("curl", "-sk", "-m", "2", f"https://127.0.0.1:{port}/version", check=False)
        self.assertEqual(refused.returncode, 7, "nobody listens elsewhere")


class UnderSystemd(ClusterTest):
    """Started as a service manager starts it, configured by a file, ended and started again."""

    name = "service"

    @classmethod
    def start_cluster(cls):
        cls.cluster = cluster = Cluster(cls.name)
        cls.notify = NotifySocket(f"{cluster.directory}/notify")
        values = {"api-listen": f"127.0.0.1:{cluster.port}", "node-name": cluster.node, "node-labels": "disk=fast",
                  "node-taints": "example.test/soft=yes:PreferNoSchedule", "log-level": "debug"}
        with open(f"{cluster.directory}/config.yaml", "w", encoding="ascii") as file:
            file.writelines(f"{key}: {value}\n" for key, value in values.items())
        cluster.process.words = ["up", *cluster.flags(cluster.data), "--config", f"{cluster.directory}/config.yaml",
                                 "--log-level", "info"]
        os.environ["NOTIFY_SOCKET"] = cls.notify.path
        try:
            cluster.process.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        cls.first_word = cls.notify.next()
        cls.answer = cluster.kubectl("get", "--raw", "/readyz", check=False).stdout
        cluster.wait_node(cluster.node)

    @classmethod
    def tearDownClass(cls):
        cls.notify.close()
        super().tearDownClass()

    def setUp(self):
        if not self.cluster.process.is_running():
            self.cluster.start()
        super().setUp()

    def test_ready_is_told_when_the_api_answers(self):
        self.assertEqual(self.first_word, "READY=1")
        self.assertEqual(self.answer, "ok")

    def test_the_file_is_obeyed_and_flags_win(self):
        node = self.cluster.get("node", self.cluster.node)
        self.assertEqual(node["metadata"]["labels"]["disk"], "fast")
        self.assertIn({"key": "example.test/soft", "value": "yes", "effect": "PreferNoSchedule"}, node["spec"]["taints"])
        self.assertNotIn("DEBUG", self.cluster.process.tail(10_000).upper())

    def test_the_unit_is_sound(self):
        with open(UNIT, encoding="ascii") as file:
            unit = file.read()
        for line in ("Type=notify", "KillMode=process", "Delegate=yes", "StartLimitIntervalSec=0"):
            self.assertIn(line, unit.split("\n"))
        if shutil.which("systemd-analyze"):
            text = unit.replace("/usr/local/bin/tetrarch", BINARY)
            copy = f"{self.cluster.directory}/tetrarch.service"
            with open(copy, "w", encoding="ascii") as file:
                file.write(text)
            done = run("systemd-analyze", "verify", "--man=no", copy, check=False)
            self.assertNotIn("tetrarch.service:", done.stdout + done.stderr)

    def test_sigterm_is_told_and_containers_are_adopted(self):
        self.run_pod(make_pod("stays", "sleep", "3600"))
        before = machine.container_pids(container_of(self.get("pod", "stays"))["containerID"])
        self.assertTrue(before)

        self.assertEqual(self.cluster.process.kill(signal.SIGTERM), 0)

        self.assertEqual(self.notify.next(), "STOPPING=1")
        self.assertTrue(all(machine.is_alive(pid) for pid, _ in before))
        self.cluster.start()
        pod = self.wait_ready("stays")
        self.assertEqual(machine.container_pids(container_of(pod)["containerID"]), before)
        self.assertEqual(container_of(pod)["restartCount"], 0)
