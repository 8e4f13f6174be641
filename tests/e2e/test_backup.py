# SPDX-License-Identifier: Apache-2.0
"""Backup while running, restore, check: what comes back, what is refused, and in which words."""
import glob
import json
import os
import shutil
import signal
import threading
import time

import machine
from api import Api, config_map
from harness import BINARY, Cluster, ClusterTest, container_of, make_deployment, make_pod
from machine import run, wait_until


class Writer(threading.Thread):
    """Creates config maps c0, c1, … one after the other, and notes what each create took and its revision."""

    def __init__(self, api, path):
        super().__init__(daemon=True)
        self.api, self.path, self.took, self.revisions, self.is_over = api, path, [], [], threading.Event()

    def run(self):
        while not self.is_over.is_set():
            begun = time.monotonic()
            made = self.api.ok("POST", self.path, config_map(f"c{len(self.revisions)}", {"k": "v" * 500}))
            self.took.append(time.monotonic() - begun)
            self.revisions.append(int(made["metadata"]["resourceVersion"]))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join(30)


class Backup(ClusterTest):
    name = "backup"

    def setUp(self):
        if not self.cluster.process.is_running():
            self.cluster.start()
        super().setUp()
        self.api = Api(self.cluster)
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"
        self.file = os.path.join(self.cluster.directory, f"{self.namespace}.backup")

    def store(self, *words, check=True):
        return run(BINARY, "store", *words, "--data-dir", self.cluster.data, check=check, timeout=120)

    def stop(self):
        self.assertEqual(self.cluster.process.kill(signal.SIGTERM), 0)

    def names(self):
        return {item["metadata"]["name"] for item in self.api.ok("GET", self.maps)["items"]} - {"kube-root-ca.crt"}

    def containers(self):
        return {pod["metadata"]["name"]: (container_of(pod)["containerID"], container_of(pod)["restartCount"])
                for pod in self.pods("app=web")}

    def back_up_under_load(self):
        with Writer(self.api, self.maps) as writer:
            wait_until(lambda: len(writer.revisions) > 50, 60, "some writes")
            said = self.store("backup", self.file).stdout
            count = len(writer.revisions)
            wait_until(lambda: len(writer.revisions) > count + 20, 60, "some more writes")
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        return writer, int(said.split("at revision ")[1].split()[0])

    def assert_prefix(self, writer, revision):
        """Exactly what was there at one revision."""
        self.assertEqual(self.names(), {f"c{i}" for i, at in enumerate(writer.revisions) if at <= revision})

    def test_what_runs_is_adopted_after_a_restore(self):
        self.apply(make_deployment("web", 2))
        self.wait_rollout("web")
        self.make("secret", "generic", "s", "--from-literal=password=very-secret")
        before = self.containers()
        writer, revision = self.back_up_under_load()
        self.assertLess(max(writer.took), 2, "no create waits for the backup")
        with open(self.file, "rb") as file:
            content = file.read()
        self.assertNotIn(b"dmVyeS1zZWNyZXQ=", content, "Secrets stay sealed")
        self.assertIn(b"PRIVATE KEY", content, "the keys are in it")
        self.apply(make_pod("born-later", "sleep", "3600"))
        self.wait_ready("born-later")
        later = container_of(self.get("pod", "born-later"))["containerID"]
        seen = max([*writer.revisions, int(self.get("pod", "born-later")["metadata"]["resourceVersion"])])
        token = self.text("create", "token", "default").strip()

        self.assertIn("another tetrarch runs", self.store("restore", self.file, check=False).stderr)
        self.cluster.process.kill(signal.SIGKILL)
        refused = self.store("restore", self.file, check=False)
        self.assert_fails(refused, "server is not empty; --force puts aside")
        self.assertIn("goes on above revision", self.store("restore", self.file, "--force").stdout)
        self.assertEqual(len(glob.glob(f"{self.cluster.data}/server.replaced-*")), 1)
        self.assertIn("is whole", self.store("check").stdout)
        self.cluster.start()

        self.assert_prefix(writer, revision)
        wait_until(lambda: self.containers() == before, 30, "the pods are adopted")
        wait_until(lambda: not machine.container_pids(later), 60, "the pod that is not known any more is ended")
        self.assertEqual(self.get("secret", "s")["data"]["password"], "dmVyeS1zZWNyZXQ=")
        made = self.api.ok("POST", self.maps, config_map("new"))
        self.assertGreater(int(made["metadata"]["resourceVersion"]), seen)
        with self.api.watch(self.maps, resourceVersion=str(seen)) as watch:
            event = {"code": watch.status} if watch.status != 200 else next(watch)["object"]
            self.assertEqual(event["code"], 410, "a watch from before the restore has to list again")
        stale = config_map("c0", {"k": "w"}, resourceVersion=str(seen))
        self.assertEqual(self.api.put(f"{self.maps}/c0", stale).status, 409)
        self.assertNotEqual(Api(self.cluster, token=token).get("/version").status, 401, "tokens go on")
        self.kubectl("scale", "deployment/web", "--replicas=3")
        self.wait_rollout("web")

    def test_everything_is_lost_and_comes_back(self):
        self.apply(make_deployment("web", 2))
        self.wait_rollout("web")
        writer, revision = self.back_up_under_load()
        run(BINARY, "down", "--data-dir", self.cluster.data, "--purge", timeout=120)
        self.assertFalse(os.path.exists(self.cluster.data))
        self.assertEqual(self.store("restore", self.file).returncode, 0)
        for name in os.listdir(f"{self.cluster.data}/server"):
            mode = os.stat(f"{self.cluster.data}/server/{name}").st_mode & 0o777
            self.assertEqual(mode & 0o077, 0, name)
        Cluster.put_images(self.cluster.data)
        self.cluster.process.child.wait(30)
        self.cluster.start()
        self.api = Api(self.cluster)
        self.assert_prefix(writer, revision)
        wait_until(lambda: all(machine.container_pids(container) for container, _ in self.containers().values()), 60,
                   "the pods run again")
        self.wait_rollout("web")
        self.assertEqual(len(self.pods("app=web")), 2)
        self.run_pod(make_pod("fresh", "sleep", "3600"))

    def test_a_stopped_store_is_backed_up_too(self):
        self.api.ok("POST", self.maps, config_map("kept"))
        self.stop()
        directory = os.path.join(self.cluster.directory, "backups")
        os.mkdir(directory)
        self.store("backup", directory)
        (name,) = os.listdir(directory)
        self.assertRegex(name, r"^tetrarch-.*\.backup$")
        self.assertIn("is whole", self.store("check", f"{directory}/{name}").stdout)
        self.assert_fails(self.store("backup", f"{directory}/{name}", check=False), "a backup replaces no file")
        self.cluster.start()
        self.assertIn("kept", self.names())

    def test_damage_is_told_and_a_start_refused(self):
        for i in range(20):
            self.api.ok("POST", self.maps, config_map(f"m{i}", {"k": "v" * 300}))
        self.store("backup", self.file)
        self.assert_fails(self.store("check", check=False), "open in another process", "store backup FILE")
        self.cluster.process.kill(signal.SIGKILL)
        self.assertIn("is whole", self.store("check").stdout)
        (log,) = [p for p in glob.glob(f"{self.cluster.data}/server/store/*.log") if os.path.getsize(p)]
        with open(log, "r+b") as file:
            file.seek(os.path.getsize(log) * 2 // 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 4]))
        before = {p: os.path.getsize(p) for p in glob.glob(f"{self.cluster.data}/server/store/[0-9M]*")}

        done = self.store("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("changes that had been acknowledged are lost", done.stdout)
        self.assertIn(os.path.basename(log), done.stdout)
        self.assertIn("tetrarch store restore BACKUP", done.stdout)
        self.assertNotEqual(self.start_and_wait(), 0)
        self.assertIn("`tetrarch store check` lists what is lost", self.cluster.process.tail(5))
        self.assertEqual({p: os.path.getsize(p) for p in before}, before, "nothing was truncated")
        shutil.rmtree(f"{self.cluster.data}/server/store")
        self.assertNotEqual(self.start_and_wait(), 0)
        self.assertIn("is missing, though a cluster has run from here", self.cluster.process.tail(5))
        self.assertIn("restored", self.store("restore", self.file, "--force").stdout)
        self.cluster.start()
        self.assertEqual(self.names(), {f"m{i}" for i in range(20)})

    def start_and_wait(self):
        self.cluster.process.start()
        return self.cluster.process.child.wait(30)

    def test_damaged_backups_are_refused(self):
        self.store("backup", self.file)
        with open(self.file, "rb") as file:
            whole = file.read()
        for what, content in (("cut", whole[:-10]), ("flipped", whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]),
                              ("other", b"not a backup at all")):
            with self.subTest(what):
                path = f"{self.file}.{what}"
                with open(path, "wb") as file:
                    file.write(content)
                place = f"{self.cluster.directory}/{what}"
                for word in ("check", "restore"):
                    done = run(BINARY, "store", word, path, "--data-dir", place, check=False)
                    self.assert_fails(done, path, "no backup" if what == "other" else "the backup is damaged at byte")
                self.assertFalse(os.path.exists(place))

    def test_only_administrators_get_it(self):
        self.make("serviceaccount", "reader")
        self.make("clusterrolebinding", f"{self.namespace}-view", "--clusterrole=view",
                  f"--serviceaccount={self.namespace}:reader")
        self.addCleanup(self.cluster.kubectl, "delete", "clusterrolebinding", f"{self.namespace}-view", check=False)
        token = self.text("create", "token", "reader").strip()
        self.assertEqual(Api(self.cluster, token=token).get("/tetrarch/v1/backup").status, 403)
        self.assertEqual(Api.anonymous(self.cluster).get("/tetrarch/v1/backup").status, 403)
        self.assertEqual(json.loads(Api.anonymous(self.cluster).get("/tetrarch/v1/backup").raw)["kind"], "Status")
