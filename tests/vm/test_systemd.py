# SPDX-License-Identifier: Apache-2.0
"""Tetrarch as packaging/README.md installs it, on a fresh Debian 12: a systemd unit, control groups of version 2."""
import json
import os
import re
import sys
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from harness import BUSYBOX, SMALL, container_of, is_ready, make_pod  # noqa: E402
from machine import run, wait_until  # noqa: E402
from vm import ROOT, Vm  # noqa: E402

CLONE = "/root/tetrarch"  # what a user has after a build; the machine's own copy
KUBECTL = f"{CLONE}/build/clients/kubectl-1.35"
DATA = "/var/lib/tetrarch"
GROUPS = "/sys/fs/cgroup"


def install_steps():
    """The commands that packaging/README.md tells to type."""
    with open(f"{ROOT}/packaging/README.md", encoding="utf-8") as page:
        block = re.search(r"^By hand.*?\n\n((?: {4}.*\n)+)", page.read(), re.M)
    return "".join(line[4:] + "\n" for line in block.group(1).splitlines())


class FreshMachine(unittest.TestCase):
    """The tests share one machine and may run in any order: each leaves the unit running."""

    @classmethod
    def setUpClass(cls):
        cls.vm = Vm("systemd")
        try:
            cls.install()
        except BaseException:
            print(cls.vm.console(), cls.journal(), flush=True)
            cls.vm.close()
            raise

    @classmethod
    def install(cls):
        cls.vm.shell(f"""mkdir -p /mnt/clone {CLONE}/build/release {CLONE}/build/clients
            mount -t 9p -o trans=virtio,ro,version=9p2000.L,msize=512000 clone /mnt/clone
            cd /mnt/clone
            cp -r packaging examples {CLONE}
            cp -r build/images {CLONE}/build
            cp {KUBECTL.removeprefix(CLONE + '/')} {CLONE}/build/clients
            cp build/release/tetrarch {CLONE}/build/release
            cd / && umount /mnt/clone""", timeout=300)
        cls.vm.shell(f"cd {CLONE}\n{install_steps()}", timeout=120)
        cls.kubectl("apply", "-f", f"{CLONE}/examples/hello.yaml")
        cls.wait_hello()

    @classmethod
    def tearDownClass(cls):
        """`down --purge` is the last test of all: nothing may be left."""
        try:
            cls.vm.run("systemctl", "stop", "tetrarch")
            cls.vm.run("tetrarch", "down", "--purge")
            left = cls.remains()
        finally:
            cls.vm.close()
        if left:
            raise AssertionError("down --purge left:\n  " + "\n  ".join(left))

    @classmethod
    def remains(cls):
        """Processes, links, tables, mounts, groups, files. Debian's own containerd runs on: it is not ours."""
        running = [line for line in cls.vm.text("ps", "-eo", "args").splitlines()
                   if re.search("containerd|tetrarch|/pause|/demo", line) and line != "/usr/bin/containerd"]
        return running + cls.vm.shell(f"""
            ip -o link | grep -vE ': (lo|ens3):' || true
            nft list tables
            grep -E '{DATA}|/run/tetrarch|/run/netns' /proc/mounts || true
            find {GROUPS} -type d -name '*tetrarch*' -not -name tetrarch.service || true
            find {GROUPS} -type d -name 'pod*'
            ls -d {DATA} /run/tetrarch/* /run/netns/* 2>/dev/null || true""").splitlines()

    # ---- shorthands -------------------------------------------------------------------------------------------

    @classmethod
    def journal(cls, lines=60):
        return cls.vm.text("journalctl", "--no-pager", "-o", "short-precise", "-n", lines, "-u", "tetrarch",
                           check=False)

    def dump(self):
        return "\n".join([self.vm.console(15), self.journal(), self.kubectl("get", "pods,events", check=False),
                          self.vm.text("tail", "-n", 20, f"{DATA}/agent/containerd/containerd.log", check=False)])

    @classmethod
    def kubectl(cls, *words, **options):
        return cls.vm.text("env", f"KUBECONFIG={DATA}/admin.kubeconfig", KUBECTL, *words, **options)

    @classmethod
    def get(cls, *words):
        return json.loads(cls.kubectl("get", *words, "-o", "json"))

    @classmethod
    def hello_pods(cls):
        return sorted(cls.get("pods", "-l", "app=hello")["items"], key=lambda pod: pod["metadata"]["name"])

    @classmethod
    def wait_hello(cls, timeout=90):
        """The API answers, three pods are ready and the service answers by its address."""
        def answers():
            pods = cls.hello_pods()
            assert len(pods) == 3 and all(map(is_ready, pods)), [pod["status"] for pod in pods]
            address = cls.get("service", "hello")["spec"]["clusterIP"]
            return cls.vm.text("curl", "-fsS", "-m", 2, f"http://{address}/").startswith("Hello from hello-")
        wait_until(answers, timeout * cls.vm.patience, "hello answers", pause=0.5)

    def restarts(self):
        return {pod["metadata"]["name"]: container_of(pod)["restartCount"] for pod in self.hello_pods()}

    def containers(self):
        return {pod["metadata"]["name"]: container_of(pod)["containerID"] for pod in self.hello_pods()}

    def assert_no_address_is_lost(self):
        """Every lease belongs to a pod that is there: else the node runs out of addresses after some reboots."""
        def is_so():
            held = self.vm.shell(f"ls {DATA}/agent/network/leases/*/ | grep '^10' || true").split()
            pods = self.get("pods", "-A")["items"]
            self.assertEqual(sorted(held), sorted(pod["status"].get("podIP", "") for pod in pods))
            return True
        wait_until(is_so, 30 * self.vm.patience, "as many leases as pods", pause=1)

    def main_pid(self):
        return int(self.vm.text("systemctl", "show", "-P", "MainPID", "tetrarch"))

    def make(self, pod, phase=None):
        """Applies a pod, waits until it is ready (or in a phase), and takes it away after the test."""
        name = pod["metadata"]["name"]
        self.kubectl("apply", "-f", "-", input=json.dumps(pod))
        self.addCleanup(self.kubectl, "delete", "pod", name, "--wait=false", check=False)

        def is_there():
            seen = self.get("pod", name)
            return (seen["status"].get("phase") == phase if phase else is_ready(seen)) and seen
        return wait_until(is_there, 60 * self.vm.patience, f"pod {name} is {phase or 'ready'}", pause=0.3)

    def group_of(self, pod):
        """The pod's control group."""
        found = self.vm.text("find", GROUPS, "-type", "d", "-name", f"pod{pod['metadata']['uid']}").splitlines()
        self.assertEqual(len(found), 1, found)
        return found[0]

    def container_group(self, pod):
        container = container_of(pod)["containerID"].split("://")[1]
        return f"{self.group_of(pod)}/{container}"

    def limits(self, group):
        names = ("memory.max", "cpu.max", "cpu.weight", "pids.max")
        return dict(zip(names, self.vm.shell(f"cd {group} && cat {' '.join(names)}").splitlines()))

    # ---- tests ------------------------------------------------------------------------------------------------

    def test_this_is_the_machine_that_a_user_has(self):
        self.assertEqual(self.vm.text("ps", "-o", "comm=", "1"), "systemd")
        self.assertEqual(self.vm.text("stat", "-f", "-c", "%T", GROUPS), "cgroup2fs")
        self.assertIn("bookworm", self.vm.text("cat", "/etc/os-release"))
        self.assertIn("Debian", self.vm.text("uname", "-v"))
        self.assertEqual(self.vm.text("systemctl", "--failed", "--no-legend", "--plain"), "")

    def test_the_unit_counts_as_started_when_pods_can_be_taken(self):
        self.assertEqual(self.vm.text("systemctl", "show", "-P", "Type", "tetrarch"), "notify")
        self.vm.run("systemctl", "restart", "tetrarch")
        self.assertEqual(self.kubectl("get", "--raw", "/readyz"), "ok")
        self.assertNotIn("Got notification message from PID", self.journal(20))
        node = self.get("nodes")["items"][0]
        self.assertIn("True", [c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"])
        self.wait_hello()

    def test_a_service_answers_by_address_node_port_and_name(self):
        self.wait_hello()
        inside = self.vm.text("curl", "-fsS", "-m", 3, "http://127.0.0.1:30080/")
        outside = run("curl", "-fsS", "--noproxy", "*", "-m", 5, f"http://127.0.0.1:{self.vm.node_port}/").stdout
        self.assertIn("Hello from hello-", inside)
        self.assertIn("Hello from hello-", outside)
        pod = self.make(make_pod("asker", "sleep", "1000"))
        name = pod["metadata"]["name"]
        # A first query may take longer than busybox waits, where the processor is emulated.
        wait_until(lambda: "Hello from hello-" in self.kubectl("exec", name, "--", "wget", "-qO-", "http://hello/"),
                   20 * self.vm.patience, "the service answers by name")

    def test_limits_are_in_the_files_of_version_2(self):
        resources = {"requests": {"cpu": "500m", "memory": "16Mi"}, "limits": {"cpu": "1500m", "memory": "48Mi"}}
        pod = self.make(make_pod("limited", "sleep", "1000", container={"resources": resources}))
        expected = {"memory.max": str(48 << 20), "cpu.max": "150000 100000", "cpu.weight": "20", "pids.max": "max"}
        for group in (self.group_of(pod), self.container_group(pod)):
            self.assertEqual(self.limits(group), expected, group)

    def test_quality_of_service_decides_the_parent_group(self):
        both = {"cpu": "100m", "memory": "16Mi"}
        table = [("guaranteed", {"requests": both, "limits": both}, "Guaranteed", "^tetrarch-", "-997"),
                 ("burstable", SMALL, "Burstable", "^burstable$", "999"),
                 ("besteffort", {}, "BestEffort", "^besteffort$", "1000")]
        for name, resources, kind, group, score in table:
            with self.subTest(name):
                pod = self.make(make_pod(name, "sleep", "1000", container={"resources": resources}))
                self.assertEqual(pod["status"]["qosClass"], kind)
                parent = os.path.basename(os.path.dirname(self.group_of(pod)))
                self.assertRegex(parent, group)
                self.assertEqual(self.kubectl("exec", name, "--", "cat", "/proc/1/oom_score_adj"), score)

    def test_too_much_memory_is_reported_as_oom_killed(self):
        eat = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}"
        pod = self.make(make_pod("eater", "sh", "-c", eat, restartPolicy="Never",
                                 container={"resources": {"limits": {"memory": "24Mi"}}}), phase="Failed")
        ended = container_of(pod)["state"]["terminated"]
        self.assertEqual((ended["reason"], ended["exitCode"]), ("OOMKilled", 137))

    def test_logs_and_exec_work(self):
        pod = self.make(make_pod("talker", "sh", "-c", "echo said-so; exec sleep 1000"))["metadata"]["name"]
        self.assertEqual(self.kubectl("logs", pod), "said-so")
        self.assertEqual(self.kubectl("exec", "-i", pod, "--", "tr", "a-z", "A-Z", input="loud\n"), "LOUD")

    def test_kill_9_lets_systemd_restart_it_and_containers_go_on(self):
        before, pid = self.containers(), self.main_pid()
        self.vm.run("kill", "-9", pid)
        wait_until(lambda: self.main_pid() not in (0, pid) and
                   self.vm.text("systemctl", "is-active", "tetrarch", check=False) == "active",
                   60 * self.vm.patience, "the unit is active again")
        self.wait_hello()
        self.assertEqual(self.containers(), before)

    def test_stop_leaves_containers_running_and_start_adopts_them(self):
        before = self.containers()
        address = self.get("service", "hello")["spec"]["clusterIP"]
        self.vm.run("systemctl", "stop", "tetrarch")
        self.assertEqual(self.vm.text("systemctl", "is-active", "tetrarch", check=False), "inactive")
        self.assertIn("Hello from hello-", self.vm.text("curl", "-fsS", "-m", 3, f"http://{address}/"))
        self.vm.run("systemctl", "daemon-reload")
        self.vm.run("systemctl", "start", "tetrarch")
        self.wait_hello()
        self.assertEqual(self.containers(), before)

    def test_a_reboot_brings_every_pod_back_with_its_restart_counted(self):
        before = self.restarts()
        took = self.vm.reboot()
        self.wait_hello()
        self.assertEqual(self.restarts(), {name: count + 1 for name, count in before.items()})
        self.assert_no_address_is_lost()
        self.assertLess(took, 40 * self.vm.patience, "the machine took long to go down")

    def test_a_power_cut_loses_nothing_that_was_acknowledged(self):
        before = self.restarts()
        self.kubectl("create", "configmap", "kept", "--from-literal=a=b")
        self.addCleanup(self.kubectl, "delete", "configmap", "kept")
        self.vm.cut_power()
        self.wait_hello()
        self.assertEqual(self.get("configmap", "kept")["data"], {"a": "b"})
        self.assertEqual(self.restarts(), {name: count + 1 for name, count in before.items()})
