# SPDX-License-Identifier: Apache-2.0
"""Resize of pods in place: `kubectl patch --subresource resize`, seen in the control groups of what runs."""
import json

import machine
from api import Api
from harness import ClusterTest, container_of, make_pod
from machine import wait_until

SLEEP = ("sleep", "3600")
MI = 1 << 20


def amounts(cpu, memory, cpu_limit=None, memory_limit=None):
    out = {"requests": {"cpu": cpu, "memory": memory}}
    limits = {k: v for k, v in (("cpu", cpu_limit), ("memory", memory_limit)) if v}
    return {**out, **({"limits": limits} if limits else {})}


def exact(cpu, memory):
    """Of a guaranteed container: what it asks for is what it may take."""
    return amounts(cpu, memory, cpu, memory)


def condition_of(pod, kind):
    return next((c for c in pod["status"]["conditions"] if c["type"] == kind), None)


class Resize(ClusterTest):
    name = "resize"

    def box(self, name, resources, **more):
        self.apply(make_pod(name, *SLEEP, container={"resources": resources, **more}))
        return self.wait_ready(name)

    def resize(self, name, resources, check=True):
        body = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
        return self.kubectl("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(body), check=check)

    def group_value(self, pod, v1, v2, depth=0, container=None):
        """A value of the container's control group, or with depth 1 of its pod's."""
        pid = machine.container_pids(container_of(pod, container)["containerID"])[0][0]
        lines = [line.split(":", 2) for line in machine.read_proc(pid, "cgroup").splitlines()]
        controller, file = v1
        for _, names, path in lines:
            if controller in names.split(","):
                base = f"/sys/fs/cgroup/{controller}{path}"
                break
        else:
            base, file = f"/sys/fs/cgroup{lines[-1][2]}", v2
        base = "/".join(base.split("/")[:len(base.split("/")) - depth])
        with open(f"{base}/{file}", encoding="ascii") as value:
            return value.read().split()

    def quota_of(self, pod, depth=0, container=None):
        """Microseconds of each 100 ms; None: as many as there are."""
        value = self.group_value(pod, ("cpu", "cpu.cfs_quota_us"), "cpu.max", depth, container)[0]
        return None if value in ("-1", "max") else int(value)

    def memory_of(self, pod, depth=0, container=None):
        """Bytes; None: no limit."""
        value = self.group_value(pod, ("memory", "memory.limit_in_bytes"), "memory.max", depth, container)[0]
        return None if value == "max" or int(value) > 1 << 60 else int(value)

    def wait_resized(self, name, resources):
        return self.wait_all_resized(name, {None: resources})

    def wait_all_resized(self, name, wanted):
        """`wanted`: by container, the resources that its status must show, granted and carried out."""
        def is_told(pod, container, resources):
            status = container_of(pod, container)
            return status.get("resources", {}) == resources and \
                status.get("allocatedResources", {}) == resources.get("requests", {})

        def holds(pod):
            return all(is_told(pod, *each) for each in wanted.items()) and \
                not condition_of(pod, "PodResizeInProgress") and not condition_of(pod, "PodResizePending")
        return self.wait_pod(name, holds, 30, f"has {wanted}")

    # ---- pods of several containers ----------------------------------------------------------------------------

    def boxes(self, name, resources):
        """A running pod with a container of each name."""
        pod = make_pod(name, *SLEEP)
        main = pod["spec"]["containers"][0]
        pod["spec"]["containers"] = [{**main, "name": each, "resources": amount} for each, amount in resources.items()]
        self.apply(pod)
        running = self.wait_ready(name)
        self.assert_amounts(running, resources)
        return running

    def assert_amounts(self, pod, resources):
        """What the kernel enforces is what was asked for; a CPU limit is a quota of at least a millisecond of each 100."""
        for container, amount in resources.items():
            limits = amount.get("limits", {})
            quota = max(int(limits["cpu"][:-1]) * 100, 1000) if "cpu" in limits else None
            memory = int(limits["memory"][:-2]) * MI if "memory" in limits else None
            wait_until(lambda c=container, q=quota, m=memory: (
                self.quota_of(pod, container=c), self.memory_of(pod, container=c)) == (q, m), 10, f"amounts of {container}")

    def assert_resized(self, before, wanted, changed):
        """That the pod has what it should, on the containers that it had."""
        after = self.wait_all_resized(before["metadata"]["name"], wanted)
        self.assert_amounts(after, wanted)
        for container, resources in changed.items():
            spec = next(c for c in after["spec"]["containers"] if c["name"] == container)
            self.assertEqual(spec["resources"], resources)
        for container in wanted:
            was, now = container_of(before, container), container_of(after, container)
            self.assertEqual((now["containerID"], now["restartCount"]), (was["containerID"], 0), container)
        self.assertEqual(after["status"]["qosClass"], before["status"]["qosClass"])
        self.assertGreater(after["metadata"]["generation"], before["metadata"]["generation"])
        self.wait_pod(before["metadata"]["name"], lambda p: p["status"].get("observedGeneration") == p["metadata"]["generation"],
                      20, "is told to be the newest")
        return after

    def resize_all(self, first, second):
        """Resizes what differs, and then back."""
        pod = self.boxes("boxes", first)
        for old, new in ((first, second), (second, first)):
            changed = {name: amount for name, amount in new.items() if amount != old[name]}
            body = {"spec": {"containers": [{"name": name, "resources": amount} for name, amount in changed.items()]}}
            self.kubectl("patch", "pod", "boxes", "--subresource", "resize", "-p", json.dumps(body))
            pod = self.assert_resized(pod, new, changed)
        return pod

    def test_three_containers_with_more_in_all(self):
        pod = self.resize_all({"c1": exact("30m", "32Mi"), "c2": exact("30m", "32Mi"), "c3": exact("30m", "32Mi")},
                              {"c1": exact("50m", "48Mi"), "c2": exact("40m", "40Mi"), "c3": exact("20m", "24Mi")})
        self.assertEqual(pod["status"]["qosClass"], "Guaranteed")

    def test_three_containers_with_less_in_all(self):
        self.resize_all({"c1": exact("30m", "32Mi"), "c2": exact("40m", "48Mi"), "c3": exact("50m", "48Mi")},
                        {"c1": exact("40m", "40Mi"), "c2": exact("20m", "32Mi"), "c3": exact("30m", "24Mi")})

    def test_three_containers_with_cpu_and_memory_both_ways(self):
        self.resize_all({"c1": exact("30m", "32Mi"), "c2": exact("40m", "32Mi"), "c3": exact("30m", "32Mi")},
                        {"c1": exact("40m", "32Mi"), "c2": exact("20m", "48Mi"), "c3": exact("50m", "40Mi")})

    def test_six_containers_get_more_less_and_their_first_limits(self):
        first = {"same": exact("20m", "24Mi"), "more": amounts("20m", "16Mi", "40m", "32Mi"),
                 "less": amounts("40m", "32Mi", "80m", "64Mi"), "requests": amounts("20m", "16Mi"), "none": {},
                 "half": {"requests": {"cpu": "20m"}, "limits": {"cpu": "40m"}}}
        second = {**first, "more": amounts("30m", "24Mi", "60m", "48Mi"), "less": amounts("20m", "16Mi", "40m", "32Mi"),
                  "requests": amounts("20m", "16Mi", "50m", "40Mi"), "none": amounts("10m", "16Mi", "30m", "32Mi"),
                  "half": amounts("20m", "16Mi", "40m", "32Mi")}
        pod = self.boxes("six", first)
        self.assertEqual(pod["status"]["qosClass"], "Burstable")
        changed = {name: amount for name, amount in second.items() if amount != first[name]}
        body = {"spec": {"containers": [{"name": name, "resources": amount} for name, amount in changed.items()]}}
        self.kubectl("patch", "pod", "six", "--subresource", "resize", "-p", json.dumps(body))
        self.assert_resized(pod, second, changed)

    def test_amounts_that_the_kernel_cannot_tell_apart_are_told_as_asked(self):
        # Fewer than 2 shares and less than a millisecond of quota are the same to the kernel.
        first = {"main": {"requests": {"cpu": "2m"}, "limits": {"cpu": "10m"}}}
        pod = self.boxes("tiny", first)
        for amount in ({"requests": {"cpu": "1m"}, "limits": {"cpu": "5m"}}, first["main"]):
            self.resize("tiny", amount)
            pod = self.assert_resized(pod, {"main": amount}, {"main": amount})

    def test_resize_by_replacing(self):
        before = self.boxes("put", {"c1": exact("20m", "24Mi"), "c2": exact("20m", "24Mi")})
        path = f"/api/v1/namespaces/{self.namespace}/pods/put"
        api = Api(self.cluster)
        wanted = {"c1": exact("40m", "48Mi"), "c2": exact("20m", "32Mi")}

        def put():
            pod = api.ok("GET", f"{path}/resize")
            for container in pod["spec"]["containers"]:
                container["resources"] = wanted[container["name"]]
            answer = api.put(f"{path}/resize", pod)
            self.assertIn(answer.status, (200, 409), str(answer))
            return answer.status == 200
        wait_until(put, 10, "nobody else was faster")
        self.assert_resized(before, wanted, wanted)

        def is_same():
            return api.ok("GET", f"{path}/resize") == api.ok("GET", path)
        wait_until(is_same, 10, "both paths show the same pod")

    def test_a_running_container_gets_more_and_less(self):
        before = self.box("box", amounts("100m", "32Mi", "200m", "64Mi"))
        self.assertEqual((self.quota_of(before), self.memory_of(before)), (20000, 64 * MI))
        self.assertEqual(container_of(before)["resources"], amounts("100m", "32Mi", "200m", "64Mi"))

        more = amounts("300m", "48Mi", "500m", "128Mi")
        self.resize("box", more)
        after = self.wait_resized("box", more)
        self.assertEqual((self.quota_of(after), self.memory_of(after)), (50000, 128 * MI))
        wait_until(lambda: (self.quota_of(after, 1), self.memory_of(after, 1)) == (50000, 128 * MI), 10, "its pod's group")
        less = amounts("50m", "16Mi", "100m", "32Mi")
        self.resize("box", less)
        after = self.wait_resized("box", less)
        self.assertEqual((self.quota_of(after), self.memory_of(after)), (10000, 32 * MI))
        wait_until(lambda: (self.quota_of(after, 1), self.memory_of(after, 1)) == (10000, 32 * MI), 10, "its pod's group")
        self.assertEqual(container_of(after)["containerID"], container_of(before)["containerID"])
        self.assertEqual(container_of(after)["restartCount"], 0)
        self.assertEqual(after["status"]["observedGeneration"], after["metadata"]["generation"])
        self.wait_events("ResizeCompleted")

    def test_a_policy_asks_for_a_restart(self):
        policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"},
                  {"resourceName": "cpu", "restartPolicy": "NotRequired"}]
        before = self.box("box", amounts("50m", "32Mi", "100m", "64Mi"), resizePolicy=policy)
        self.resize("box", amounts("60m", "32Mi", "200m", "64Mi"))
        same = self.wait_resized("box", amounts("60m", "32Mi", "200m", "64Mi"))
        self.assertEqual(container_of(same)["containerID"], container_of(before)["containerID"], "cpu needs none")

        self.resize("box", amounts("60m", "32Mi", "200m", "96Mi"))
        after = self.wait_pod("box", lambda p: container_of(p)["restartCount"] == 1 and "running" in container_of(p)["state"], 60,
                              "has restarted")
        self.assertNotEqual(container_of(after)["containerID"], container_of(before)["containerID"])
        self.assertEqual(self.memory_of(after), 96 * MI)
        self.wait_events("Container main resize requires restart")

    def test_what_the_node_has_not_is_said_and_waited_for(self):
        node = self.cluster.get("node", self.cluster.node)["status"]["allocatable"]
        cpus = int(node["cpu"]) if node["cpu"].isdigit() else int(node["cpu"][:-1]) // 1000
        self.box("first", amounts("50m", "16Mi"))
        self.box("second", amounts(f"{cpus * 1000 - 500}m", "16Mi"))

        self.resize("first", amounts(f"{cpus + 1}", "16Mi"))
        pod = self.wait_pod("first", lambda p: condition_of(p, "PodResizePending"), 20, "waits")
        told = condition_of(pod, "PodResizePending")
        self.assertEqual((told["status"], told["reason"]), ("True", "Infeasible"))
        self.assertEqual(told["message"],
                         f"Node didn't have enough capacity: cpu, requested: {(cpus + 1) * 1000}, capacity: {cpus * 1000}")
        self.resize("first", amounts("900m", "16Mi"))
        pod = self.wait_pod("first", lambda p: condition_of(p, "PodResizePending") and
                            condition_of(p, "PodResizePending")["reason"] == "Deferred", 20, "is deferred")
        self.assertIn("Node didn't have enough resource: cpu, requested: 900, used: ",
                      condition_of(pod, "PodResizePending")["message"])
        self.assertEqual(container_of(pod)["allocatedResources"]["cpu"], "50m", "what it had stays granted")
        self.apply(make_pod("third", *SLEEP, container={"resources": amounts("200m", "16Mi")}))
        self.wait_events("Insufficient cpu")  # what is asked for counts for the scheduler

        self.kubectl("delete", "pod", "second", "--wait=true")
        self.wait_resized("first", amounts("900m", "16Mi"))
        self.wait_ready("third")

    def test_memory_below_what_is_used_is_not_cut(self):
        hoard = {"volumeMounts": [{"name": "hoard", "mountPath": "/hoard"}]}
        self.apply(make_pod("full", *SLEEP, container={"resources": amounts("10m", "16Mi", None, "96Mi"), **hoard},
                            volumes=[{"name": "hoard", "emptyDir": {"medium": "Memory"}}]))
        pod = self.wait_ready("full")
        self.exec("full", "dd", "if=/dev/zero", "of=/hoard/file", "bs=1M", "count=60")
        self.resize("full", amounts("10m", "16Mi", None, "32Mi"))
        pod = self.wait_pod("full", lambda p: (condition_of(p, "PodResizeInProgress") or {}).get("reason") == "Error", 30,
                            "says that it cannot")
        self.assertIn("below current usage", condition_of(pod, "PodResizeInProgress")["message"])
        self.assertEqual(self.memory_of(pod), 96 * MI)
        self.exec("full", "rm", "/hoard/file")
        after = self.wait_resized("full", amounts("10m", "16Mi", None, "32Mi"))
        self.assertEqual((self.memory_of(after), container_of(after)["restartCount"]), (32 * MI, 0))

    def test_an_agent_that_starts_anew_goes_on(self):
        self.box("box", amounts("50m", "16Mi", "100m", "32Mi"))
        self.resize("box", amounts("60m", "16Mi", "200m", "48Mi"))
        before = self.wait_resized("box", amounts("60m", "16Mi", "200m", "48Mi"))
        self.cluster.process.kill()
        self.cluster.start()
        self.resize("box", amounts("70m", "16Mi", "300m", "48Mi"))
        after = self.wait_resized("box", amounts("70m", "16Mi", "300m", "48Mi"))
        self.assertEqual(self.quota_of(after), 30000)
        self.assertEqual(container_of(after)["containerID"], container_of(before)["containerID"])

    def test_what_is_refused(self):
        self.box("box", amounts("50m", "16Mi"))
        self.assert_fails(self.resize("box", {"limits": {"cpu": "50m", "memory": "16Mi"}}, check=False),
                          "Pod QOS Class may not change as a result of resizing")
        done = self.kubectl("patch", "pod", "box", "--subresource", "resize", "-p", json.dumps(
            {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": None}}}]}}), check=False)
        self.assert_fails(done, "resource requests cannot be removed")
        done = self.kubectl("patch", "pod", "box", "-p", json.dumps(
            {"spec": {"containers": [{"name": "main", "resources": amounts("60m", "16Mi")}]}}), check=False)
        self.assert_fails(done, "pod updates may not change fields other than")
