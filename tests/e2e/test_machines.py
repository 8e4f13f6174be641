# SPDX-License-Identifier: Apache-2.0
"""Three machines on two segments: pods, services and names across them, and restarts in between."""
import threading
import time

from harness import make_deployment, make_pod, make_service
from machine import wait_until
from machines import MachinesTest

SERVE = ("sh", "-c", "mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www")


class Machines3(MachinesTest):
    name = "machines"
    segments = (1, 1, 2)

    def run_everywhere(self):
        """A web server on each machine, named after it; their addresses."""
        for host in self.cluster.hosts:
            self.apply(make_pod(f"on-{host.name}", *SERVE, labels={"app": "everywhere"}, nodeName=host.name))
        return {host.name: self.wait_ready(f"on-{host.name}")["status"]["podIP"] for host in self.cluster.hosts}

    def wget(self, pod, url, check=True):
        return self.exec(pod, "wget", "-qO-", url, check=check).stdout.strip()

    def transports(self):
        """What leads to each other machine's pods, by machine: the interface of the route."""
        out = {}
        for host in self.cluster.hosts:
            lines = host.run("ip", "route", "show", "proto", "116").stdout.splitlines()
            out[host.name] = sorted(line.split(" dev ")[1].split()[0][:4] for line in lines)
        return out

    def test_pods_and_services_reach_across_segments(self):
        addresses = self.run_everywhere()
        self.assertEqual(self.transports(), {"m1": ["eth0", "tetv"], "m2": ["eth0", "tetv"], "m3": ["tetv", "tetv"]},
                         "plain routes within a segment, VXLAN between segments")
        for host in self.cluster.hosts:
            for name, address in addresses.items():
                with self.subTest(source=host.name, to=name):
                    self.assertEqual(self.wget(f"on-{host.name}", f"http://{address}:8080/"), f"on-{name}")
                    self.assertEqual(self.cluster.curl(f"http://{address}:8080/", host=host).strip(), f"on-{name}")
        self.apply(make_service("everywhere"))
        address = self.get("service", "everywhere")["spec"]["clusterIP"]
        for host in self.cluster.hosts:
            with self.subTest(service_from=host.name):
                seen = lambda ask: wait_until(lambda: len({ask() for _ in range(12)}) == 3, 20, "all three answer")
                seen(lambda: self.cluster.curl(f"http://{address}/", host=host).strip())
                seen(lambda: self.wget(f"on-{host.name}", "http://everywhere/"))

    def test_large_answers_pass_between_segments(self):
        addresses = self.run_everywhere()
        for source, to in (("m1", "m3"), ("m3", "m2"), ("m1", "m2")):
            with self.subTest(source=source, to=to):
                self.exec(f"on-{to}", "sh", "-c", "head -c 3000000 /dev/zero >/www/large")
                size = self.exec(f"on-{source}", "sh", "-c", f"wget -qO- http://{addresses[to]}:8080/large | wc -c")
                self.assertEqual(size.stdout.strip(), "3000000")

    def test_a_restart_of_an_agent_costs_no_packet(self):
        addresses = self.run_everywhere()
        failures, stop, asked = [], threading.Event(), [0]

        def ask():
            while not stop.is_set():
                done = self.exec("on-m1", "sh", "-c", f"for i in 1 2 3 4 5; do wget -qO- http://{addresses['m3']}:8080/ "
                                 "|| exit 1; done", check=False)
                asked[0] += 5
                if done.returncode != 0:
                    failures.append(done.stdout + done.stderr)
        thread = threading.Thread(target=ask)
        thread.start()
        try:
            host = self.cluster.host("m3")
            for how in ("TERM", "KILL"):
                self.cluster.end_on(host, how)
                self.cluster.start_on(host)
                self.cluster.wait_node("m3")
                time.sleep(2)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(asked[0], 20)

    def test_fifty_pods_are_spread(self):
        self.apply(make_deployment("many", 50))
        self.wait_rollout("many")
        counts = {host.name: 0 for host in self.cluster.hosts}
        for pod in self.pods("app=many"):
            counts[pod["spec"]["nodeName"]] += 1
        self.assertGreater(min(counts.values()), 10, counts)
