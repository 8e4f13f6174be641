# SPDX-License-Identifier: Apache-2.0
"""Services in motion: endpoints come and go under traffic; every way to a service, and what is refused.

Names, resolvers and policies: test_network."""
import os
import subprocess
import threading
import time

import harness
import machine
from harness import DEMO, OutsideTest, container_of, make_deployment, make_pod, make_service
from machine import run, wait_until

SLEEP = ("sleep", "3600")
READY = {"readinessProbe": harness.READY_HTTP}
NEVER_READY = {"readinessProbe": {"tcpSocket": {"port": 9}, "periodSeconds": 1}}
# A server that serves on for a while after SIGTERM, as Kubernetes asks of those who want no refused connection.
LINGERS = ("sh", "-c", "mkdir /www; echo fine > /www/index.html; httpd -p 8080 -h /www; trap 'sleep 3; exit 0' TERM; "
           "while :; do sleep 1 & wait $!; done")
ASK_UDP = """
import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.settimeout(3)
own.bind(("", int(sys.argv[3])))
own.connect((sys.argv[1], int(sys.argv[2])))
own.send(b"ping")
print(own.recv(500).decode())
"""
# Asks again and again from one port, says when it has begun, and ends with the first answer.
ASK_UDP_UNTIL_ANSWERED = """
import socket, sys, time
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.settimeout(0.2)
own.bind(("", int(sys.argv[3])))
own.connect((sys.argv[1], int(sys.argv[2])))
for number in range(1000):
    try:
        own.send(b"ping")
        print(own.recv(500).decode(), flush=True)
        break
    except OSError:
        time.sleep(0.1)  # it may have been refused at once
    if number == 5:
        print("asks", flush=True)
"""


