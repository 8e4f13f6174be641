# SPDX-License-Identifier: Apache-2.0
"""Services and names of every kind, from pods, from this machine and from another host."""
import contextlib
import json
import re
import socket
import subprocess
import sys

import dns
import harness
import machine
from harness import OutsideTest, container_of, make_pod, make_service
from machine import run, wait_until

# Answers each datagram; the images have no such server, so Python runs in the pod's network namespace.
UDP_ECHO = ("import socket; at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); at.bind(('0.0.0.0', 5353))\n"
            "while True: data, who = at.recvfrom(500); at.sendto(data.strip() + b' from udp\\n', who)")
# An HTTP server whose answer is the address of the one who asks.
WHO_ASKS = ("sh", "-c", "mkdir -p /w/cgi-bin; printf '#!/bin/sh\\necho; echo $REMOTE_ADDR $(hostname)\\n' > /w/cgi-bin/who; "
            "chmod 755 /w/cgi-bin/who; exec httpd -f -p 0.0.0.0:8080 -h /w")


class Network(OutsideTest):
    name = "network"

    def setUp(self):
        super().setUp()
        self.dns = f"{self.cluster.slot.service_prefix}.10"
        self.domain = f"{self.namespace}.svc.cluster.local"

    def wait_dns(self, name, kind, wanted, **how):
        def same():
            got = dns.ask(self.dns, name, kind, **how)
            return got == wanted or self.fail(str(got))
        wait_until(same, 15, f"{kind} {name} is {wanted}")

    def fetch(self, url, expected="", inside=None):
        """Until the answer has the word: rules come a moment after the object."""
        def seen():
            command = ("curl", "-fsS", "--noproxy", "*", "-m", "3", url)
            text = (self.outside.inside(*command) if inside else run(*command)).stdout
            return text if expected in text else self.fail(text)
        return wait_until(seen, 20, f"{url} answers")

    def test_names_of_services_and_pods(self):
        self.apply(make_pod("h1", "sleep", "3600", labels={"app": "web"}, hostname="h1", subdomain="bare"),
                   make_pod("h2", "sleep", "3600", labels={"app": "web"}, hostname="h2", subdomain="bare"),
                   make_service("web"), make_service("bare", app="web", clusterIP="None"),
                   make_service("away", type="ExternalName", externalName="example.test", ports=None, selector=None))
        ips = {name: self.wait_ready(name)["status"]["podIP"] for name in ("h1", "h2")}
        address = self.get("service", "web")["spec"]["clusterIP"]
        d, both = self.domain, sorted(ips.values())
        for name, kind, wanted in (
                (f"web.{d}", "A", [address]), (f"bare.{d}", "A", both), (f"h1.bare.{d}", "A", [ips["h1"]]),
                (f"_http._tcp.web.{d}", "SRV", [f"80 web.{d}"]),
                (f"_http._tcp.bare.{d}", "SRV", [f"8080 h1.bare.{d}", f"8080 h2.bare.{d}"]),
                (".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR", [f"web.{d}"]),
                (".".join(reversed(ips["h1"].split("."))) + ".in-addr.arpa", "PTR", [f"h1.bare.{d}"]),
                (f"{ips['h1'].replace('.', '-')}.{self.namespace}.pod.cluster.local", "A", [ips["h1"]]),
                (f"away.{d}", "CNAME", ["example.test"]), (f"web.{d}", "AAAA", [])):
            with self.subTest(name=name, kind=kind):
                self.wait_dns(name, kind, ("NOERROR", wanted))
        self.wait_dns(f"WEB.{d}", "A", ("NOERROR", [address]))
        self.wait_dns(f"bare.{d}", "A", ("NOERROR", both), is_tcp=True)
        self.wait_dns(f"none.{d}", "A", ("NXDOMAIN", []))
        self.assertEqual(self.exec("h1", "hostname", "-f").stdout.strip(), f"h1.bare.{d}")

    def test_other_names_are_asked_of_the_machines_own_server(self):
        with open("/etc/resolv.conf", encoding="ascii") as file:
            upstream = re.findall(r"(?m)^nameserver (\S+)", file.read())[0]
        for name in ("example.invalid", "no-such-name-in.example.com"):
            with self.subTest(name=name):
                self.assertEqual(dns.ask(self.dns, name), dns.ask(upstream, name))
        self.assertEqual(dns.ask(self.dns, f"nothing.{self.domain}")[0], "NXDOMAIN", "of our own zone nobody else is asked")

    def test_ready_or_not(self):
        slow = {"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}
        self.apply(make_pod("never", "sleep", "3600", container=slow), make_service("strict", app="never", clusterIP="None"),
                   make_service("early", app="never", clusterIP="None", publishNotReadyAddresses=True))
        ip = self.wait_phase("never", "Running")["status"]["podIP"]
        self.wait_dns(f"early.{self.domain}", "A", ("NOERROR", [ip]))
        self.assertEqual(dns.ask(self.dns, f"strict.{self.domain}")[1], [])

    def test_datagrams_reach_a_service(self):
        self.apply(make_pod("udp", "sleep", "3600"), make_pod("client", "sleep", "3600"))
        port = self.cluster.slot.node_ports[0] + 3
        service = make_service("udp", type="NodePort")
        service["spec"]["ports"] = [{"name": "u", "protocol": "UDP", "port": 99, "targetPort": 5353, "nodePort": port}]
        self.apply(service)
        pod = self.wait_ready("udp")
        pid = machine.container_pids(container_of(pod)["containerID"])[0][0]
        server = subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", UDP_ECHO])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.wait_ready("client")
        address = self.get("service", "udp")["spec"]["clusterIP"]

        def echo(host, at):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
                to.settimeout(1)
                to.connect((host, at))
                to.send(b"hello\n")
                return to.recv(200)
        for host, at in ((address, 99), ("127.0.0.1", port)):
            with self.subTest(host=host):
                wait_until(lambda h=host, p=at: echo(h, p) == b"hello from udp\n", 20, "an answer comes back")
        pid = machine.container_pids(container_of(self.get("pod", "client"))["containerID"])[0][0]
        ask = (f"import socket; to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); to.settimeout(3); "
               f"to.connect(('{address}', 99)); to.send(b'hi'); print(to.recv(99))")
        self.assertIn("hi from udp", run("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", ask).stdout, "from a pod")

    def test_the_address_of_the_asker(self):
        port = self.cluster.slot.node_ports[0] + 4
        local = make_service("local", app="who", type="NodePort", externalTrafficPolicy="Local")
        local["spec"]["ports"][0]["nodePort"] = port
        wide = make_service("wide", app="who", type="NodePort")
        wide["spec"]["ports"][0]["nodePort"] = port + 1
        self.apply(make_pod("who", *WHO_ASKS), make_pod("client", "sleep", "3600"), local, wide)
        ip = self.wait_ready("who")["status"]["podIP"]
        client = self.wait_ready("client")["status"]["podIP"]
        host = self.outside.host_address
        asker = host.rsplit(".", 1)[0] + ".2"
        self.assertEqual(self.fetch(f"http://{host}:{port}/cgi-bin/who", "who", inside=True).split(), [asker, "who"], "kept by Local")
        self.assertEqual(self.fetch(f"http://{host}:{port + 1}/cgi-bin/who", "who", inside=True).split()[1], "who")
        address = self.get("service", "wide")["spec"]["clusterIP"]
        seen = self.exec("client", "wget", "-qO-", f"http://{address}/cgi-bin/who").stdout.split()
        self.assertEqual(seen, [client, "who"], "pods see each other's addresses")
        hairpin = self.exec("who", "wget", "-qO-", f"http://{address}/cgi-bin/who").stdout.split()
        self.assertEqual(hairpin[1], "who", "a pod reaches itself through its service")
        self.assertEqual(self.exec("who", "wget", "-qO-", f"http://{ip}:8080/cgi-bin/who").stdout.split()[0], ip)
        self.kubectl("delete", "pod", "who")
        wait_until(lambda: run("curl", "-m", "1", f"http://127.0.0.1:{port + 1}/", check=False).returncode, 20, "then nobody answers")

    def test_a_service_whose_endpoints_somebody_else_writes(self):
        self.apply(make_pod("web", image=harness.DEMO))
        ip = self.wait_ready("web")["status"]["podIP"]
        by_hand = make_service("by-hand", selector=None)
        sliced = make_service("sliced", selector=None)
        self.apply(by_hand, sliced, {
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "by-hand"},
            "subsets": [{"addresses": [{"ip": ip}], "ports": [{"name": "http", "port": 8080}]}]}, {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "sliced-1", "labels": {"kubernetes.io/service-name": "sliced"}},
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]})
        for name in ("by-hand", "sliced"):
            with self.subTest(service=name):
                self.fetch(f"http://{self.get('service', name)['spec']['clusterIP']}/", "Hello from web")
        self.kubectl("delete", "endpointslice", "sliced-1")
        address = self.get("service", "sliced")["spec"]["clusterIP"]
        wait_until(lambda: run("curl", "-m", "1", f"http://{address}/", check=False).returncode == 7, 20, "refused without endpoints")

    def test_resolver_settings_of_every_policy(self):
        own = {"nameservers": ["10.9.8.7"], "searches": ["a.test"], "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]}
        self.apply(make_pod("none", "sleep", "3600", dnsPolicy="None", dnsConfig=own),
                   make_pod("host", "sleep", "3600", dnsPolicy="Default"),
                   make_pod("more", "sleep", "3600", dnsConfig=own),
                   make_pod("both", "sleep", "3600", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"),
                   make_pod("alias", "sleep", "3600", hostAliases=[{"ip": "10.1.1.1", "hostnames": ["one.test", "uno.test"]}]))
        for name in ("none", "host", "more", "both", "alias"):
            self.wait_ready(name)
        conf = {name: self.exec(name, "cat", "/etc/resolv.conf").stdout for name in ("none", "host", "more", "both")}
        self.assertEqual(sorted(conf["none"].split("\n")), sorted(["", "nameserver 10.9.8.7", "search a.test", "options ndots:2 rotate"]))
        with open("/etc/resolv.conf", encoding="ascii") as file:
            self.assertEqual(set(re.findall(r"nameserver (\S+)", conf["host"])), set(re.findall(r"(?m)^nameserver (\S+)", file.read())))
        self.assertRegex(conf["more"], rf"nameserver {self.dns}\nnameserver 10.9.8.7")
        self.assertRegex(conf["more"], r"search .* a\.test")
        self.assertIn(f"nameserver {self.dns}", conf["both"])
        self.assertRegex(self.exec("alias", "cat", "/etc/hosts").stdout, r"(?m)^10\.1\.1\.1\s+one\.test\s+uno\.test$")

    def test_changes_of_a_service_take_effect(self):
        self.apply(make_pod("one", image=harness.DEMO), make_pod("two", image=harness.DEMO), make_service("pick", app="one"))
        self.wait_ready("one")
        self.wait_ready("two")
        address = self.get("service", "pick")["spec"]["clusterIP"]
        self.fetch(f"http://{address}/", "from one")
        self.kubectl("patch", "service", "pick", "-p", json.dumps({"spec": {"selector": {"app": "two"}}}))
        self.fetch(f"http://{address}/", "from two")
        self.kubectl("patch", "service", "pick", "--type=json", "-p",
                     json.dumps([{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]))
        self.fetch(f"http://{address}:81/", "from two")
        self.kubectl("delete", "service", "pick")
        with contextlib.suppress(OSError):
            wait_until(lambda: dns.ask(self.dns, f"pick.{self.domain}")[0] == "NXDOMAIN", 15, "its name is gone")
