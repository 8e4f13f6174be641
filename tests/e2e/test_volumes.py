# SPDX-License-Identifier: Apache-2.0
"""Volumes: what is in them, with which modes, what is refused, and what changes while a pod runs."""
import base64
import json
import os
import socket

import harness
import machine
from api import Api
from harness import ClusterTest, make_pod
from machine import wait_until


def config_map(name, data, **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data, **more}


def mounted(name, *volumes, command=("sleep", "3600"), mounts=(), **spec):
    """A pod with each volume at /<its name>, and mounts of its own."""
    at = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]
    return make_pod(name, *command, volumes=list(volumes), container={"volumeMounts": [*at, *mounts]}, **spec)


class Volumes(ClusterTest):
    name = "volumes"

    def sh(self, pod, script, check=True):
        return self.exec(pod, "sh", "-c", script, check=check).stdout

    def test_items_modes_and_binary_data(self):
        data = bytes(range(256))
        self.apply(config_map("c", {"a": "one", "b": "two"}, binaryData={"raw": base64.b64encode(data).decode()}),
                   {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}})
        self.run_pod(mounted(
            "p", {"name": "all", "configMap": {"name": "c"}},
            {"name": "some", "configMap": {"name": "c", "defaultMode": 0o440, "items": [
                {"key": "a", "path": "deep/er/a"}, {"key": "b", "path": "b", "mode": 0o755}]}},
            {"name": "sec", "secret": {"secretName": "s", "defaultMode": 0o400}},
            {"name": "maybe", "configMap": {"name": "nothing", "optional": True}},
            {"name": "perhaps", "secret": {"secretName": "nothing", "optional": True}},
            {"name": "mix", "projected": {"defaultMode": 0o600, "sources": [
                {"configMap": {"name": "c", "items": [{"key": "a", "path": "config/a"}]}},
                {"secret": {"name": "s", "items": [{"key": "k", "path": "secret/k", "mode": 0o644}]}},
                {"downwardAPI": {"items": [{"path": "me", "fieldRef": {"fieldPath": "metadata.name"}},
                                           {"path": "cpu", "resourceFieldRef": {"containerName": "main", "resource": "requests.cpu",
                                                                                "divisor": "1m"}}]}},
                {"serviceAccountToken": {"path": "token", "audience": "somebody", "expirationSeconds": 600}}]}}))
        self.assertEqual(self.sh("p", "cd /all; ls; cat a b; wc -c < raw").split(), ["a", "b", "raw", "onetwo256"])
        self.assertEqual(self.sh("p", "base64 /all/raw | tr -d '\\n'"), base64.b64encode(data).decode())
        self.assertEqual(self.sh("p", "find -L /some /maybe /perhaps -type f | grep -v /\\\\.\\\\. | sort").split(), ["/some/b", "/some/deep/er/a"])
        modes = self.sh("p", "stat -Lc %a /all/a /some/deep/er/a /some/b /sec/k /mix/config/a /mix/secret/k /mix/me")
        self.assertEqual(modes.split(), ["644", "440", "755", "400", "600", "644", "600"])
        self.assertEqual(self.sh("p", "cat /mix/me; echo; cat /mix/cpu").split(), ["p", "1"])
        claims = self.sh("p", "cat /mix/token").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.assertEqual((claims["aud"], claims["sub"]), (["somebody"], f"system:serviceaccount:{self.namespace}:default"))
        self.assert_fails(self.exec("p", "touch", "/all/new", check=False), "Read-only file system")

    def test_changes_arrive_whole_and_only_where_they_may(self):
        self.apply(config_map("live", {"a": "1", "b": "1"}), config_map("frozen", {"a": "1"}, immutable=True))
        self.run_pod(mounted("p", {"name": "live", "configMap": {"name": "live"}}, {"name": "opt", "configMap": {
            "name": "later", "optional": True}}, mounts=[{"name": "live", "mountPath": "/one", "subPath": "a"}]))
        self.apply(config_map("live", {"a": "2", "c": "2"}), config_map("later", {"k": "v"}))
        torn = "cat /live/..data/a /live/..data/c 2>&1"
        wait_until(lambda: self.sh("p", torn, check=False) == "22", 30, "the new content is there")
        self.assertEqual(self.sh("p", "ls /live").split(), ["a", "c"], "a key that went is gone")
        self.assertEqual(self.sh("p", "cat /one"), "1", "a subPath keeps what it had, as in Kubernetes")
        wait_until(lambda: self.sh("p", "cat /opt/k 2>&1", check=False) == "v", 30, "an optional map that comes later")
        for change in ({"data": {"a": "2"}}, {"immutable": False}):
            done = self.kubectl("patch", "configmap", "frozen", "-p", json.dumps(change), check=False)
            self.assert_fails(done, "field is immutable when `immutable` is set")

    def test_sub_paths(self):
        pod = mounted("p", {"name": "e", "emptyDir": {}}, mounts=[{"name": "e", "mountPath": "/sub", "subPath": "made/here"},
                                                                  {"name": "e", "mountPath": "/named", "subPathExpr": "of-$(WHO)"}])
        pod["spec"]["containers"][0]["env"] = [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
        self.run_pod(pod)
        self.sh("p", "echo x > /sub/f; echo y > /named/f")
        self.assertEqual(self.sh("p", "cat /e/made/here/f /e/of-p/f"), "x\ny\n")
        done = self.apply(mounted("bad", {"name": "e", "emptyDir": {}}, mounts=[
            {"name": "e", "mountPath": "/sub", "subPath": "../../etc"}]), check=False)
        self.assert_fails(done, "must not contain '..'")

    def test_a_link_does_not_lead_a_sub_path_out(self):
        """The classic escape: one container plants a link, another mounts it as a subPath."""
        plant = {"name": "plant", "image": harness.BUSYBOX, "command": ["ln", "-s", "/", "/e/out"],
                 "volumeMounts": [{"name": "e", "mountPath": "/e"}]}
        self.apply(mounted("escape", {"name": "e", "emptyDir": {}}, mounts=[{"name": "e", "mountPath": "/host", "subPath": "out"}],
                           initContainers=[plant]))
        pod = self.wait_pod("escape", lambda p: "subPath" in json.dumps(p["status"].get("containerStatuses", [])), 40, "is refused")
        self.assertFalse(harness.is_ready(pod))

    def test_empty_dirs(self):
        self.run_pod(mounted("p", {"name": "disk", "emptyDir": {}}, {"name": "ram", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}}))
        self.assertEqual(self.sh("p", "stat -c %a /disk /ram").split(), ["777", "777"])
        self.assertRegex(self.sh("p", "grep ' /ram ' /proc/mounts"), r"^tmpfs /ram tmpfs .*size=2048k")
        self.assert_fails(self.exec("p", "dd", "if=/dev/zero", "of=/ram/x", "bs=1M", "count=3", check=False), "No space left")

    def test_host_paths_of_every_type(self):
        place = os.path.join(self.cluster.directory, "hp")
        os.makedirs(f"{place}/dir", exist_ok=True)
        with open(f"{place}/file", "w", encoding="ascii") as file:
            file.write("text")
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(place)  # a socket's path may have only 107 bytes
            listener.bind("sock")
            os.chdir(here)
            good = {"any": ("dir", ""), "dir": ("dir", "Directory"), "file": ("file", "File"), "new-dir": ("fresh/deep", "DirectoryOrCreate"),
                    "new-file": ("fresh-file", "FileOrCreate"), "sock": ("sock", "Socket")}
            bad = {"no-dir": ("file", "Directory"), "no-file": ("dir", "File"), "none": ("nothing", "Directory"), "no-sock": ("file", "Socket"),
                   "no-char": ("file", "CharDevice")}
            volume = lambda path, kind: {"name": "h", "hostPath": {"path": f"{place}/{path}", "type": kind}}
            self.apply(*(mounted(name, volume(*row)) for name, row in {**good, **bad}.items()),
                       mounted("char", {"name": "h", "hostPath": {"path": "/dev/null", "type": "CharDevice"}}))
            for name in (*good, "char"):
                with self.subTest(pod=name):
                    self.wait_ready(name)
            for name in bad:
                with self.subTest(pod=name):
                    wait_until(lambda n=name: [e for e in self.get("events")["items"] if e["involvedObject"]["name"] == n and
                                               e["reason"] == "FailedMount" and "hostPath type check failed" in e["message"]],
                               30, f"{name} says why", pause=0.5)
        self.assertTrue(os.path.isdir(f"{place}/fresh/deep"))
        self.assertTrue(os.path.isfile(f"{place}/fresh-file"))

    def test_what_is_missing_holds_the_pod_and_then_lets_it_go(self):
        self.apply(mounted("wants-map", {"name": "m", "configMap": {"name": "late"}}),
                   mounted("wants-secret", {"name": "s", "secret": {"secretName": "late"}}),
                   config_map("short", {"a": "1"}),
                   mounted("wants-key", {"name": "m", "configMap": {"name": "short", "items": [{"key": "z", "path": "z"}]}}))
        for word in ('configmap "late" not found', 'secret "late" not found', "references non-existent config key: z"):
            self.assertTrue(self.wait_events(word), word)
        self.assertRegex(self.text("get", "pod", "wants-map"), r"0/1 +ContainerCreating")
        self.apply(config_map("late", {"a": "1"}), config_map("short", {"z": "1"}),
                   {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"k": "v"}})
        for name in ("wants-map", "wants-secret", "wants-key"):
            self.wait_ready(name)

    def test_tokens_open_what_they_are_for_and_secrets_follow(self):
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}})
        self.make("role", "reader", "--verb=list", "--resource=pods")
        self.make("rolebinding", "robot", "--role=reader", f"--serviceaccount={self.namespace}:default")
        token = lambda path, **more: {"serviceAccountToken": {"path": path, **more}}
        self.run_pod(mounted("p", {"name": "sec", "secret": {"secretName": "s"}},
                             {"name": "mix", "projected": {"sources": [{"secret": {"name": "s"}}, token("api"), token("vault", audience="vault")]}}))
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        listed = Api(self.cluster, token=self.sh("p", "cat /mix/api")).ok("GET", pods)
        self.assertEqual([p["metadata"]["name"] for p in listed["items"]], ["p"])
        other = Api(self.cluster, token=self.sh("p", "cat /mix/vault"))
        self.assertEqual(other.get(pods).status, 401, "a token for others opens nothing here")
        self.kubectl("patch", "secret", "s", "-p", '{"stringData":{"k":"new"}}')
        wait_until(lambda: self.sh("p", "cat /sec/k /mix/k") == "newnew", 30, "a changed secret arrives")
        self.kubectl("patch", "secret", "s", "-p", '{"immutable":true}')
        self.assert_fails(self.kubectl("patch", "secret", "s", "-p", '{"stringData":{"k":"newer"}}', check=False), "immutable")

    def mounts_of(self, uid):
        """What of the pod is mounted on the host: (name of the volume, type of file system), in order."""
        return sorted((os.path.basename(at), kind) for _, at, kind in machine.mount_table() if uid in at and "/volumes/" in at)

    def test_secrets_are_in_memory_and_nowhere_on_disk(self):
        word = "sesame-" + os.urandom(12).hex()
        self.kubectl("create", "-f", "-", input=json.dumps({  # apply would write it into an annotation of kubectl's own
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": word}}))
        self.apply(config_map("plain", {"a": "1"}))
        volumes = [{"name": "sec", "secret": {"secretName": "s"}}, {"name": "cm", "configMap": {"name": "plain"}},
                   {"name": "about", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                   {"name": "mix", "projected": {"sources": [{"secret": {"name": "s"}}, {"serviceAccountToken": {"path": "token"}}]}}]
        pod = self.run_pod(mounted("p", *volumes))
        uid, container = pod["metadata"]["uid"], harness.container_of(pod)["containerID"]
        self.assertEqual(self.sh("p", "cat /sec/k /mix/k"), word * 2)
        before = self.mounts_of(uid)
        account = next(v["name"] for v in pod["spec"]["volumes"] if v["name"].startswith("kube-api-access-"))
        self.assertEqual(before, [(name, "tmpfs") for name in sorted(["about", account, "mix", "sec"])])
        token = self.sh("p", "cat /mix/token")
        self.assert_not_on_disk(word, token)

        self.cluster.process.kill()  # -9; what it mounted is adopted, and not mounted once more
        self.cluster.start()
        newer = "open-" + word
        self.kubectl("patch", "secret", "s", "-p", json.dumps({"stringData": {"k": newer}}))
        wait_until(lambda: self.sh("p", "cat /sec/k /mix/k") == newer * 2, 30, "the change arrives in both")
        self.assertEqual(harness.container_of(self.get("pod", "p"))["containerID"], container)
        self.assertEqual(self.mounts_of(uid), before)
        self.assert_not_on_disk(word, token)

        self.kubectl("delete", "pod", "p", "--wait=true")
        wait_until(lambda: not self.mounts_of(uid), 15, "all is unmounted")

    def assert_not_on_disk(self, *words):
        forms = [form for word in words for form in (word.encode(), base64.b64encode(word.encode()))]
        for path in machine.run("find", self.cluster.data, "-xdev", "-type", "f", "-size", "-65536k").stdout.splitlines():
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except FileNotFoundError:
                continue  # of a pod that has just gone
            self.assertFalse([form for form in forms if form in text], f"in {path}")

    def test_a_pod_that_has_ended_holds_no_memory(self):
        self.make("secret", "generic", "s", "--from-literal=k=v")
        self.apply(mounted("done", {"name": "sec", "secret": {"secretName": "s"}}, {"name": "ram", "emptyDir": {"medium": "Memory"}},
                           command=("cat", "/sec/k"), restartPolicy="Never"))
        uid = self.wait_phase("done", "Succeeded")["metadata"]["uid"]
        wait_until(lambda: not self.mounts_of(uid), 15, "all is unmounted")
        self.kubectl("annotate", "pod", "done", "seen=yes")
        self.kubectl("patch", "secret", "s", "-p", '{"stringData":{"k":"new"}}')
        self.assertEqual(self.text("logs", "done"), "v")
        self.run_pod(mounted("next", {"name": "sec", "secret": {"secretName": "s"}}))
        self.assertEqual(self.sh("next", "cat /sec/k"), "new")
        self.assertEqual(self.mounts_of(uid), [], "a change mounts nothing for what has ended")

    def test_what_a_pod_is_told_about_itself(self):
        ref = lambda path: {"fieldRef": {"fieldPath": path}}
        amount = lambda name, divisor="0": {"resourceFieldRef": {"containerName": "main", "resource": name, "divisor": divisor}}
        files = {"labels": ref("metadata.labels"), "annotations": ref("metadata.annotations"), "uid": ref("metadata.uid"),
                 "one": ref("metadata.annotations['note']"), "cpu": amount("limits.cpu", "1m"), "mem": amount("requests.memory", "1Ki")}
        env = {"NS": ref("metadata.namespace"), "HOST_IP": ref("status.hostIP"), "CPU": amount("limits.cpu"), "MEM": amount("limits.memory")}
        pod = mounted("p", {"name": "about", "downwardAPI": {"defaultMode": 0o400, "items": [
            {"path": name, **source} for name, source in files.items()]}})
        pod["metadata"].update(labels={"tier": "front", "app": "x"}, annotations={"note": 'say "hi"'})
        pod["spec"]["containers"][0].update(
            env=[{"name": name, "valueFrom": source} for name, source in env.items()],
            resources={"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "1m", "memory": "8Mi"}})
        uid = self.run_pod(pod)["metadata"]["uid"]

        self.assertEqual(self.sh("p", "cat /about/labels").split(), ['app="x"', 'tier="front"'])
        self.assertIn('note="say \\"hi\\""', self.sh("p", "cat /about/annotations"))
        self.assertEqual([self.sh("p", f"cat /about/{f}") for f in ("one", "uid", "cpu", "mem")], ['say "hi"', uid, "1500", "8192"])
        self.assertEqual(self.sh("p", "stat -Lc %a /about/uid").strip(), "400")
        self.assertEqual(self.sh("p", "echo $NS $HOST_IP $CPU $MEM").split(), [self.namespace, "127.0.0.1", "2", str(64 << 20)])
        self.kubectl("annotate", "pod", "p", "note=other", "--overwrite")
        wait_until(lambda: self.sh("p", "cat /about/one") == "other", 30, "a changed annotation reaches the file")

    def test_an_empty_dir_is_shared_and_goes_with_its_pod(self):
        pod = mounted("p", {"name": "disk", "emptyDir": {}}, {"name": "ram", "emptyDir": {"medium": "Memory"}})
        pod["spec"]["containers"].append({"name": "other", "image": harness.BUSYBOX, "command": ["sleep", "3600"], "volumeMounts": [
            {"name": "disk", "mountPath": "/theirs", "readOnly": True}, {"name": "ram", "mountPath": "/ram"}]})
        uid = self.run_pod(pod)["metadata"]["uid"]
        self.exec("p", "sh", "-c", "echo seen | tee /disk/f > /ram/f", container="main")
        self.assertEqual(self.exec("p", "cat", "/theirs/f", "/ram/f", container="other").stdout, "seen\nseen\n")
        self.assert_fails(self.exec("p", "touch", "/theirs/x", container="other", check=False), "Read-only")
        self.assertTrue([at for at in machine.mounts() if uid in at])

        self.kubectl("delete", "pod", "p", "--wait=true")
        places = (self.cluster.data, f"/run/tetrarch/{machine.instance_of(self.cluster.data)}")
        wait_until(lambda: not [at for at in machine.mounts() if uid in at], 15, "no mount of the pod is left")
        wait_until(lambda: not machine.run("find", *places, "-name", f"*{uid}*", check=False).stdout, 15, "nothing of it is left on disk")

    def test_a_sub_path_makes_nothing_outside_its_volume(self):
        place, elsewhere = (os.path.join(self.cluster.directory, name) for name in ("parts", "elsewhere"))
        os.makedirs(f"{place}/logs")
        os.makedirs(elsewhere)
        os.symlink(elsewhere, f"{place}/link")
        part = lambda name, path: mounted(name, mounts=[{"name": "h", "mountPath": "/x", "subPath": path}])
        for name, path in (("within", "logs/made"), ("linked", "link/made")):
            pod = part(name, path)
            pod["spec"]["volumes"] = [{"name": "h", "hostPath": {"path": place}}]
            self.apply(pod)
        self.wait_ready("within")
        self.assertTrue(os.path.isdir(f"{place}/logs/made"))
        self.sh("within", "echo kept > /x/file")
        self.wait_pod("linked", lambda p: "outside the volume" in json.dumps(p["status"].get("containerStatuses", [])), 30, "is refused")
        self.assertEqual(os.listdir(elsewhere), [])
        uid = self.get("pod", "within")["metadata"]["uid"]
        self.kubectl("delete", "pod", "within", "--wait=true")
        wait_until(lambda: not [at for at in machine.mounts() if uid in at], 15, "nothing of the pod is mounted")
        wait_until(lambda: not os.path.exists(f"{self.cluster.data}/agent/pods/{uid}"), 15, "its folder has gone")
        with open(f"{place}/logs/made/file", encoding="ascii") as file:
            self.assertEqual(file.read(), "kept\n", "what was bound from the host stays there")

    def test_a_part_is_what_its_name_was_when_the_container_was_made(self):
        """And a restarted container gets what it is by then: never what a link leads to outside."""
        pod = mounted("p", {"name": "e", "emptyDir": {}})
        pod["spec"]["containers"].append({"name": "part", "image": harness.BUSYBOX, "command": [
            "sh", "-c", "cat /part/mark; until [ -e /e/go ]; do sleep 0.1; done; rm /e/go"], "volumeMounts": [
            {"name": "e", "mountPath": "/part", "subPath": "part"}, {"name": "e", "mountPath": "/e"}]})
        pod["spec"]["initContainers"] = [{"name": "fill", "image": harness.BUSYBOX, "volumeMounts": [{"name": "e", "mountPath": "/e"}],
                                          "command": ["sh", "-c", "mkdir /e/part /e/other; echo one > /e/part/mark; echo two > /e/other/mark"]}]
        self.run_pod(pod)
        swap = lambda command: self.exec("p", "sh", "-c", f"cd /e; {command}", container="main")
        swap("mv part former; ln -s other part")
        self.assertEqual(self.exec("p", "cat", "/part/mark", container="part").stdout, "one\n", "what runs keeps what it had")
        swap("touch go")
        restarted = lambda p: harness.container_of(p, "part").get("restartCount") == 1 and harness.is_ready(p)
        self.wait_pod("p", restarted, 30, "has restarted")
        self.assertEqual(self.exec("p", "cat", "/part/mark", container="part").stdout, "two\n", "a link inside is followed")
        swap("rm part; ln -s /etc part; touch go")
        refused = lambda p: "leads outside the volume" in json.dumps(harness.container_of(p, "part").get("state", {}))
        self.wait_pod("p", refused, 40, "is refused")
