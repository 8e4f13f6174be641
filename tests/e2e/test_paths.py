# SPDX-License-Identifier: Apache-2.0
"""How packets travel between machines: clients outside of the cluster at node ports, segments of other sizes, streams
while agents restart, and all of it while no server is there. The first machine is only a server."""
import json
import os
import subprocess
import sys
import time

import machine
from harness import make_pod, make_service
from machine import run, wait_until
from machines import Machines, MachinesTest

STREAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stream.py")
# A web server that says who asks, how much was sent to it, and has a large file.
WEB = ("sh", "-c", "mkdir -p /w/cgi-bin; printf '#!/bin/sh\\necho; echo $REMOTE_ADDR $(hostname)\\n' >/w/cgi-bin/who; "
       "printf '#!/bin/sh\\necho; wc -c\\n' >/w/cgi-bin/count; chmod 755 /w/cgi-bin/*; "
       "head -c 3000000 /dev/zero >/w/large; exec httpd -f -p 0.0.0.0:8080 -h /w")
PORTS = {"local": 30011, "wide": 30012, "sticky": 30013}


class Paths(MachinesTest):
    """m1 and m2 on one segment, m3 on the other; c1 and c2 are no machines of the cluster."""
    name = "paths"
    segments = (1, 1, 2)
    mtus = {}

    @classmethod
    def start_cluster(cls):
        cls.cluster = Machines(cls.name, cls.segments, command="server", mtus=cls.mtus)
        cls.cluster.start()

    @property
    def nodes(self):
        return self.cluster.hosts[1:]

    def serve_on(self, *hosts):
        """A web server on each; their addresses by machine."""
        for host in hosts:
            self.apply(make_pod(f"web-{host.name}", *WEB, labels={"app": "web"}, nodeName=host.name))
        return {host.name: self.wait_ready(f"web-{host.name}")["status"]["podIP"] for host in hosts}


class Outside(Paths):
    name = "outside"

    @classmethod
    def start_cluster(cls):
        super().start_cluster()
        cls.clients = [run_host for run_host in (cls.cluster.lab.add_host("c1", 1), cls.cluster.lab.add_host("c2", 2))]

    @property
    def nodes(self):
        return [self.cluster.host("m2"), self.cluster.host("m3")]

    def make_services(self):
        wanted = {"local": {"externalTrafficPolicy": "Local"}, "wide": {}, "sticky": {"sessionAffinity": "ClientIP"}}
        for name, port in PORTS.items():
            service = make_service(name, app="web", type="NodePort", **wanted[name])
            service["spec"]["ports"][0]["nodePort"] = port
            self.apply(service)
            self.addCleanup(self.kubectl, "delete", "service", name)  # the next test has its port

    def who(self, client, host, service):
        """[address of the asker as the pod sees it, pod]; nothing: no answer."""
        done = run(*self.cluster.inside(client), "curl", "-fsS", "--noproxy", "*", "-m", "2",
                   f"http://{host.address}:{PORTS[service]}/cgi-bin/who", check=False)
        return done.stdout.split()

    def test_local_keeps_the_address_and_drops_where_no_pod_is(self):
        self.serve_on(self.cluster.host("m2"))
        self.make_services()
        for client in self.clients:
            with self.subTest(client=client.name):
                wait_until(lambda: self.who(client, self.nodes[0], "local") == [client.address, "web-m2"], 20, "kept")
                self.assertEqual(self.who(client, self.nodes[1], "local"), [], "no pod there: no answer")
                began = time.monotonic()
                self.who(client, self.nodes[1], "local")
                self.assertGreater(time.monotonic() - began, 1.5, "dropped, not refused: a load balancer asks elsewhere")
        self.serve_on(self.cluster.host("m3"))
        for client in self.clients:
            wait_until(lambda: self.who(client, self.nodes[1], "local") == [client.address, "web-m3"], 20,
                       "where a pod comes it is answered by that pod")
            for _ in range(8):
                self.assertEqual(self.who(client, self.nodes[0], "local"), [client.address, "web-m2"], "never by another's")

    def test_load_balancers_are_told_where_pods_are(self):
        self.serve_on(self.cluster.host("m2"))
        self.apply(make_service("lb", app="web", type="LoadBalancer", externalTrafficPolicy="Local"))
        port = self.get("service", "lb")["spec"]["healthCheckNodePort"]

        def told(host):
            """Status and body, as a load balancer sees them."""
            done = run(*self.cluster.inside(self.clients[0]), "curl", "-s", "--noproxy", "*", "-m", "2", "-w", "\n%{http_code}",
                       f"http://{host.address}:{port}/healthz", check=False)
            body, _, status = done.stdout.rpartition("\n")
            return int(status), json.loads(body) if body else None
        says = lambda count: {"service": {"namespace": self.namespace, "name": "lb"}, "localEndpoints": count,
                              "serviceProxyHealthy": True}
        m2, m3 = self.nodes
        wait_until(lambda: told(m2) == (200, says(1)), 20, "where the pod is")
        wait_until(lambda: told(m3) == (503, says(0)), 20, "where none is")
        self.serve_on(m3)
        wait_until(lambda: told(m3) == (200, says(1)), 20, "a pod has come")
        self.kubectl("delete", "pod", "web-m2", "--wait=false")
        wait_until(lambda: told(m2) == (503, says(0)), 20, "its pod goes")
        self.cluster.end_on(m3)
        self.cluster.start_on(m3)
        wait_until(lambda: told(m3) == (200, says(1)), 20, "by the agent that comes after")
        self.kubectl("delete", "service", "lb")
        for host in self.nodes:
            wait_until(lambda: told(host) == (0, None), 20, "no service, nobody listens")

    def test_cluster_is_answered_through_every_machine(self):
        self.serve_on(self.cluster.host("m2"))
        self.make_services()
        for client in self.clients:
            for host in self.nodes:
                with self.subTest(client=client.name, by=host.name):
                    wait_until(lambda: self.who(client, host, "wide")[1:] == ["web-m2"], 20, "answered")

    def test_a_client_stays_with_its_pod(self):
        self.serve_on(*self.nodes)
        self.make_services()
        for client in self.clients:
            for host in self.nodes:
                with self.subTest(client=client.name, by=host.name):
                    wait_until(lambda: self.who(client, host, "sticky"), 20, "answered")
                    self.assertEqual(len({self.who(client, host, "sticky")[1] for _ in range(12)}), 1)
                    wait_until(lambda: len({self.who(client, host, "wide")[1] for _ in range(12)}) == 2, 20,
                               "without affinity both answer")
        address = self.get("service", "sticky")["spec"]["clusterIP"]
        for pod in ("web-m2", "web-m3"):
            seen = {self.exec(pod, "wget", "-qO-", f"http://{address}/cgi-bin/who").stdout.split()[1] for _ in range(12)}
            self.assertEqual(len(seen), 1, f"{pod} by the service's address")

    def test_a_client_stays_with_its_pod_when_the_agent_restarts(self):
        self.serve_on(*self.nodes)
        self.make_services()
        client, host = self.clients[1], self.nodes[0]
        wait_until(lambda: self.who(client, host, "sticky"), 20, "answered")
        before = self.who(client, host, "sticky")[1]
        # At once: what the agent has just been told may be on its disk or, where it is killed, not yet.
        for how in ("TERM", "KILL"):
            self.cluster.end_on(host, how)
            self.cluster.start_on(host)
            for _ in range(20):
                self.assertEqual(self.who(client, host, "sticky")[1], before, how)
                time.sleep(0.2)


