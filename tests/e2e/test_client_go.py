# SPDX-License-Identifier: Apache-2.0
"""A controller on client-go (clients/controller): shared informers, a work queue, events and leader election, in two
processes of which one sends protobuf. What counts is what the services answer."""
import os

import harness
from harness import ClusterTest, is_ready
from machine import wait_until
from programs import Program

PROGRAM = os.path.join(harness.ROOT, "build/clients/controller")


class Controller(Program):
    def __init__(self, namespace, identity, env, *flags):
        super().__init__([PROGRAM, "--namespace", namespace, "--identity", identity, *flags], env)
        self.identity, self.lines = identity, []
        for pipe in (self.child.stdout, self.child.stderr):
            self.hear(pipe, self.lines.append)

    def leads(self):
        return f"leads {self.identity}\n" in self.lines


class ClientGo(ClusterTest):
    name = "clientgo"

    def start(self, identity, *flags):
        out = Controller(self.namespace, identity, self.cluster.environment(), *flags)
        self.addCleanup(out.close)
        return out

    def wish(self, name, greeting, replicas):
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"web": "yes"}},
                    "data": {"greeting": greeting, "replicas": str(replicas)}})

    def wait_served(self, name, greeting, replicas, timeout=40):
        """The service answers with the greeting alone, by so many pods, and the controller has noted that."""
        def is_so():
            service = self.get("service", name)["spec"]["clusterIP"]
            answers = [self.cluster.curl(f"http://{service}/") for _ in range(10)]
            pods = [p for p in self.pods(f"app={name}") if is_ready(p) and "deletionTimestamp" not in p["metadata"]]
            note = self.get("configmap", name)["metadata"].get("annotations", {}).get("web/ready")
            return all(a.startswith(f"{greeting} from {name}-") for a in answers) and len(pods) == replicas \
                and note == str(replicas) or self.fail(f"{answers[-1]} by {len(pods)} pods, noted {note}")
        wait_until(is_so, timeout, f"{name} says {greeting} by {replicas} pods", pause=0.3)

    def test_a_controller_keeps_what_is_wished(self):
        for flags in ((), ("--protobuf",)):
            name = "binary" if flags else "plain"
            with self.subTest(name=name):
                controller = self.start(name, *flags)
                self.wish(name, "Hello", 2)
                self.wait_served(name, "Hello", 2)
                self.assertTrue(controller.leads())
                self.assertTrue(self.wait_events(f"made deployment {name}"))
                self.wish(name, "Welcome", 3)
                self.wait_served(name, "Welcome", 3)
                self.kubectl("delete", "deployment,service", name)
                self.wait_served(name, "Welcome", 3)
                self.wish(name, "Welcome", "many")
                self.assertTrue(self.wait_events("BadReplicas"))
                self.kubectl("delete", "configmap", name)
                wait_until(lambda: not self.get("deployments,services,pods")["items"], 40, "what it owned is collected")
                controller.child.terminate()
                controller.child.wait(10)

    def test_another_takes_over_and_restarts_are_survived(self):
        first = self.start("first", "--protobuf")
        wait_until(first.leads, 20, "the first leads")
        second = self.start("second")
        self.wish("web", "One", 1)
        self.wait_served("web", "One", 1)
        self.assertFalse(second.leads())
        first.child.kill()
        self.wish("web", "Two", 2)
        self.wait_served("web", "Two", 2)
        self.assertTrue(second.leads())
        lease = self.get("lease", "web-controller")["spec"]
        self.assertEqual((lease["holderIdentity"], lease["leaseTransitions"]), ("second", 1))

        self.cluster.process.kill()
        self.cluster.start()
        self.wish("web", "Three", 1)
        self.wait_served("web", "Three", 1)
        self.assertIsNone(second.child.poll(), "the same process goes on")
