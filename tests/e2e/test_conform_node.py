# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of nodes: what containers are told and may do, how pods live and end.

Most are rows of tables: pods that all run at the same time and write into their logs what they see."""
import base64
import re
import time

import harness
from api import config_map
from conform import FOREVER, ConformTest
from harness import BUSYBOX, DEMO, container_of, is_ready, make_pod, make_service
from machine import wait_until

ONCE = {"restartPolicy": "Never"}
OFTEN = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 2}


def field(path):
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def amount(resource, divisor="0"):
    return {"valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}


def env(**values):
    """Variables, in order: texts, or sources."""
    return [{"name": name, **(value if isinstance(value, dict) else {"value": value})} for name, value in values.items()]


def condition(pod, kind):
    return next((c for c in pod["status"].get("conditions", []) if c["type"] == kind), {})


class Told(ConformTest):
    """Pods that end by themselves; what they wrote is what is checked."""

    name = "conform-node"

    def told(self, rows):
        """rows: name -> (command, container, more of the spec, patterns of the log)."""
        for name, (command, container, more, _) in rows.items():
            self.create(self.at("pods"), make_pod(name, *command, container=container, **ONCE, **more))
        for name, (*_, patterns) in rows.items():
            with self.subTest(name):
                pod = self.wait_pod(name, lambda p: p["status"].get("phase") in ("Succeeded", "Failed"), 60, "has ended")
                text = self.text("logs", name)
                self.assertEqual(pod["status"]["phase"], "Succeeded", text)
                values = {"NAME": name, "NS": self.namespace, "UID": pod["metadata"]["uid"], "IP": pod["status"]["podIP"],
                          "HOST": pod["status"]["hostIP"]}
                for pattern in patterns:
                    self.assertRegex(text, re.sub(r"<(\w+)>", lambda found: re.escape(values[found[1]]), pattern))

    def test_environment(self):
        self.create(self.at("configmaps"), config_map("c", {"data-1": "one", "data-2": "two"}))
        self.create(self.at("secrets"), {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                                         "stringData": {"data-1": "red", "data-2": "blue"}})
        key = lambda source, name: {"valueFrom": {source: {"name": name, "key": "data-1"}}}
        both = lambda source, name: {"envFrom": [{source: {"name": name}}, *(
            {source: {"name": name}, "prefix": prefix} for prefix in ("p-", "1-", "$_", "a.b_", "#%@!", "[x]"))]}
        prefixed = lambda one, two: [rf"(?m)^{re.escape(p)}data-{n}={v}$" for p in ("", "p-", "1-", "$_", "a.b_", "#%@!", "[x]")
                                     for n, v in ((1, one), (2, two))]
        limits = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
        node = self.read(f"/api/v1/nodes/{self.cluster.node}")["status"]["allocatable"]
        megabytes = -(-int(node["memory"].removesuffix("Ki")) // 1024)  # rounded up, as kubelet does
        whole = ("env",)
        self.told({
            "map-key": (whole, {"env": env(ONE=key("configMapKeyRef", "c"))}, {}, ["(?m)^ONE=one$"]),
            "map-whole": (whole, both("configMapRef", "c"), {}, prefixed("one", "two")),
            "secret-key": (whole, {"env": env(ONE=key("secretKeyRef", "s"))}, {}, ["(?m)^ONE=red$"]),
            "secret-whole": (whole, both("secretRef", "s"), {}, prefixed("red", "blue")),
            "itself": (whole, {"env": env(NAME=field("metadata.name"), SPACE=field("metadata.namespace"), ADDRESS=field("status.podIP"),
                                          UNIQUE=field("metadata.uid"), NODE=field("status.hostIP"), NODES=field("status.hostIPs"))},
                       {}, ["NAME=<NAME>\n", "SPACE=<NS>\n", "ADDRESS=<IP>\n", "UNIQUE=<UID>\n", "NODE=<HOST>\n", "NODES=<HOST>\n"]),
            "amounts": (whole, {"resources": limits, "env": env(
                CL=amount("limits.cpu"), ML=amount("limits.memory"), CR=amount("requests.cpu", "1m"), MR=amount("requests.memory"))}, {},
                        ["(?m)^CL=2$", f"ML={64 << 20}\n", "CR=250\n", f"MR={32 << 20}\n"]),
            "amounts-of-node": (whole, {"resources": {}, "env": env(CL=amount("limits.cpu", "1m"), ML=amount("limits.memory", "1Mi"))}, {},
                                [f"CL={int(float(node['cpu']) * 1000)}\n", f"ML={megabytes}\n"]),
            "composed": (whole, {"env": env(FOO="foo-value", BAR="bar-value", BOTH="$(FOO);;$(BAR)")}, {},
                         ["BOTH=foo-value;;bar-value\n"]),
            "in-command": (("sh", "-c", "TEST_VAR=wrong; echo $(TEST_VAR)"), {"env": env(TEST_VAR="right")}, {}, ["^right\n$"]),
            "in-args": (("sh", "-c"), {"args": ["TEST_VAR=wrong; echo $(TEST_VAR)"], "env": env(TEST_VAR="right")}, {}, ["^right\n$"]),
        })

    def test_variables_of_services(self):
        self.create(self.at("services"), make_service("fooservice", 8765, 8080))
        self.create(self.at("services"), make_service("late-to-come", 1))
        address = self.read(self.at("services", "fooservice"))["spec"]["clusterIP"]
        self.told({"fresh": (("env",), {}, {}, [rf"(?m)^{name}={re.escape(value)}$" for name, value in {
            "FOOSERVICE_SERVICE_HOST": address, "FOOSERVICE_SERVICE_PORT": "8765", "FOOSERVICE_PORT": f"tcp://{address}:8765",
            "FOOSERVICE_PORT_8765_TCP": f"tcp://{address}:8765", "FOOSERVICE_PORT_8765_TCP_PROTO": "tcp",
            "FOOSERVICE_PORT_8765_TCP_PORT": "8765", "FOOSERVICE_PORT_8765_TCP_ADDR": address}.items()] + ["LATE_TO_COME_SERVICE_HOST="])})

    def test_commands_and_arguments(self):
        served = {"image": DEMO}
        self.create(self.at("pods"), make_pod("as-made", image=DEMO))
        self.told({
            "arguments": ((), {"args": ["echo", "own arguments"]}, {}, ["^own arguments\n"]),
            "command": (("echo", "own command"), {}, {}, ["^own command\n"]),
            "both": (("echo",), {"args": ["own", "both"]}, {}, ["^own both\n"]),
        })
        self.assertEqual(self.wait_ready("as-made")["spec"]["containers"][0].get("command"), None)
        address = self.read(self.at("pods", "as-made"))["status"]["podIP"]
        self.wait_text(f"http://{address}:8080/", "Hello from as-made")
        self.told({  # the entry point stays where arguments alone are given
            "entry-stays": ((), {**served, "args": ["client", address, "8080", "/"]}, {}, ["Hello from as-made"]),
            "entry-goes": (("/demo", "client"), {**served, "args": [address, "8080", "/env/PATH"]}, {}, ["^/\n?$"]),
        })

    def test_security(self):
        tell = "id -u; id -g; grep NoNewPrivs /proc/self/status; "
        context = lambda **more: {"securityContext": more}
        sh = lambda script: ("sh", "-c", script)
        self.told({
            "user-of-container": (sh(tell), context(runAsUser=1001, runAsGroup=2002), {}, [r"\A1001\n2002\n"]),
            "user-of-pod": (sh(tell), {}, {"securityContext": {"runAsUser": 1001, "runAsGroup": 2002}}, [r"\A1001\n2002\n"]),
            "nobody": (sh(tell), context(runAsUser=65534), {}, [r"\A65534\n"]),
            "not-privileged": (sh("ip link add dummy0 type dummy || echo may not"), context(privileged=False), {}, ["may not"]),
            "writable": (sh("echo seen > /file; cat /file"), context(readOnlyRootFilesystem=False), {}, ["seen"]),
            "read-only": (sh("echo seen > /file || echo may not"), context(readOnlyRootFilesystem=True), {}, ["Read-only", "may not"]),
            "no-escalation": (sh(tell), context(allowPrivilegeEscalation=False, runAsUser=1000), {}, [r"\A1000\n", r"NoNewPrivs:\s+1"]),
            "sysctl": (sh("sysctl kernel.shm_rmid_forced"), {}, {"securityContext": {"sysctls": [
                {"name": "kernel.shm_rmid_forced", "value": "1"}]}}, ["kernel.shm_rmid_forced = 1"]),
        })
        bad = make_pod("bad", securityContext={"sysctls": [{"name": name, "value": "100"} for name in (
            "foo-", "kernel.shmmax", "safe-and-unsafe", "bar..")]})
        answer = self.api.post(self.at("pods"), bad)
        self.assertEqual(answer.status, 422)
        for word in ('Invalid value: "foo-"', 'Invalid value: "bar.."'):
            self.assertIn(word, answer.json["message"])

    def test_names_of_hosts(self):
        alias = {"hostAliases": [{"ip": "203.0.113.77", "hostnames": ["foo", "bar"]}]}
        host = {"name": "h", "hostPath": {"path": "/etc/hosts"}}
        own = {"volumeMounts": [{"name": "h", "mountPath": "/etc/hosts"}]}
        managed = "# Kubernetes-managed hosts file"
        cat = ("cat", "/etc/hosts")
        self.told({"aliases": (cat, {}, alias, [managed, r"203.0.113.77\s+foo\s+bar"]),
                   "managed": (cat, {}, {}, [managed, r"<IP>\s+<NAME>"]),
                   "mounted": (cat, own, {"volumes": [host]}, [r"\A(?!" + managed + ")"])})
        self.create(self.at("pods"), make_pod("near", *cat, hostNetwork=True, **ONCE))
        self.wait_phase("near", "Succeeded")
        with open("/etc/hosts", encoding="utf-8") as file:
            self.assertEqual(self.text("logs", "near").replace(managed + " (host network).\n", ""), file.read())

    def test_last_words(self):
        file = "/dev/termination-log"
        words = lambda script, **more: (("sh", "-c", script), more)
        rows = {  # name -> (command and container, phase, message)
            "of-log": (*words("echo -n DONE; exit 1", terminationMessagePolicy="FallbackToLogsOnError"), "Failed", "DONE"),
            "of-success": (*words("echo DONE", terminationMessagePolicy="FallbackToLogsOnError"), "Succeeded", ""),
            "of-file": (*words(f"echo -n OK > {file}; echo log", terminationMessagePolicy="FallbackToLogsOnError"), "Succeeded", "OK"),
            "of-own-path": (*words("echo -n DONE > /dev/own-log", terminationMessagePath="/dev/own-log",
                                   securityContext={"runAsUser": 1000}), "Succeeded", "DONE"),
        }
        for name, (command, container, *_) in rows.items():
            self.create(self.at("pods"), make_pod(name, *command, container=container, **ONCE))
        for name, (*_, phase, message) in rows.items():
            with self.subTest(name):
                ended = container_of(self.wait_phase(name, phase))["state"]["terminated"]
                self.assertEqual(ended.get("message", ""), message)

    def test_parts_of_volumes_by_variables(self):
        volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
        mounts = [{"name": "v", "mountPath": "/logs", "subPathExpr": "$(POD_NAME)"}, {"name": "v", "mountPath": "/all"}]
        part = {"env": env(POD_NAME=field("metadata.name")), "volumeMounts": mounts}
        self.told({"expands": (("sh", "-c", "echo seen > /logs/f; cat /all/expands/f"), part, volume, ["^seen\n$"])})
        for name, value in (("absolute", "/tmp"), ("backticks", "`hostname`/..")):
            self.create(self.at("pods"), make_pod(name, *FOREVER, container={"env": env(POD_NAME=value), "volumeMounts": mounts[:1]},
                                                  **volume))
        waits = lambda p: container_of(p).get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError"
        for name in ("absolute", "backticks"):
            self.wait_pod(name, waits, 30, "is refused")
        wrong = make_pod("mended", *FOREVER, container={"volumeMounts": mounts[:1], "env": env(
            POD_NAME=field("metadata.annotations['part']"))}, **volume)
        wrong["metadata"]["annotations"] = {"part": "../outside"}
        self.create(self.at("pods"), wrong)
        self.wait_pod("mended", waits, 30, "is refused")
        self.merge(self.at("pods", "mended"), {"metadata": {"annotations": {"part": "inside"}}})
        self.wait_ready("mended", 60)

    def test_keys_may_not_be_empty(self):
        for resource, body in (("configmaps", config_map("bad", {"": "x"})), ("secrets", {
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bad"}, "data": {"": "eA=="}})):
            answer = self.api.post(self.at(resource), body)
            self.assertEqual(answer.status, 422, str(answer))
            self.assertTrue(self.is_gone(self.at(resource, "bad")))


class Lives(ConformTest):
    name = "conform-node"

    def test_init_containers(self):
        init = lambda *codes: {"initContainers": [{"name": f"i{n}", "image": BUSYBOX, "command": ["sh", "-c", f"exit {code}"]}
                                                  for n, code in enumerate(codes)]}
        pods = self.at("pods")
        self.create(pods, make_pod("ends", "true", **ONCE, **init(0, 0)))
        self.create(pods, make_pod("goes-on", *FOREVER, **init(0, 0)))
        self.create(pods, make_pod("given-up", *FOREVER, **ONCE, **init(0, 1)))
        self.create(pods, make_pod("tries", *FOREVER, **init(1, 0)))
        for name, wait in (("ends", lambda: self.wait_phase("ends", "Succeeded")), ("goes-on", lambda: self.wait_ready("goes-on"))):
            with self.subTest(name):
                pod = wait()
                self.assertEqual(condition(pod, "Initialized")["status"], "True")
                self.assertEqual([s["state"]["terminated"]["exitCode"] for s in pod["status"]["initContainerStatuses"]], [0, 0])
        with self.subTest("given-up"):
            pod = self.wait_phase("given-up", "Failed")
            self.assertEqual(container_of(pod)["state"]["waiting"]["reason"], "PodInitializing")
            self.assertEqual(condition(pod, "Initialized")["reason"], "ContainersNotInitialized")
        with self.subTest("tries"):
            pod = self.wait_pod("tries", lambda p: container_of(p, "i0", "initContainerStatuses").get("restartCount", 0) >= 2, 40,
                                "tries again")
            self.assertEqual((pod["status"]["phase"], container_of(pod)["started"]), ("Pending", False))
            self.assertIn("waiting", container_of(pod, "i1", "initContainerStatuses")["state"])

    def test_what_always_fails(self):
        self.create(self.at("pods"), make_pod("fails", "/bin/false"))
        pod = self.wait_pod("fails", lambda p: {**container_of(p).get("lastState", {}), **container_of(p).get("state", {})}.get("terminated"),
                            40, "has ended")
        ended = container_of(pod)["lastState"].get("terminated") or container_of(pod)["state"]["terminated"]
        self.assertEqual((ended["exitCode"], ended["reason"]), (1, "Error"))
        self.remove(self.at("pods", "fails"))
        self.wait_gone(self.at("pods", "fails"))

    def test_a_pod_is_submitted_and_removed(self):
        pods = self.at("pods")
        version = self.read(pods)["metadata"]["resourceVersion"]
        with self.api.watch(pods, resourceVersion=version, labelSelector="time=now") as events:
            made = self.create(pods, make_pod("one", *FOREVER, labels={"time": "now"}, terminationGracePeriodSeconds=30))
            self.assertEqual(self.names(pods, labelSelector="time=now"), ["one"])
            self.assertEqual(next(events)["type"], "ADDED")
            running = next(e for e in events if e["object"]["status"].get("phase") == "Running")["object"]
            self.assertRegex(running["status"]["hostIP"], r"^[\d.]+$")
            self.assertEqual(running["metadata"]["uid"], made["metadata"]["uid"])
            self.remove(f"{pods}/one")
            seen = []
            for event in events:
                seen.append(event)
                if event["type"] == "DELETED":
                    break
            self.assertIn("deletionTimestamp", seen[0]["object"]["metadata"])
            self.assertEqual(seen[-1]["object"]["spec"]["terminationGracePeriodSeconds"], 30)
        self.assertEqual(self.names(pods, labelSelector="time=now"), [])

    def test_a_pod_is_changed(self):
        path = self.at("pods", "one")
        self.create(self.at("pods"), make_pod("one", *FOREVER, labels={"time": "then"}))
        self.wait_ready("one")
        self.update(path, lambda o: o["metadata"]["labels"].update(time="now"))
        self.assertEqual(self.names(self.at("pods"), labelSelector="time=now"), ["one"])
        patched = self.merge(f"{path}/status", {"status": {"conditions": [*self.read(path)["status"]["conditions"], {
            "type": "TestCondition", "status": "True", "reason": "Test", "message": "by a test"}]}})
        self.assertEqual(condition(patched, "TestCondition")["message"], "by a test")
        replaced = self.update(f"{path}/status", lambda o: condition(o, "TestCondition").update(status="False"))
        self.assertEqual(condition(replaced, "TestCondition")["status"], "False")
        self.merge(path, {"metadata": {"annotations": {"make": "the node write"}}})
        self.update(path, lambda o: o["spec"].update(activeDeadlineSeconds=2))
        ended = self.wait_phase("one", "Failed", 20)
        self.assertEqual(ended["status"]["reason"], "DeadlineExceeded")
        self.assertEqual(condition(ended, "TestCondition")["status"], "False", "the node keeps what others wrote")
        self.remove(path)
        self.wait_gone(path)

    def test_output_over_websockets(self):
        self.create(self.at("pods"), make_pod("talks", "sh", "-c", f"echo is alive; {FOREVER[2]}"))
        self.wait_ready("talks")
        path = self.at("pods", "talks", part="log")
        wait_until(lambda: b"".join(self.api.websocket(path, "binary.k8s.io")) == b"is alive\n", 10, "the log as bytes")
        text = b"".join(map(base64.b64decode, self.api.websocket(path, "base64.binary.k8s.io")))
        self.assertEqual(text, b"is alive\n")
        path = self.at("pods", "talks", part="exec") + "?command=cat&command=/etc/resolv.conf&stdout=1&stderr=1"
        said = list(self.api.websocket(path, "v4.channel.k8s.io"))
        output = b"".join(message[1:] for message in said if message[:1] == b"\x01")
        self.assertEqual(output.decode(), self.exec("talks", "cat", "/etc/resolv.conf").stdout)
        self.assertIn(b'"status":"Success"', said[-1])

    def test_a_collection_of_pods_is_deleted(self):
        for number in range(3):
            self.create(self.at("pods"), make_pod(f"p{number}", *FOREVER, labels={"type": "testing"}))
        for number in range(3):
            self.wait_ready(f"p{number}")
        self.api.ok("DELETE", self.at("pods"), labelSelector="type=testing")
        wait_until(lambda: not self.names(self.at("pods"), labelSelector="type=testing"), 30, "all three are gone")

    def test_generations(self):
        path = self.at("pods", "one")
        body = make_pod("one", *FOREVER, tolerations=[{"key": "k", "operator": "Exists", "effect": "NoExecute",
                                                       "tolerationSeconds": 1000}], terminationGracePeriodSeconds=3)
        body["metadata"]["generation"] = 100
        self.assertEqual(self.create(self.at("pods"), body)["metadata"]["generation"], 1)
        observed = lambda number: self.wait_object(path, lambda o: o["status"].get("observedGeneration") == number, f"is at {number}")
        self.wait_ready("one")
        observed(1)
        self.merge(path, {"metadata": {"labels": {"no": "change"}}})
        self.assertEqual(self.read(path)["metadata"]["generation"], 1)
        tolerations = self.read(path)["spec"]["tolerations"]
        own = next(one for one in tolerations if one.get("key") == "k")
        for number in range(2, 501):
            own["tolerationSeconds"] = 1000 - number
            self.merge(path, {"spec": {"tolerations": tolerations}})
        self.assertEqual(self.read(path)["metadata"]["generation"], 500)
        observed(500)
        self.merge(path, {"metadata": {"finalizers": ["example.com/hold"]}})
        self.remove(path)
        self.assertEqual(self.read(path)["metadata"]["generation"], 501, "a graceful delete is a change too")
        self.merge(path, {"metadata": {"finalizers": None}})

    def test_classes_of_quality(self):
        whole = {"cpu": "10m", "memory": "10Mi"}
        rows = {"Guaranteed": {"requests": whole, "limits": whole}, "Burstable": {"requests": whole}, "BestEffort": {}}
        for name, resources in rows.items():
            made = self.create(self.at("pods"), make_pod(name.lower(), *FOREVER, container={"resources": resources}))
            self.assertEqual(made["status"]["qosClass"], name)

    def test_runtime_classes(self):
        classes = "/apis/node.k8s.io/v1/runtimeclasses"
        for name, more in (("conform-plain", {}), ("conform-heavy", {"overhead": {"podFixed": {"cpu": "10m", "memory": "1Mi"}}}),
                           ("conform-gone", {})):
            self.create(classes, {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name},
                                  "handler": "runc", **more})
            if name != "conform-gone":
                self.addCleanup(self.api.delete, f"{classes}/{name}")
        self.remove(f"{classes}/conform-gone")
        for name in ("conform-plain", "conform-heavy"):
            self.create(self.at("pods"), make_pod(name, *FOREVER, runtimeClassName=name))
            pod = self.wait_pod(name, lambda p: condition(p, "PodScheduled").get("status") == "True", 20, "is placed")
            self.assertEqual(pod["spec"].get("overhead"), {"cpu": "10m", "memory": "1Mi"} if name == "conform-heavy" else None)
        for name in ("conform-gone", "conform-never"):
            answer = self.api.post(self.at("pods"), make_pod(name, runtimeClassName=name))
            self.assertEqual(answer.status, 403, str(answer))
            self.assertIn(f'RuntimeClass "{name}" not found', answer.json["message"])


class Probed(ConformTest):
    name = "conform-node"

    def test_probes(self):
        live = lambda **probe: {"livenessProbe": {**OFTEN, **probe}}
        http = lambda path, port=8080: {"httpGet": {"path": path, "port": port}}
        cat = {"exec": {"command": ["cat", "/tmp/health"]}}
        fades = ("sh", "-c", "echo ok > /tmp/health; sleep 2; rm /tmp/health; sleep 600")
        stays = ("sh", "-c", "echo ok > /tmp/health; sleep 600")
        late = ("sh", "-c", "sleep 0.5; exec busybox httpd -f -p 8080")
        demo = {"image": DEMO}
        calm = {"http-stays": ((), {**demo, **live(**http("/healthz"))}), "tcp-stays": ((), {**demo, **live(tcpSocket={"port": 8080})}),
                "exec-stays": (stays, live(**cat)), "tcp-late": (late, live(tcpSocket={"port": 8080})),
                "unready": ((), {**demo, "readinessProbe": {**OFTEN, **http("/file/none")}}),
                "delayed": ((), {**demo, "readinessProbe": {**OFTEN, **http("/healthz"), "initialDelaySeconds": 5}})}
        restarted = {"http-fades": ((), {**demo, **live(**http("/file/none"))}), "exec-fades": (fades, live(**cat)),
                     "grpc-fades": ((), {**demo, **live(grpc={"port": 2333})}), "often": ((), {**demo, **live(**http("/file/none"))})}
        for name, (command, container) in {**calm, **restarted}.items():
            self.create(self.at("pods"), make_pod(name, *command, container=container))
        counts = []
        for name in restarted:
            with self.subTest(name):
                self.wait_pod(name, lambda p: container_of(p).get("restartCount", 0) >= 1, 40, "is restarted")
        with self.subTest("delayed"):
            pod = self.wait_ready("delayed")
            since = lambda text: time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
            took = since(condition(pod, "Ready")["lastTransitionTime"]) - since(container_of(pod)["state"]["running"]["startedAt"])
            self.assertGreaterEqual(took, 5)

        def counted():
            counts.append(container_of(self.read(self.at("pods", "often")))["restartCount"])
            return counts[-1] >= 3
        with self.subTest("often"):
            wait_until(counted, 60, "three restarts", pause=0.5)
            self.assertEqual(counts, sorted(counts), "they never count down")
        for name in calm:  # a good half minute has gone by
            with self.subTest(name):
                pod = self.read(self.at("pods", name))
                self.assertEqual(container_of(pod)["restartCount"], 0)
                self.assertEqual(is_ready(pod), name != "unready")


class Tainted(ConformTest):
    name = "conform-node"

    def test_what_does_not_tolerate_a_taint_for_ever(self):
        tolerates = lambda seconds: {"tolerations": [{"key": "evict", "operator": "Equal", "value": "yes", "effect": "NoExecute",
                                                      "tolerationSeconds": seconds}]}
        for name, seconds in (("short", 2), ("long", 5), ("saved", 7)):
            self.create(self.at("pods"), make_pod(name, *FOREVER, **tolerates(seconds)))
            self.wait_ready(name)
        node = self.cluster.node
        self.addCleanup(self.cluster.kubectl, "taint", "node", node, "evict-", check=False)
        self.cluster.kubectl("taint", "node", node, "evict=yes:NoExecute")
        began = time.monotonic()
        gone = {}
        for name, least in (("short", 1), ("long", 4)):  # the taint's time has whole seconds
            self.wait_gone(self.at("pods", name), timeout=15)
            gone[name] = time.monotonic() - began
            self.assertGreaterEqual(gone[name], least)
        self.cluster.kubectl("taint", "node", node, "evict-")
        time.sleep(3.5)
        self.assertNotIn("deletionTimestamp", self.read(self.at("pods", "saved"))["metadata"], "its eviction is cancelled")


tearDownModule = harness.stop_shared_cluster
