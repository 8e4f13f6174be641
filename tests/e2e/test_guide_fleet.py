# SPDX-License-Identifier: Apache-2.0
"""docs/guides/fleet.md, "Moving a fleet cluster here", typed as it stands: each command of it, in its order. The old cluster
is one of ours, too, whose units are written down and then destroyed."""
import json
import os
import re

from fleet import HELLO, INSTALLED, FleetTest, x_fleet
from guides import Reader, commands_of, mentioned_in, shape
from harness import DEMO, make_pod, make_service
from machine import wait_until
from terminal import Terminal
from units import show

GUIDE = "fleet.md"
SERVER = "tetrarch server --fleet-listen unix:///run/fleet.sock"
JOIN = "tetrarch agent --server https://10.0.0.1:6443 --token TOKEN --metadata region=eu,disk=ssd"
METADATA = " --metadata region=eu,disk=ssd"
RESOLVER = "BindReadOnlyPaths=/etc/cluster-resolv.conf:/etc/resolv.conf"
ON_SSD = x_fleet("MachineMetadata=disk=ssd")
WANTED = {"hello.service": "launched", "held.service": "loaded", "kept.service": "inactive", "t@.service": "inactive",
          "t@1.service": "launched", "every.service": "launched"}


class GuideFleet(FleetTest):
    name = "guidefleet"
    metadata = ("region=us,disk=hdd",)

    @classmethod
    def start_cluster(cls):
        super().start_cluster()
        cls.reader = Reader(cls.cluster)
        cls.reader.install("fleetctl", INSTALLED)

    def type(self, *words):
        return self.reader.type(*words)

    def test_the_guide_as_it_stands(self):
        self.make_old_cluster()
        steps = {
            "mkdir units": self.type,
            "fleetctl list-unit-files --no-legend --fields unit,dstate >wanted": self.type,
            "awk '{print $1}' wanted | while read unit; do fleetctl cat \"$unit\" >units/\"$unit\"; done": self.write_down,
            SERVER: self.start_server,
            "tetrarch token create": self.create_token,
            JOIN: self.join,
            "fleetctl list-machines": self.list_machines,
            "fleetctl submit units/*": self.type,
            "awk '$2 == \"loaded\" {print $1}' wanted | xargs -r fleetctl load --no-block": self.type,
            "awk '$2 == \"launched\" {print $1}' wanted | xargs -r fleetctl start --no-block": self.type,
            "fleetctl list-units": self.list_units,
            "kubectl describe node m2 | grep Systemd": self.describe_node,
            "fleetctl start hello.service": self.start_hello,
            "kubectl get pods -n fleet": self.get_pods,
            "kubectl describe pod -n fleet POD": self.describe_pod,
            "kubectl logs -n fleet POD": self.read_logs,
            "[X-Fleet]": self.begin_label,
            "Label=app=web": self.add_label,
            "kubectl create service clusterip web -n fleet --tcp=80:8099": self.type,
            "kubectl run ask -it --rm --image tetrarch.dev/busybox:1 -- wget -qO- http://web.fleet.svc.cluster.local/":
                self.ask_web,
            RESOLVER: self.ask_from_a_unit,
        }
        self.assertEqual(commands_of(GUIDE), list(steps), "the guide has these commands and no others")
        for line, step in steps.items():
            with self.subTest(line=line):
                step(line)
        self.type_what_is_mentioned()

    # ---- the move -----------------------------------------------------------------------------------------------

    def make_old_cluster(self):
        texts = {"hello.service": HELLO, "held.service": ON_SSD, "every.service": x_fleet("Global=true"),
                 "kept.service": x_fleet("MachineMetadata=region=mars"), "t@.service": ON_SSD}
        self.type("fleetctl list-machines")
        for name, text in texts.items():
            self.write(name, text)
        self.fleetctl("submit", *texts)
        self.fleetctl("load", "--no-block", "held")
        self.fleetctl("start", "--no-block", "hello", "every", "t@1")

    def hashes(self):
        return {row[0]: row[1] for row in self.lines("list-unit-files", "--full", "--fields", "unit,hash")}

    def write_down(self, line):
        self.type(line)
        with open(os.path.join(self.reader.directory, "wanted"), encoding="utf-8") as file:
            self.assertEqual(dict(row.split() for row in file), WANTED)
        self.before = self.hashes()
        self.fleetctl("destroy", *WANTED)
        wait_until(lambda: not self.lines("list-units"), 30, "the old cluster runs nothing")

    def start_server(self, line):
        flags = line.removeprefix("tetrarch server ")
        self.assertIn(flags, " ".join(self.cluster.words_for(self.cluster.first)), "this test's server was started so")

    def create_token(self, line):
        said = self.type(line)
        self.printed = next(each.strip() for each in said.splitlines() if "tetrarch agent" in each)

    def join(self, line):
        self.assertEqual(shape(self.printed + METADATA), shape(line), "what was printed is what the guide goes on with")
        host = self.cluster.lab.add_host("m3", 1, init="systemd")
        self.cluster.put_images(host)
        self.reader.join(self.printed + METADATA, host)
        self.cluster.wait_node("m3")

    def list_machines(self, line):
        said = wait_until(lambda: (said := self.type(line)) and len(said.splitlines()) == 3 and said, 20, "two machines")
        self.assertRegex(said, r"disk=ssd,region=eu|region=eu,disk=ssd")

    def list_units(self, line):
        wait_until(lambda: len(re.findall(r"\sactive\s+running", self.type(line))) == 4, 30, "as it was: hello, t@1, every on two")
        self.assertEqual(self.hashes(), self.before, "to the letter")
        self.assertEqual(dict(self.lines("list-unit-files", "--fields", "unit,dstate")), WANTED)
        self.assertEqual(self.places_of("t@1.service"), ["m3"])
        self.assertEqual(self.places_of("every.service"), ["m2", "m3"])
        self.assertEqual(show(self.cluster.host("m3"), "held.service", "LoadState", "ActiveState"), ["loaded", "inactive"])

    def describe_node(self, line):
        self.assertRegex(self.type(line), r"Systemd\s+True\s.*SystemdReady\s+systemd [0-9][^ ]* runs units")

    # ---- the units ----------------------------------------------------------------------------------------------

    def start_hello(self, line):
        self.fleetctl("stop", "hello")
        self.assertIn("Unit hello.service launched", self.type(line))

    def pod(self, unit):
        pods = self.cluster.get("pods", "-n", "fleet")["items"]
        return next(pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"].startswith(unit))

    def get_pods(self, line):
        said = self.type(line)
        self.hello = self.pod("hello")
        self.assertRegex(said, rf"{re.escape(self.hello)}\s+1/1\s+Running")

    def describe_pod(self, line):
        self.assertIn("hello.service", self.type(line.replace("POD", self.hello)))

    def read_logs(self, line):
        for more in ("", " --tail 1", " --since 1h"):
            self.assertIn("Hello, world", self.type(line.replace("POD", self.hello) + more))

    # ---- units and Services -------------------------------------------------------------------------------------

    def begin_label(self, line):
        self.text = ("[Service]\nExecStartPre=/bin/sh -c 'mkdir -p /run/www; echo a unit >/run/www/index.html'\n"
                     f"ExecStart=/bin/busybox httpd -f -p 8099 -h /run/www\n\n{line}\n")

    def add_label(self, line):
        self.write("web.service", f"{self.text}{line}\n")
        self.fleetctl("start", "web")

    def ask_web(self, line):
        """At a terminal, as -it wants it. What a container says before somebody is attached is read from its log."""
        host = self.cluster.first
        terminal = Terminal(["nsenter", "-t", str(host.pid), "-a", *self.reader.words(line)], dict(os.environ))
        self.addCleanup(terminal.close)
        terminal.wait_screen("a unit", 60)
        terminal.wait_screen('pod "ask" deleted', 60)
        self.assertEqual(terminal.wait(), 0)

    def ask_from_a_unit(self, line):
        demo = json.dumps({"apiVersion": "v1", "kind": "List", "items": [make_pod("demo", image=DEMO), make_service("demo")]})
        self.cluster.kubectl("-n", "default", "apply", "-f", "-", input=demo)
        self.cluster.kubectl("-n", "default", "wait", "--for=condition=Ready", "pod/demo", "--timeout=60s")
        settings = mentioned_in(GUIDE, "nameserver") + mentioned_in(GUIDE, "search")
        self.assertEqual(len(settings), 2)
        for host in self.machines.values():
            host.run("sh", "-c", "cat >/etc/cluster-resolv.conf", input="".join(f"{one}\n" for one in settings))
        self.write("ask.service", f"[Service]\nType=oneshot\nRemainAfterExit=yes\n{line}\n"
                   "ExecStart=/usr/bin/curl -fsS --noproxy * -o /run/answer http://demo.default.svc.cluster.local/\n")
        self.fleetctl("start", "ask")
        self.assertIn("demo", self.host_of("ask.service").run("cat", "/run/answer").stdout)

    # ---- within sentences ---------------------------------------------------------------------------------------

    def type_what_is_mentioned(self):
        self.assertEqual(mentioned_in(GUIDE, "kubectl"), ["kubectl describe unit -n fleet NAME",
                                                                "kubectl get units -n fleet", "kubectl logs"])
        self.fleetctl("start", "--no-block", "kept")
        wait_until(lambda: "MachineMetadata" in self.type("kubectl describe unit -n fleet kept.service"), 20, "it says why")
        self.assertIn("hello.service", self.type("kubectl get units -n fleet"))
        with self.subTest("fleetctl restart restarts"):
            host = self.host_of("hello.service")
            before = show(host, "hello.service", "MainPID")
            self.type("fleetctl restart hello.service")
            self.assertNotEqual(show(host, "hello.service", "MainPID"), before)
        with self.subTest("tetrarch node leave"):
            self.fleetctl("destroy", "t@1.service", "held.service")
            self.type("tetrarch node leave", "m3")
            wait_until(lambda: self.places_of("every.service") == ["m2"], 30, "its units are stopped")
