# SPDX-License-Identifier: Apache-2.0
"""A node that runs short: conditions, taints, refusals, and which pods go. The data directory is a small file system in
memory, so that its disk can be filled; memory and processes are short because the thresholds are said to be high."""
import hashlib
import io
import json
import os
import re
import shutil
import tarfile

import machine
from harness import BINARY, Cluster, ClusterTest, make_pod
from machine import wait_until

MI = 1 << 20
SIZE = 640 * MI
LOW = 200 * MI  # the threshold of the disk
DISK = f"nodefs.available<{LOW}"
TRANSITION = 5
SLEEP = ("sleep", "3600")
NOTHING = {"resources": {}}
SCRATCH = {"volumes": [{"name": "scratch", "emptyDir": {}}]}
MOUNT = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}], "resources": {}}


def condition_of(node, kind):
    return next(c for c in node["status"]["conditions"] if c["type"] == kind)


def meminfo():
    with open("/proc/meminfo", encoding="ascii") as file:
        return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}


def write_archive(path, name, size):
    """An OCI archive of one image with one file of that size."""
    blobs = {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("big")
        entry.size = size
        tar.addfile(entry, io.BytesIO(bytes(size)))
    oci = "application/vnd.oci.image"
    packed = blob(layer.getvalue())
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                              "rootfs": {"type": "layers", "diff_ids": [packed["digest"]]}}).encode())
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json",
                                "config": {"mediaType": f"{oci}.config.v1+json", **config},
                                "layers": [{"mediaType": f"{oci}.layer.v1.tar", **packed}]}).encode())
    index = {"schemaVersion": 2, "manifests": [{"mediaType": f"{oci}.manifest.v1+json", **manifest,
                                                "annotations": {"io.containerd.image.name": name}}]}
    with tarfile.open(path, "w") as tar:
        for file, data in {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(),
                           **blobs}.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


