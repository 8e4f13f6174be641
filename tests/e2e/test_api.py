# SPDX-License-Identifier: Apache-2.0
"""The API's promises, by plain HTTPS: pages, watches, versions, collection, namespaces, concurrency."""
import concurrent.futures
import json
import signal
import subprocess

from api import JSON_PATCH, STRATEGIC, Api, config_map
from harness import ClusterTest, make_deployment
from machine import wait_until

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


class ApiPromises(ClusterTest):
    name = "api"

    def setUp(self):
        super().setUp()
        self.api = Api(self.cluster)
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"
        self.deployments = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        # The namespace's own config map comes a moment later; wait, so that counts are exact.
        wait_until(lambda: self.api.get(f"{self.maps}/kube-root-ca.crt").status == 200, 5, "kube-root-ca.crt is there")
        wait_until(lambda: self.api.get(f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default").status == 200, 5,
                   "the default service account is there")

    def create(self, name, data=None, **metadata):
        return self.api.ok("POST", self.maps, config_map(name, data, **metadata))

    def gone(self, path):
        return self.api.get(path).status == 404

    def test_pages_show_one_moment(self):
        for n in range(10):
            self.create(f"m{n}", labels={"set": "pages"})
        first = self.api.ok("GET", self.maps, limit=4, labelSelector="set=pages")
        self.assertEqual([i["metadata"]["name"] for i in first["items"]], ["m0", "m1", "m2", "m3"])
        self.create("m35", labels={"set": "pages"})
        self.api.ok("DELETE", f"{self.maps}/m9")
        names, token = [], first["metadata"]["continue"]
        while token:
            page = self.api.ok("GET", self.maps, limit=4, labelSelector="set=pages", **{"continue": token})
            self.assertEqual(page["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])
            names += [i["metadata"]["name"] for i in page["items"]]
            token = page["metadata"].get("continue")
        self.assertEqual(names, ["m4", "m5", "m6", "m7", "m8", "m9"], "as it was when the first page was given")
        listed = self.api.ok("GET", self.maps)
        self.assertEqual((listed["kind"], listed["apiVersion"]), ("ConfigMapList", "v1"))
        self.assertGreaterEqual(int(listed["metadata"]["resourceVersion"]), int(first["metadata"]["resourceVersion"]))

    def test_resource_version_rules_of_lists(self):
        version = self.create("one")["metadata"]["resourceVersion"]
        self.create("two")
        exact = self.api.get(self.maps, resourceVersion=version, resourceVersionMatch="Exact")
        self.assertIn(exact.status, (200, 410), "that moment, or word that it is over")
        if exact.status == 200:
            self.assertEqual(exact.json["metadata"]["resourceVersion"], version)
            self.assertNotIn("two", [i["metadata"]["name"] for i in exact.json["items"]])
        newer = self.api.ok("GET", self.maps, resourceVersion=version, resourceVersionMatch="NotOlderThan")
        self.assertGreaterEqual(int(newer["metadata"]["resourceVersion"]), int(version))
        ahead = self.api.get(self.maps, resourceVersion=str(int(version) + 10**9))
        self.assertEqual(ahead.status, 504, str(ahead))
        self.assertIn("Too large resource version", ahead.json["message"])
        self.assertEqual(self.api.get(self.maps, resourceVersionMatch="Exact").status, 422)

    def test_watch_from_a_version(self):
        version = self.api.ok("GET", self.maps)["metadata"]["resourceVersion"]
        made = self.create("seen", {"n": "1"}, labels={"a": "b"})
        self.api.ok("PATCH", f"{self.maps}/seen", {"data": {"n": "2"}}, content_type="application/merge-patch+json")
        self.api.ok("DELETE", f"{self.maps}/seen")
        with self.api.watch(self.maps, resourceVersion=version) as events:
            seen = [next(events) for _ in range(3)]
        self.assertEqual([e["type"] for e in seen], ["ADDED", "MODIFIED", "DELETED"])
        self.assertEqual([e["object"]["data"]["n"] for e in seen], ["1", "2", "2"])
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in seen]
        self.assertEqual(versions, sorted(set(versions)))
        self.assertEqual(versions[0], int(made["metadata"]["resourceVersion"]))
        with self.api.watch(self.maps, resourceVersion=versions[0]) as events:
            self.assertEqual(next(events)["type"], "MODIFIED", "a watch goes on just after its version")

    def test_watch_by_selector_sees_objects_enter_and_leave(self):
        version = self.api.ok("GET", self.maps)["metadata"]["resourceVersion"]
        self.create("mover", labels={"in": "no"})
        move = lambda word: self.api.ok("PATCH", f"{self.maps}/mover", {"metadata": {"labels": {"in": word}}},
                                        content_type="application/merge-patch+json")
        move("yes")
        move("no")
        with self.api.watch(self.maps, resourceVersion=version, labelSelector="in=yes") as events:
            self.assertEqual([next(events)["type"] for _ in range(2)], ["ADDED", "DELETED"])

    def test_watch_with_initial_events_and_bookmarks(self):
        self.create("a")
        self.create("b")
        with self.api.watch(self.maps, sendInitialEvents="true", resourceVersionMatch="NotOlderThan",
                            allowWatchBookmarks="true", timeoutSeconds=15) as events:
            seen = [next(events) for _ in range(4)]
            self.assertEqual([e["type"] for e in seen], ["ADDED"] * 3 + ["BOOKMARK"])
            self.assertEqual(seen[3]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
            self.assertEqual(seen[3]["object"]["kind"], "ConfigMap")
            self.create("c")
            self.assertEqual(next(events)["object"]["metadata"]["name"], "c")

    def test_watch_ends_at_its_time_and_with_410_when_too_old(self):
        with self.api.watch(self.maps, timeoutSeconds=1) as events:
            self.assertTrue({e["type"] for e in events} <= {"ADDED", "BOOKMARK"}, "ends by itself after a second")
        version = self.create("before")["metadata"]["resourceVersion"]
        self.create("after")
        self.cluster.process.kill(signal.SIGTERM)  # history begins anew with a start
        self.cluster.start()
        with self.api.watch(self.maps, resourceVersion=version) as events:
            self.assertIn(events.status, (200, 410))
            if events.status == 200:
                event = next(events)
                self.assertEqual((event["type"], event["object"].get("code"), event["object"].get("reason")), ("ERROR", 410, "Expired"))

    def test_table_and_partial_forms(self):
        self.create("one", labels={"x": "y"})
        table = self.api.ok("GET", self.maps, headers={"Accept": TABLE}, labelSelector="x=y")
        self.assertEqual((table["kind"], table["apiVersion"]), ("Table", "meta.k8s.io/v1"))
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Data", "Age"])
        self.assertEqual(table["rows"][0]["cells"][:2], ["one", 0])
        self.assertEqual(table["rows"][0]["object"]["kind"], "PartialObjectMetadata")
        whole = self.api.ok("GET", self.maps, headers={"Accept": TABLE}, labelSelector="x=y", includeObject="Object")
        self.assertEqual(whole["rows"][0]["object"]["kind"], "ConfigMap")
        none = self.api.ok("GET", self.maps, headers={"Accept": TABLE}, labelSelector="x=y", includeObject="None")
        self.assertIsNone(none["rows"][0].get("object"))
        partial = self.api.ok("GET", f"{self.maps}/one", headers={"Accept": PARTIAL})
        self.assertEqual((partial["kind"], partial["metadata"]["labels"]), ("PartialObjectMetadata", {"x": "y"}))
        self.assertNotIn("data", partial)
        listed = self.api.ok("GET", self.maps, headers={"Accept": PARTIAL_LIST}, labelSelector="x=y")
        self.assertEqual(listed["kind"], "PartialObjectMetadataList")

    def test_finalizers_hold_an_object(self):
        self.create("held", finalizers=["example.com/hold"])
        self.api.ok("DELETE", f"{self.maps}/held")
        held = self.api.ok("GET", f"{self.maps}/held")
        self.assertIn("deletionTimestamp", held["metadata"])
        added = self.api.patch(f"{self.maps}/held", {"metadata": {"finalizers": ["example.com/hold", "example.com/two"]}})
        self.assertEqual(added.status, 422, "none may be added now")
        self.api.ok("PATCH", f"{self.maps}/held", {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
        self.assertTrue(self.gone(f"{self.maps}/held"))

    def owned(self, name, owner, block=False, **more):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
                     "blockOwnerDeletion": block}
        return self.create(name, ownerReferences=[reference], **more)

    def test_owner_references_in_three_ways(self):
        for policy in ("Background", "Foreground", "Orphan"):
            with self.subTest(policy=policy):
                low = policy.lower()
                owner = self.create(f"{low}-owner")
                self.owned(f"{low}-child", owner, block=True, finalizers=["example.com/hold"])
                self.api.ok("DELETE", f"{self.maps}/{low}-owner", {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy})
                child = f"{self.maps}/{low}-child"
                if policy == "Orphan":
                    wait_until(lambda: self.gone(f"{self.maps}/{low}-owner"), 20, "the owner goes")
                    metadata = self.api.ok("GET", child)["metadata"]
                    self.assertNotIn("deletionTimestamp", metadata)
                    self.assertFalse(metadata.get("ownerReferences"))
                    self.api.ok("PATCH", child, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
                    continue
                wait_until(lambda: "deletionTimestamp" in self.api.ok("GET", child)["metadata"], 20, "the child is being deleted")
                if policy == "Foreground":
                    owner = self.api.ok("GET", f"{self.maps}/{low}-owner")["metadata"]
                    self.assertEqual(owner["finalizers"], ["foregroundDeletion"])
                self.api.ok("PATCH", child, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
                wait_until(lambda: self.gone(child) and self.gone(f"{self.maps}/{low}-owner"), 20, "both are gone")

    def test_an_object_of_an_absent_owner_goes(self):
        ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000001"}}
        self.owned("stray", ghost)
        wait_until(lambda: self.gone(f"{self.maps}/stray"), 30, "it is collected")

    def test_a_deleted_namespace_takes_its_contents(self):
        space = f"{self.namespace}-inner"
        self.make_namespace(space)
        path = f"/api/v1/namespaces/{space}/configmaps"
        self.api.ok("POST", path, config_map("a"))
        self.api.ok("POST", path, config_map("b", finalizers=["example.com/hold"]))
        self.api.ok("POST", f"/apis/apps/v1/namespaces/{space}/deployments", make_deployment("web", 1))
        self.api.ok("DELETE", f"/api/v1/namespaces/{space}")
        wait_until(lambda: self.gone(f"{path}/a"), 30, "what has no finalizer goes")
        body = self.api.ok("GET", f"/api/v1/namespaces/{space}")
        self.assertEqual(body["status"]["phase"], "Terminating")
        refused = self.api.post(path, config_map("late"))
        self.assertEqual(refused.status, 403, str(refused))
        self.assertIn("because it is being terminated", refused.json["message"])
        wait_until(lambda: "example.com/hold" in json.dumps(self.api.ok("GET", f"/api/v1/namespaces/{space}")["status"]), 20,
                   "the condition names the finalizer that holds it")
        self.api.ok("PATCH", f"{path}/b", {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
        wait_until(lambda: self.gone(f"/api/v1/namespaces/{space}"), 60, "the namespace is gone")
        self.assertEqual(self.api.delete("/api/v1/namespaces/default").status, 403)

    def test_generation_and_status_are_apart(self):
        path = f"{self.deployments}/calm"
        first = self.api.ok("POST", self.deployments, make_deployment("calm", 0))
        self.assertEqual(first["metadata"]["generation"], 1)
        wait_until(lambda: self.api.ok("GET", path)["status"].get("observedGeneration") == 1, 10, "it is seen")
        merge = {"content_type": "application/merge-patch+json"}
        labelled = self.api.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, **merge)
        self.assertEqual(labelled["metadata"]["generation"], 1)
        status = self.api.ok("PATCH", path, {"status": {"replicas": 77}}, **merge)
        self.assertNotEqual(status["status"].get("replicas"), 77, "the main resource does not take status")
        spec = self.api.ok("PATCH", f"{path}/status", {"spec": {"replicas": 9}, "metadata": {"labels": {"c": "d"}}}, **merge)
        self.assertEqual((spec["spec"]["replicas"], spec["metadata"]["generation"]), (0, 1), "status does not take spec")
        changed = self.api.ok("PATCH", path, {"spec": {"minReadySeconds": 1}}, **merge)
        self.assertEqual(changed["metadata"]["generation"], 2)
        lied = self.api.ok("PATCH", path, {"metadata": {"generation": 50}}, **merge)
        self.assertEqual(lied["metadata"]["generation"], 2)
        wait_until(lambda: self.api.ok("GET", path)["status"].get("observedGeneration") == 2, 10, "the controller is done")
        scale = self.api.ok("GET", f"{path}/scale")
        self.assertEqual((scale["kind"], scale["apiVersion"], scale["spec"].get("replicas", 0)), ("Scale", "autoscaling/v1", 0))
        self.api.ok("PUT", f"{path}/scale", {**scale, "spec": {"replicas": 1}})
        self.assertEqual(self.api.ok("GET", path)["spec"]["replicas"], 1)

    def test_a_change_of_nothing_is_no_change(self):
        first = self.create("same", {"a": "1"}, labels={"x": "y"})
        for method, body, kind in (("PUT", first, "application/json"), ("PATCH", {"data": {"a": "1"}}, "application/merge-patch+json"),
                                   ("PATCH", {"metadata": {"labels": {"x": "y"}}}, STRATEGIC), ("PATCH", [], JSON_PATCH)):
            with self.subTest(method=method, kind=kind):
                after = self.api.ok(method, f"{self.maps}/same", body, content_type=kind)
                self.assertEqual(after["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])
        deployment = self.api.ok("POST", self.deployments, make_deployment("same", 0))
        wait_until(lambda: "NewReplicaSetAvailable" in self.api.get(f"{self.deployments}/same").text, 10, "it settles")
        now = self.api.ok("GET", f"{self.deployments}/same")
        again = self.api.ok("PUT", f"{self.deployments}/same", {**make_deployment("same", 0), "metadata": now["metadata"]})
        self.assertEqual(again["metadata"]["resourceVersion"], now["metadata"]["resourceVersion"], "defaults are filled alike")
        self.assertEqual(again["metadata"]["uid"], deployment["metadata"]["uid"])

    def test_dry_run_changes_nothing(self):
        self.create("kept", {"a": "1"})
        merge = "application/merge-patch+json"
        version = self.api.ok("GET", self.maps)["metadata"]["resourceVersion"]
        made = self.api.ok("POST", self.maps, config_map("ghost"), dryRun="All")
        self.assertTrue(made["metadata"]["uid"])
        changed = self.api.ok("PATCH", f"{self.maps}/kept", {"data": {"a": "2"}}, content_type=merge, dryRun="All")
        self.assertEqual(changed["data"], {"a": "2"})
        self.api.ok("DELETE", f"{self.maps}/kept", dryRun="All")
        self.api.ok("DELETE", self.maps, dryRun="All")
        self.assertEqual(self.api.ok("GET", f"{self.maps}/kept")["data"], {"a": "1"})
        self.assertTrue(self.gone(f"{self.maps}/ghost"))
        self.assertEqual(self.api.post(self.maps, config_map("x"), dryRun="Nonsense").status // 100, 4)
        with self.api.watch(self.maps, resourceVersion=version, timeoutSeconds=1) as events:
            self.assertEqual([e for e in events if e["type"] != "BOOKMARK"], [])

    def test_preconditions_and_delete_collection(self):
        made = self.create("one")
        wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000002"}}
        self.assertEqual(self.api.delete(f"{self.maps}/one", wrong).status, 409)
        self.assertEqual(self.api.delete(f"{self.maps}/one", {"preconditions": {"resourceVersion": "1"}}).status, 409)
        right = {"preconditions": {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}}
        self.api.ok("DELETE", f"{self.maps}/one", right)
        for n in range(6):
            self.create(f"c{n}", labels={"half": str(n % 2)})
        self.api.ok("DELETE", self.maps, labelSelector="half=1")
        left = [i["metadata"]["name"] for i in self.api.ok("GET", self.maps, labelSelector="half")["items"]]
        self.assertEqual(left, ["c0", "c2", "c4"])

    def test_secrets_are_not_in_plain_text_on_disk(self):
        word = "plain-" + self.id()[-20:] + "-unlikely-word"
        self.make("secret", "generic", "hidden", f"--from-literal=word={word}")
        encoded = self.get("secret", "hidden")["data"]["word"]
        grep = lambda text: subprocess.run(["grep", "-rlaF", text, f"{self.cluster.data}/server"], capture_output=True,
                                           text=True, check=False).stdout
        numbers = iter(range(20))

        def finds_what_is_not_secret():
            """In the log at once; a table that the log has become is compressed."""
            self.make("configmap", f"open-{next(numbers)}", "--from-literal=word=open-word-of-a-config-map")
            return grep("open-word-of-a-config-map")
        wait_until(finds_what_is_not_secret, 20, "the search finds what is not secret")
        self.assertEqual((grep(word), grep(encoded)), ("", ""))

    def test_eight_writers_lose_nothing(self):
        self.create("counter", {"n": "0"})
        path, rounds = f"{self.maps}/counter", 25

        def increment(_):
            api, conflicts = self.api, 0
            for _ in range(rounds):
                while True:
                    now = api.ok("GET", path)
                    now["data"]["n"] = str(int(now["data"]["n"]) + 1)
                    answer = api.put(path, now)
                    if answer.status == 200:
                        break
                    if answer.status != 409:
                        raise AssertionError(str(answer))
                    conflicts += 1
            return conflicts
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            conflicts = sum(pool.map(increment, range(8)))
        self.assertEqual(self.api.ok("GET", path)["data"]["n"], str(8 * rounds), f"{conflicts} conflicts on the way")

    def test_discovery_of_both_kinds(self):
        old = self.api.ok("GET", "/apis")
        self.assertEqual(old["kind"], "APIGroupList")
        new = self.api.ok("GET", "/apis", headers={"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"})
        self.assertEqual((new["kind"], new["apiVersion"]), ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"))
        self.assertEqual({g["name"] for g in old["groups"]}, {g["metadata"]["name"] for g in new["items"]})
        core = {r["name"] for r in self.api.ok("GET", "/api/v1")["resources"]}
        self.assertTrue({"pods", "pods/log", "pods/exec", "pods/status", "pods/binding", "serviceaccounts/token"} <= core, core)
        index = self.api.ok("GET", "/openapi/v3")["paths"]
        for group in ("api/v1", "apis/apps/v1"):
            document = self.api.ok("GET", index[group]["serverRelativeURL"])
            self.assertEqual(document["openapi"][:2], "3.")
        self.assertRegex(self.api.ok("GET", "/version")["gitVersion"], r"^v1\.\d+")
        self.assertIn("# TYPE", self.api.get("/metrics").text)