class Services(OutsideTest):
    name = "services"

    # ---- clients ----------------------------------------------------------------------------------------------

    def wget(self, pod, url, check=True):
        return self.exec(pod, "wget", "-qO-", url, check=check).stdout

    def address_of(self, service):
        return self.get("service", service)["spec"]["clusterIP"]

    def node_port_of(self, service):
        return self.get("service", service)["spec"]["ports"][0]["nodePort"]

    def place_of(self, pod):
        """Words that run a command in the network of the pod."""
        pid = machine.container_pids(container_of(self.get("pod", pod))["containerID"])[0][0]
        return ["nsenter", "-t", pid, "-n"]

    def ask_udp(self, address, port, where=(), own_port=0):
        """What the demo server answers to a datagram: its name, and whence it saw it come."""
        done = run(*where, "python3", "-c", ASK_UDP, address, port, own_port, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-300:])
        return done.stdout.split()[:2]

    def wait_refused(self, url, where=(), timeout=15):
        """Refused (7 of curl), rather than left to time out (28); and at once."""
        def is_refused():
            began = time.monotonic()
            done = run(*where, "curl", "-sS", "--noproxy", "*", "-m", "3", url, check=False)
            took = time.monotonic() - began
            return (done.returncode == 7 and took < 1) or self.fail(f"{done.returncode} after {took:.1f} s: {done.stderr}")
        wait_until(is_refused, timeout, f"{url} refuses")

    # ---- ways to a service ------------------------------------------------------------------------------------

    def test_a_service_answers_from_everywhere(self):
        self.apply(make_deployment("web", 2, container=READY), make_service("web", type="NodePort"),
                   make_pod("client", *SLEEP), make_pod("near", *SLEEP, hostNetwork=True),
                   make_pod("self", image=DEMO), make_service("self"))
        for name in ("client", "near", "self"):
            self.wait_ready(name)
        self.wait_rollout("web")
        address, port = self.address_of("web"), self.node_port_of("web")
        client = self.get("pod", "client")["status"]["podIP"]

        self.wait_text(f"http://{address}/", "Hello from web-")
        self.assertIn("Hello from web-", self.wget("client", "http://web/"))
        self.assertEqual(self.wget("client", "http://web/peer").strip(), client, "a pod is seen under its own address")
        self.assertIn("Hello from web-", self.wget("near", f"http://{address}/"), "from the network of the node")
        for where, to in (((), "127.0.0.1"), ((), self.outside.host_address),
                          (self.place_of("client"), self.outside.host_address)):
            with self.subTest(to=to, where=where):
                self.assertIn("Hello from web-", run(*where, "curl", "-fsS", "-m", "3", f"http://{to}:{port}/").stdout)
        away = self.outside.inside("curl", "-fsS", "-m", "3", f"http://{self.outside.host_address}:{port}/").stdout
        self.assertIn("Hello from web-", away)

        own = self.get("pod", "self")["status"]["podIP"]
        reached = run(*self.place_of("self"), "curl", "-fsS", "-m", "3", f"http://{self.address_of('self')}/").stdout
        self.assertEqual(reached, "Hello from self\n", "a pod reaches itself by its service")
        self.assertNotEqual(own, client)
        api = run(*self.place_of("client"), "curl", "-skm", "3", "-o", "/dev/null", "-w", "%{http_code}",
                  f"https://{self.cluster.slot.service_prefix}.1/healthz").stdout
        self.assertIn(api, ("200", "401", "403"), "the API by its service address")

    def test_ports_have_names_that_each_pod_resolves(self):
        def served_on(name, number):
            return make_pod(name, image=DEMO, labels={"app": "multi"}, container={
                "env": [{"name": "PORT", "value": str(number)}], "ports": [{"name": "web", "containerPort": number}]})
        service = make_service("multi")
        service["spec"]["ports"] = [{"name": "named", "port": 80, "targetPort": "web"},
                                    {"name": "fixed", "port": 81, "targetPort": 9090},
                                    {"name": "same", "port": 8080}]
        self.apply(served_on("old", 8080), served_on("new", 9090), service)
        self.wait_ready("old")
        self.wait_ready("new")
        address = self.address_of("multi")

        seen = lambda port: {self.cluster.curl(f"http://{address}:{port}/").split()[-1] for _ in range(20)}
        wait_until(lambda: seen(80) == {"old", "new"}, 15, "a named target port is each pod's own number")
        # The other ports lead to both pods, of which one listens there.
        for port, name in ((81, "new"), (8080, "old")):
            wait_until(lambda p=port: self.cluster.curl(f"http://{address}:{p}/").split()[-1], 10, f"port {port} leads to {name}")
        self.assertEqual(self.cluster.curl(f"http://{address}:80/").split()[0], "Hello")

    def test_a_client_stays_with_its_pod(self):
        affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 3}}}
        self.apply(make_deployment("web", 2, container=READY), make_service("sticky", app="web", type="NodePort", **affinity))
        self.wait_rollout("web")
        url = f"http://{self.address_of('sticky')}/"
        self.wait_text(url, "Hello")
        ready = lambda: len(self.endpoints("sticky"))
        wait_until(lambda: ready() == 2, 10, "two endpoints")

        first = self.cluster.curl(url)
        self.kubectl("scale", "deployment", "web", "--replicas=4")
        seen = {first}
        while ready() < 4:
            seen.add(self.cluster.curl(url))
        deadline = time.monotonic() + 2  # the rules follow the endpoints
        while time.monotonic() < deadline:
            seen.add(self.cluster.curl(url))
        self.assertEqual(seen, {first}, "new endpoints do not move a client")

        outside = {self.outside.inside("curl", "-fsS", "-m", "3",
                                       f"http://{self.outside.host_address}:{self.node_port_of('sticky')}/").stdout
                   for _ in range(12)}
        self.assertEqual(len(outside), 1, outside)
        gone = first.split()[-1]
        self.kubectl("delete", "pod", gone, "--wait=false")
        wait_until(lambda: gone not in self.cluster.curl(url), 15, "when its pod goes, it is led to another")
        second = self.cluster.curl(url)

        def is_moved():
            time.sleep(3.5)  # silence beyond timeoutSeconds
            return self.cluster.curl(url) != second
        wait_until(is_moved, 60, "after silence the choice is free again")

    def test_a_pods_end_moves_its_clients_and_no_others(self):
        self.apply(make_deployment("web", 3, container=READY),
                   make_service("sticky", app="web", type="NodePort", sessionAffinity="ClientIP"))
        self.wait_rollout("web")
        wait_until(lambda: len(self.endpoints("sticky")) == 3, 10, "three endpoints")
        url = f"http://127.0.0.1:{self.node_port_of('sticky')}/"
        clients = [f"127.0.0.{number}" for number in range(11, 27)]
        self.masquerade_first()

        def ask(client):
            """The pod that answers; nothing: none does."""
            words = run("curl", "-fsS", "--noproxy", "*", "-m", "3", "--interface", client, url, check=False).stdout.split()
            return words[-1] if words else ""
        wait_until(lambda: ask("127.0.0.2"), 10, "answered")
        before = {client: ask(client) for client in clients}
        self.assertGreater(len(set(before.values())), 1, "the test needs clients of several pods")
        for client in clients:
            self.assertEqual({ask(client) for _ in range(4)}, {before[client]}, client)

        gone = before[clients[0]]
        self.kubectl("delete", "pod", gone, "--wait=false")
        wait_until(lambda: ask(clients[0]) not in ("", gone), 15, "led to another")
        after = {client: ask(client) for client in clients}
        for client in clients:
            if before[client] == gone:
                self.assertNotIn(after[client], ("", gone), f"{client} is led to a pod that is there, at its first question")
            else:
                self.assertEqual(after[client], before[client], f"{client} stays")
            self.assertEqual({ask(client) for _ in range(4)}, {after[client]}, client)

    def masquerade_first(self):
        """What some other software, or a cluster beside this one, does with the same mark; nothing of the kind that is
        behind it sees those connections."""
        table = f"e2e_{os.getpid()}"
        run("nft", "-f", "-", input=f"""add table ip {table}
            add chain ip {table} out {{ type nat hook postrouting priority srcnat; }}
            add rule ip {table} out meta mark and 0x4000 != 0 masquerade""")
        self.addCleanup(run, "nft", f"delete table ip {table}")

    def test_a_client_of_datagrams_stays_with_its_pod(self):
        service = make_service("udp", type="NodePort", sessionAffinity="ClientIP")
        service["spec"]["ports"] = [{"name": "u", "port": 53, "targetPort": 8080, "protocol": "UDP"}]
        pods = [make_pod(name, image=DEMO, labels={"app": "udp"}, container=READY) for name in ("one", "two", "three")]
        self.apply(*pods, make_pod("client", *SLEEP), service)
        for name in ("one", "two", "three", "client"):
            self.wait_ready(name)
        wait_until(lambda: len(self.endpoints("udp")) == 3, 10, "three endpoints")
        address, port = self.address_of("udp"), self.node_port_of("udp")
        outside = ["ip", "netns", "exec", self.outside.name]
        for to, number, place in ((address, 53, self.place_of("client")), (address, 53, []), (self.outside.host_address, port, outside)):
            with self.subTest(to=to, place=place):
                wait_until(lambda t=to, n=number, p=place: self.ask_udp(t, n, p)[0], 10, "answered")
                seen = {self.ask_udp(to, number, place, 4100 + own)[0] for own in range(12)}
                self.assertEqual(len(seen), 1, seen)

    def endpoints(self, name):
        subsets = self.get("endpoints", name).get("subsets") or []
        return {a["ip"] for s in subsets for a in s.get("addresses") or []}

    def test_datagrams_are_led_and_follow_their_pods(self):
        service = make_service("udp", type="NodePort")
        service["spec"]["ports"] = [{"name": "u", "port": 53, "targetPort": 8080, "protocol": "UDP"},
                                    {"name": "t", "port": 53, "targetPort": 8080, "protocol": "TCP"}]
        self.apply(make_pod("first", image=DEMO, labels={"app": "udp"}), make_pod("client", *SLEEP), service)
        self.wait_ready("first")
        client = self.wait_ready("client")["status"]["podIP"]
        address, port = self.address_of("udp"), self.node_port_of("udp")
        wait_until(lambda: self.ask_udp(address, 53)[0] == "first", 10, "from the node")

        inside = self.place_of("client")
        self.assertEqual(self.ask_udp(address, 53, inside, 4001), ["first", f"{client}:4001"])
        outside = ["ip", "netns", "exec", self.outside.name]
        self.assertEqual(self.ask_udp(self.outside.host_address, port, outside)[0], "first")
        self.assertIn("Hello from first", self.cluster.curl(f"http://{address}:53/"), "TCP on the same number")

        self.apply(make_pod("second", image=DEMO, labels={"app": "udp"}))
        self.wait_ready("second")
        self.kubectl("delete", "pod", "first", "--wait=true")
        wait_until(lambda: self.ask_udp(address, 53, inside, 4001)[0] == "second", 10,
                   "a client that keeps its port is led away from a pod that is gone")
        self.kubectl("delete", "pod", "second", "--wait=true")

        def is_refused():
            done = run(*inside, "python3", "-c", ASK_UDP, address, 53, 4001, check=False)
            return "ConnectionRefusedError" in done.stderr or self.fail(done.stderr[-200:] + done.stdout)
        wait_until(is_refused, 10, "without endpoints a datagram is refused, not swallowed")

    def test_datagrams_sent_before_there_was_an_endpoint(self):
        port = self.cluster.slot.node_ports[1] - 3
        outside = ["ip", "netns", "exec", self.outside.name]
        askers = [subprocess.Popen([*where, "python3", "-c", ASK_UDP_UNTIL_ANSWERED, to, str(port), str(own)],
                                   stdout=subprocess.PIPE, text=True)
                  for where, to, own in ((outside, self.outside.host_address, 4011), ([], self.outside.host_address, 4012),
                                         ([], "127.0.0.1", 4013))]
        for asker in askers:
            self.addCleanup(asker.wait)
            self.addCleanup(asker.stdout.close)
            self.addCleanup(asker.kill)
            self.assertEqual(asker.stdout.readline(), "asks\n", "nobody answers yet")
        service = make_service("udp", type="NodePort")
        service["spec"]["ports"] = [{"name": "u", "port": 53, "targetPort": 8080, "protocol": "UDP", "nodePort": port}]
        self.apply(service)
        time.sleep(1)  # the port is known, without an endpoint
        self.apply(make_pod("late", image=DEMO, labels={"app": "udp"}))
        self.wait_ready("late")
        began = time.monotonic()
        for asker in askers:
            self.assertEqual(asker.stdout.readline().split()[0], "late")
        self.assertLess(time.monotonic() - began, 5, "no client waits until the kernel forgets what it tried before")

    def test_without_endpoints_all_ways_refuse_at_once(self):
        self.apply(make_service("nobody", type="NodePort"), make_pod("client", *SLEEP),
                   make_pod("unready", image=DEMO, labels={"app": "nobody"}, container=NEVER_READY))
        self.wait_ready("client")
        self.wait_phase("unready", "Running")
        address, port = self.address_of("nobody"), self.node_port_of("nobody")

        self.wait_refused(f"http://{address}/")
        self.wait_refused(f"http://{address}/", self.place_of("client"))
        self.wait_refused(f"http://127.0.0.1:{port}/")
        self.wait_refused(f"http://{self.outside.host_address}:{port}/", ["ip", "netns", "exec", self.outside.name])

    # ---- endpoints --------------------------------------------------------------------------------------------

    def test_addresses_that_are_not_ready_may_be_published(self):
        self.apply(make_pod("slow", image=DEMO, container=NEVER_READY), make_service("late", app="slow"),
                   make_service("early", app="slow", publishNotReadyAddresses=True))
        self.wait_pod("slow", lambda p: "running" in container_of(p).get("state", {}), 60, "runs")
        self.wait_text(f"http://{self.address_of('early')}/", "Hello from slow", 15)
        self.wait_refused(f"http://{self.address_of('late')}/")

    def test_a_rolling_update_under_traffic_refuses_nobody(self):
        probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
        self.apply(make_deployment("live", 2, image=harness.BUSYBOX,
                                   container={"command": list(LINGERS), "readinessProbe": probe}),
                   make_service("live"))
        self.wait_rollout("live")
        address = self.address_of("live")
        self.wait_text(f"http://{address}/", "fine")

        asked, failures, is_over = [], [], threading.Event()

        def traffic():
            while not is_over.is_set():
                done = subprocess.run(["curl", "-fsS", "--noproxy", "*", "-m", "3", f"http://{address}/"],
                                      capture_output=True, text=True, check=False)
                (failures if done.returncode else asked).append(done.stderr)
        threads = [threading.Thread(target=traffic) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            before = {pod["metadata"]["name"] for pod in self.pods("app=live")}
            self.kubectl("rollout", "restart", "deployment/live")
            self.wait_rollout("live")
            wait_until(lambda: not before & {p["metadata"]["name"] for p in self.pods("app=live")}, 30, "old pods are gone")
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [], f"{len(asked)} were answered")
        self.assertGreater(len(asked), 50)

    def test_an_alias_is_followed_to_an_address(self):
        self.apply(make_pod("web", image=DEMO), make_service("web"), make_pod("client", *SLEEP),
                   make_service("alias", type="ExternalName", ports=None, selector=None,
                                externalName=f"web.{self.namespace}.svc.cluster.local"))
        self.wait_ready("web")
        self.wait_ready("client")
        self.wait_text(f"http://{self.address_of('web')}/", "Hello")
        self.assertIn("Hello from web", self.wget("client", "http://alias/"), "programs do not follow aliases themselves")
