# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of volumes that need no storage: config maps, secrets, what is projected,
what a pod is told about itself, empty directories, parts. All pods of a table run at the same time."""
import base64

import harness
from api import config_map
from conform import FOREVER, ConformTest
from harness import BUSYBOX, make_pod
from machine import wait_until

ONCE = {"restartPolicy": "Never"}
USER = {"securityContext": {"runAsUser": 1000}}
GROUP = {"securityContext": {"runAsUser": 1000, "fsGroup": 1001}}
ITEM = {"key": "data-1", "path": "path/to/data-1"}


def secret(name, **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def source(kind, name, projected, **more):
    """A volume of a config map or secret, plain or projected."""
    if projected:
        mode = {"defaultMode": more.pop("defaultMode")} if "defaultMode" in more else {}
        return {"projected": {**mode, "sources": [{kind: {"name": name, **more}}]}}
    return {kind: {"secretName" if kind == "secret" else "name": name, **more}}


def mounted(name, *command, volumes=(), container=None, **spec):
    """A pod with each volume at /<its name>."""
    volumes = [{"name": each, **what} for each, what in dict(volumes).items()]
    at = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]
    return make_pod(name, *command, volumes=volumes, container={"volumeMounts": at, **(container or {})}, **spec)


class Volumes(ConformTest):
    name = "conform-volumes"

    def told(self, rows):
        """rows: name -> (script, volumes, more of the spec, what the log is, in words)."""
        for name, (script, volumes, more, _) in rows.items():
            self.create(self.at("pods"), mounted(name, "sh", "-c", script, volumes=volumes, **{**ONCE, **more}))
        for name, (*_, wanted) in rows.items():
            with self.subTest(name):
                pod = self.wait_pod(name, lambda p: p["status"].get("phase") in ("Succeeded", "Failed"), 90, "has ended")
                text = self.text("logs", name)
                self.assertEqual((pod["status"]["phase"], text.split()), ("Succeeded", wanted.split()))

    def wait_read(self, pod, path, wanted, container=None):
        """`wanted` of None: there is no such file."""
        def same():
            done = self.exec(pod, "cat", path, check=False, container=container)
            return (done.returncode != 0 if wanted is None else done.stdout == wanted) or self.fail(done.stdout + done.stderr)
        wait_until(same, 90, f"{path} says {wanted}", pause=0.3)

    # ---- config maps and secrets, plain and projected ---------------------------------------------------------

    def sources(self, kind, projected):
        """Everything that is true of all four forms."""
        make = lambda name, **data: self.create(self.at(f"{kind.lower()}s"), secret(name, **data) if kind == "secret"
                                                else config_map(name, data))
        make("c", **{"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"})
        volume = lambda **more: {"v": source(kind, "c", projected, **more)}
        show = "cd /v; cat data-1; echo; stat -Lc %a data-1"
        mapped = "cat /v/path/to/data-1; echo; stat -Lc %a /v/path/to/data-1; ls /v"
        self.told({
            "plain": (show, volume(), {}, "value-1 644"),
            "user": (show, volume(), USER, "value-1 644"),
            "mode": (show, volume(defaultMode=0o400), {}, "value-1 400"),
            "user-and-group": (show, volume(defaultMode=0o440), GROUP, "value-1 440"),
            "mapped": (mapped, volume(items=[ITEM]), {}, "value-1 644 path"),
            "mapped-user": (mapped, volume(items=[ITEM]), USER, "value-1 644 path"),
            "mapped-mode": (mapped, volume(items=[{**ITEM, "mode": 0o400}]), {}, "value-1 400 path"),
            "twice": ("cat /v/data-1; echo; cat /w/data-1", {**volume(), "w": source(kind, "c", projected)}, {}, "value-1 value-1"),
        })

    def test_config_maps(self):
        self.sources("configMap", False)

    def test_secrets(self):
        self.sources("secret", False)

    def test_projected_config_maps(self):
        self.sources("configMap", True)

    def test_projected_secrets(self):
        self.sources("secret", True)

    def test_a_secret_of_the_same_name_elsewhere(self):
        other = f"{self.namespace}-2"[-63:]
        self.make_namespace(other)
        self.create(self.at("secrets"), secret("s", word="here"))
        self.create(f"/api/v1/namespaces/{other}/secrets", secret("s", word="elsewhere"))
        self.told({"own": ("cat /v/word", {"v": source("secret", "s", False)}, {}, "here")})
        self.remove(f"/api/v1/namespaces/{other}")

    def test_binary_data(self):
        data = bytes(range(256))
        self.create(self.at("configmaps"), {**config_map("c", {"text": "value"}), "binaryData": {"raw": base64.b64encode(data).decode()}})
        self.told({"both": ("cat /v/text; echo; base64 /v/raw | tr -d '\\n'", {"v": source("configMap", "c", False)}, {},
                            f"value {base64.b64encode(data).decode()}")})

    def test_changes_arrive(self):
        """Of what is changed, made later, and deleted, in all four forms at once."""
        volumes, forms = {}, [(kind, projected) for kind in ("configMap", "secret") for projected in (False, True)]
        make = lambda kind, name, **data: self.create(self.at(f"{kind.lower()}s"), secret(name, **data) if kind == "secret"
                                                      else config_map(name, data))
        for kind in ("configMap", "secret"):
            make(kind, "changes", **{"data-1": "value-1"})
            make(kind, "goes", **{"data-1": "value-1"})
        for kind, projected in forms:
            word = f"{kind.lower()}{'-p' if projected else ''}"
            for name in ("changes", "goes", "comes"):
                volumes[f"{word}-{name}"] = source(kind, name, projected, optional=True)
        self.create(self.at("pods"), mounted("p", *FOREVER, volumes=volumes))
        self.wait_ready("p")
        words = {f"{kind.lower()}{'-p' if projected else ''}" for kind, projected in forms}
        for word in words:
            self.wait_read("p", f"/{word}-changes/data-1", "value-1")
            self.wait_read("p", f"/{word}-comes/data-1", None)
        for kind in ("configMap", "secret"):
            data = {"stringData" if kind == "secret" else "data": {"data-1": "value-2", "data-2": "new"}}
            self.merge(self.at(f"{kind.lower()}s", "changes"), data)
            self.remove(self.at(f"{kind.lower()}s", "goes"))
            make(kind, "comes", **{"data-1": "value-3"})
        for word in words:
            with self.subTest(word):
                self.wait_read("p", f"/{word}-changes/data-1", "value-2")
                self.wait_read("p", f"/{word}-changes/data-2", "new")
                self.wait_read("p", f"/{word}-comes/data-1", "value-3")
                self.wait_read("p", f"/{word}-goes/data-1", None)

    def test_what_is_immutable_stays(self):
        for kind, make in (("configmaps", config_map("c", {"a": "1"})), ("secrets", {**secret("c"), "data": {"a": "MQ=="}})):
            with self.subTest(kind):
                path = self.at(kind, "c")
                self.create(self.at(kind), make)
                self.merge(path, {"data": {"a": "Mg=="}})
                self.merge(path, {"immutable": True})
                for change in ({"data": {"a": "Mw=="}}, {"immutable": False}, {"data": {"b": "Mw=="}}):
                    self.assertEqual(self.api.patch(path, change).status, 422)
                self.merge(path, {"metadata": {"labels": {"may": "change"}}})
                self.remove(path)

    # ---- what a pod is told -----------------------------------------------------------------------------------

    def about(self, projected):
        field = lambda path: {"fieldRef": {"fieldPath": path}}
        amount = lambda name, divisor: {"resourceFieldRef": {"containerName": "main", "resource": name, "divisor": divisor}}

        def volume(what, item_mode=None, **more):
            items = [{"path": "it", **what, **({"mode": item_mode} if item_mode else {})}]
            if projected:
                return {"v": {"projected": {"sources": [{"downwardAPI": {"items": items}}], **more}}}
            return {"v": {"downwardAPI": {"items": items, **more}}}
        node = self.read(f"/api/v1/nodes/{self.cluster.node}")["status"]["allocatable"]
        megabytes = -(-int(node["memory"].removesuffix("Ki")) // 1024)
        show, own = "cat /v/it", {"container": {"resources": {"requests": {"cpu": "250m", "memory": "32Mi"},
                                                              "limits": {"cpu": "1250m", "memory": "64Mi"}}}}
        free = {"container": {"resources": {}}}
        rows = {"name": (show, volume(field("metadata.name")), {}, "name"),
                "mode": (f"{show}; echo; stat -Lc %a /v/it", volume(field("metadata.name"), defaultMode=0o400), {}, "mode 400"),
                "item-mode": (f"{show}; echo; stat -Lc %a /v/it", volume(field("metadata.name"), 0o400), {}, "item-mode 400"),
                "cpu-limit": (show, volume(amount("limits.cpu", "1m")), own, "1250"),
                "cpu-request": (show, volume(amount("requests.cpu", "1m")), own, "250"),
                "memory-limit": (show, volume(amount("limits.memory", "1Mi")), own, "64"),
                "memory-request": (show, volume(amount("requests.memory", "1Mi")), own, "32"),
                "cpu-of-node": (show, volume(amount("limits.cpu", "1m")), free, str(int(float(node["cpu"]) * 1000))),
                "memory-of-node": (show, volume(amount("limits.memory", "1Mi")), free, str(megabytes))}
        for name, (script, volumes, more, _) in rows.items():
            pod = mounted(name, "sh", "-c", script, volumes=volumes, **ONCE)
            pod["spec"]["containers"][0].update(more.get("container", {}))
            self.create(self.at("pods"), pod)
        both = mounted("changes", *FOREVER, volumes={"v": volume(field("metadata.labels"))["v"], "w": volume(field("metadata.annotations"))["v"]})
        both["metadata"].update(labels={"a": "1"}, annotations={"b": "1"})
        self.create(self.at("pods"), both)
        for name, (*_, wanted) in rows.items():
            with self.subTest(name):
                self.wait_phase(name, "Succeeded")
                self.assertEqual(self.text("logs", name).split(), wanted.split())
        self.wait_ready("changes")
        self.wait_read("changes", "/v/it", 'a="1"')
        self.merge(self.at("pods", "changes"), {"metadata": {"labels": {"a": "2"}, "annotations": {"b": "2"}}})
        self.wait_read("changes", "/v/it", 'a="2"')
        wait_until(lambda: 'b="2"' in self.exec("changes", "cat", "/w/it").stdout, 60, "the annotation follows")

    def test_a_pod_about_itself(self):
        self.about(False)

    def test_a_pod_about_itself_projected(self):
        self.about(True)

    def test_all_sources_in_one_volume(self):
        self.create(self.at("configmaps"), config_map("c", {"a": "map"}))
        self.create(self.at("secrets"), secret("s", b="secret"))
        sources = [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}},
                   {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]
        self.told({"all": ("cd /v; cat a; echo; cat b; echo; cat name", {"v": {"projected": {"sources": sources}}}, {}, "map secret all")})

    # ---- empty directories ------------------------------------------------------------------------------------

    def test_empty_directories(self):
        rows = {}
        for medium, kind in (("default", {}), ("tmpfs", {"medium": "Memory"})):
            volume = {"v": {"emptyDir": kind}}
            rows[f"mode-{medium}"] = ("stat -c %a /v", volume, {}, "777")
            for who, more in (("root", {}), ("user", USER)):
                for mode in ("644", "666", "777"):
                    script = f"echo mount-tester > /v/f; chmod {mode} /v/f; cat /v/f; stat -c %a /v/f; stat -f -c %T /v | grep -c tmpfs"
                    rows[f"{who}-{mode}-{medium}"] = (f"{script}; true", volume, more, f"mount-tester {mode} {1 if kind else 0}")
        self.told(rows)

    def test_containers_share_an_empty_directory(self):
        pod = mounted("p", *FOREVER, volumes={"v": {"emptyDir": {}}})
        pod["spec"]["containers"].append({"name": "writer", "image": BUSYBOX, "volumeMounts": [{"name": "v", "mountPath": "/w"}],
                                          "command": ["sh", "-c", "echo written > /w/f; sleep 600"]})
        self.create(self.at("pods"), pod)
        self.wait_ready("p")
        self.wait_read("p", "/v/f", "written\n", "main")

    # ---- together ---------------------------------------------------------------------------------------------

    def test_many_volumes_do_not_disturb_each_other(self):
        names = [f"c{number:02}" for number in range(50)]
        for name in names:
            self.create(self.at("configmaps"), config_map(name, {"data": name}))
        self.create(self.at("secrets"), secret("s", word="secret"))
        volumes = {name: source("configMap", name, False) for name in names}
        wanted = " ".join(names)
        script = f"for n in {wanted}; do cat /$n/data; echo; done"
        self.told({f"many-{number}": (script, volumes, {}, wanted) for number in range(5)})
        self.told({"two": ("cat /c00/data; echo; cat /s/word", {"c00": volumes["c00"], "s": source("secret", "s", False)}, {}, "c00 secret")})

    def test_parts_of_what_is_written_whole(self):
        self.create(self.at("configmaps"), config_map("c", {"part": "map"}))
        self.create(self.at("secrets"), secret("c", part="secret"))
        about = {"downwardAPI": {"items": [{"path": "part", "fieldRef": {"fieldPath": "metadata.name"}}]}}
        rows = {"map": (source("configMap", "c", False), "map"), "secret": (source("secret", "c", False), "secret"),
                "projected": (source("configMap", "c", True), "map"), "about": (about, "about")}
        for name, (volume, _) in rows.items():
            pod = mounted(name, "sh", "-c", "cat /file; echo; cat /etc/passwd", volumes={"v": volume}, **ONCE)
            pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": at, "subPath": "part"} for at in (
                ("/file", "/etc/passwd") if name == "map" else ("/file",))]
            self.create(self.at("pods"), pod)
        for name, (_, wanted) in rows.items():
            with self.subTest(name):
                self.wait_phase(name, "Succeeded")
                self.assertEqual(self.text("logs", name).split()[0], wanted)
        self.assertEqual(self.text("logs", "map").split(), ["map", "map"], "over a file that the image has")


tearDownModule = harness.stop_shared_cluster
