# SPDX-License-Identifier: Apache-2.0
"""Shorthands of the test_conform modules: the life of an object of any kind, by plain HTTPS, and things done side by
side. Which published behaviour each test shows: docs/protocols/kubernetes-conformance.md."""
import concurrent.futures
import dataclasses

from api import MERGE, Api
from harness import SharedCluster
from machine import run, wait_until

FOREVER = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
ASK_UDP = ("import socket, sys; own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); own.settimeout(3)\n"
           "own.sendto(b'ping', (sys.argv[1], int(sys.argv[2]))); print(own.recv(500).decode())")
VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
MARK = {"conform": "yes"}


@dataclasses.dataclass
class Kind:
    """A kind with a body that it accepts, and what its life must show."""
    group: str  # "" is core
    version: str
    resource: str
    kind: str
    body: dict
    is_namespaced: bool = True
    status: dict | None = None  # a merge patch of .status, where there is the subresource
    changed: dict | None = None  # a merge patch of the rest
    names: tuple = ()  # four, where not any name will do

    @property
    def root(self):
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace):
        return f"{self.root}/namespaces/{namespace}/{self.resource}" if self.is_namespaced else self.everywhere

    @property
    def everywhere(self):
        return f"{self.root}/{self.resource}"

    def object(self, name, **labels):
        return {"apiVersion": self.root.split("/", 2)[2], "kind": self.kind, **self.body,
                "metadata": {"name": name, "labels": {**MARK, **labels}}}


