# SPDX-License-Identifier: Apache-2.0
"""docs/guides/machines.md, "From one machine to five", typed as it stands: each command of it, in its order."""
import re

from guides import Reader, commands_of, mentioned_in, shape
from harness import is_ready
from machine import wait_until
from machines import Machines, MachinesTest

GUIDE = "machines.md"
JOIN = "tetrarch agent --server https://10.0.0.1:6443 --token tetrarch1.…"


class Guide(MachinesTest):
    name = "guide"
    segments = (1, 1, 1, 2, 2)

    @classmethod
    def start_cluster(cls):
        """What the guide begins with: a cluster on one machine, and four more machines."""
        cls.cluster = Machines(cls.name, cls.segments)
        cls.reader = Reader(cls.cluster)
        cls.cluster.start_on(cls.cluster.first)
        wait_until(lambda: cls.cluster.is_up(cls.cluster.first), 60, "the server is ready", pause=0.2)
        cls.cluster.wait_node("m1")

    def type(self, *words):
        return self.reader.type(*words)

    def states(self):
        """Name to state, as `tetrarch node ls` has them."""
        return dict(line.split()[:2] for line in self.type("tetrarch node ls").splitlines()[1:])

    # ---- the guide --------------------------------------------------------------------------------------------

    def test_the_guide_as_it_stands(self):
        steps = {
            "tetrarch token create": self.create_token,
            JOIN: self.join,
            "tetrarch node ls": self.list_nodes,
            "kubectl get nodes -o wide": self.get_nodes,
            "kubectl create deployment web --image=tetrarch.dev/demo:1 --replicas 10": self.just_type,
            "kubectl expose deployment web --port 80 --target-port 8080": self.just_type,
            "kubectl get pods -o wide": self.get_pods,
            "kubectl get noderoutes": self.get_routes,
            "ip route show proto 116": self.show_routes,
            "tetrarch node leave": self.leave,
            "tetrarch node leave m4": self.leave_from_elsewhere,
            "tetrarch node drain m3": self.drain,
            "tetrarch node uncordon m3": self.uncordon,
        }
        self.assertEqual(commands_of(GUIDE), list(steps), "the guide has these commands and no others")
        for line, step in steps.items():
            with self.subTest(line=line):
                step(line)
        for line in mentioned_in(GUIDE, "tetrarch"):
            self.assertIn(line, ("tetrarch token ls", "tetrarch token rm ID", "tetrarch image push", "tetrarch node rm m3"))
        self.forget_tokens()
        self.lose_one()

    def just_type(self, line):
        self.assertIn("web", self.type(line))

    def create_token(self, line):
        said = self.type(line)
        self.printed = next(each.strip() for each in said.splitlines() if "tetrarch agent" in each)
        self.assertEqual(shape(self.printed), shape(JOIN), "what it prints is what the guide shows")

    def join(self, _):
        for host in self.cluster.hosts[1:]:
            self.reader.join(self.printed, host)
        for host in self.cluster.hosts[1:]:
            self.cluster.wait_node(host.name)

    def list_nodes(self, _):
        self.assertEqual(self.states(), {f"m{number}": "Ready" for number in range(1, 6)})

    def get_nodes(self, line):
        said = self.type(line)
        for host in self.cluster.hosts:
            self.assertRegex(said, rf"{host.name}\s+Ready\s.*{re.escape(host.address)}")

    def web(self):
        pods = self.cluster.get("pods", "-n", "default", "-l", "app=web")["items"]
        return [pod for pod in pods if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]

    def wait_web(self, without=()):
        def is_there():
            pods = self.web()
            return len(pods) == 10 and not {pod["spec"]["nodeName"] for pod in pods} & set(without)
        wait_until(is_there, 60, f"ten pods are ready, none on {without}")

    def get_pods(self, line):
        self.wait_web()
        said = self.type(line)
        for host in self.cluster.hosts:
            self.assertIn(f" {host.name} ", said, "spread over the machines")
        address = self.cluster.get("service", "web", "-n", "default")["spec"]["clusterIP"]
        for host in self.cluster.hosts:
            wait_until(lambda at=host: "web-" in self.cluster.curl(f"http://{address}/", host=at), 10,
                       f"the Service answers on {host.name}")

    def get_routes(self, line):
        said = self.type(line)
        for host in self.cluster.hosts:
            self.assertRegex(said, rf"{host.name}\s.*{re.escape(host.address)}")

    def show_routes(self, line):
        said = self.type(line, "m2")
        self.assertEqual(len(re.findall(r"^10\.42\.", said, re.MULTILINE)), 4, said)
        self.assertIn(f"via {self.cluster.host('m3').address}", said, "on its segment: plain")

    def leave(self, line):
        said = self.type(line, "m5")
        self.assertIn("removed from this machine", said)
        wait_until(lambda: "m5" not in self.states(), 10, "m5 is gone")
        self.wait_web(("m5",))

    def leave_from_elsewhere(self, line):
        self.assertIn("node m4 has left", self.type(line))
        wait_until(lambda: not self.cluster.is_running(self.cluster.host("m4")), 20, "its agent has ended")
        self.wait_web(("m4", "m5"))

    def drain(self, line):
        self.assertIn("node m3 is drained", self.type(line))
        self.assertEqual(self.states()["m3"], "Ready,cordoned")
        self.wait_web(("m3", "m4", "m5"))

    def uncordon(self, line):
        self.assertIn("takes pods again", self.type(line))
        self.assertEqual(self.states()["m3"], "Ready")

    def forget_tokens(self):
        """`tetrarch token ls`, `tetrarch token rm ID`"""
        shown = self.type("tetrarch token ls").splitlines()[1:]
        self.assertTrue(shown)
        for line in shown:
            self.type(f"tetrarch token rm {line.split()[0]}")
        self.assertEqual(len(self.type("tetrarch token ls").splitlines()), 1)

    def lose_one(self):
        """`tetrarch node rm m3`"""
        self.cluster.host("m3").kill()
        wait_until(lambda: self.states()["m3"] == "Unreachable", 20, "m3 is missed")
        self.assertIn("is forgotten", self.type("tetrarch node rm m3"))
        self.assertEqual(set(self.states()), {"m1", "m2"})
