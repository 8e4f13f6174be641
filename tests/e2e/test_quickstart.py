# SPDX-License-Identifier: Apache-2.0
"""./quickstart as a user types it: start, start again, stop, start again, purge. In a directory and with addresses of its
own; the build has nothing to do, since the tree is built."""
import os
import subprocess
import unittest

import harness
from harness import Cluster, is_ready
from machine import run, wait_until

NODE_PORT = 30080  # of examples/hello.yaml


class QuickCluster(Cluster):
    """What the script starts, to be looked at: kubectl, and the search of the machine."""

    def __init__(self):
        super().__init__("quick")
        run("rm", "-r", self.data)  # the script makes it
        slot = self.slot
        self.settings = {
            "TETRARCH_DATA": self.data, "TETRARCH_API": f"127.0.0.1:{self.port}",
            "TETRARCH_FLAGS": f"--advertise-address 127.0.0.1 --node-name {self.node} --pod-cidr {slot.pod_cidr} "
                              f"--service-cidr {slot.service_cidr}"}

    def quickstart(self, *words, timeout=900):
        done = subprocess.run(["./quickstart", *words], cwd=harness.ROOT, env={**os.environ, **self.settings}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                              check=False)
        return done.returncode, done.stdout


class Quickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = QuickCluster()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def dump(self):
        return self.cluster.dump() if os.path.exists(self.cluster.data) else ""

    def type(self, *words):
        status, said = self.cluster.quickstart(*words)
        self.assertEqual(status, 0, said)
        return said

    def pods(self):
        """uid -> restarts, of what is ready."""
        pods = [p for p in self.cluster.get("pods", "-l", "app=hello")["items"] if is_ready(p)]
        return {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in pods}

    def assert_answers(self):
        address = self.cluster.get("service", "hello")["spec"]["clusterIP"]
        for url in (f"http://{address}/", f"http://127.0.0.1:{NODE_PORT}/"):
            wait_until(lambda: "Hello from hello-" in self.cluster.curl(url), 15, f"{url} answers")

    def remains(self):
        """What is left on the machine, the data apart."""
        return [one for one in self.cluster.remains_of(self.cluster.data) if one != f"directory {self.cluster.data}"]

    def test_start_stop_and_purge(self):
        said = self.type()
        for step in range(1, 7):
            self.assertIn(f"[{step}/6]", said)
        self.assertIn("Hello from hello-", said)
        self.assertIn(f"export KUBECONFIG={self.cluster.data}/admin.kubeconfig", said)
        before = self.pods()
        self.assertEqual(list(before.values()), [0, 0, 0])
        self.assert_answers()
        self.cluster.remember(self.cluster.data)

        said = self.type("start")
        self.assertIn("already running as process", said)
        self.assertIn("deployment.apps/hello unchanged", said)
        self.assertEqual(self.pods(), before, "a second start changes nothing")

        self.assertIn("nothing runs from", self.type("stop"))
        self.assertEqual(self.remains(), [])
        self.assertNotEqual(run("curl", "-sS", "-m", "2", f"http://127.0.0.1:{NODE_PORT}/", check=False).returncode, 0)

        with open(f"{self.cluster.data}/tetrarch.pid", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))  # as a kill -9 leaves it, when the number is another's by now
        self.assertNotIn("already running", self.type())
        # Their answers are probed again before they count as ready.
        wait_until(lambda: self.pods().keys() == before.keys(), 30, "the same pods run again")
        self.assert_answers()
        self.cluster.remember(self.cluster.data)

        self.assertIn("its data is removed", self.type("purge"))
        self.assertEqual(self.cluster.remains_of(self.cluster.data), [])
        self.assertIn("there is no such directory", self.type("purge"))

    def test_words_that_are_none(self):
        status, said = self.cluster.quickstart("begin")
        self.assertEqual(status, 1)
        self.assertIn("quickstart: unknown word 'begin'", said)
        self.assertIn("start|stop|purge", said)
        self.assertIn("TETRARCH_DATA", self.type("--help"))
