# SPDX-License-Identifier: Apache-2.0
"""Three machines on two segments: pods, services and names across them, and restarts in between."""
import threading
import time

from harness import BINARY, CALM, READY_HTTP, make_deployment, make_pod, make_service
from machine import wait_until
from machines import Machines, MachinesTest

SERVE = ("sh", "-c", "mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www")


class Machines3(MachinesTest):
    name = "machines"
    segments = (1, 1, 2)

    @classmethod
    def start_cluster(cls):
        """With ranges and a domain of its own, which the others are told as they join."""
        cls.cluster = Machines(cls.name, cls.segments, flags=("--pod-cidr", "10.52.0.0/16", "--service-cidr", "10.53.0.0/16",
                                                              "--cluster-domain", "machines.test"))
        cls.cluster.start()

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
                seen(lambda: self.wget(f"on-{host.name}", f"http://everywhere.{self.namespace}.svc.machines.test/"))

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

    def node_command(self, *words, check=True):
        return self.cluster.tetrarch("node", *words, check=check)

    def test_a_machine_joins_with_the_printed_command_and_leaves(self):
        cluster = self.cluster
        host = cluster.lab.add_host("m4", 2)
        self.addCleanup(cluster.lab.remove_host, "m4")
        cluster.put_images(host)
        command = cluster.tetrarch("token", "create", "--ttl", "1h").stdout.split()
        self.assertEqual(command[:4], ["tetrarch", "agent", "--server", cluster.url])
        token_id = command[-1].split(".")[2]
        self.assertRegex(cluster.tetrarch("token", "ls").stdout, rf"(?m)^{token_id} .*Z")
        cluster.running["m4"] = host.start(cluster.log_of(host), BINARY, *command[1:], *CALM)
        cluster.wait_node("m4")
        self.assertRegex(self.node_command("ls").stdout, r"(?m)^m4 +Ready +\d+ +10\.90\.2\.14 ")
        cluster.tetrarch("token", "rm", token_id)
        self.assert_fails(cluster.tetrarch("token", "rm", token_id, check=False), "no token with the id")
        self.assertNotIn(token_id, cluster.tetrarch("token", "ls").stdout)

        with self.subTest("cordon"):
            self.assertIn("no further pods", self.node_command("cordon", "m4").stdout)
            self.assertRegex(self.node_command("ls").stdout, r"(?m)^m4 +Ready,cordoned ")
            self.node_command("uncordon", "m4")
        with self.subTest("drain under a disruption budget"):
            budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
                      "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
            web = make_deployment("web", 4, container={"readinessProbe": READY_HTTP})
            web["spec"]["template"]["spec"]["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In",
                                                                     "values": ["m4"]}]}}]}}
            self.apply(budget, web)
            self.wait_rollout("web")
            on_it = [pod for pod in self.pods("app=web") if pod["spec"]["nodeName"] == "m4"]
            self.assertGreater(len(on_it), 1)
            lowest, stop = [4], threading.Event()

            def watch():
                while not stop.is_set():
                    lowest[0] = min(lowest[0], self.get("deployment", "web")["status"].get("readyReplicas", 0))
                    time.sleep(0.2)
            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                drained = self.node_command("drain", "m4", "--timeout", "2m").stdout
            finally:
                stop.set()
                watcher.join()
            self.assertIn("node m4 is drained", drained)
            self.assertIn("disruption budget", drained, "it says what it waits for")
            self.assertGreaterEqual(lowest[0], 3, "the budget held")
            self.assertFalse([pod for pod in self.pods("app=web") if pod["spec"]["nodeName"] == "m4"])
        with self.subTest("rm"):
            self.assert_fails(self.node_command("rm", "m4", check=False), "end its agent first")
            cluster.tetrarch("down", host=host)
            wait_until(lambda: not cluster.is_running(host), 20, "its agent has ended")
            cluster.wait_node("m4", 20, status="Unknown")
            self.node_command("rm", "m4")
            self.assertNotIn("m4", self.node_command("ls").stdout)
            wait_until(lambda: "m4" not in self.text("get", "noderoutes"), 10, "nobody has a route to it")

    def test_tokens_that_are_wrong_or_have_ended_open_nothing(self):
        cluster, host = self.cluster, self.cluster.host("m2")
        short = cluster.tetrarch("token", "create", "--ttl=1s").stdout.split()[-1]
        good = cluster.tetrarch("token", "create").stdout.split()[-1]
        time.sleep(1.5)
        another = good.replace(good.split(".")[1], "0" * 64)
        for name, token in (("ended", short), ("another cluster's", another), ("nonsense", "nonsense")):
            with self.subTest(name):
                done = host.run(BINARY, "agent", "--server", cluster.url, "--token", token, "--node-name", "intruder",
                                "--data-dir", "/tmp/intruder", check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertNotIn("intruder", self.text("get", "nodes"))
        for words in (("create", "--ttl", "soon"), ("create", "--role", "king"), ("create", "what"), ("rm",), ()):
            with self.subTest(words=words):
                self.assert_fails(cluster.tetrarch("token", *words, check=False), "token:")
        for words in (("ls", "x"), ("drain",), ("cordon", "nobody"), ("dance", "m1"), ("drain", "m1", "--timeout", "x")):
            with self.subTest(words=words):
                self.assert_fails(cluster.tetrarch("node", *words, check=False), "node:")

    def test_fifty_pods_are_spread(self):
        self.apply(make_deployment("many", 50))
        self.wait_rollout("many")
        counts = {host.name: 0 for host in self.cluster.hosts}
        for pod in self.pods("app=many"):
            counts[pod["spec"]["nodeName"]] += 1
        self.assertGreater(min(counts.values()), 10, counts)