class Segments(Paths):
    name = "segments"
    mtus = {2: 1400}

    def ping(self, pod, address, size):
        return self.exec(pod, "ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", str(size), address, check=False).stdout

    def exec_text(self, pod, *command):
        return self.exec(pod, *command).stdout.strip()

    def test_large_packets_and_bodies_pass_both_ways(self):
        addresses = self.serve_on(*self.nodes)
        self.apply(make_service("web"))
        service = self.get("service", "web")["spec"]["clusterIP"]
        large = os.path.join(self.cluster.directory, "large")
        with open(large, "wb") as file:
            file.write(bytes(3_000_000))
        for source, to in (("m2", "m3"), ("m3", "m2")):
            pod, address = f"web-{source}", addresses[to]
            with self.subTest(source=source, what="packets of every size"):
                # One that is too large for a part of the way is lost and its sender told: then none of its size is.
                sizes = (1200, 1300, 1322, 1323, 1372, 1422, 1472, 4000, 8900, 8972, 20000)
                for size in sizes:
                    self.assertRegex(self.ping(pod, address, size), r"[23] packets received", f"{size} bytes from {source} to {to}")
                for size in sizes:
                    self.assertIn(" 0% packet loss", self.ping(pod, address, size), f"{size} bytes from {source} to {to}")
            with self.subTest(source=source, what="a large answer"):
                for target in (f"{address}:8080", service):
                    size = self.exec_text(pod, "sh", "-c", f"wget -qO- http://{target}/large | wc -c")
                    self.assertEqual(size, "3000000", target)
            with self.subTest(source=source, what="a large question"):
                for target in (f"{address}:8080", service):
                    count = run(*self.net_of(pod), "curl", "-fsS", "--noproxy", "*", "-m", "20", "-H", "Expect:", "--data-binary",
                                f"@{large}", f"http://{target}/cgi-bin/count").stdout.strip()
                    self.assertEqual(count, "3000000", target)
            with self.subTest(source=source, what="from the machine itself"):
                got = run(*self.cluster.inside(self.cluster.host(source)), "curl", "-fsS", "--noproxy", "*", "-m", "20",
                          "-o", "/dev/null", "-w", "%{size_download}", f"http://{address}:8080/large").stdout
                self.assertEqual(got, "3000000")

    def test_who_may_not_be_cut_up_is_told_how_much_fits(self):
        """Path MTU discovery of datagrams, which nothing clamps."""
        addresses = self.serve_on(*self.nodes)
        probe = ("import socket, sys, time\n"
                 "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(0, 10, 2)\n"  # IP_MTU_DISCOVER, DO
                 "s.connect((sys.argv[1], 9)); size = int(sys.argv[2])\n"
                 "for _ in range(20):\n"
                 "    try: s.send(b'x' * (size - 28))\n"
                 "    except OSError: pass\n"
                 "    time.sleep(0.05)\n"
                 "print(s.getsockopt(0, 14))\n")  # IP_MTU
        for source, to in (("m2", "m3"), ("m3", "m2")):
            with self.subTest(source=source):
                own, other = (self.mtus.get(self.cluster.host(name).segment, 1500) for name in (source, to))
                seen = run(*self.net_of(f"web-{source}"), sys.executable, "-c", probe, addresses[to], own).stdout
                self.assertLess(int(seen), own, "it has been told")
                self.assertLessEqual(int(seen), max(own, other) - 50)


