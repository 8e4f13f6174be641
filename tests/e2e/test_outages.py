# SPDX-License-Identifier: Apache-2.0
"""Machines that are cut off, switched off, paused and started again, and a control plane that is away: what moves, what
stays, and who is blamed."""
import time

from harness import READY_HTTP, container_of, is_ready, make_deployment, make_pod, make_service
from machine import wait_until
from machines import MachinesTest

SLEEP = ("sleep", "3600")
BOTH = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")


def tolerating(seconds):
    return [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds} for key in BOTH]


class Outages(MachinesTest):
    name = "outages"
    segments = (1, 1, 1)

    def tearDown(self):
        for host in self.cluster.hosts:
            host.heal()
            if not host.is_alive():
                host.boot()
                self.cluster.start_on(host)
            self.cluster.wait_node(host.name)

    def put_on(self, host, name, **spec):
        self.apply(make_pod(name, *SLEEP, nodeName=host.name, **spec))
        return self.wait_ready(name)

    def wait_out(self, host, timeout=14):
        """8 s of silence, a beat is 2 s; and 8 s more where only the agent knows that its connection is dead."""
        began = time.monotonic()
        self.cluster.wait_node(host.name, timeout, status="Unknown")
        return time.monotonic() - began

    def identity(self, name):
        pod = self.get("pod", name)
        return pod["metadata"]["uid"], container_of(pod)["containerID"], container_of(pod)["restartCount"]

    def test_a_machine_that_is_cut_off_keeps_its_pods_and_is_forgiven(self):
        host = self.cluster.host("m2")
        self.put_on(host, "stays")
        before = self.identity("stays")
        for way in ("both", "out", "in"):
            with self.subTest(cut=way):
                host.cut(way)
                took = self.wait_out(host, 24 if way == "in" else 14)
                self.assertGreater(took, 5, "a short silence is nothing")
                self.wait_pod("stays", lambda pod: not is_ready(pod), 5, "leaves its services")
                self.assertTrue(host.run("pgrep", "-fx", "sleep 3600").stdout, "it runs on")
                host.heal()
                self.cluster.wait_node("m2", 20)
                self.wait_ready("stays", 20)
                self.assertEqual(self.identity("stays"), before)

    def deploy_everywhere(self):
        """One pod of it on each machine."""
        web = make_deployment("web", 3, container={"readinessProbe": READY_HTTP})
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
                  "labelSelector": {"matchLabels": {"app": "web"}}}
        web["spec"]["template"]["spec"].update(tolerations=tolerating(5), topologySpreadConstraints=[spread])
        self.apply(make_service("web"), web)
        self.wait_rollout("web")
        return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in self.pods("app=web")}

    def test_work_moves_from_a_machine_that_is_gone(self):
        lost = self.deploy_everywhere()["m3"]
        time.sleep(40)  # who has just come up judges nobody
        host = self.cluster.host("m3")
        began = time.monotonic()
        host.kill()

        def moved():
            ready = [pod for pod in self.pods("app=web") if is_ready(pod)]
            return len(ready) == 3 and all(pod["spec"]["nodeName"] != "m3" for pod in ready)
        wait_until(moved, 40, "three are ready elsewhere")
        took = time.monotonic() - began
        self.assertGreater(took, 8 + 5 - 3, "detection and toleration, less a beat and a fraction of a second")
        self.assertLess(took, 8 + 5 + 5)
        address = self.get("service", "web")["spec"]["clusterIP"]
        for _ in range(20):
            self.cluster.curl(f"http://{address}/")

        host.boot()
        self.cluster.start_on(host)
        self.cluster.wait_node("m3")
        wait_until(lambda: lost not in {pod["metadata"]["name"] for pod in self.pods()}, 30, "what was on it is gone")
        wait_until(lambda: host.run("sh", "-c", "pgrep -c demo || true").stdout.strip() == "0", 20, "and does not run there")

    def test_a_reboot_brings_back_what_was_there(self):
        host = self.cluster.host("m2")
        self.put_on(host, "back")
        uid, container, restarts = self.identity("back")
        host.reboot()
        self.cluster.start_on(host)
        self.cluster.wait_node("m2")
        pod = self.wait_pod("back", lambda pod: is_ready(pod) and container_of(pod)["containerID"] != container, 40,
                            "runs in a new container")
        self.assertEqual((pod["metadata"]["uid"], container_of(pod)["restartCount"]), (uid, restarts + 1))

    def test_a_rebooted_machine_that_is_cut_off_starts_what_it_had(self):
        host = self.cluster.host("m3")
        self.put_on(host, "alone", tolerations=tolerating(600))
        host.kill()
        host.boot()
        host.cut()
        self.cluster.start_on(host)
        wait_until(lambda: host.run("pgrep", "-fx", "sleep 3600", check=False).stdout, 40, "it runs, with no server in reach")
        host.heal()
        self.cluster.wait_node("m3", 30)
        self.wait_ready("alone", 30)

    def test_a_control_plane_that_was_away_blames_nobody(self):
        hosts = self.cluster.hosts
        for host in hosts[1:]:
            self.put_on(host, f"on-{host.name}", tolerations=tolerating(0))
        before = {host.name: self.identity(f"on-{host.name}") for host in hosts[1:]}
        first = self.cluster.first

        def nothing_happened():
            for host in hosts[1:]:
                self.assertEqual(self.identity(f"on-{host.name}"), before[host.name])
                self.assertTrue(is_ready(self.get("pod", f"on-{host.name}")))
                self.cluster.wait_node(host.name, 1)
        with self.subTest("paused"):
            first.pause()
            time.sleep(15)
            first.resume()
            for _ in range(12):
                time.sleep(1)
                nothing_happened()
        with self.subTest("restarted"):
            self.cluster.end_on(first, "KILL")
            time.sleep(12)
            self.cluster.start_on(first)
            wait_until(lambda: self.cluster.is_up(first), 30, "the server is back")
            for _ in range(12):
                time.sleep(1)
                nothing_happened()
