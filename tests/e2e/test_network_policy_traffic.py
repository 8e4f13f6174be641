# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicies and what goes on around them: agents that restart, pods that have just begun, protocols in VXLAN,
clients from outside that come by node ports."""
import os
import subprocess
import sys
import threading
import time

from harness import make_pod, make_service
from machine import wait_until
from policies import SLEEP, PolicyTest, pods, policy, ports

PROTOCOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "protocols.py")


class NetworkPolicyTraffic(PolicyTest):
    name = "nptraffic"
    segments = (1, 1, 2)  # m3 is reached in VXLAN

    @classmethod
    def start_cluster(cls):
        super().start_cluster()
        cls.outside = cls.cluster.lab.add_host("c1", 1)  # no machine of the cluster

    def test_an_agent_that_restarts_under_traffic(self):
        at = self.start_pods(self.serve("web", "m2"), make_pod("friend", *SLEEP, labels={"app": "friend"}, nodeName="m1"),
                             make_pod("stranger", *SLEEP, nodeName="m2"))
        self.apply(policy("np", {"app": "web"}, ingress=[{"from": [pods(app="friend")]}]))
        target = {"web": (at["web"], 8080)}
        self.expect("friend", target, target, "it is let in")
        self.expect("stranger", target, (), "it is not")
        lost, passed, stop, asked = [], [], threading.Event(), [0]

        def ask(source, answer, wrong):
            while not stop.is_set():
                seen = self.reached(source, target, seconds=3)
                asked[0] += 1
                if seen != answer:
                    wrong.append(seen)
        threads = [threading.Thread(target=ask, args=("friend", {"web"}, lost)),
                   threading.Thread(target=self.knock, args=("stranger", at["web"], stop, passed))]
        for thread in threads:
            thread.start()
        try:
            host = self.cluster.host("m2")
            for how in ("TERM", "KILL"):
                self.cluster.end_on(host, how)
                time.sleep(1)
                self.cluster.start_on(host)
                self.cluster.wait_node("m2")
                time.sleep(2)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(lost, [], "what is allowed passes all the time")
        self.assertEqual(passed, [], "what is not never does")
        self.assertGreater(asked[0], 5)

    def knock(self, source, address, stop, passed):
        """From a process in the pod's network, so that no restart of its agent ends it."""
        host = self.cluster.host("m2")
        found = host.run("sh", "-c", "for p in /proc/[0-9]*; do ip=$(nsenter -n -t ${p#/proc/} ip -4 -o addr show eth0 2>/dev/null); "
                         f"case \"$ip\" in *' {self.get('pod', source)['status']['podIP']}/'*) echo ${{p#/proc/}}; exit;; esac; done")
        process = found.stdout.strip()
        while not stop.is_set():
            done = host.run("nsenter", "-n", "-t", process, "curl", "-s", "--noproxy", "*", "-m", "0.3", f"http://{address}:8080/",
                            check=False)
            if done.returncode == 0:
                passed.append(done.stdout)

    def test_a_new_pod_is_never_without_its_policies(self):
        """One that tries to get out with its first breath, and one that is knocked at from before it is there."""
        at = self.start_pods(self.serve("open", "m1", labels={"app": "open"}))
        self.apply(policy("closed", {"app": "closed"}, policyTypes=["Ingress", "Egress"]))
        prefix, last = at["open"].rsplit(".", 1)
        knock = (f"while :; do for a in $(seq {int(last) + 1} {int(last) + 14}); do (echo | nc -w 1 {prefix}.$a 9999 2>/dev/null "
                 f"| grep -q ANSWER && echo [{prefix}.$a]) & done; sleep 0.4; done")
        listen = "while :; do echo ANSWER | nc -l -p 9999; done"
        self.run_pod(make_pod("knocker", "sh", "-c", knock, nodeName="m1"))
        escape = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {at['open']} 8080 | grep HTTP; "
        closed = [f"closed-{turn}" for turn in range(4)]
        self.apply(*(make_pod(name, "sh", "-c", escape + listen, labels={"app": "closed"}, nodeName="m1") for name in closed))
        self.run_pod(make_pod("control", "sh", "-c", escape + listen, nodeName="m1"))
        control = self.get("pod", "control")["status"]["podIP"]
        wait_until(lambda: f"[{control}]" in self.text("logs", "knocker"), 30, "the knocking works: an open pod is reached")
        wait_until(lambda: "HTTP" in self.text("logs", "control"), 30, "the way out works")
        for name in closed:
            address = self.wait_ready(name)["status"]["podIP"]
            time.sleep(1)
            self.assertNotIn("HTTP", self.text("logs", name))
            self.assertNotIn(f"[{address}]", self.text("logs", "knocker"))

    def speak(self, place, *words):
        """The program of servers and clients, in the network of a pod or a machine."""
        return [*place, sys.executable, PROTOCOLS, words[0], self.cluster.directory, *map(str, words[1:])]

    def asked(self, askers, targets):
        """By asker: which of the targets ("udp/10.42.0.5/53", by name) answer, and the asker's address as they saw it."""
        words = [f"{name}={where}" for name, where in targets.items()]
        asking = {name: subprocess.Popen(self.speak(place, "ask", 0.7, *words), stdout=subprocess.PIPE, text=True)
                  for name, place in askers.items()}
        return {name: dict(line.split() for line in each.communicate(timeout=30)[0].splitlines()) for name, each in asking.items()}

    def answers(self, askers, targets):
        return {name: set(seen) for name, seen in self.asked(askers, targets).items()}

    def judge(self, rows, askers, targets):
        """Each row: what it shows, the spec of the policy of app=web, and what each asker then reaches."""
        for why, spec, *wanted in rows:
            with self.subTest(why):
                self.apply(policy("np", {"app": "web"}, **spec))
                wanted = dict(zip(askers, (set(each.split()) for each in wanted)))
                wait_until(lambda: self.assertEqual(self.answers(askers, targets), wanted) or True, 20, why)

    def start_speaking(self, name, node, **named):
        """A pod with two ports of each protocol, the first of which has a name."""
        numbers = {"TCP": (8080, 8085), "UDP": (5353, 5400), "SCTP": (9899, 9900)}
        shown = [{"containerPort": numbers[protocol][0], "protocol": protocol, "name": label} for label, protocol in named.items()]
        self.apply(make_pod(name, *SLEEP, labels={"app": "web"}, nodeName=node, container={"ports": shown}))
        address = self.wait_ready(name)["status"]["podIP"]
        served = [f"{protocol.lower()}/{number}" for protocol, both in numbers.items() for number in both]
        server = subprocess.Popen(self.speak(self.net_of(name), "serve", *served))
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return {f"{each.split('/')[0]}{each.split('/')[1]}": each.replace("/", f"/{address}/") for each in served}

    def test_protocols_over_vxlan(self):
        targets = self.start_speaking("web", "m1", http="TCP", names="UDP", link="SCTP")
        at = self.start_pods(*(make_pod(name, *SLEEP, labels={"app": name}, nodeName="m3") for name in ("friend", "stranger")))
        askers = {name: self.net_of(name) for name in ("friend", "stranger")}
        everything = " ".join(targets)
        kept = {name: dict.fromkeys(targets, at[name]) for name in askers}
        wait_until(lambda: self.asked(askers, targets) == kept, 20, "all is open, and addresses are kept on the way")
        friend = [pods(app="friend")]
        allow = lambda *which, **more: {"ingress": [{"ports": list(which), **more}]}
        port = lambda protocol, number=None, last=None: {"protocol": protocol, **({"port": number} if number else {}),
                                                         **({"endPort": last} if last else {})}
        block = lambda address, *holes: [{"ipBlock": {"cidr": address, "except": list(holes)}}]
        self.judge([
            ("nothing", {}, "", ""),
            ("a pod, all protocols", {"ingress": [{"from": friend}]}, everything, ""),
            ("TCP alone", allow(port("TCP")), "tcp8080 tcp8085", "tcp8080 tcp8085"),
            ("UDP alone", allow(port("UDP")), "udp5353 udp5400", "udp5353 udp5400"),
            ("SCTP alone", allow(port("SCTP")), "sctp9899 sctp9900", "sctp9899 sctp9900"),
            ("a number of each", allow(port("TCP", 8085), port("UDP", 5400), port("SCTP", 9900)), "tcp8085 udp5400 sctp9900",
             "tcp8085 udp5400 sctp9900"),
            ("a number is of its protocol", allow(port("UDP", 8080), port("SCTP", 5353)), "", ""),
            ("a name of each", allow(port("TCP", "http"), port("UDP", "names"), port("SCTP", "link")), "tcp8080 udp5353 sctp9899",
             "tcp8080 udp5353 sctp9899"),
            ("a name is of its protocol", allow(port("TCP", "names"), port("UDP", "http")), "", ""),
            ("ranges", allow(port("TCP", 8081, 8085), port("UDP", 5000, 5399), port("SCTP", 9900, 9999), **{"from": friend}),
             "tcp8085 udp5353 sctp9900", ""),
            ("an address", {"ingress": [{"from": block(at["stranger"] + "/32")}]}, "", everything),
            ("all addresses but one", {"ingress": [{"from": block("0.0.0.0/0", at["stranger"] + "/32")}]}, everything, ""),
        ], askers, targets)
        self.kubectl("delete", "networkpolicy", "np")
        self.apply(policy("out", {"app": "friend"}, policyTypes=["Egress"], egress=[
            {"to": [pods(app="web")], "ports": [port("UDP", "names"), port("SCTP", 9900), port("TCP", 8000, 8080)]}]))
        wanted = {"friend": {"udp5353", "sctp9900", "tcp8080"}, "stranger": set(targets)}
        wait_until(lambda: self.answers(askers, targets) == wanted, 20, "going out")

    def test_clients_of_node_ports(self):
        self.start_speaking("web", "m1")
        service = make_service("web", type="NodePort", externalTrafficPolicy="Local")
        numbers = {"tcp": (30051, 8080), "udp": (30052, 5353), "sctp": (30053, 9899)}
        service["spec"]["ports"] = [{"name": name, "protocol": name.upper(), "port": to, "nodePort": number}
                                    for name, (number, to) in numbers.items()]
        self.apply(service)
        m1, m3 = self.cluster.host("m1"), self.cluster.host("m3")
        targets = {name: f"{name}/{m1.address}/{number}" for name, (number, _) in numbers.items()}
        askers = {"outside": self.cluster.inside(self.outside), "m3": self.cluster.inside(m3)}
        kept = {"outside": dict.fromkeys(targets, self.outside.address), "m3": dict.fromkeys(targets, m3.address)}
        wait_until(lambda: self.asked(askers, targets) == kept, 20, "both keep their addresses")
        of = lambda *hosts: [{"ipBlock": {"cidr": f"{host.address}/32"}} for host in hosts]
        self.judge([
            ("nobody", {}, "", ""),
            ("one client", {"ingress": [{"from": of(self.outside)}]}, "tcp udp sctp", ""),
            ("another, by the pod's own port", {"ingress": [{"from": of(m3), "ports": ports(8080)}]}, "", "tcp"),
            ("the node port counts for nothing", {"ingress": [{"from": of(m3), "ports": ports(30051)}]}, "", ""),
            ("each by its protocol", {"ingress": [{"from": of(m3), "ports": [{"protocol": "SCTP"}]},
                                                  {"from": of(self.outside), "ports": [{"protocol": "UDP", "port": 5353}]}]},
             "udp", "sctp"),
            ("all but one", {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [f"{m3.address}/32"]}}]}]},
             "tcp udp sctp", ""),
        ], askers, targets)
