# SPDX-License-Identifier: Apache-2.0
"""`tetrarch server` and `tetrarch agent` as processes of their own, each with its own data directory."""
import os
import signal

import harness
import machine
from harness import BINARY, Cluster, ClusterTest, make_deployment, make_pod, make_service
from machine import run, wait_until


class ServerAndAgent(ClusterTest):
    name = "apart"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server")
        cls.cluster.start(node=False)
        with open(f"{cls.cluster.data}/join-token", encoding="ascii") as file:
            cls.token = file.read().strip()
        cls.agent = cls.cluster.add_agent("worker", cls.token)
        cls.agent.start()
        cls.cluster.wait_node("worker")

    def test_work_runs_on_the_joined_node(self):
        self.apply(make_deployment("web", 2, container={"readinessProbe": harness.READY_HTTP}), make_service("web"))
        self.wait_rollout("web")
        self.assertEqual({pod["spec"]["nodeName"] for pod in self.pods("app=web")}, {"worker"})
        self.wait_text(f"http://{self.get('service', 'web')['spec']['clusterIP']}/", "Hello from web-")
        self.run_pod(make_pod("talk", "sh", "-c", "echo said; exec sleep 3600"))
        self.assertEqual(self.text("logs", "talk"), "said\n", "logs go through the agent's own connection")
        self.assertEqual(self.exec("talk", "echo", "heard").stdout, "heard\n")
        self.assertEqual(self.cluster.own_pids(self.cluster.data), [self.cluster.process.pid], "the server runs no containers")

    def test_wrong_tokens_are_refused(self):
        flip = "0" if self.token[-1] != "0" else "1"
        for name, token in (("nonsense", "nonsense"), ("one digit off", self.token[:-1] + flip), ("empty", "")):
            with self.subTest(token=name):
                data = os.path.join(self.cluster.directory, "refused")
                done = run(BINARY, "agent", "--data-dir", data, "--server", f"https://127.0.0.1:{self.cluster.port}",
                           "--token", token, "--node-name", "intruder", check=False, timeout=30)
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stderr, r"(?i)token")
                self.assertNotIn("intruder", self.text("get", "nodes"))
                run(BINARY, "down", "--data-dir", data, "--purge", check=False)

    def test_a_server_with_another_authority_is_not_believed(self):
        parts = self.token
        other = "".join("0" if c != "0" and c in "123456789abcdef" else c for c in parts)
        data = os.path.join(self.cluster.directory, "doubtful")
        done = run(BINARY, "agent", "--data-dir", data, "--server", f"https://127.0.0.1:{self.cluster.port}",
                   "--token", other, "--node-name", "intruder", check=False, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        run(BINARY, "down", "--data-dir", data, "--purge", check=False)

    def test_an_agent_without_a_server_says_so(self):
        done = run(BINARY, "agent", "--data-dir", os.path.join(self.cluster.directory, "lonely"), check=False)
        self.assert_fails(done, "--server")
        port = machine.free_port()
        done = run(BINARY, "agent", "--data-dir", os.path.join(self.cluster.directory, "lonely"), "--token", self.token,
                   "--server", f"https://127.0.0.1:{port}", "--node-name", "lonely", check=False, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(port), done.stderr)

    def test_a_joined_agent_needs_no_token_again(self):
        self.run_pod(make_pod("stays", "sleep", "3600"))
        before = machine.container_pids(harness.container_of(self.get("pod", "stays"))["containerID"])
        self.assertEqual(self.agent.kill(signal.SIGTERM), 0)
        at = self.agent.words.index("--token")
        self.agent.words = self.agent.words[:at] + self.agent.words[at + 2:]
        self.agent.start()
        wait_until(lambda: self.agent.is_running() and self.exec("stays", "true").returncode == 0, 30, "exec works again")
        self.cluster.wait_node("worker")
        self.assertEqual(machine.container_pids(harness.container_of(self.get("pod", "stays"))["containerID"]), before)

    def test_a_configuration_file_says_the_same_as_flags(self):
        path = os.path.join(self.cluster.directory, "config.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write("api-listen: 127.0.0.1:1\nno-such-key: 1\n")
        done = run(BINARY, "server", "--config", path, "--data-dir", f"{self.cluster.directory}/c", check=False)
        self.assert_fails(done, "no-such-key")
        with open(path, "w", encoding="ascii") as file:
            file.write("api-listen: [broken\n")
        self.assert_fails(run(BINARY, "server", "--config", path, check=False), path)
        done = run(BINARY, "server", "--data-dir", f"{self.cluster.directory}/c", "--api-listen",
                   f"127.0.0.1:{self.cluster.port}", check=False, timeout=30)
        self.assert_fails(done, str(self.cluster.port))
