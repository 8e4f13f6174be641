# SPDX-License-Identifier: Apache-2.0
"""`tetrarch down` after the worst: nothing is left, whatever it finds broken."""
import fcntl
import os
import signal
import subprocess

import machine
from harness import BINARY, ClusterTest, make_deployment
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

    def test_what_starts_it_again_is_named_and_nothing_is_removed(self):
        """A service would start the process again while its data goes; here the test has the lock in its place."""
        self.kill()
        with open(f"{self.cluster.data}/tetrarch.pid", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            print("1", end="", file=lock, flush=True)  # a process that nobody ends
            done = self.cluster.tetrarch("down", "--purge", check=False)
        self.assert_fails(done, "systemctl stop tetrarch")
        self.assertTrue(os.path.exists(f"{self.cluster.data}/server/ca.crt"))
        self.assertTrue(os.path.exists(f"{self.cluster.data}/agent/objects.key"))

    def test_a_directory_of_somebody_else_is_not_purged(self):
        place = f"{self.cluster.directory}/project"
        files = [f"{place}/server/main.go", f"{place}/images/cat.png", f"{place}/README.md"]
        for path in files:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as file:
                file.write("work")
        done = run(BINARY, "down", "--purge", "--data-dir", place, check=False)
        self.assert_fails(done, f"{place} is no data directory")
        self.assertEqual([path for path in files if not os.path.exists(path)], [])
        self.assertEqual(sorted(os.listdir(place)), ["README.md", "images", "server"], "nor is anything made in it")
