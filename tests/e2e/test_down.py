# SPDX-License-Identifier: Apache-2.0
"""`tetrarch down` after the worst: nothing is left, whatever it finds broken."""
import os
import signal
import subprocess

import machine
from harness import ClusterTest, make_deployment
from machine import run, wait_until


class Down(ClusterTest):
    name = "down"

    def setUp(self):
        if not self.cluster.process.is_running():
            self.cluster.start()
        super().setUp()
        self.apply(make_deployment("web", 3))
        self.wait_rollout("web")
        self.cluster.remember(self.cluster.data)

    def kill(self, *names):
        """containerd, shims or both, and tetrarch first."""
        self.cluster.process.kill(signal.SIGKILL)
        for name in names:
            for pid in self.cluster.own_pids():
                words = machine.read_proc(pid, "cmdline").split()
                if words and os.path.basename(words[0]) == name:
                    subprocess.run(["kill", "-9", str(pid)], check=False)

    def assert_nothing_runs(self):
        def left():
            kept = [self.cluster.data, f"/run/tetrarch/{machine.instance_of(self.cluster.data)}"]
            return [one for one in self.cluster.remains_of(self.cluster.data) if one != f"directory {kept[0]}"]
        wait_until(lambda: not left(), 20, "nothing but the data is left")

    def test_containerd_and_shims_are_dead(self):
        self.kill("containerd", "containerd-shim-runc-v2")
        self.cluster.tetrarch("down")
        self.assert_nothing_runs()

    def test_containerd_does_not_start(self):
        self.kill("containerd")
        config = f"{self.cluster.data}/agent/containerd/config.toml"
        with open(config, "w", encoding="ascii") as file:
            file.write("this is no configuration")
        self.cluster.tetrarch("down")
        self.assert_nothing_runs()
        self.assertEqual(self.cluster.tetrarch("down").returncode, 0, "a second one has nothing to do")
        results = run("find", "/var/lib/cni/results", "-name", f"*{machine.instance_of(self.cluster.data)}*", check=False)
        self.assertEqual(results.stdout, "")
        os.remove(config)
