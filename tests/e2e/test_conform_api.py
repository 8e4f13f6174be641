# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of the API machinery, by plain HTTPS: discovery, field validation, pages,
watches, collection by owners, namespaces, quotas. No pod here is ever placed on the node."""
import json
import threading
import time

import harness
from api import JSON, MERGE, STRATEGIC, config_map
from conform import ConformTest
from harness import PAUSE, make_deployment, make_pod
from machine import wait_until

NOWHERE = {"nodeSelector": {"conform": "nowhere"}}
HOLD = "example.com/hold"


def controller(name, replicas):
    """A replication controller whose pods wait for ever."""
    pod = make_pod("x", image=PAUSE, labels={"app": name}, **NOWHERE)
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"app": name}, "template": {"metadata": {"labels": {"app": name}}, "spec": pod["spec"]}}}


def quota(name, scopes=None, **hard):
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {
        "hard": hard, **({"scopes": scopes} if scopes else {})}}


def owner_of(made, **more):
    return {"apiVersion": made["apiVersion"], "kind": made["kind"], "name": made["metadata"]["name"],
            "uid": made["metadata"]["uid"], **more}


class Discovery(ConformTest):
    name = "conform-api"

    def test_each_group_names_its_versions_and_resources(self):
        for group in self.read("/apis")["groups"]:
            with self.subTest(group=group["name"]):
                versions = [v["groupVersion"] for v in group["versions"]]
                self.assertIn(group["preferredVersion"], group["versions"])
                self.assertEqual(self.read(f"/apis/{group['name']}")["preferredVersion"], group["preferredVersion"])
                for version in versions:
                    self.assertTrue(version.startswith(group["name"] + "/"), version)
                    listed = self.read(f"/apis/{version}")
                    self.assertEqual((listed["kind"], listed["groupVersion"]), ("APIResourceList", version))
                    self.assertTrue(listed["resources"])
                    for resource in listed["resources"]:
                        self.assertTrue(resource["name"] and resource["kind"] and resource["verbs"], resource)

    def test_the_version_is_two_whole_numbers(self):
        version = self.read("/version")
        self.assertRegex(version["major"], r"^\d+$")
        self.assertRegex(version["minor"], r"^\d+$")
        self.assertEqual(version["gitVersion"].lstrip("v").split(".")[:2], [version["major"], version["minor"]])

    def test_what_has_no_metadata_has_no_table(self):
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                  "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        answer = self.api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review,
                               headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
        self.assertEqual((answer.status, answer.json["reason"]), (406, "NotAcceptable"), str(answer))

    def test_unknown_and_duplicate_fields_of_an_object_are_refused(self):
        path = self.at("deployments", group="apps")
        text = json.dumps(make_deployment("odd", 1)).replace('"replicas": 1', '"replicas": 1, "replicas": 2, "unknownField": "x"')
        self.create(path, make_deployment("there", 0))
        strict = {"fieldValidation": "Strict"}
        for method, target, kind in (("POST", path, JSON), ("PUT", f"{path}/there", JSON)):
            body = text.replace('"name": "odd"', f'"name": "{target.rsplit("/", 1)[1].replace("deployments", "odd")}"')
            answer = self.api.call(method, target, body, content_type=kind, **strict)
            self.refused(answer, 'unknown field "spec.unknownField"', 'duplicate field "spec.replicas"')
        doubled = '{"spec":{"unknownField":"x","minReadySeconds":1,"minReadySeconds":2}}'
        for kind in (MERGE, STRATEGIC):
            self.refused(self.api.patch(f"{path}/there", doubled, kind, **strict), 'unknown field "spec.unknownField"',
                         'duplicate field "spec.minReadySeconds"', code=422)  # kube-apiserver's code for patches
        applied = self.api.patch(f"{path}/odd", text, "application/apply-patch+yaml", fieldManager="test", **strict)
        self.assertIn(applied.status, (400, 500), str(applied))
        self.assertRegex(applied.text, r"unknownField|already set in map")
        self.assertTrue(self.is_gone(f"{path}/odd"))

    def test_unknown_metadata_of_an_object_is_refused(self):
        path = self.at("deployments", group="apps")
        body = make_deployment("odd", 1)
        body["metadata"]["unknownMeta"] = "x"
        body["spec"]["template"]["metadata"]["unknownSubMeta"] = "y"
        answer = self.api.post(path, body, fieldValidation="Strict")
        self.refused(answer, 'unknown field "metadata.unknownMeta"', 'unknown field "spec.template.metadata.unknownSubMeta"')
        self.assertTrue(self.is_gone(f"{path}/odd"))

    def refused(self, answer, *words, code=400):
        self.assertEqual(answer.status, code, str(answer))
        for word in words:
            self.assertIn(word, answer.json["message"])


class Lists(ConformTest):
    name = "conform-api"

    def setUp(self):
        super().setUp()
        self.templates = self.at("podtemplates")
        pod = make_pod("x")
        for number in range(40):
            self.create(self.templates, {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": f"t{number:02}"},
                                         "template": {"metadata": {"labels": {"n": str(number)}}, "spec": pod["spec"]}})

    def test_pages_count_what_remains(self):
        seen, page, version = [], self.read(self.templates, limit=17), None
        while True:
            metadata = page["metadata"]
            version = version or metadata["resourceVersion"]
            seen += [item["metadata"]["name"] for item in page["items"]]
            self.assertLessEqual(len(page["items"]), 17)
            self.assertEqual(metadata["resourceVersion"], version)
            self.assertEqual(metadata.get("remainingItemCount", 0), 40 - len(seen))
            if not metadata.get("continue"):
                break
            page = self.read(self.templates, limit=17, **{"continue": metadata["continue"]})
        self.assertEqual(seen, [f"t{n:02}" for n in range(40)])
        self.assertEqual(len(self.read(self.templates)["items"]), 40)

    def test_an_expired_page_offers_to_go_on_without_consistency(self):
        first = self.read(self.templates, limit=17)
        token = {"continue": first["metadata"]["continue"]}
        for number in range(70):  # more moments than are kept for pages
            self.create(self.at("configmaps"), config_map(f"c{number}"))
            self.read(self.templates, limit=1)
        expired = self.api.get(self.templates, limit=17, **token)
        self.assertEqual((expired.status, expired.json["reason"]), (410, "Expired"), str(expired))
        token = {"continue": expired.json["metadata"]["continue"]}
        second = self.read(self.templates, limit=17, **token)
        self.assertNotEqual(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])
        self.assertEqual((len(second["items"]), second["metadata"]["remainingItemCount"]), (17, 6))
        third = self.read(self.templates, limit=17, **{"continue": second["metadata"]["continue"]})
        self.assertEqual(third["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"])
        names = [item["metadata"]["name"] for page in (first, second, third) for item in page["items"]]
        self.assertEqual(names, [f"t{n:02}" for n in range(40)])


class Watches(ConformTest):
    name = "conform-api"

    def setUp(self):
        super().setUp()
        self.maps = self.at("configmaps")
        self.version = self.read(self.maps)["metadata"]["resourceVersion"]

    def make(self, name, **labels):
        return self.create(self.maps, config_map(name, {"n": "0"}, labels=labels))

    def change(self, name, number):
        return self.merge(f"{self.maps}/{name}", {"data": {"n": str(number)}})

    def told(self, events, count):
        return [(event["type"], event["object"]["metadata"]["name"], event["object"]["data"]["n"])
                for event in (next(events) for _ in range(count))]

    def test_watchers_see_what_their_selectors_match(self):
        watch = lambda selector: self.api.watch(self.maps, resourceVersion=self.version, labelSelector=selector)
        with watch("team=a") as only_a, watch("team=b") as only_b, watch("team in (a,b)") as both:
            for name in ("a", "b"):
                self.make(name, team=name)
                self.change(name, 1)
                self.change(name, 2)
                self.remove(f"{self.maps}/{name}")
            story = lambda name: [("ADDED", name, "0"), ("MODIFIED", name, "1"), ("MODIFIED", name, "2"), ("DELETED", name, "2")]
            self.assertEqual(self.told(only_a, 4), story("a"))
            self.assertEqual(self.told(only_b, 4), story("b"))
            self.assertEqual(self.told(both, 8), story("a") + story("b"))
            self.make("end", team="a")
            self.assertEqual(self.told(only_a, 1), [("ADDED", "end", "0")], "nothing was left in it")

    def test_a_watch_starts_after_the_version_it_names(self):
        self.make("seen")
        first = self.change("seen", 1)["metadata"]["resourceVersion"]
        self.change("seen", 2)
        self.remove(f"{self.maps}/seen")
        with self.api.watch(self.maps, resourceVersion=first, fieldSelector="metadata.name=seen") as events:
            self.assertEqual(self.told(events, 2), [("MODIFIED", "seen", "2"), ("DELETED", "seen", "2")])

    def test_a_watch_goes_on_where_the_one_before_ended(self):
        self.make("seen")
        with self.api.watch(self.maps, resourceVersion=self.version, fieldSelector="metadata.name=seen") as events:
            self.change("seen", 1)
            next(events)
            last = next(events)["object"]["metadata"]["resourceVersion"]
        self.change("seen", 2)
        self.remove(f"{self.maps}/seen")
        with self.api.watch(self.maps, resourceVersion=last, fieldSelector="metadata.name=seen") as events:
            self.assertEqual(self.told(events, 2), [("MODIFIED", "seen", "2"), ("DELETED", "seen", "2")])

    def test_an_object_that_leaves_the_selection_is_deleted_to_the_watcher(self):
        label = lambda word: self.merge(f"{self.maps}/moved", {"metadata": {"labels": {"in": word}}})
        self.make("moved", **{"in": "yes"})
        with self.api.watch(self.maps, resourceVersion=self.version, labelSelector="in=yes") as events:
            self.change("moved", 1)
            label("no")
            self.change("moved", 2)  # not seen
            label("yes")
            self.change("moved", 3)
            self.remove(f"{self.maps}/moved")
            self.assertEqual(self.told(events, 6), [("ADDED", "moved", "0"), ("MODIFIED", "moved", "1"), ("DELETED", "moved", "1"),
                                                    ("ADDED", "moved", "2"), ("MODIFIED", "moved", "3"), ("DELETED", "moved", "3")])

    def test_concurrent_watches_see_one_order(self):
        def produce():
            for number in range(30):
                name = f"c{number % 3}"
                if self.api.get(f"{self.maps}/{name}").status == 404:
                    self.make(name)
                elif number % 7 == 6:
                    self.remove(f"{self.maps}/{name}")
                else:
                    self.change(name, number)
        writer = threading.Thread(target=produce)
        writer.start()
        version_of = lambda event: event["object"]["metadata"]["resourceVersion"]
        starts, seen = [self.version], []
        with self.api.watch(self.maps, resourceVersion=self.version) as events:
            seen = [version_of(next(events)) for _ in range(30)]
        writer.join()
        for place in range(0, 30, 3):
            starts.append(seen[place])
            with self.api.watch(self.maps, resourceVersion=seen[place]) as later:
                rest = seen[place + 1:]
                self.assertEqual([version_of(next(later)) for _ in rest], rest)


class Owners(ConformTest):
    name = "conform-api"

    def setUp(self):
        super().setUp()
        self.pods_path, self.controllers = self.at("pods"), self.at("replicationcontrollers")
        self.deployments, self.sets = self.at("deployments", group="apps"), self.at("replicasets", group="apps")

    def pods_of(self, name):
        return self.read(self.pods_path, labelSelector=f"app={name}")["items"]

    def start(self, path, body, count):
        made, name = self.create(path, body), body["metadata"]["name"]
        wait_until(lambda: len(self.pods_of(name)) == count, 20, f"{name} has {count} pods")
        return made

    def deployment(self, name):
        body = make_deployment(name, 2)
        body["spec"]["template"]["spec"].update(NOWHERE)
        return self.start(self.deployments, body, 2)

    def test_deleting_a_deployment_in_the_background_takes_all(self):
        self.deployment("web")
        self.remove(f"{self.deployments}/web", "Background")
        wait_until(lambda: not self.read(self.sets)["items"] and not self.pods_of("web"), 20, "sets and pods go")

    def test_deleting_a_deployment_may_leave_its_replica_set(self):
        self.deployment("web")
        before = {pod["metadata"]["uid"] for pod in self.pods_of("web")}
        self.remove(f"{self.deployments}/web", "Orphan")
        self.wait_gone(f"{self.deployments}/web")
        self.assertEqual(self.read(self.sets)["items"][0]["metadata"].get("ownerReferences", []), [])
        time.sleep(1)  # what is collected by mistake would go now
        self.assertEqual({pod["metadata"]["uid"] for pod in self.pods_of("web")}, before)

    def test_deleting_a_controller_in_the_background_takes_its_pods(self):
        self.start(self.controllers, controller("bg", 2), 2)
        self.remove(f"{self.controllers}/bg", "Background")
        wait_until(lambda: not self.pods_of("bg"), 20, "its pods go")

    def test_deleting_a_controller_may_leave_its_pods(self):
        self.start(self.controllers, controller("left", 12), 12)
        self.remove(f"{self.controllers}/left", "Orphan")
        self.wait_gone(f"{self.controllers}/left")
        time.sleep(1)
        pods = self.pods_of("left")
        self.assertEqual((len(pods), [p for p in pods if p["metadata"].get("ownerReferences")]), (12, []))

    def test_a_controller_deleted_in_the_foreground_goes_after_its_pods(self):
        self.start(self.controllers, controller("fg", 12), 12)
        held = self.pods_of("fg")[0]["metadata"]["name"]
        self.merge(f"{self.pods_path}/{held}", {"metadata": {"finalizers": [HOLD]}})
        self.remove(f"{self.controllers}/fg", "Foreground")
        wait_until(lambda: [p["metadata"]["name"] for p in self.pods_of("fg")] == [held], 20, "all pods but one go")
        metadata = self.read(f"{self.controllers}/fg")["metadata"]
        self.assertEqual((metadata["finalizers"], "deletionTimestamp" in metadata), (["foregroundDeletion"], True))
        self.merge(f"{self.pods_path}/{held}", {"metadata": {"finalizers": None}})
        self.wait_gone(f"{self.pods_path}/{held}", f"{self.controllers}/fg")

    def test_an_object_with_another_owner_stays(self):
        goes = self.start(self.controllers, controller("goes", 10), 10)
        stays = self.create(self.controllers, controller("stays", 0))
        names = [pod["metadata"]["name"] for pod in self.pods_of("goes")]
        for name in names[:5]:
            self.merge(f"{self.pods_path}/{name}", {"metadata": {"ownerReferences": [
                owner_of(goes, controller=True, blockOwnerDeletion=True), owner_of(stays)]}})
        self.remove(f"{self.controllers}/goes", "Foreground")
        self.wait_gone(f"{self.controllers}/goes")
        left = self.pods_of("goes")
        self.assertEqual(sorted(pod["metadata"]["name"] for pod in left), sorted(names[:5]))
        self.assertEqual([pod for pod in left if "deletionTimestamp" in pod["metadata"]], [])

    def test_a_circle_of_owners_blocks_nothing(self):
        made = [self.create(self.pods_path, make_pod(f"pod{n}", labels={"app": "circle"}, **NOWHERE)) for n in range(3)]
        for number, pod in enumerate(made):
            owner = owner_of(made[number - 1], controller=True, blockOwnerDeletion=True)
            self.merge(f"{self.pods_path}/{pod['metadata']['name']}", {"metadata": {"ownerReferences": [owner]}})
        self.remove(f"{self.pods_path}/pod0", "Foreground")
        wait_until(lambda: not self.pods_of("circle"), 20, "all three go")


class Namespaces(ConformTest):
    name = "conform-api"

    def setUp(self):
        super().setUp()
        self.other = f"{self.namespace}-other"
        self.path = f"/api/v1/namespaces/{self.other}"
        self.make_namespace(self.other)
        self.wait_account(self.other)

    def test_a_finalizer_is_set_and_removed(self):
        def change(*finalizers):
            now = self.read(self.path)
            now["spec"]["finalizers"] = list(finalizers)
            self.api.ok("PUT", f"{self.path}/finalize", now)
            return self.read(self.path)["spec"].get("finalizers", [])
        self.assertEqual(change("kubernetes", HOLD), ["kubernetes", HOLD])
        self.assertEqual(change("kubernetes"), ["kubernetes"])
        self.remove(self.path)
        self.wait_gone(self.path)

    def test_a_namespace_is_patched_and_updated(self):
        self.assertEqual(self.merge(self.path, {"metadata": {"labels": {"patched": "yes"}}})["metadata"]["labels"]["patched"], "yes")
        self.update(self.path, lambda o: o["metadata"]["labels"].update(updated="yes"))
        labels = self.read(self.path)["metadata"]["labels"]
        self.assertEqual((labels["patched"], labels["updated"]), ("yes", "yes"))

    def test_the_status_of_a_namespace_is_changed(self):
        status = self.read(f"{self.path}/status")["status"]
        self.assertEqual(status, {"phase": "Active"})
        condition = lambda kind: {"type": kind, "status": "True", "reason": "E2E", "message": "by a test"}
        patched = self.merge(f"{self.path}/status", {"metadata": {"annotations": {"seen": "yes"}},
                                                     "status": {"conditions": [condition("StatusPatch")]}})
        self.assertEqual(patched["status"]["conditions"][0]["message"], "by a test")
        updated = self.update(f"{self.path}/status", lambda o: o["status"]["conditions"].append(condition("StatusUpdate")))
        self.assertEqual([c["type"] for c in updated["status"]["conditions"]], ["StatusPatch", "StatusUpdate"])
        self.assertEqual(updated["status"]["phase"], "Active")
        self.remove(self.path)

    def test_pods_and_services_go_with_their_namespace(self):
        self.create(f"{self.path}/pods", make_pod("one", **NOWHERE))
        self.create(f"{self.path}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                                              "spec": {"ports": [{"port": 80}]}})
        self.remove(self.path)
        self.wait_gone(self.path)
        self.make_namespace(self.other)
        self.assertEqual((self.names(f"{self.path}/pods"), self.names(f"{self.path}/services")), ([], []))
        self.remove(self.path)

    def test_pods_go_first(self):
        held = make_pod("held", **NOWHERE)
        held["metadata"]["finalizers"] = [HOLD]
        self.create(f"{self.path}/pods", held)
        self.create(f"{self.path}/configmaps", config_map("kept"))
        self.remove(self.path)
        wait_until(lambda: "deletionTimestamp" in self.read(f"{self.path}/pods/held")["metadata"], 10, "the pod is deleted")
        conditions = lambda: {c["type"]: c["status"] for c in self.read(self.path)["status"].get("conditions", [])}
        wait_until(lambda: conditions().get("NamespaceContentRemaining") == "True", 10, "it says what remains")
        time.sleep(1)
        self.assertNotIn("deletionTimestamp", self.read(f"{self.path}/configmaps/kept")["metadata"], "the rest waits for pods")
        self.merge(f"{self.path}/pods/held", {"metadata": {"finalizers": None}})
        self.wait_gone(self.path)


class Quotas(ConformTest):
    name = "conform-api"

    def setUp(self):
        super().setUp()
        self.quotas = self.at("resourcequotas")

    def used(self, name):
        return self.read(f"{self.quotas}/{name}").get("status", {}).get("used", {})

    def wait_used(self, name, **wanted):
        wait_until(lambda: {key: self.used(name).get(key) for key in wanted} == wanted or self.fail(str(self.used(name))), 20,
                   f"{name} uses {wanted}")

    def test_a_quota_is_changed_and_deleted(self):
        self.create(self.quotas, quota("q", cpu="1", memory="500Mi"))
        self.wait_object(f"{self.quotas}/q", lambda o: o.get("status", {}).get("hard") == {"cpu": "1", "memory": "500Mi"}, "is counted")
        self.assertEqual(self.used("q"), {"cpu": "0", "memory": "0"}, "soon, with nothing used")
        self.update(f"{self.quotas}/q", lambda o: o["spec"].update(hard={"cpu": "2", "memory": "1Gi"}))
        self.assertEqual(self.read(f"{self.quotas}/q")["spec"]["hard"], {"cpu": "2", "memory": "1Gi"})
        self.remove(f"{self.quotas}/q")
        self.assertTrue(self.is_gone(f"{self.quotas}/q"))

    def test_the_status_of_a_quota(self):
        path = f"{self.quotas}/q"
        hard = lambda o: o.get("status", {}).get("hard")
        self.create(self.quotas, quota("q", cpu="500m", memory="500Mi"))
        self.wait_object(path, lambda o: hard(o) == {"cpu": "500m", "memory": "500Mi"}, "is counted")
        updated = self.update(f"{path}/status", lambda o: o["status"].update(hard={"cpu": "1", "memory": "1Gi"}))
        self.assertEqual(hard(updated), {"cpu": "1", "memory": "1Gi"})
        self.wait_object(path, lambda o: hard(o) == {"cpu": "500m", "memory": "500Mi"}, "follows the spec again")
        self.merge(path, {"spec": {"hard": {"cpu": "2"}}})
        self.wait_object(path, lambda o: hard(o) == {"cpu": "2", "memory": "500Mi"}, "follows the spec")
        patched = self.merge(f"{path}/status", {"status": {"hard": {"cpu": "3"}}})
        self.assertEqual((hard(patched)["cpu"], patched["spec"]["hard"]["cpu"]), ("3", "2"))
        self.assertEqual(self.read(path)["spec"]["hard"]["cpu"], "2", "the status does not change the spec")
        self.wait_object(f"{path}/status", lambda o: hard(o)["cpu"] == "2", "is made right")

    def test_objects_are_counted_and_given_back(self):
        pod = make_pod("x", image=PAUSE, **NOWHERE)["spec"]
        template = {"metadata": {"labels": {"app": "x"}}, "spec": pod}
        rows = {  # resource of the quota -> (path, body)
            "configmaps": (self.at("configmaps"), config_map("one")),
            "secrets": (self.at("secrets"), {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}}),
            "replicationcontrollers": (self.at("replicationcontrollers"), controller("one", 0)),
            "count/replicasets.apps": (self.at("replicasets", group="apps"), {
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "one"},
                "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}}),
        }
        wait_until(lambda: self.names(self.at("configmaps")) == ["kube-root-ca.crt"], 10, "the namespace has what it always has")
        self.create(self.quotas, quota("q", **{"configmaps": "10", "secrets": "10", "replicationcontrollers": "2",
                                               "count/replicasets.apps": "2", "resourcequotas": "1"}))
        start = {"configmaps": 1, "secrets": 0, "replicationcontrollers": 0, "count/replicasets.apps": 0}
        self.wait_used("q", resourcequotas="1", **{key: str(value) for key, value in start.items()})
        for resource, (path, body) in rows.items():
            with self.subTest(resource):
                self.create(path, body)
                self.wait_used("q", **{resource: str(start[resource] + 1)})
                self.remove(f"{path}/one", "Background")
                self.wait_used("q", **{resource: str(start[resource])})

    def test_services_are_counted_and_given_back(self):
        path = self.at("services")
        service = lambda name, kind, **spec: {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                                              "spec": {"type": kind, "ports": [{"port": 80}], **spec}}
        self.create(self.quotas, quota("q", **{"services": "10", "services.nodeports": "1", "services.loadbalancers": "1"}))
        self.wait_used("q", **{"services": "0", "services.nodeports": "0", "services.loadbalancers": "0"})
        self.create(path, service("plain", "ClusterIP"))
        self.create(path, service("port", "NodePort"))
        self.wait_used("q", **{"services": "2", "services.nodeports": "1"})
        refused = self.api.post(path, service("more", "LoadBalancer"))
        self.assertEqual(refused.status, 403, "a load balancer takes a node port too")
        self.create(path, service("more", "LoadBalancer", allocateLoadBalancerNodePorts=False))
        self.wait_used("q", **{"services": "3", "services.nodeports": "1", "services.loadbalancers": "1"})
        for name in ("plain", "port", "more"):
            self.remove(f"{path}/{name}")
        self.wait_used("q", **{"services": "0", "services.nodeports": "0", "services.loadbalancers": "0"})

    def pod(self, name, container=None, **spec):
        return make_pod(name, image=PAUSE, container=container, **NOWHERE, **spec)

    def test_a_pod_is_counted_and_given_back(self):
        pods, extended = self.at("pods"), "example.com/dongle"
        amounts = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", extended: "2"}
        resources = {"resources": {"requests": amounts, "limits": {extended: "2"}}}
        self.create(self.quotas, quota("q", **{"pods": "5", "cpu": "1", "memory": "500Mi", "ephemeral-storage": "50Gi",
                                               f"requests.{extended}": "3"}))
        self.wait_used("q", **{"pods": "0", "cpu": "0"})
        self.create(pods, self.pod("fits", resources))
        whole = {"pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi"}
        self.wait_used("q", **whole)
        self.assertEqual(self.used("q")[f"requests.{extended}"], "2")
        for name, wish in (("cpu", {"cpu": "600m", "memory": "100Mi"}), ("extended", {"cpu": "100m", "memory": "10Mi", extended: "2"})):
            wish = {"ephemeral-storage": "1Gi", **wish}
            limits = {extended: wish[extended]} if extended in wish else {}
            refused = self.api.post(pods, self.pod(name, {"resources": {"requests": wish, "limits": limits}}))
            self.assertEqual((refused.status, refused.json["reason"]), (403, "Forbidden"))
            self.assertIn("exceeded quota: q", refused.json["message"])
        grown = self.api.patch(f"{pods}/fits", {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "900m"}}}]}},
                               STRATEGIC)
        self.assertEqual(grown.status, 422, str(grown))
        self.wait_used("q", **whole)
        self.remove(f"{pods}/fits", gracePeriodSeconds=0)
        self.wait_used("q", **{"pods": "0", "cpu": "0", "memory": "0", "ephemeral-storage": "0"})

    def test_scopes_of_best_effort(self):
        self.scopes(("BestEffort", {"pods": "5"}, self.pod("free", {"resources": {}})),
                    ("NotBestEffort", {"pods": "5"}, self.pod("asks", {"resources": {"requests": {"cpu": "1m"}}})))

    def test_scopes_of_terminating(self):
        resources = {"resources": {"requests": {"cpu": "10m", "memory": "10Mi"}, "limits": {"cpu": "20m", "memory": "20Mi"}}}
        hard = {"pods": "5", "requests.cpu": "1", "limits.memory": "1Gi"}
        self.scopes(("NotTerminating", hard, self.pod("lasts", resources)),
                    ("Terminating", hard, self.pod("ends", resources, activeDeadlineSeconds=3600)))

    def scopes(self, *rows):
        """Each pod is counted by the quota of its own scope and by no other."""
        for scope, hard, _ in rows:
            self.create(self.quotas, quota(scope.lower(), scopes=[scope], **hard))
            self.wait_used(scope.lower(), pods="0")
        for scope, hard, pod in rows:
            self.create(self.at("pods"), pod)
            self.wait_used(scope.lower(), pods="1")
            if "requests.cpu" in hard:
                self.wait_used(scope.lower(), **{"requests.cpu": "10m", "limits.memory": "20Mi"})
            for other, *_ in rows:
                if other != scope:
                    self.assertEqual(self.used(other.lower())["pods"], "0")
            self.remove(self.at("pods", pod["metadata"]["name"]), gracePeriodSeconds=0)
            self.wait_used(scope.lower(), pods="0")


tearDownModule = harness.stop_shared_cluster
