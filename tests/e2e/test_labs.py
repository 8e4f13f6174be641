# SPDX-License-Identifier: Apache-2.0
"""The machines of namespaces themselves: runs side by side, and what an interrupted one leaves."""
import os
import signal
import subprocess
import time
import unittest

import hosts
import machine
from machine import run, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


class Run:
    """One `tests/e2e/run lab_sleeper sleeps` as a process."""

    def __init__(self, log):
        self.log = log
        with open(log, "wb") as out:
            self.child = subprocess.Popen([f"{HERE}/run", "lab_sleeper"], stdout=out, stderr=out,
                                          stdin=subprocess.DEVNULL, start_new_session=True)
        self.tag = f"sleeper-{self.child.pid}"

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def has_lab(self):
        assert self.child.poll() is None, self.text()
        return os.path.exists(f"/run/netns/lab-{self.tag}")

    def is_up(self):
        assert self.child.poll() is None, self.text()
        return f"up: {self.tag} 2" in self.text()

    def remains(self):
        out = [f"process {pid}: {machine.read_proc(pid, 'cmdline')}"
               for pid in machine.pids_with(f"/host-{self.tag}-", of=("cgroup",))]
        out += [f"mount {at}" for at in machine.mounts() if f"lab-{self.tag}" in at]
        out += [name for name in machine.named_network_namespaces().values() if self.tag in name]
        out += [group for at in hosts.own_groups() for group in os.listdir(at) if self.tag in group]
        place = f"{hosts.ROOT}/build/e2e/lab-{self.tag}"
        return out + [place] * os.path.exists(place)


class Labs(unittest.TestCase):
    def start(self, name):
        os.makedirs(f"{hosts.ROOT}/build/e2e", exist_ok=True)
        log = f"{hosts.ROOT}/build/e2e/{name}.log"
        one = Run(log)
        self.addCleanup(os.unlink, log)
        self.addCleanup(one.child.wait, 60)
        self.addCleanup(one.child.terminate)
        return one

    def end(self, one, how):
        one.child.send_signal(how)
        return one.child.wait(60)

    def test_two_run_side_by_side_and_clean_up_when_they_are_interrupted(self):
        runs = {how: self.start(f"labs-{how.name}") for how in (signal.SIGTERM, signal.SIGINT)}
        for one in runs.values():
            wait_until(one.is_up, 120, f"{one.tag} is up", pause=0.5)
        for how, one in runs.items():
            with self.subTest(signal=how.name):
                self.assertTrue(one.remains(), "there is something to look for")
                self.assertEqual(self.end(one, how), 128 + how, one.text())
                self.assertEqual(one.remains(), [])
                self.assertNotIn("another test began", one.text())

    def test_one_that_is_interrupted_while_it_boots_cleans_up(self):
        one = self.start("labs-boot")
        wait_until(one.has_lab, 20, "it has begun", pause=0.01)
        time.sleep(0.3)
        self.assertEqual(self.end(one, signal.SIGTERM), 128 + signal.SIGTERM, one.text())
        self.assertEqual(one.remains(), [])

    def test_what_a_killed_run_left_goes_with_the_next_one(self):
        one = self.start("labs-kill")
        wait_until(one.is_up, 120, f"{one.tag} is up", pause=0.5)
        self.end(one, signal.SIGKILL)
        self.assertTrue(one.remains())
        hosts.purge_dead_labs()
        self.assertEqual(one.remains(), [])
        self.assertNotIn(f"lab-{one.tag}", run("ip", "netns", "list").stdout)
