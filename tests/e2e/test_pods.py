# SPDX-License-Identifier: Apache-2.0
"""What a pod's spec promises, seen from inside the container and from the machine."""
import glob
import json
import os
import re
import signal

import harness
import machine
from api import Api
from harness import ClusterTest, container_of, is_ready, make_pod
from machine import wait_until

FOREVER = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")


class Pods(ClusterTest):
    name = "pods"

    def events_of(self, name):
        return {e["reason"] for e in self.get("events")["items"] if e["involvedObject"]["name"] == name}

    def read(self, pod, path):
        return self.exec(pod, "cat", path).stdout

    def test_init_containers_run_one_after_the_other(self):
        mounts = [{"name": "d", "mountPath": "/d"}]
        init = [{"name": f"i{n}", "image": harness.BUSYBOX, "volumeMounts": mounts,
                 "command": ["sh", "-c", f"echo i{n} >> /d/order"]} for n in (1, 2)]
        helper = {"name": "helper", "image": harness.BUSYBOX, "restartPolicy": "Always", "volumeMounts": mounts,
                  "command": ["sh", "-c", "echo helper >> /d/order; " + FOREVER[2]],
                  "startupProbe": {"exec": {"command": ["grep", "helper", "/d/order"]}, "periodSeconds": 1}}
        pod = self.run_pod(make_pod("staged", "sh", "-c", "echo main >> /d/order; " + FOREVER[2],
                                    container={"volumeMounts": mounts}, volumes=[{"name": "d", "emptyDir": {}}],
                                    initContainers=[init[0], helper, init[1]]))

        self.assertEqual(self.read("staged", "/d/order").split(), ["i1", "helper", "i2", "main"])
        states = {s["name"]: list(s["state"])[0] for s in pod["status"]["initContainerStatuses"]}
        self.assertEqual(states, {"i1": "terminated", "helper": "running", "i2": "terminated"})
        self.assertRegex(self.text("get", "pod", "staged"), r"staged +2/2 +Running")

    def test_a_failing_init_container_keeps_the_others_from_starting(self):
        init = [{"name": "bad", "image": harness.BUSYBOX, "command": ["sh", "-c", "exit 9"]}]
        self.apply(make_pod("blocked", *FOREVER, initContainers=init),
                   make_pod("given-up", *FOREVER, initContainers=init, restartPolicy="Never"))
        self.wait_phase("given-up", "Failed")
        self.assertRegex(self.text("get", "pod", "given-up"), r"Init:Error")
        pod = self.wait_pod("blocked", lambda p: container_of(p, kind="initContainerStatuses").get("restartCount", 0) >= 1,
                            60, "restarts its init container")
        self.assertEqual(pod["status"]["phase"], "Pending")
        self.assertIn("PodInitializing", json.dumps(container_of(pod)["state"]))

    def test_a_job_like_pod_with_a_sidecar_ends(self):
        helper = {"name": "helper", "image": harness.BUSYBOX, "restartPolicy": "Always", "command": list(FOREVER)}
        self.apply(make_pod("batch", "sh", "-c", "echo worked", restartPolicy="Never", initContainers=[helper]))
        pod = self.wait_phase("batch", "Succeeded")
        self.assertEqual(container_of(pod)["state"]["terminated"]["reason"], "Completed")
        self.assertIn("terminated", container_of(pod, "helper", "initContainerStatuses")["state"])

    def test_environment_and_downward_api(self):
        self.make("configmap", "settings", "--from-literal=COLOUR=blue", "--from-literal=key=value")
        self.make("secret", "generic", "hidden", "--from-literal=word=sesame")
        ref = lambda path: {"fieldRef": {"fieldPath": path}}
        env = [{"name": "PLAIN", "value": "x"}, {"name": "DERIVED", "value": "$(PLAIN)-$(NOPE)-$$(PLAIN)"},
               {"name": "NAME", "valueFrom": ref("metadata.name")}, {"name": "IP", "valueFrom": ref("status.podIP")},
               {"name": "NODE", "valueFrom": ref("spec.nodeName")}, {"name": "SA", "valueFrom": ref("spec.serviceAccountName")},
               {"name": "TIER", "valueFrom": ref("metadata.labels['tier']")},
               {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "word"}}},
               {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "key"}}},
               {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "nothing", "key": "k", "optional": True}}},
               {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}]
        files = [{"path": "labels", **ref("metadata.labels")}, {"path": "name", **ref("metadata.name")}]
        pod = self.run_pod(make_pod("told", *FOREVER, labels={"tier": "front"}, container={
            "env": env, "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "P_"}],
            "resources": {"limits": {"memory": "32Mi"}}, "volumeMounts": [{"name": "about", "mountPath": "/about"}]},
            volumes=[{"name": "about", "downwardAPI": {"items": files}}]))

        seen = dict(line.split("=", 1) for line in self.exec("told", "env").stdout.splitlines() if "=" in line)
        wanted = {"PLAIN": "x", "DERIVED": "x-$(NOPE)-$(PLAIN)", "NAME": "told", "IP": pod["status"]["podIP"],
                  "NODE": self.cluster.node, "SA": "default", "TIER": "front", "WORD": "sesame", "ONE": "value",
                  "P_COLOUR": "blue", "MEM": "32", "KUBERNETES_SERVICE_PORT": "443",
                  "KUBERNETES_SERVICE_HOST": f"{self.cluster.slot.service_prefix}.1"}
        self.assertEqual({name: seen.get(name) for name in wanted}, wanted)
        self.assertNotIn("MAYBE", seen)
        self.assertEqual(self.read("told", "/about/labels").strip(), 'tier="front"')
        self.kubectl("label", "pod", "told", "tier=back", "--overwrite")
        wait_until(lambda: 'tier="back"' in self.read("told", "/about/labels"), 90, "a changed label reaches the file", 1)

    def test_changes_of_config_maps_and_secrets_reach_a_running_pod(self):
        self.make("configmap", "settings", "--from-literal=a=one", "--from-literal=b=kept")
        self.make("secret", "generic", "hidden", "--from-literal=word=first")
        volumes = [{"name": "c", "configMap": {"name": "settings", "defaultMode": 0o440}},
                   {"name": "s", "secret": {"secretName": "hidden", "items": [{"key": "word", "path": "deep/word"}]}}]
        pod = self.run_pod(make_pod("fed", *FOREVER, volumes=volumes, container={"volumeMounts": [
            {"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s", "readOnly": True}]}))
        self.assertEqual((self.read("fed", "/c/a"), self.read("fed", "/c/b"), self.read("fed", "/s/deep/word")),
                         ("one", "kept", "first"))
        self.assertEqual(self.exec("fed", "stat", "-Lc", "%a", "/c/a").stdout.strip(), "440")
        on_disk = [line.split()[2] for line in open("/proc/mounts", encoding="utf-8") if pod["metadata"]["uid"] in line
                   and "secret" in line.split()[1]]
        self.assertTrue(set(on_disk) <= {"tmpfs"}, f"secrets lie in memory only: {on_disk}")

        self.kubectl("patch", "configmap", "settings", "-p", '{"data":{"a":"two","c":"new"}}')
        self.kubectl("patch", "secret", "hidden", "-p", '{"stringData":{"word":"second"}}')
        wait_until(lambda: self.read("fed", "/c/a") == "two" and self.read("fed", "/c/c") == "new", 90,
                   "the config map's change is seen in the pod", 1)
        wait_until(lambda: self.read("fed", "/s/deep/word") == "second", 90, "and the secret's", 1)
        self.assertEqual(container_of(self.get("pod", "fed"))["restartCount"], 0)

    def test_the_projected_token_opens_the_api(self):
        self.make("serviceaccount", "robot")
        self.make("role", "reader", "--verb=get,list", "--resource=pods")
        self.make("rolebinding", "robot", "--role=reader", f"--serviceaccount={self.namespace}:robot")
        self.run_pod(make_pod("caller", *FOREVER, serviceAccountName="robot"))
        place = "/var/run/secrets/kubernetes.io/serviceaccount"
        token = self.read("caller", f"{place}/token")
        self.assertEqual(self.read("caller", f"{place}/namespace"), self.namespace)

        robot = Api(self.cluster, token=token)
        self.assertEqual(self.read("caller", f"{place}/ca.crt").strip(), robot.ca.strip())
        listed = robot.ok("GET", f"/api/v1/namespaces/{self.namespace}/pods")
        self.assertEqual([p["metadata"]["name"] for p in listed["items"]], ["caller"])
        self.assertEqual(robot.get(f"/api/v1/namespaces/{self.namespace}/secrets").status, 403)
        me = robot.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                      {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})["status"]["userInfo"]
        self.assertEqual(me["username"], f"system:serviceaccount:{self.namespace}:robot")
        self.assertEqual(me["extra"]["authentication.kubernetes.io/pod-name"], ["caller"])
        self.kubectl("delete", "pod", "caller", "--wait=true")
        wait_until(lambda: robot.get(f"/api/v1/namespaces/{self.namespace}/pods").status == 401, 30,
                   "a token ends with its pod")

    def test_volumes_in_memory_and_of_the_host(self):
        outside = os.path.join(self.cluster.directory, "hostpath")
        os.makedirs(outside, exist_ok=True)
        volumes = [{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
                   {"name": "h", "hostPath": {"path": outside, "type": "Directory"}}]
        self.run_pod(make_pod("stored", *FOREVER, volumes=volumes, container={"volumeMounts": [
            {"name": "m", "mountPath": "/m"}, {"name": "h", "mountPath": "/h"},
            {"name": "h", "mountPath": "/ro", "readOnly": True}]}))
        self.assertRegex(self.exec("stored", "grep", " /m ", "/proc/mounts").stdout, r"^tmpfs /m tmpfs .*size=4096k")
        self.exec("stored", "sh", "-c", "echo seen > /h/file")
        with open(f"{outside}/file", encoding="utf-8") as file:
            self.assertEqual(file.read(), "seen\n")
        self.assert_fails(self.exec("stored", "touch", "/ro/x", check=False), "Read-only")
        too_much = self.exec("stored", "dd", "if=/dev/zero", "of=/m/big", "bs=1M", "count=8", check=False)
        self.assert_fails(too_much, "No space")
        self.apply(make_pod("no-path", *FOREVER, volumes=[{"name": "h", "hostPath": {"path": outside + "/none", "type": "Directory"}}],
                            container={"volumeMounts": [{"name": "h", "mountPath": "/h"}]}))
        self.wait_events("FailedMount")

    def test_an_empty_dir_outlives_its_container_and_not_its_pod(self):
        pod = make_pod("cycle", "sh", "-c", "echo x >> /d/runs; [ $(wc -l < /d/runs) -gt 1 ] || exit 1; " + FOREVER[2],
                       volumes=[{"name": "d", "emptyDir": {}}], container={"volumeMounts": [{"name": "d", "mountPath": "/d"}]})
        self.apply(pod)
        uid = self.wait_pod("cycle", lambda p: is_ready(p) and container_of(p)["restartCount"] == 1, 60,
                            "runs a second time")["metadata"]["uid"]
        self.assertEqual(self.read("cycle", "/d/runs"), "x\nx\n")
        self.kubectl("delete", "pod", "cycle")
        wait_until(lambda: machine.run("find", self.cluster.data, "-name", f"*{uid}*").stdout == "" or None, 30,
                   "nothing of the pod is left on disk")

    def test_probes_of_every_kind(self):
        demo = {"image": harness.DEMO}
        kinds = {"exec": {"exec": {"command": ["/demo", "client", "127.0.0.1", "8080", "/healthz"]}},
                 "http": {"httpGet": {"path": "/healthz", "port": 8080}}, "tcp": {"tcpSocket": {"port": 8080}}}
        bad = {"exec": {"exec": {"command": ["/demo", "client", "127.0.0.1", "8080", "/file/none"]}},
               "http": {"httpGet": {"path": "/file/none", "port": 8080}}, "tcp": {"tcpSocket": {"port": 9}}}
        often = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 2}
        for kind in kinds:
            self.apply(make_pod(f"good-{kind}", container={**demo, "readinessProbe": {**kinds[kind], **often},
                                                           "livenessProbe": {**kinds[kind], "periodSeconds": 2}}),
                       make_pod(f"bad-{kind}", container={**demo, "readinessProbe": {**bad[kind], **often}}),
                       make_pod(f"dead-{kind}", container={**demo, "livenessProbe": {**bad[kind], **often}}))
        for kind in kinds:
            self.wait_ready(f"good-{kind}")
            self.wait_pod(f"dead-{kind}", lambda p: container_of(p).get("restartCount", 0) >= 1, 60, "is restarted")
            self.wait_phase(f"bad-{kind}", "Running")
            wait_until(lambda k=kind: "Unhealthy" in self.events_of(f"bad-{k}"), 30, f"bad-{kind} has its event")
            self.assertFalse(is_ready(self.get("pod", f"bad-{kind}")))
            self.assertIn("Killing", self.events_of(f"dead-{kind}"))
        for kind in kinds:
            self.assertEqual(container_of(self.get("pod", f"good-{kind}"))["restartCount"], 0)

    def test_hooks_and_an_orderly_end(self):
        out = os.path.join(self.cluster.directory, "hooks")
        os.makedirs(out, exist_ok=True)
        say = lambda word: {"exec": {"command": ["sh", "-c", f"echo {word} >> /out/said"]}}
        self.run_pod(make_pod("polite", "sh", "-c", "trap 'echo term >> /out/said; exit 0' TERM; while :; do sleep 1 & wait $!; done",
                              container={"lifecycle": {"postStart": say("start"), "preStop": say("stop")},
                                         "volumeMounts": [{"name": "o", "mountPath": "/out"}]},
                              volumes=[{"name": "o", "hostPath": {"path": out}}], terminationGracePeriodSeconds=20))
        self.kubectl("delete", "pod", "polite", "--wait=true")
        with open(f"{out}/said", encoding="utf-8") as file:
            self.assertEqual(file.read().split(), ["start", "stop", "term"])

    def test_grace_is_given_and_then_ends(self):
        deaf = make_pod("deaf", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", terminationGracePeriodSeconds=3)
        pid = machine.container_pids(container_of(self.run_pod(deaf))["containerID"])[0][0]
        self.kubectl("delete", "pod", "deaf", "--wait=false")
        gone = self.get("pod", "deaf")["metadata"]
        self.assertEqual(gone["deletionGracePeriodSeconds"], 3)
        self.assertTrue(machine.is_alive(pid))
        wait_until(lambda: not self.pods(), 20, "the pod is gone after its grace period")
        self.assertFalse(machine.is_alive(pid), "its process ended before its object went")

        self.run_pod({**deaf, "spec": {**deaf["spec"], "terminationGracePeriodSeconds": 600}})
        self.kubectl("delete", "pod", "deaf", "--grace-period=0", "--force")
        wait_until(lambda: not self.pods(), 10, "a forced delete does not wait")

    def test_restart_policies(self):
        for policy, code, phase in (("Never", 0, "Succeeded"), ("Never", 1, "Failed"), ("OnFailure", 0, "Succeeded")):
            name = f"p-{policy.lower()}-{code}"
            self.apply(make_pod(name, "sh", "-c", f"exit {code}", restartPolicy=policy))
            pod = self.wait_phase(name, phase)
            self.assertEqual(container_of(pod)["restartCount"], 0, name)
            self.assertEqual(container_of(pod)["state"]["terminated"]["exitCode"], code)
        for policy, code in (("OnFailure", 1), ("Always", 0)):
            name = f"p-{policy.lower()}-{code}"
            self.apply(make_pod(name, "sh", "-c", f"exit {code}", restartPolicy=policy))
            self.wait_pod(name, lambda p: container_of(p).get("restartCount", 0) >= 1, 60, "is restarted")

    def test_security_context(self):
        self.run_pod(make_pod("plain", *FOREVER, securityContext={"fsGroup": 2000, "supplementalGroups": [3000]}, container={
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1001, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
            "volumeMounts": [{"name": "d", "mountPath": "/d"}]}, volumes=[{"name": "d", "emptyDir": {}}]))
        self.assertEqual((self.exec("plain", "id", "-u").stdout.strip(), self.exec("plain", "id", "-g").stdout.strip()), ("1000", "1001"))
        self.assertTrue({"2000", "3000"} <= set(self.exec("plain", "id", "-G").stdout.split()))
        self.assert_fails(self.exec("plain", "touch", "/tmp/x", check=False), "Read-only")
        self.exec("plain", "touch", "/d/x")
        self.assertEqual(self.exec("plain", "stat", "-c", "%g", "/d/x").stdout.strip(), "2000")
        status = self.read("plain", "/proc/1/status")
        self.assertRegex(status, r"NoNewPrivs:\s+1")
        self.assertEqual(int(re.search(r"CapBnd:\s+(\w+)", status)[1], 16), 1 << 10, "only NET_BIND_SERVICE (10) is left")

        self.apply(make_pod("rootless", *FOREVER, container={"securityContext": {"runAsNonRoot": True}}))
        pod = self.wait_pod("rootless", lambda p: container_of(p).get("state", {}).get("waiting", {}).get("reason") ==
                            "CreateContainerConfigError", 30, "is refused as root")
        self.assertIn("root", container_of(pod)["state"]["waiting"]["message"])
        self.run_pod(make_pod("mighty", *FOREVER, container={"securityContext": {"privileged": True}}))
        bounding = int(re.search(r"CapBnd:\s+(\w+)", self.read("mighty", "/proc/1/status"))[1], 16)
        self.assertGreater(bin(bounding).count("1"), 20)

    def test_host_namespaces(self):
        self.run_pod(make_pod("near", *FOREVER, hostNetwork=True, hostPID=True))
        self.assertEqual(self.exec("near", "readlink", "/proc/self/ns/net").stdout.strip(), os.readlink("/proc/self/ns/net"))
        self.assertEqual(self.get("pod", "near")["status"]["podIP"], "127.0.0.1")
        self.assertIn(str(self.cluster.process.pid), self.exec("near", "ls", "/proc", check=False).stdout.split())

    def test_limits_hold(self):
        self.apply(make_pod("greedy", "sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 100", restartPolicy="Never",
                            container={"resources": {"limits": {"memory": "16Mi", "cpu": "200m"}}}))
        pod = self.wait_phase("greedy", "Failed")
        self.assertEqual(container_of(pod)["state"]["terminated"]["reason"], "OOMKilled")
        self.assertEqual(container_of(pod)["state"]["terminated"]["exitCode"], 137)
        self.assertEqual(pod["status"]["qosClass"], "Guaranteed")

        limits = {"resources": {"limits": {"memory": "32Mi", "cpu": "500m"}, "requests": {"cpu": "100m"}}}
        pod = self.run_pod(make_pod("bounded", *FOREVER, container=limits))
        self.assertEqual(pod["status"]["qosClass"], "Burstable")
        self.assertEqual(self.control("bounded", "memory", "memory.limit_in_bytes", "memory.max"), "33554432")
        quota = self.control("bounded", "cpu", "cpu.cfs_quota_us", "cpu.max")
        self.assertEqual(quota.split()[0], "50000")
        self.run_pod(make_pod("modest", *FOREVER, container={"resources": {}}))
        self.assertEqual(self.get("pod", "modest")["status"]["qosClass"], "BestEffort")

    def control(self, name, controller, file_v1, file_v2):
        """A limit of the pod's container, read on the host, whichever control group version it has."""
        pid = machine.container_pids(container_of(self.get("pod", name))["containerID"])[0][0]
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            groups = {names: path for _, names, path in (line.strip().split(":", 2) for line in file)}
        for names, path in groups.items():
            if controller in names.split(","):
                with open(f"/sys/fs/cgroup/{controller}{path}/{file_v1}", encoding="ascii") as file:
                    return file.read().strip()
        with open(f"/sys/fs/cgroup{groups['']}/{file_v2}", encoding="ascii") as file:
            return file.read().strip()

    def test_what_cannot_start_says_why(self):
        none = {"configMapKeyRef": {"name": "later", "key": "k"}}
        self.apply(make_pod("no-image", image="tetrarch.dev/absent:1", container={"imagePullPolicy": "Never"}),
                   make_pod("bad-pull", image="tetrarch.dev/absent:1"),
                   make_pod("no-config", *FOREVER, container={"env": [{"name": "A", "valueFrom": none}]}),
                   make_pod("no-command", "/no/such/program"),
                   make_pod("bad-name", image="Bad//Name"))
        for name, reasons in (("no-image", {"ErrImageNeverPull"}), ("bad-pull", {"ImagePullBackOff"}),
                              ("no-config", {"CreateContainerConfigError"}), ("bad-name", {"InvalidImageName"}),
                              ("no-command", {"RunContainerError", "CrashLoopBackOff"})):
            with self.subTest(pod=name):
                pod = self.wait_pod(name, lambda p, r=reasons: container_of(p).get("state", {}).get("waiting", {}).get("reason") in r,
                                    60, f"waits with one of {reasons}")
                self.assertFalse(is_ready(pod))
        self.assertTrue(self.wait_events("absent:1"))
        self.make("configmap", "later", "--from-literal=k=v")
        self.wait_ready("no-config")

    def test_a_sandbox_that_dies_gives_its_address_back(self):
        pod = self.run_pod(make_pod("widow", *FOREVER, restartPolicy="Always"))
        address = pod["status"]["podIP"]
        in_pod = lambda: machine.pids_with(pod["metadata"]["uid"], of=("cgroup",))
        pause = next(pid for pid in in_pod() if machine.read_proc(pid, "cmdline").startswith("/pause"))
        lease = glob.glob(f"{self.cluster.data}/agent/network/leases/*/{address}")[0]
        with open(lease, encoding="ascii") as file:
            holder = file.read()

        os.kill(pause, signal.SIGKILL)

        self.wait_pod("widow", lambda p: is_ready(p) and container_of(p)["restartCount"] == 1, 60, "is ready again")
        if os.path.exists(lease):  # given away anew, perhaps to the same pod
            with open(lease, encoding="ascii") as file:
                self.assertNotEqual(file.read(), holder)

    def test_run_states_held_and_paused(self):
        note = {"tetrarch.dev/run-state": "held"}
        pod = make_pod("state", "sh", "-c", "echo x >> /kept; " + FOREVER[2])
        pod["metadata"]["annotations"] = note
        self.apply(pod)
        self.wait_pod("state", lambda p: p["spec"].get("nodeName"), 20, "is placed")
        set_state = lambda word: self.kubectl("annotate", "pod", "state", f"tetrarch.dev/run-state={word}", "--overwrite")
        set_state("running")
        first = container_of(self.wait_ready("state"))["containerID"]
        pid = machine.container_pids(first)[0][0]

        set_state("paused")
        counted = lambda: machine.read_proc(pid, "stat").rsplit(")", 1)[1].split()[11:13]
        wait_until(lambda: "FROZEN" in self.frozen(pid), 20, "the control group is frozen")
        before = counted()
        self.assertEqual(counted(), before)
        self.assertTrue(machine.is_alive(pid))
        set_state("running")
        wait_until(lambda: "FROZEN" not in self.frozen(pid), 20, "and thawed")
        self.assertTrue(machine.is_alive(pid))
        self.assertEqual(container_of(self.get("pod", "state"))["containerID"], first)
        set_state("held")
        wait_until(lambda: not machine.is_alive(pid), 30, "a held pod runs nothing")
        self.assertIn("state", self.text("get", "pods"))
        set_state("running")
        pod = self.wait_ready("state")
        self.assertEqual(self.read("state", "/kept"), "x\nx\n", "the root filesystem is the one that was held")
        self.assertEqual(container_of(pod)["restartCount"], 0, "going on is no restart")

    def frozen(self, pid):
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            for line in file:
                _, names, path = line.strip().split(":", 2)
                if "freezer" in names.split(","):
                    return open(f"/sys/fs/cgroup/freezer{path}/freezer.state", encoding="ascii").read()
                if not names and os.path.exists(f"/sys/fs/cgroup{path}/cgroup.events"):
                    text = open(f"/sys/fs/cgroup{path}/cgroup.events", encoding="ascii").read()
                    if "frozen 1" in text:
                        return "FROZEN"
        return ""

    def test_pods_of_scheduling_classes(self):
        self.make("priorityclass", f"high-{self.namespace}"[:60].strip("-"), "--value=1000")
        self.addCleanup(self.kubectl, "delete", "priorityclass", f"high-{self.namespace}"[:60].strip("-"), check=False)
        pod = self.run_pod(make_pod("first", *FOREVER, priorityClassName=f"high-{self.namespace}"[:60].strip("-")))
        self.assertEqual(pod["spec"]["priority"], 1000)
        self.apply(make_pod("huge", *FOREVER, container={"resources": {"requests": {"cpu": "1000"}}}),
                   make_pod("elsewhere", *FOREVER, nodeSelector={"disk": "none"}))
        self.assertTrue(self.wait_events("Insufficient cpu"))
        self.assertTrue(self.wait_events("didn't match Pod's node affinity/selector"))
        condition = {c["type"]: c for c in self.get("pod", "huge")["status"]["conditions"]}["PodScheduled"]
        self.assertEqual((condition["status"], condition["reason"]), ("False", "Unschedulable"))
        self.assertIn("0/1 nodes are available", condition["message"])
        self.cluster.kubectl("label", "node", self.cluster.node, "disk=none")
        self.addCleanup(self.cluster.kubectl, "label", "node", self.cluster.node, "disk-")
        self.wait_ready("elsewhere")