class Jumbo(Segments):
    name = "jumbo"
    mtus = {1: 9000}


class Streams(Paths):
    name = "streams"

    def stream(self, pod, *words):
        return subprocess.Popen([*self.net_of(pod), sys.executable, STREAM, *[str(word) for word in words]], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self, stream):
        out, _ = stream.communicate("\n", timeout=30)
        return json.loads(out)

    def test_a_restart_of_an_agent_costs_no_packet(self):
        self.serve_on(*self.nodes)
        service = make_service("far", port=81, target=8081, app="far")
        self.apply(service, make_pod("far", "sleep", "3600", nodeName="m3"), make_pod("near", "sleep", "3600", nodeName="m2"))
        far = self.wait_ready("far")["status"]["podIP"]
        self.wait_ready("near")
        address = self.get("service", "far")["spec"]["clusterIP"]
        server = self.stream("far", "serve", 8081)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertEqual(server.stdout.readline(), "ready\n")
        wait_until(lambda: run(*self.net_of("near"), "curl", "-m", "1", f"telnet://{address}:81", check=False).returncode != 7,
                   20, "the service leads there")
        streams = {"datagrams": self.stream("near", "udp", far, 8081), "a connection": self.stream("near", "tcp", address, 81),
                   "new connections": self.stream("near", "fresh", address, 81)}
        for host in self.nodes:
            for how in ("TERM", "KILL"):
                self.cluster.end_on(host, how)
                self.cluster.start_on(host)
                self.cluster.wait_node(host.name)
                time.sleep(3)
        for name, stream in streams.items():
            with self.subTest(name):
                seen = self.end(stream)
                self.assertEqual((seen["answered"], seen["errors"]), (seen["sent"], []), seen)
                self.assertGreater(seen["sent"], 200)
                self.assertLess(seen["longest"], 1, "and none was late")

    def test_services_and_names_without_a_server(self):
        self.serve_on(*self.nodes)
        wide = make_service("wide", app="web", type="NodePort")
        wide["spec"]["ports"][0]["nodePort"] = PORTS["wide"]
        self.apply(wide)
        name = f"wide.{self.namespace}.svc.cluster.local"
        address = self.get("service", "wide")["spec"]["clusterIP"]

        def all_of(host):
            """Of one machine: by name and by address from its pod, by node port and name from itself."""
            who = self.inside_pod(host, "wget", "-qO-", f"http://{name}/cgi-bin/who")
            by_address = self.inside_pod(host, "wget", "-qO-", f"http://{address}/cgi-bin/who")
            port = run(*self.cluster.inside(self.cluster.first), "curl", "-fsS", "--noproxy", "*", "-m", "2",
                       f"http://{host.address}:{PORTS['wide']}/cgi-bin/who", check=False).stdout
            return all("web-" in each for each in (who, by_address, port))
        self.remember_pods()
        for host in self.nodes:
            wait_until(lambda: all_of(host), 20, f"{host.name} answers")
        self.cluster.end_on(self.cluster.first, "KILL")
        try:
            for _ in range(10):
                for host in self.nodes:
                    self.assertTrue(all_of(host), f"{host.name} with the server gone")
            for host in self.nodes:
                with self.subTest("an agent that starts with no server in reach", host=host.name):
                    self.cluster.end_on(host)
                    self.cluster.start_on(host)
                    wait_until(lambda: all_of(host), 20, f"{host.name} answers again, names included")
            other = self.nodes[0]
            other.cut()
            with self.subTest("alone: no machine asks another for names"):
                asked = self.inside_pod(self.nodes[0], "nslookup", name)
                self.assertIn(address, asked)
            other.heal()
        finally:
            for host in self.nodes:
                host.heal()
            self.cluster.start_on(self.cluster.first)
            wait_until(lambda: self.cluster.is_up(self.cluster.first), 30, "the server is back")
            for host in self.nodes:
                self.cluster.wait_node(host.name)

    def remember_pods(self):
        """Exec needs a server: commands go into the pods by their processes."""
        self.pids = {host.name: machine.container_pids(
            self.get("pod", f"web-{host.name}")["status"]["containerStatuses"][0]["containerID"])[0][0] for host in self.nodes}

    def inside_pod(self, host, *command):
        done = run("nsenter", "-t", self.pids[host.name], "-m", "-n", "-r", *command, check=False, timeout=20)
        return done.stdout