def holds(have, wanted):
    """Whether an object has every field of a merge patch."""
    if isinstance(wanted, dict):
        return isinstance(have, dict) and all(holds(have.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(have, list) and len(have) == len(wanted) and all(map(holds, have, wanted))
    return have == wanted


def ask_udp(address, port=8080, where=()):
    """The name of the demo server that answers a datagram; `where`: words that run a command somewhere else."""
    return run(*where, "python3", "-c", ASK_UDP, address, port).stdout.split()[0]


class ConformTest(SharedCluster):
    """Calls by plain HTTPS in the test's namespace."""

    def setUp(self):
        super().setUp()
        self.api = Api(self.cluster)
        self.wait_account(self.namespace)

    def wait_account(self, namespace):
        """A namespace gets its default service account, which pods need, a moment later."""
        wait_until(lambda: not self.is_gone(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"), 10, "an account")

    def at(self, resource, name="", group="", version="v1", part=""):
        """Path of a collection, an object or its subresource in the test's namespace."""
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        return f"{root}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "") + (f"/{part}" if part else "")

    def create(self, path, body):
        return self.api.ok("POST", path, body)

    def read(self, path, **query):
        return self.api.ok("GET", path, **query)

    def merge(self, path, change):
        return self.api.ok("PATCH", path, change, content_type=MERGE)

    def remove(self, path, propagation=None, **options):
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        if propagation:
            body["propagationPolicy"] = propagation
        return self.api.ok("DELETE", path, body)

    def update(self, path, change):
        """Reads, changes and puts until nobody was faster; change(object) edits in place."""
        while True:
            now = self.read(path)
            change(now)
            answer = self.api.put(path, now)
            if answer.status != 409:
                self.assertEqual(answer.status, 200, str(answer))
                return answer.json

    def is_gone(self, path):
        return self.api.get(path).status == 404

    def wait_gone(self, *paths, timeout=20):
        for path in paths:
            wait_until(lambda p=path: self.is_gone(p), timeout, f"{path} is gone")

    def wait_object(self, path, check, what, timeout=30):
        """Waits until check(object) holds; returns the object."""
        def seen():
            now = self.read(path)
            return now if check(now) else self.fail(str(now.get("status"))[-900:])
        return wait_until(seen, timeout, f"{path}: {what}")

    def names(self, path, **query):
        return sorted(item["metadata"]["name"] for item in self.read(path, **query)["items"])

    def side_by_side(self, *tasks):
        """Runs every task (a label and a function) in a thread of its own; each that fails is told."""
        with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
            running = [(label, pool.submit(task)) for label, task in tasks]
        for label, done in running:
            with self.subTest(label):
                done.result()


class Life:
    """Everything that clients do with a kind, in order, with a watch that must see it."""

    def __init__(self, test, kind):
        self.test, self.kind, self.api = test, kind, test.api
        self.path = kind.path(test.namespace)
        self.name, *self.others = kind.names or [f"life-{kind.resource}{end}" for end in ("", "-0", "-1", "-2")]

    def run(self):
        self.is_discovered()
        version = self.test.read(self.path, labelSelector="conform")["metadata"]["resourceVersion"]
        with self.api.watch(self.path, resourceVersion=version, labelSelector="conform=yes") as events:
            made = self.create_and_find()
            self.expect(events, "ADDED", made)
            self.patch_and_update(events)
            if self.kind.status:
                self.status()
            self.test.remove(f"{self.path}/{self.name}")
            self.expect(events, "DELETED", made)
        self.test.wait_gone(f"{self.path}/{self.name}")
        self.collection()

    def is_discovered(self):
        kind, test = self.kind, self.test
        if kind.group:
            group = next(g for g in test.read("/apis")["groups"] if g["name"] == kind.group)
            test.assertIn(kind.version, [v["version"] for v in group["versions"]])
            own = test.read(f"/apis/{kind.group}")
            test.assertIn(f"{kind.group}/{kind.version}", [v["groupVersion"] for v in own["versions"]])
        listed = {r["name"]: r for r in test.read(kind.root)["resources"]}
        test.assertEqual((listed[kind.resource]["kind"], listed[kind.resource]["namespaced"]), (kind.kind, kind.is_namespaced))
        test.assertLessEqual(VERBS, set(listed[kind.resource]["verbs"]))
        if kind.status:
            test.assertLessEqual({"get", "patch", "update"}, set(listed[f"{kind.resource}/status"]["verbs"]))

    def create_and_find(self):
        test = self.test
        made = test.create(self.path, self.kind.object(self.name))
        test.assertEqual(test.read(f"{self.path}/{self.name}")["metadata"]["uid"], made["metadata"]["uid"])
        test.assertEqual(test.names(self.path, labelSelector="conform=yes"), [self.name])
        test.assertIn(self.name, test.names(self.kind.everywhere, labelSelector="conform=yes"))
        return made

    def patch_and_update(self, events):
        test, path = self.test, f"{self.path}/{self.name}"
        patch = {"metadata": {"annotations": {"patched": "true"}}, **(self.kind.changed or {})}
        patched = test.merge(path, patch)
        test.assertTrue(holds(patched, patch), f"{patched} lacks {patch}")
        self.expect_marked(events, "patched")
        updated = test.update(path, lambda o: o["metadata"]["annotations"].update(updated="true"))
        self.expect_marked(events, "updated")
        test.assertEqual(updated["metadata"]["annotations"]["updated"], "true")
        test.assertTrue(holds(test.read(path), patch), "a read shows what was written")

    def status(self):
        test, path = self.test, f"{self.path}/{self.name}/status"
        before = test.read(path)
        test.assertEqual(before["kind"], self.kind.kind)
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": self.kind.status}
        patched = test.merge(path, patch)
        test.assertTrue(holds(patched, patch), f"{patched} lacks {patch}")
        test.update(path, lambda o: o["metadata"]["annotations"].update(updatedstatus="true"))
        seen = test.read(path)["metadata"]["annotations"]
        test.assertEqual((seen["patchedstatus"], seen["updatedstatus"]), ("true", "true"))

    def collection(self):
        test = self.test
        for name in self.others:
            test.create(self.path, self.kind.object(name, part="kept" if name == self.others[2] else "gone"))
        test.assertEqual(len(test.names(self.path, labelSelector="conform=yes")), 3)
        self.api.ok("DELETE", self.path, labelSelector="part=gone")
        wait_until(lambda: test.names(self.path, labelSelector="conform=yes") == [self.others[2]], 20, "two of three are gone")
        self.api.ok("DELETE", self.path, labelSelector="conform=yes")
        wait_until(lambda: not test.names(self.path, labelSelector="conform=yes"), 20, "and the third")

    def expect(self, events, word, made):
        """The next event of that type is about this object; changes by controllers may come before it."""
        for event in events:
            if event["type"] == word:
                self.test.assertEqual(event["object"]["metadata"]["uid"], made["metadata"]["uid"])
                return
            self.test.assertIn(event["type"], ("MODIFIED", "BOOKMARK"))
        self.test.fail(f"the watch ended before {word}")

    def expect_marked(self, events, word):
        for event in events:
            if event["type"] == "MODIFIED" and word in event["object"]["metadata"].get("annotations", {}):
                return
        self.test.fail(f"the watch ended before {word}")
