# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each process in turn under traffic: containers go on, are adopted, and work goes on after it."""
import os
import shutil
import signal
import subprocess
import threading
import time

import machine
from api import Api, config_map
from harness import BINARY, BUSYBOX, READY_HTTP, Cluster, ClusterTest, container_of, is_ready, make_deployment, make_pod, make_service
from machine import run, wait_until


class Traffic(threading.Thread):
    """Asks the service without a pause until told to stop; a request may be tried again once, at once."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.asked, self.failures, self.is_over = url, 0, [], threading.Event()

    def run(self):
        while not self.is_over.is_set():
            done = None
            for _ in range(2):
                done = subprocess.run(["curl", "-fsS", "--noproxy", "*", "-m", "3", self.url], capture_output=True,
                                      text=True, check=False)
                if done.returncode == 0:
                    break
            else:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {done.stderr.strip()}")
            self.asked += 1
            self.is_over.wait(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join(20)


class LostShims:
    """Shims of the cluster's containerd that no pod has: an empty and a full one, which it will not find again when it is
    started anew, and one that it knows. runc's ids are the machine's. And what looks like a shim of its, of a machine
    within this one that has its containerd at the same path."""

    def __init__(self, cluster):
        self.instance = machine.instance_of(cluster.data)
        self.place = f"/run/tetrarch/{self.instance}"
        self.socket = f"{self.place}/containerd.sock"
        self.bundles = f"{self.place}/state/io.containerd.runtime.v2.task/k8s.io"
        self.double = f"{self.place}/containerd-shim-double"
        self.empty, self.full, self.known = (f"{name}-{self.instance}" for name in ("lost-empty", "lost-full", "known"))

    def ctr(self, *words):
        return run("ctr", "-a", self.socket, "-n", "k8s.io", *words).stdout

    def __enter__(self):
        for name in (self.full, self.known):
            self.ctr("run", "-d", "--null-io", "--cgroup", f"/tetrarch-{self.instance}/{name}", BUSYBOX, name, "sleep", "3600")
        run("umount", f"{self.bundles}/{self.full}/rootfs")
        shutil.rmtree(f"{self.bundles}/{self.full}")
        empty = f"{self.bundles}/{self.empty}"
        os.mkdir(empty)
        with open(f"{empty}/config.json", "w", encoding="ascii") as file:
            file.write('{"ociVersion": "1.0.2", "annotations": {}}')
        os.mkfifo(f"{empty}/log")
        self.log = os.open(f"{empty}/log", os.O_RDWR)
        # As containerd does it, up to the moment at which it would note that it has one.
        subprocess.run(["containerd-shim-runc-v2", "-namespace", "k8s.io", "-address", self.socket, "-publish-binary",
                        "containerd", "-id", self.empty, "start"], cwd=empty, stdin=subprocess.DEVNULL, check=True,
                       capture_output=True, env={**os.environ, "TTRPC_ADDRESS": f"{self.socket}.ttrpc"})
        os.symlink("/bin/sh", self.double)
        self.elsewhere = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", self.double, "-c", "sleep 1000; true",
                                           "sh", "-namespace", "k8s.io", "-id", "elsewhere", "-address", self.socket])
        for name, count in ((self.empty, 1), (self.full, 2), (self.known, 2)):
            wait_until(lambda: len(self.processes(name)) == count, 10, f"{name} is there")
        return self

    def __exit__(self, *_):
        os.close(self.log)
        self.elsewhere.kill()
        self.elsewhere.wait()
        os.remove(self.double)
        self.ctr("tasks", "kill", "-s", "SIGKILL", self.known)
        wait_until(lambda: "STOPPED" in self.ctr("tasks", "ls"), 10, "it has ended")
        self.ctr("tasks", "rm", self.known)
        self.ctr("containers", "rm", self.known, self.full)

    def processes(self, name):
        """The shim and what runs in its container."""
        return [pid for pid in machine.pids_with(self.socket, f"tetrarch-{self.instance}/{name}")
                if f" -id {name} " in (line := machine.read_proc(pid, "cmdline")) or line.startswith("sleep")]

    def remains(self, name):
        out = run("find", "/sys/fs/cgroup", self.bundles, "/run/containerd/runc", "-name", name, check=False).stdout.split()
        return out + [at for at in machine.mounts() if f"/{name}/" in at]


class Restarts(ClusterTest):
    name = "restart"

    def setUp(self):
        super().setUp()
        if not self.cluster.process.is_running():
            self.cluster.start()
        self.apply(make_deployment("web", 3, container={"readinessProbe": READY_HTTP}), make_service("web"))
        self.wait_rollout("web")
        self.url = f"http://{self.get('service', 'web')['spec']['clusterIP']}/"
        self.wait_text(self.url, "Hello from web-")
        self.before = self.world()

    def world(self):
        """Pod -> its container, the container's processes and restarts; what must not change."""
        out = {}
        for pod in self.pods("app=web"):
            container = container_of(pod)
            out[pod["metadata"]["name"]] = (container["containerID"], machine.container_pids(container["containerID"]),
                                            container["restartCount"], pod["status"]["podIP"])
        return out

    def assert_untouched(self):
        self.assertEqual(self.world(), self.before)
        for pod in self.pods("app=web"):
            self.assertTrue(is_ready(pod), pod["metadata"]["name"])

    def assert_still_works(self):
        """What is asked for after the restart is done: scale, logs, exec, a new pod in the service."""
        self.kubectl("scale", "deployment/web", "--replicas=4")
        self.wait_rollout("web")
        new = {pod["metadata"]["name"] for pod in self.pods("app=web")} - set(self.before)
        self.assertEqual(len(new), 1)
        wait_until(lambda: new <= {self.cluster.curl(self.url).split()[-1] for _ in range(30)}, 20, "traffic reaches the new pod")
        old = sorted(self.before)[0]
        # Its probe asks every second; what the traffic asks may be far more.
        wait_until(lambda: "GET /healthz" in self.text("logs", old, "--since=3s"), 10, "logs of an adopted container go on")
        self.assertEqual(self.exec(old, "/demo", "client", "127.0.0.1", "8080", "/healthz").stdout, "ok\n")
        self.kubectl("scale", "deployment/web", "--replicas=2")
        wait_until(lambda: len(self.pods("app=web")) == 2, 30, "and down again")

    def assert_no_failure(self, traffic):
        self.assertGreater(traffic.asked, 20)
        self.assertEqual(traffic.failures, [], f"of {traffic.asked} requests")

    def test_kill_of_tetrarch(self):
        with Traffic(self.url) as traffic:
            self.cluster.process.kill(signal.SIGKILL)
            asked = traffic.asked
            wait_until(lambda: traffic.asked > asked + 20, 30, "requests while nothing of tetrarch runs")
            self.cluster.start()
            asked = traffic.asked
            wait_until(lambda: traffic.asked > asked + 20, 30, "requests after the start")
            self.assert_untouched()
        self.assert_no_failure(traffic)
        self.assert_still_works()

    def test_kill_of_containerd(self):
        daemons = self.daemons()
        with Traffic(self.url) as traffic:
            subprocess.run(["kill", "-9", str(daemons[0])], check=True)
            wait_until(lambda: not machine.is_alive(daemons[0]), 5, "containerd is dead")
            self.apply(make_pod("later", "sleep", "3600"))
            self.wait_ready("later", 60)
            self.assert_untouched()
            wait_until(lambda: traffic.asked > 30, 30, "some more requests")
        self.assert_no_failure(traffic)
        self.assert_still_works()

    def test_an_end_by_sigterm_and_a_new_start(self):
        with Traffic(self.url) as traffic:
            self.assertEqual(self.cluster.process.kill(signal.SIGTERM), 0)
            self.assertEqual(self.world_by_pids(), {pid for _, pids, _, _ in self.before.values() for pid, _ in pids})
            self.cluster.start()
            self.assert_untouched()
            wait_until(lambda: traffic.asked > 30, 30, "some more requests")
        self.assert_no_failure(traffic)
        self.assert_still_works()

    def daemons(self):
        found = [pid for pid in self.cluster.own_pids()
                 if os.path.basename(machine.read_proc(pid, "cmdline").split()[0]) == "containerd"]
        self.assertEqual(len(found), 1, "one containerd of this cluster")
        return found

    def world_by_pids(self):
        return {pid for _, pids, _, _ in self.before.values() for pid, began in pids
                if machine.is_alive(pid) and machine.start_time(pid) == began}

    def test_containerd_and_tetrarch_together(self):
        daemons = self.daemons()
        with Traffic(self.url) as traffic:
            self.cluster.process.kill(signal.SIGKILL)
            for pid in daemons:
                subprocess.run(["kill", "-9", str(pid)], check=True)
            self.cluster.start()
            wait_until(lambda: self.world() == self.before, 30, "everything is adopted")
            self.assert_untouched()
            wait_until(lambda: traffic.asked > 30, 30, "some more requests")
        self.assert_no_failure(traffic)
        self.assert_still_works()

    def test_shims_that_containerd_has_lost_are_ended(self):
        """One without a container, as a kill leaves it that hits containerd while it starts one, and one with a container
        that runs. What containerd knows stays, also what is none of ours."""
        with LostShims(self.cluster) as lost:
            subprocess.run(["kill", "-9", str(self.daemons()[0])], check=True)
            wait_until(lambda: not lost.processes(lost.empty) and not lost.processes(lost.full), 60, "both are ended")
            wait_until(lambda: self.cluster.process.tail(400).count("containerd has lost it") == 2, 5, "and it is said")
            self.assertRegex(self.cluster.process.tail(400), rf"sandbox {lost.full} \(pid \d+\) and [1-9]\d* processes")
            wait_until(lambda: not lost.remains(lost.empty) and not lost.remains(lost.full), 5, "nothing is left of them")
            self.assertEqual(len(lost.processes(lost.known)), 2, "a shim and a container that containerd knows")
            self.assertIsNone(lost.elsewhere.poll(), "one of a machine within this one")
            self.assert_untouched()
        self.assert_still_works()

    def test_a_dead_container_is_restarted_after_the_start(self):
        victim = sorted(self.before)[0]
        pid = self.before[victim][1][0][0]
        self.cluster.process.kill(signal.SIGKILL)
        subprocess.run(["kill", "-9", str(pid)], check=True)
        self.cluster.start()
        pod = self.wait_pod(victim, lambda p: container_of(p).get("restartCount") == 1 and is_ready(p), 40, "is restarted once")
        self.assertEqual(container_of(pod)["lastState"]["terminated"]["exitCode"], 137)
        for name in sorted(self.before)[1:]:
            self.assertEqual(self.world()[name], self.before[name], name)

    def test_acknowledged_writes_survive(self):
        api = Api(self.cluster)
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        written = {}
        stop = threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                try:
                    made = api.post(path, config_map(f"w{number}"), timeout=5)
                except OSError:
                    return
                if made.status == 201:
                    written[f"w{number}"] = made.json["metadata"]["resourceVersion"]
                number += 1
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        wait_until(lambda: len(written) > 50, 30, "some writes are acknowledged")
        self.cluster.process.kill(signal.SIGKILL)
        stop.set()
        writer.join(10)
        self.cluster.start()
        kept = {i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in api.ok("GET", path)["items"]}
        lost = {name: version for name, version in written.items() if kept.get(name) != version}
        self.assertEqual(lost, {})
        highest = max(map(int, kept.values()))
        after = api.ok("POST", path, config_map("after"))["metadata"]["resourceVersion"]
        self.assertGreater(int(after), highest, "no version is given twice")
        with api.watch(path, resourceVersion=written["w10"]) as events:
            if events.status == 200:
                event = next(events)
                self.assertIn((event["type"], event["object"].get("code")), (("ADDED", None), ("ERROR", 410)))
            else:
                self.assertEqual(events.status, 410)

    def test_down_keeps_the_data_and_up_brings_the_work_back(self):
        self.apply(make_pod("many", "sleep", "3600", initContainers=[{"name": "first", "image": BUSYBOX, "command": ["true"]}]),
                   make_pod("done", "true", restartPolicy="Never"))
        self.wait_ready("many")
        self.wait_phase("done", "Succeeded")
        self.cluster.tetrarch("down")
        self.assertFalse(self.cluster.process.is_running())
        self.assertEqual(self.cluster.own_pids(), [])
        self.assertEqual(self.cluster.bridges(), [])
        self.assertEqual(self.world_by_pids(), set())
        again = self.cluster.tetrarch("down")
        self.assertEqual(again.returncode, 0, "a second down has nothing to do")
        self.cluster.start()
        wait_until(lambda: all(map(is_ready, self.pods("app=web"))) and len(self.pods("app=web")) == 3, 60, "the pods run again")
        def made_anew():
            return {pod["metadata"]["name"] for pod in self.pods("app=web")
                    if is_ready(pod) and container_of(pod).get("containerID")}
        wait_until(lambda: made_anew() == set(self.before), 60, "the same pods, their containers made anew")
        counts = lambda: [container_of(pod)["restartCount"] for pod in self.pods("app=web") if is_ready(pod)]
        wait_until(lambda: counts() == [1, 1, 1], 60, "and their restarts are counted on")
        self.wait_pod("many", lambda p: is_ready(p) and container_of(p)["restartCount"] == 1 and
                      container_of(p, kind="initContainerStatuses")["restartCount"] == 1, 60, "ran its init container again")
        self.assertRegex(self.text("get", "pods", "many", "done"), r"many +1/1 +Running +1 .*\n(?s:.*)done +0/1 +Completed +0 ")
        self.wait_text(self.url, "Hello from web-")

    def test_a_second_process_is_refused(self):
        done = run(BINARY, *self.cluster.process.words, check=False, timeout=30)
        self.assert_fails(done, "another tetrarch runs from", str(self.cluster.process.pid))
        self.assert_untouched()



