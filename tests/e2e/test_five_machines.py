# SPDX-License-Identifier: Apache-2.0
"""Five machines on two segments: everything from everywhere, and one of them lost in the ways that test_outages has not."""
import os
import shutil

import dns
from harness import READY_HTTP, container_of, is_ready, make_deployment, make_service
from machine import wait_until
from machines import MachinesTest
from test_outages import tolerating
from traffic import in_network


class FiveMachines(MachinesTest):
    name = "five"
    segments = (1, 1, 1, 2, 2)

    def deploy(self, replicas, seconds=600):
        """`web`, spread over all machines, and its service; the service's address."""
        web = make_deployment("web", replicas, container={"readinessProbe": READY_HTTP})
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
                  "labelSelector": {"matchLabels": {"app": "web"}}}
        web["spec"]["template"]["spec"].update(tolerations=tolerating(seconds), topologySpreadConstraints=[spread])
        self.apply(make_service("web"), web)
        self.wait_rollout("web")
        return self.get("service", "web")["spec"]["clusterIP"]

    def counts(self):
        counts = {host.name: 0 for host in self.cluster.hosts}
        for pod in self.pods("app=web"):
            counts[pod["spec"]["nodeName"]] += 1
        return counts

    def assert_served_everywhere(self, address):
        domain = f"web.{self.namespace}.svc.cluster.local"
        for host in self.cluster.hosts:
            with self.subTest(source=host.name), in_network(host.network()):
                wait_until(lambda: dns.ask("10.43.0.10", domain) == ("NOERROR", [address]), 10, "its name is known")
                for _ in range(20):
                    self.cluster.curl(f"http://{address}/", host=host)

    def test_fifty_pods_are_spread_and_served_on_every_machine(self):
        address = self.deploy(50)
        self.assertEqual(set(self.counts().values()), {10}, self.counts())
        self.assert_served_everywhere(address)

    def test_everything_on_a_machine_is_killed_and_runs_again(self):
        address = self.deploy(10)
        host = self.cluster.host("m4")
        before = {pod["metadata"]["uid"] for pod in self.pods("app=web") if pod["spec"]["nodeName"] == "m4"}
        self.assertEqual(len(before), 2)
        host.kill_processes()
        wait_until(lambda: not self.cluster.is_running(host), 10, "tetrarch has ended too")
        self.cluster.start_on(host)

        def are_back():
            pods = {pod["metadata"]["uid"]: pod for pod in self.pods("app=web") if pod["spec"]["nodeName"] == "m4"}
            self.assertEqual(set(pods), before, "the same pods")
            return all(is_ready(pod) and container_of(pod)["restartCount"] == 1 for pod in pods.values())
        wait_until(are_back, 40, "each was restarted once", pause=0.3)
        self.assertEqual(set(self.counts().values()), {2}, "nothing moved")
        self.assert_served_everywhere(address)

    def test_a_machine_that_lost_its_disk_joins_again_under_its_name(self):
        address = self.deploy(10, seconds=2)
        cluster, host = self.cluster, self.cluster.host("m5")
        host.kill()
        shutil.rmtree(os.path.join(host.disk, "tetrarch"))
        cluster.wait_node("m5", 70, status="Unknown")  # who has just come up judges nobody for 40 s
        cluster.tetrarch("node", "rm", "m5")
        wait_until(lambda: self.counts()["m5"] == 0, 60, "its pods are gone with it")
        self.wait_rollout("web")
        cluster.put_images(host)
        host.boot()
        cluster.start_on(host)  # with the token
        cluster.wait_node("m5")
        self.kubectl("scale", "deployment/web", "--replicas=15")
        self.wait_rollout("web")
        self.assertGreater(self.counts()["m5"], 1)
        self.assert_served_everywhere(address)