class Pressure(ClusterTest):
    name = "pressure"

    @classmethod
    def setUpClass(cls):
        cls.disk = None
        super().setUpClass()

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, flags=["--eviction-hard", DISK, "--eviction-pressure-transition-period", str(TRANSITION),
                                               "--image-gc-minimum-age", "1"])
        cls.disk = cls.cluster.directory
        machine.run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", cls.disk)
        cls.addClassCleanup(cls.unmount)
        cls.cluster.put_images(cls.cluster.data)
        cls.cluster.start()

    @classmethod
    def unmount(cls):
        machine.run("umount", "-l", cls.disk, check=False)
        shutil.rmtree(cls.disk)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.relax)

    def relax(self):
        """Everything as in the beginning for the next test."""
        self.empty()
        self.kubectl("delete", "pods", "--all", "--wait=true", check=False)
        if self.thresholds() != DISK:
            self.start_with(DISK)
        self.wait_condition("DiskPressure", "False")

    # ---- shorthands -------------------------------------------------------------------------------------------

    def thresholds(self):
        words = self.cluster.process.words
        return words[words.index("--eviction-hard") + 1]

    def start_with(self, thresholds):
        """Another agent process, with other thresholds; what runs goes on."""
        words = self.cluster.process.words
        words[words.index("--eviction-hard") + 1] = thresholds
        self.cluster.process.kill()
        self.cluster.start()

    def available(self):
        place = os.statvfs(self.disk)
        return place.f_bavail * place.f_frsize

    def fill(self, left):
        """Until so much is left of the disk."""
        with open(f"{self.disk}/filler", "wb") as file:
            size = self.available() - left
            while size > 0:
                size -= file.write(bytes(min(size, MI)))

    def empty(self):
        if os.path.exists(f"{self.disk}/filler"):
            os.remove(f"{self.disk}/filler")

    def node(self):
        return self.cluster.get("node", self.cluster.node)

    def wait_condition(self, kind, status, timeout=60):
        def is_so():
            return condition_of(self.node(), kind)["status"] == status
        wait_until(is_so, timeout, f"{kind} is {status}", pause=0.3)
        return condition_of(self.node(), kind)

    def assert_evicted(self, name, *words):
        pod = self.wait_pod(name, lambda p: p["status"].get("phase") == "Failed", 60, "is evicted")
        self.assertEqual(pod["status"]["reason"], "Evicted")
        for word in words:
            self.assertIn(word, pod["status"]["message"])
        target = next(c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget")
        self.assertEqual((target["status"], target["reason"]), ("True", "TerminationByKubelet"))
        self.wait_events("Evicted")
        wait_until(lambda: not machine.pids_with(f"pod{pod['metadata']['uid']}", of=("cgroup",)), 20, "nothing of it runs")
        return pod

    def taints(self):
        return {(t["key"], t["effect"]) for t in self.node()["spec"].get("taints", [])}

    # ---- tests ------------------------------------------------------------------------------------------------

    def test_a_full_disk_costs_the_pod_that_takes_most_of_it(self):
        self.apply(make_pod("small", *SLEEP, container=MOUNT, **SCRATCH), make_pod("big", *SLEEP, container=MOUNT, **SCRATCH))
        self.wait_ready("small")
        uid = self.wait_ready("big")["metadata"]["uid"]
        self.exec("big", "dd", "if=/dev/zero", "of=/scratch/file", "bs=1M", "count=100")
        self.assertEqual(condition_of(self.node(), "DiskPressure")["reason"], "KubeletHasNoDiskPressure")

        self.fill(left=LOW - 50 * MI)
        told = self.wait_condition("DiskPressure", "True")
        self.assertEqual((told["reason"], told["message"]), ("KubeletHasDiskPressure", "kubelet has disk pressure"))
        self.assert_evicted("big", "The node was low on resource: ephemeral-storage. Threshold quantity: 200Mi, available: ")
        wait_until(lambda: not os.path.exists(f"{self.cluster.data}/agent/pods/{uid}/volumes"), 10, "its volume is gone")
        wait_until(lambda: self.available() > LOW, 10, "there is room again")
        wait_until(lambda: ("node.kubernetes.io/disk-pressure", "NoSchedule") in self.taints(), 10, "the node is tainted")

        self.apply(make_pod("late", *SLEEP))
        self.wait_events("untolerated taint {node.kubernetes.io/disk-pressure: }")
        self.apply(make_pod("pushed", *SLEEP, nodeName=self.cluster.node))
        pushed = self.wait_phase("pushed", "Failed")
        self.assertEqual(pushed["status"]["reason"], "Evicted")
        self.assertEqual(pushed["status"]["message"], "Pod was rejected: The node had condition: [DiskPressure]. ")
        self.assertRegex(self.text("get", "pod", "pushed"), r"pushed +0/1 +Evicted")

        self.wait_condition("DiskPressure", "False")
        self.wait_ready("late")
        self.assertEqual(self.get("pod", "small")["status"]["containerStatuses"][0]["restartCount"], 0)
        self.wait_ready("small")
        reasons = {e["reason"] for e in self.cluster.get("events", "-n", "default")["items"]
                   if e["involvedObject"]["kind"] == "Node"}
        self.assertLessEqual({"EvictionThresholdMet", "NodeHasDiskPressure", "NodeHasNoDiskPressure"}, reasons)

    def test_images_that_nothing_uses_go_before_any_pod(self):
        self.apply(make_pod("stays", *SLEEP, container=MOUNT, **SCRATCH))
        self.wait_ready("stays")
        self.exec("stays", "dd", "if=/dev/zero", "of=/scratch/file", "bs=1M", "count=20")
        archive = f"{self.cluster.directory}/big.tar"
        write_archive(archive, "example.com/big:1", 60 * MI)
        socket = f"/run/tetrarch/{machine.instance_of(self.cluster.data)}/containerd.sock"
        ctr = ("ctr", "-a", socket, "-n", "k8s.io", "images")
        machine.run(*ctr, "import", archive)
        os.remove(archive)
        self.assertIn("example.com/big:1", machine.run(*ctr, "ls", "-q").stdout)
        wait_until(lambda: "example.com/big:1" in json.dumps(self.node()["status"]["images"]), 30, "the node names it")

        self.fill(left=LOW - 30 * MI)
        self.wait_condition("DiskPressure", "True")
        wait_until(lambda: "example.com/big:1" not in machine.run(*ctr, "ls", "-q").stdout, 30, "the image is removed")
        self.wait_condition("DiskPressure", "False")
        self.assertGreater(self.available(), LOW)
        self.assertEqual(self.get("pod", "stays")["status"]["phase"], "Running")

    def test_short_memory_costs_one_pod_after_the_other(self):
        eager = {"resources": {"requests": {"memory": "1Mi"}}}
        modest = {"resources": {"requests": {"memory": "256Mi"}}}
        hog = "dd if=/dev/zero of=/hoard/file bs=1M count=40; sleep 3600"
        memory = {"volumes": [{"name": "hoard", "emptyDir": {"medium": "Memory"}}]}
        hoards = {"volumeMounts": [{"name": "hoard", "mountPath": "/hoard"}]}
        self.apply(make_pod("over", "sh", "-c", hog, container={**eager, **hoards}, **memory),
                   make_pod("within", *SLEEP, container=modest))
        self.kubectl("-n", "kube-system", "apply", "-f", "-",
                     input=json.dumps(make_pod("critical", *SLEEP, priorityClassName="system-node-critical")))
        self.addCleanup(self.cluster.kubectl, "-n", "kube-system", "delete", "pod", "critical", "--wait=true", check=False)
        self.wait_ready("over")
        self.wait_ready("within")
        machine_memory = meminfo()
        free = machine_memory["MemFree"] + machine_memory["Inactive(file)"]
        self.start_with(f"memory.available<{min(free + 1024 * MI, machine_memory['MemTotal'] - MI)}")

        self.wait_condition("MemoryPressure", "True")
        first = self.assert_evicted("over", "The node was low on resource: memory.")
        self.assertRegex(first["status"]["message"], r"Container main was using \d+\w*, request is 1Mi, has larger consumption of memory\.")
        second = self.assert_evicted("within", "The node was low on resource: memory.")
        self.assertNotIn("Container main", second["status"]["message"], "it was within its request")

        def ended(pod):
            return pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
        self.assertLess(ended(first), ended(second), "one at a time")
        critical = self.cluster.get("-n", "kube-system", "pod", "critical")
        self.assertEqual(critical["status"]["phase"], "Running")
        self.apply(make_pod("best-effort", *SLEEP, container=NOTHING, nodeName=self.cluster.node))
        refused = self.wait_phase("best-effort", "Failed")["status"]
        self.assertEqual((refused["reason"], refused["message"]),
                         ("Evicted", "Pod was rejected: The node had condition: [MemoryPressure]. "))
        wait_until(lambda: ("node.kubernetes.io/memory-pressure", "NoSchedule") in self.taints(), 10, "the node is tainted")

    def test_short_process_numbers_cost_the_pod_with_most(self):
        many = "for i in 1 2 3 4 5 6 7 8 9; do sleep 3600 & done; wait"
        self.apply(make_pod("few", *SLEEP), make_pod("many", "sh", "-c", many))
        self.wait_ready("few")
        self.wait_ready("many")
        most = min(int(open(f"/proc/sys/kernel/{name}", encoding="ascii").read()) for name in ("pid_max", "threads-max"))
        self.start_with(f"pid.available<{most}")

        self.wait_condition("PIDPressure", "True")
        many = self.assert_evicted("many", f"The node was low on resource: pids. Threshold quantity: {most}, available: ")
        few = self.assert_evicted("few", "The node was low on resource: pids.")
        self.assertLess(*(re.sub(r"\W", "", p["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])
                          for p in (many, few)))

    def test_a_threshold_that_means_nothing_is_refused(self):
        done = machine.run(BINARY, "up", "--data-dir", f"{self.cluster.directory}/never", "--eviction-hard", "memory<1Gi",
                           check=False)
        self.assert_fails(done, "eviction-hard", "memory<1Gi", "memory.available")
