# SPDX-License-Identifier: Apache-2.0
"""Probes and hooks of every kind against servers that the test holds in its hand, and what pods do at their end.

Pods of the host's network are asked at the node's address, so the test itself can answer for them."""
import os
import time

import harness
import machine
import servers
from harness import ClusterTest, container_of, is_ready, make_pod, make_service
from machine import wait_until

OFTEN = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 2}
KINDS = ("http", "https", "tcp", "grpc")


class Probes(ClusterTest):
    name = "probes"

    def server(self, kind):
        made = {"https": lambda: servers.https_server(self.cluster.directory), "grpc": servers.grpc_server}.get(
            kind, servers.http_server)()
        self.addCleanup(made.close)
        return made

    def probe(self, kind, port):
        return {"http": {"httpGet": {"path": "/ask", "port": port, "httpHeaders": [{"name": "X-Who", "value": "me"}]}},
                "https": {"httpGet": {"path": "/ask", "port": port, "scheme": "HTTPS"}},
                "tcp": {"tcpSocket": {"port": port}}, "grpc": {"grpc": {"port": port, "service": "shop"}}}[kind]

    def host_pod(self, name, **container):
        return make_pod(name, "sleep", "3600", hostNetwork=True, container=container)

    def test_readiness_follows_what_the_server_says(self):
        asked = {kind: self.server(kind) for kind in KINDS}
        self.apply(*(self.host_pod(f"r-{kind}", readinessProbe={**self.probe(kind, asked[kind].port), **OFTEN}) for kind in KINDS))
        for kind in KINDS:
            self.wait_ready(f"r-{kind}")
        path, headers = asked["http"].seen[0]
        self.assertEqual((path, headers["X-Who"]), ("/ask", "me"))
        self.assertRegex(headers["User-Agent"], r"^kube-probe/\d+\.\d+$")
        self.assertEqual(asked["grpc"].seen[0], "shop")
        for kind in KINDS:
            if kind == "tcp":
                asked[kind].close()
            asked[kind].set_well(False)
        for kind in KINDS:
            self.wait_pod(f"r-{kind}", lambda pod: not is_ready(pod), 20, "is not ready any more")
        for kind in ("http", "https", "grpc"):
            asked[kind].set_well(True)
            self.wait_ready(f"r-{kind}", 20)
            self.assertEqual(container_of(self.get("pod", f"r-{kind}"))["restartCount"], 0)
        for word in ("HTTP probe failed with statuscode: 503", "NOT_SERVING", "onnection refused"):
            self.assertTrue(self.wait_events(word), word)

    def test_an_event_says_what_was_asked_and_why_there_was_no_answer(self):
        port = machine.free_port()
        self.apply(self.host_pod("r-http", readinessProbe={"httpGet": {"path": "/x", "port": port}, **OFTEN}),
                   self.host_pod("r-tcp", readinessProbe={"tcpSocket": {"port": port}, **OFTEN}),
                   self.host_pod("r-exec", readinessProbe={"exec": {"command": ["sleep", "5"]}, **OFTEN}))
        dial = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        for text in (f'Readiness probe failed: Get "http://127.0.0.1:{port}/x": {dial}', f"Readiness probe failed: {dial}",
                     'Readiness probe failed: command "sleep 5" timed out'):
            self.assertTrue(self.wait_events(text), text)

    def test_liveness_restarts_what_does_not_answer(self):
        asked = {kind: self.server(kind) for kind in KINDS}
        self.apply(*(self.host_pod(f"l-{kind}", livenessProbe={**self.probe(kind, asked[kind].port), **OFTEN}) for kind in KINDS))
        for kind in KINDS:
            self.wait_ready(f"l-{kind}")
        wait_until(lambda: all(len(asked[kind].seen) > 2 for kind in ("http", "https", "grpc")), 20, "some questions each")
        for kind in KINDS:
            self.assertEqual(container_of(self.get("pod", f"l-{kind}"))["restartCount"], 0)
            if kind == "tcp":
                asked[kind].close()
            asked[kind].set_well(False)
        for kind in KINDS:
            self.wait_pod(f"l-{kind}", lambda pod: container_of(pod).get("restartCount", 0) >= 1, 40, "is restarted")
        self.assertTrue(self.wait_events("failed liveness probe, will be restarted"))

    def test_a_startup_probe_holds_the_others_back(self):
        asked = {kind: self.server(kind) for kind in ("http", "https", "grpc")}
        live = self.server("http")
        for kind, server in asked.items():
            server.set_well(False)
            self.apply(self.host_pod(f"s-{kind}", livenessProbe={**self.probe("http", live.port), **OFTEN},
                                     startupProbe={**self.probe(kind, server.port), **OFTEN, "failureThreshold": 60}))
        for kind, server in asked.items():
            wait_until(lambda s=server: len(s.seen) >= 3, 30, f"{kind} is asked again and again")
            status = container_of(self.get("pod", f"s-{kind}"))
            self.assertEqual((status["started"], status["ready"]), (False, False))
        self.assertEqual(live.seen, [], "no liveness probe before the start is over")
        for kind, server in asked.items():
            server.set_well(True)
            self.assertTrue(container_of(self.wait_ready(f"s-{kind}", 20))["started"])
        wait_until(lambda: live.seen, 20, "then liveness is asked")

    def test_redirects_count_as_success_and_delays_are_kept(self):
        server = self.server("http")
        late = {"httpGet": {"path": "/elsewhere", "port": server.port}, "initialDelaySeconds": 3, "successThreshold": 2,
                "periodSeconds": 1}
        pod = self.run_pod(self.host_pod("late", readinessProbe=late))
        self.assertGreaterEqual(len(server.seen), 2, "two successes are needed")
        ready = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")["lastTransitionTime"]
        began = container_of(pod)["state"]["running"]["startedAt"]
        seconds = lambda text: time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
        self.assertGreaterEqual(seconds(ready) - seconds(began), 3)

    def test_a_host_by_name_and_a_path_without_a_slash(self):
        server = self.server("http")
        asked = {"port": server.port, "host": "localhost"}
        self.run_pod(self.host_pod(
            "named", livenessProbe={"tcpSocket": asked, **OFTEN},
            readinessProbe={"httpGet": {"path": "ask", **asked, "httpHeaders": [{"name": "host", "value": "shop"}]}, **OFTEN}))
        self.assertEqual((server.seen[0][0], server.seen[0][1]["Host"]), ("/ask", "shop"))
        self.assertEqual(container_of(self.get("pod", "named"))["restartCount"], 0)

    def test_a_hook_takes_any_answer(self):
        server = self.server("http")
        hook = {"httpGet": {"path": "missing", "port": server.port, "host": "localhost"}}
        self.run_pod(make_pod("deaf", "sleep", "3600", container={"lifecycle": {"postStart": hook, "preStop": hook}}))
        self.assertEqual(container_of(self.get("pod", "deaf"))["restartCount"], 0)
        self.kubectl("delete", "pod", "deaf")
        self.assertEqual([path for path, _ in server.seen], ["/missing", "/missing"])
        told = [event["reason"] for event in self.get("events")["items"] if event["involvedObject"]["name"] == "deaf"]
        self.assertFalse([reason for reason in told if "Hook" in reason])

    def test_hooks_of_every_kind(self):
        server = self.server("http")
        port = server.port
        hook = lambda path: {"httpGet": {"path": path, "port": port, "host": "127.0.0.1"}}
        self.run_pod(make_pod("web-hooks", "sleep", "3600", container={"lifecycle": {"postStart": hook("/started"),
                                                                                     "preStop": hook("/stopping")}}))
        self.assertEqual([path for path, _ in server.seen], ["/started"])
        self.run_pod(make_pod("sleeper", "sleep", "3600", terminationGracePeriodSeconds=30,
                              container={"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}))
        self.apply(make_pod("bad-start", "sleep", "3600", container={"lifecycle": {
            "postStart": {"exec": {"command": ["sh", "-c", "exit 3"]}}}}))
        self.assertTrue(self.wait_events("FailedPostStartHook"))
        self.wait_pod("bad-start", lambda p: container_of(p).get("restartCount", 0) >= 1, 60, "is started again")
        self.kubectl("delete", "pod", "web-hooks")
        self.assertEqual([path for path, _ in server.seen], ["/started", "/stopping"])
        pid = machine.container_pids(container_of(self.get("pod", "sleeper"))["containerID"])[0][0]
        began = time.monotonic()
        self.kubectl("delete", "pod", "sleeper", "--wait=false")
        wait_until(lambda: not machine.is_alive(pid), 45, "the process ends after the hook's sleep")
        self.assertGreaterEqual(time.monotonic() - began, 2.9)

    def test_sidecars_end_after_the_containers_they_serve(self):
        out = os.path.join(self.cluster.directory, "ends")
        os.makedirs(out, exist_ok=True)
        def say(word, after=0):
            return ["sh", "-c", f"trap 'sleep {after}; echo {word} >> /o/ends; exit 0' TERM; while :; do sleep 1 & wait $!; done"]
        mounts = [{"name": "o", "mountPath": "/o"}]
        side = [{"name": f"s{n}", "image": harness.BUSYBOX, "restartPolicy": "Always", "command": say(f"s{n}"),
                 "volumeMounts": mounts} for n in (1, 2)]
        self.run_pod(make_pod("crew", *say("main", 1), initContainers=side, container={"volumeMounts": mounts},
                              volumes=[{"name": "o", "hostPath": {"path": out}}], terminationGracePeriodSeconds=30))
        self.kubectl("delete", "pod", "crew")
        with open(f"{out}/ends", encoding="ascii") as file:
            self.assertEqual(file.read().split(), ["main", "s2", "s1"], "the main one first, sidecars in reverse order")

    def test_a_deadline_ends_a_pod(self):
        self.apply(make_pod("brief", "sleep", "3600", activeDeadlineSeconds=3))
        self.wait_ready("brief")
        status = self.wait_phase("brief", "Failed", 30)["status"]
        self.assertEqual((status["reason"], status["message"]),
                         ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"))

    def test_an_unready_pod_gets_no_traffic(self):
        pods = [make_pod(f"w{n}", labels={"app": "w"}, image=harness.DEMO, container={
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, **OFTEN}, "volumeMounts": [
                {"name": "t", "mountPath": "/tmp"}]}, volumes=[{"name": "t", "hostPath": {
                    "path": os.path.join(self.cluster.directory, f"tmp{n}"), "type": "DirectoryOrCreate"}}]) for n in (1, 2)]
        self.apply(*pods, make_service("w"))
        self.wait_ready("w1")
        self.wait_ready("w2")
        url = f"http://{self.get('service', 'w')['spec']['clusterIP']}/"
        wait_until(lambda: len({self.cluster.curl(url) for _ in range(16)}) == 2, 20, "both answer")
        mark = os.path.join(self.cluster.directory, "tmp1/unhealthy")
        with open(mark, "w", encoding="ascii"):
            pass
        for _ in range(3):  # no request is refused while one leaves
            wait_until(lambda: {self.cluster.curl(url).split()[-1] for _ in range(16)} == {"w2"}, 20, "only the well one answers")
        os.unlink(mark)
        wait_until(lambda: len({self.cluster.curl(url) for _ in range(16)}) == 2, 20, "both answer again")