class AgentAway(ClusterTest):
    """Server and agent apart: the agent is stopped while the server goes on."""

    name = "away"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server")
        cls.cluster.start(node=False)
        with open(f"{cls.cluster.data}/join-token", encoding="ascii") as file:
            cls.agent = cls.cluster.add_agent("away-node", file.read().strip())
        cls.agent.start()
        cls.cluster.wait_node("away-node")

    def test_pods_deleted_meanwhile_end_when_the_agent_comes_back(self):
        self.run_pod(make_pod("goes", "sleep", "3600"))
        kept = machine.container_pids(container_of(self.run_pod(make_pod("stays", "sleep", "3600")))["containerID"])
        gone = machine.container_pids(container_of(self.get("pod", "goes"))["containerID"])
        self.agent.kill(signal.SIGKILL)
        self.kubectl("delete", "pod", "goes", "--wait=false")
        self.assertIn("goes", self.text("get", "pods"), "an agent that is away has not said that it ended")
        self.cluster.wait_node("away-node", 90, status="Unknown")
        taints = {t["key"] for t in self.cluster.get("node", "away-node")["spec"].get("taints", [])}
        self.assertIn("node.kubernetes.io/unreachable", taints)
        self.assertFalse(is_ready(self.get("pod", "stays")), "pods of a lost node are not ready")

        self.agent.start()
        self.cluster.wait_node("away-node")
        wait_until(lambda: "goes" not in self.text("get", "pods"), 40, "the deleted pod is gone")
        self.assertFalse(machine.is_alive(gone[0][0]))
        pod = self.wait_ready("stays")
        self.assertEqual(machine.container_pids(container_of(pod)["containerID"]), kept)
        self.assertEqual(container_of(pod)["restartCount"], 0)
        wait_until(lambda: not self.cluster.get("node", "away-node")["spec"].get("taints"), 20, "the taints are gone")

    def test_an_agent_that_starts_without_a_server_runs_its_pods_from_disk(self):
        self.run_pod(make_pod("keeps", "sleep", "3600"))
        self.run_pod(make_pod("falls", "sleep", "3601"))
        kept = machine.container_pids(container_of(self.get("pod", "keeps"))["containerID"])
        victim = machine.container_pids(container_of(self.get("pod", "falls"))["containerID"])[0][0]
        self.cluster.process.kill(signal.SIGKILL)
        self.agent.kill(signal.SIGKILL)
        subprocess.run(["kill", "-9", str(victim)], check=True)
        self.agent.start()
        place = f"tetrarch-{machine.instance_of(next(iter(self.cluster.agents)))}"
        wait_until(lambda: [p for p in machine.pids_with(place, of=("cgroup",)) if p != victim and
                            "sleep 3601" in machine.read_proc(p, "cmdline")], 60, "the dead container is restarted")
        self.assertTrue(all(machine.is_alive(pid) and machine.start_time(pid) == began for pid, began in kept))

        self.cluster.start(node="away-node")
        self.wait_pod("falls", lambda p: is_ready(p) and container_of(p)["restartCount"] == 1, 60, "says that it restarted")
        pod = self.wait_ready("keeps")
        self.assertEqual(machine.container_pids(container_of(pod)["containerID"]), kept)
        self.assertEqual(container_of(pod)["restartCount"], 0)

    def test_the_agent_goes_on_without_a_server(self):
        self.run_pod(make_pod("crash", "sh", "-c", "sleep 3600"))
        container = container_of(self.get("pod", "crash"))["containerID"]
        pid = machine.container_pids(container)[0][0]
        self.cluster.process.kill(signal.SIGKILL)
        subprocess.run(["kill", "-9", str(pid)], check=True)
        place = f"tetrarch-{machine.instance_of(next(iter(self.cluster.agents)))}"
        fresh = lambda: [p for p in machine.pids_with(place, of=("cgroup",)) if "sleep 3600" in machine.read_proc(p, "cmdline")
                         and p != pid]
        wait_until(fresh, 40, "the agent restarts a container although no server answers")
        self.cluster.start(node="away-node")
        pod = self.wait_pod("crash", lambda p: is_ready(p) and container_of(p)["restartCount"] == 1, 40, "says that it restarted")
        self.assertNotEqual(container_of(pod)["containerID"], container)
