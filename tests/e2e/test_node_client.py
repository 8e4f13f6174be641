# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes client for JavaScript: objects, informers, streams, elections by lease. The programs on it are in
clients/node_client.mjs; they tell what they see, and the tests compare that with the world."""
import json
import os
import queue

import harness
import machine
from api import Api
from harness import ClusterTest, container_of, make_deployment, make_pod, make_service
from machine import wait_until
from programs import Program

PROGRAM = os.path.join(harness.ROOT, "tests/e2e/clients/node_client.mjs")
PACKAGE = os.path.join(harness.ROOT, "build/clients/node/node_modules/@kubernetes/client-node")
TICKS = "n=0; while [ $n -lt 50 ]; do n=$((n+1)); echo tick $n; sleep 0.1; done; sleep 3600"


class Running(Program):
    """A program that tells a JSON value a line."""

    def __init__(self, words, env):
        super().__init__(["node", PROGRAM, *words], env)
        self.told, self.noise = queue.Queue(), []
        self.hear(self.child.stdout, lambda line: self.told.put(json.loads(line)))
        self.hear(self.child.stderr, self.noise.append)

    def next(self, timeout=30):
        try:
            return self.told.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"nothing more within {timeout} s; stderr: {''.join(self.noise)[-1500:]}") from None

    def wait_told(self, check, timeout=30):
        """The first value for which check holds; those before it are read."""
        while not check(value := self.next(timeout)):
            pass
        return value

    def end(self, timeout=20):
        """Ends its standard input and waits; returns its exit status."""
        self.child.stdin.close()
        return self.child.wait(timeout)


class NodeClient(ClusterTest):
    name = "nodejs"

    def environment(self):
        return self.cluster.environment(CLIENT_NODE=PACKAGE)

    def start(self, scenario, *words):
        out = Running([scenario, self.namespace, *words], self.environment())
        self.addCleanup(out.close)
        return out

    def node(self, scenario, *words, input=""):
        """Runs to its end; returns what it told."""
        done = machine.run("node", PROGRAM, scenario, self.namespace, *words, input=input, env=self.environment())
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_objects_and_patches_of_each_kind(self):
        made, changed, conflict, missing, patched, listed, gone = self.node("objects")
        self.assertEqual(made, {"made": {"color": "blue"}, "isDate": True})
        self.assertEqual(changed, {"changed": {"color": "green"}})
        self.assertEqual((conflict["code"], conflict["reason"]), (409, "Conflict"))
        self.assertEqual((missing["code"], missing["reason"]), (404, "NotFound"))
        self.assertEqual(patched["patched"], {"a": "1", "b": "2", "c": "3"})
        self.assertIn(["node", "Apply"], patched["managers"])
        self.assertEqual(listed, {"listed": ["settings"]})
        self.assertEqual((gone["code"], gone["reason"]), (404, "NotFound"))

    def test_the_generic_client_makes_what_a_file_says(self):
        listed = "\n---\n".join(map(json.dumps, [make_deployment("web", 1), make_service("web")]))
        deployment, service, names = self.node("generic", input=listed)
        self.assertEqual((deployment["kind"], deployment["labels"]), ("Deployment", {"app": "web", "seen": "yes"}))
        self.assertEqual((service["kind"], service["labels"]), ("Service", {"seen": "yes"}))
        self.assertEqual(names, ["web"])
        address = self.get("service", "web")["spec"]["clusterIP"]
        self.wait_text(f"http://{address}/", "Hello from web-")

    def test_an_informer_knows_what_is_there(self):
        labels = {"watched": "yes"}
        self.apply(make_pod("first", "sleep", "3600", labels=labels))
        informer = self.start("informer")
        self.assertEqual(informer.next()["name"], "first")
        self.apply(make_pod("second", "sleep", "3600", labels=labels), make_pod("other", "sleep", "3600"))
        seen = informer.wait_told(lambda e: e != "started" and e["verb"] == "add")
        self.assertEqual((seen["name"], seen["known"]), ("second", ["first", "second"]))
        informer.wait_told(lambda e: (e["verb"], e["name"], e["phase"]) == ("update", "second", "Running"))
        self.assertTrue(machine.container_pids(container_of(self.get("pod", "second"))["containerID"]), "and it runs")
        self.kubectl("delete", "pod", "first", "--wait=false")
        seen = informer.wait_told(lambda e: e["verb"] == "delete")
        self.assertEqual((seen["name"], seen["known"]), ("first", ["second"]))
        self.check_restart(informer)
        self.assertEqual(informer.end(), 0, informer.noise)

    def check_restart(self, informer):
        """The server ends and comes back; what happened is not lost."""
        self.cluster.process.kill()
        self.cluster.start()
        self.apply(make_pod("third", "sleep", "3600", labels={"watched": "yes"}))
        seen = informer.wait_told(lambda e: e["verb"] == "add" and e["name"] != "second")
        self.assertEqual((seen["name"], seen["known"]), ("third", ["second", "third"]))

    def test_a_watch_goes_on_where_it_ended(self):
        begin = Api(self.cluster).ok("GET", f"/api/v1/namespaces/{self.namespace}/configmaps")["metadata"]["resourceVersion"]
        self.kubectl("create", "configmap", "one")
        self.kubectl("label", "configmap", "one", "watched=yes")
        self.kubectl("label", "configmap", "one", "more=yes")
        first, *_ = self.node("watch", begin, "1")
        self.assertEqual((first["type"], first["name"]), ("ADDED", "one"), "when it gets the label")
        self.kubectl("delete", "configmap", "one")
        events = self.node("watch", first["version"], "2")
        self.assertEqual([(e["type"], e["name"]) for e in events], [("MODIFIED", "one"), ("DELETED", "one")])

    def test_exec_attach_and_copy(self):
        self.run_pod(make_pod("box", "sh", "-c", "while read line; do echo heard $line; done", container={"stdin": True}))
        told, = self.node("exec", "box", "sh", "-c", "cat > /tmp/in; wc -c < /tmp/in; echo oops >&2; exit 3", input="x" * 100000)
        self.assertEqual((told["out"].strip(), told["err"], told["status"]), ("100000", "oops\n", "Failure"))
        self.assertEqual(told["causes"], [{"reason": "ExitCode", "message": "3"}])
        self.assertEqual(self.inside("box", "/tmp/in"), b"x" * 100000, "the end of stdin has arrived")
        told, = self.node("exec", "box", "echo", "hello")
        self.assertEqual((told["out"], told["status"]), ("hello\n", "Success"))
        self.assertEqual(self.node("attach", "box"), ["heard you\n"])
        here = os.path.join(self.cluster.directory, "copies")
        os.makedirs(here)
        content = os.urandom(300000)
        with open(f"{here}/one", "wb") as file:
            file.write(content)
        self.node("copy", "box", here)
        self.assertEqual(self.inside("box", "/tmp/one"), content)

    def inside(self, name, path):
        pid = min(pid for pid, _ in machine.container_pids(container_of(self.get("pod", name))["containerID"]))
        with open(f"/proc/{pid}/root{path}", "rb") as file:
            return file.read()

    def test_port_forward(self):
        self.run_pod(make_pod("web", image=harness.DEMO))
        forward = self.start("forward", "web", "8080")
        port = forward.next()
        for _ in range(3):
            self.assertEqual(self.cluster.curl(f"http://127.0.0.1:{port}/"), "Hello from web\n")
        closed = self.start("forward", "web", "8081")
        done = machine.run("curl", "-sS", "-m", "10", f"http://127.0.0.1:{closed.next()}/", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("error forwarding port 8081", closed.wait_told(lambda told: told["err"])["err"])

    def test_logs_are_followed(self):
        self.run_pod(make_pod("talk", "sh", "-c", TICKS))
        self.assertEqual(self.node("log", "talk", "30"), [[f"tick {n}" for n in range(1, 31)]])

    def test_one_of_three_leads_and_another_takes_over(self):
        candidates = {name: self.start("elect", "leader", name) for name in ("a", "b", "c")}
        lease = lambda: self.get("lease", "leader")["spec"]
        holder = wait_until(lambda: lease()["holderIdentity"], 15, "somebody leads")
        candidates[holder].wait_told(lambda told: told["leads"])
        renewed = lease()["renewTime"]
        wait_until(lambda: lease()["renewTime"] > renewed, 10, "and renews")
        candidates[holder].child.kill()
        wait_until(lambda: lease()["holderIdentity"] != holder, 15, "another takes over")
        self.assertEqual(lease()["leaseTransitions"], 1)
        rest = [c for name, c in candidates.items() if name != holder]
        wait_until(lambda: sum(self.latest(c)["leads"] for c in rest) == 1, 10, "one of the two leads")

    def latest(self, candidate):
        value = candidate.next()
        while not candidate.told.empty():
            value = candidate.next()
        return value
