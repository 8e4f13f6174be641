# SPDX-License-Identifier: Apache-2.0
"""Server-side apply as kubectl does it, by the oldest and the newest client: owners, conflicts, the change-over."""
import json
import os

import harness
from api import Api
from harness import SharedCluster, make_deployment


class Apply:
    """The tests of one version; not a TestCase itself, so that it runs only in its two forms below."""

    def apply_here(self, body, *flags, check=True):
        text = body if isinstance(body, str) else json.dumps(body)
        return self.kubectl("apply", "--server-side", *flags, "-f", "-", input=text, check=check)

    def config_map(self, **data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}

    def managers(self, kind, name):
        """{(manager, operation, subresource): fieldsV1}; kubectl hides them since 1.21."""
        flag = [] if self.version == "1.20" else ["--show-managed-fields"]
        found = json.loads(self.text("get", kind, name, "-o", "json", *flag))
        return {(entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
                for entry in found["metadata"].get("managedFields", [])}

    def test_create_and_change(self):
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  a: 'yes'\n  b: |\n    two\n    lines\n"
        self.assertIn("configmap/m serverside-applied", self.apply_here(text).stdout)
        self.assertEqual(self.get("cm", "m")["data"], {"a": "yes", "b": "two\nlines\n"})
        self.assertEqual(self.managers("cm", "m"), {("kubectl", "Apply", ""): {"f:data": {"f:a": {}, "f:b": {}}}})
        before = self.get("cm", "m")["metadata"]["resourceVersion"]
        self.apply_here(text)
        self.assertEqual(self.get("cm", "m")["metadata"]["resourceVersion"], before, "nothing has changed")

        self.apply_here(self.config_map(a="no"))
        self.assertEqual(self.get("cm", "m")["data"], {"a": "no"}, "what is no longer applied is gone")
        self.apply_here(self.config_map(c="1"), "--field-manager=other")
        self.apply_here(self.config_map())
        self.assertEqual(self.get("cm", "m")["data"], {"c": "1"}, "but not what another manager applies")

    def test_conflicts(self):
        web = make_deployment("web", 0)
        self.assertIn("serverside-applied", self.apply_here(web).stdout)
        self.kubectl("scale", "deployment/web", "--replicas=1")
        done = self.apply_here(web, check=False)
        # `kubectl scale` names no manager: it is the user agent, by the program's file name.
        self.assert_fails(done, f'Apply failed with 1 conflict: conflict with "kubectl-{self.version}" with subresource '
                                '"scale" using apps/v1: .spec.replicas', "--force-conflicts")
        self.apply_here(web, "--force-conflicts")
        self.assertEqual(self.get("deploy", "web")["spec"]["replicas"], 0)
        self.assertIn("f:replicas", json.dumps(self.managers("deploy", "web")[("kubectl", "Apply", "")]))

        editor = os.path.join(self.cluster.directory, "editor")
        with open(editor, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec sed -i 's/terminationGracePeriodSeconds: 1$/terminationGracePeriodSeconds: 2/' \"$1\"\n")
        os.chmod(editor, 0o755)
        self.kubectl("edit", "deployment", "web", env={"EDITOR": editor, "KUBE_EDITOR": editor})
        done = self.apply_here(web, check=False)
        self.assert_fails(done, ".spec.template.spec.terminationGracePeriodSeconds", "conflict with \"kubectl-edit\"")

    def test_conflict_with_an_autoscaler(self):
        self.apply_here(make_deployment("web", 0))
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web/scale"
        scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 1}}
        answer = Api(self.cluster).call("PUT", path + "?fieldManager=autoscaler", scale)
        self.assertEqual(answer.status, 200, answer)
        done = self.apply_here(make_deployment("web", 0), check=False)
        self.assert_fails(done, "conflict with \"autoscaler\" with subresource \"scale\"", ".spec.replicas")
        # Who leaves the field out lets the other have it.
        web = make_deployment("web", 0)
        del web["spec"]["replicas"]
        self.apply_here(web)
        self.assertEqual(self.get("deploy", "web")["spec"]["replicas"], 1)

    def test_diff(self):
        self.apply_here(self.config_map(a="1"))
        done = self.kubectl("diff", "--server-side", "-f", "-", input=json.dumps(self.config_map(a="2")), check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^\+  a: .?2")
        self.assertEqual(self.get("cm", "m")["data"], {"a": "1"}, "a diff changes nothing")
        same = self.kubectl("diff", "--server-side", "-f", "-", input=json.dumps(self.config_map(a="1")), check=False)
        self.assertEqual((same.returncode, same.stdout), (0, ""), same.stderr)

    def test_change_over_from_the_clients_side(self):
        body = self.config_map(a="1", b="1")
        self.apply(body)
        self.assertEqual(list(self.managers("cm", "m")), [("kubectl-client-side-apply", "Update", "")])
        self.apply_here(self.config_map(a="2", b="1"))
        self.assertEqual(self.get("cm", "m")["data"]["a"], "2", "no conflict with oneself")
        annotation = self.get("cm", "m")["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        self.assertEqual(json.loads(annotation)["data"], {"a": "2", "b": "1"})
        if self.version != "1.20":  # kubectl moves the fields over since 1.26
            self.assertNotIn(("kubectl-client-side-apply", "Update", ""), self.managers("cm", "m"))
            self.apply_here(self.config_map(a="2"))
            self.assertEqual(self.get("cm", "m")["data"], {"a": "2"})
        self.assertIn("configured", self.apply(self.config_map(a="3")).stdout, "and back")

    def test_before_the_first_apply(self):
        self.apply_here(make_deployment("web", 1))
        self.wait_rollout("web")
        name = self.text("get", "pods", "-l", "app=web", "-o", "name").strip()
        pod = name.removeprefix("pod/")
        self.assertEqual(self.managers("pod", pod), {}, "what a controller makes is not tracked")
        labelled = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "labels": {"app": "other"}}}
        done = self.apply_here(labelled, check=False)
        self.assert_fails(done, "conflict with \"before-first-apply\" using v1: .metadata.labels.app")
        owners = self.managers("deploy", "web")
        self.assertTrue([key for key in owners if key[2] == "status"], owners)

    def test_refusals(self):
        done = self.apply_here("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndta: {}\n", "--validate=false",
                               check=False)
        self.assert_fails(done, "failed to create typed patch object", ".dta: field not declared in schema")
        managed = self.config_map(a="1")
        managed["metadata"]["managedFields"] = []
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/m"
        api = Api(self.cluster)
        for query, body, code, words in (
                ("", self.config_map(), 422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
                                             "is required for apply patch"),
                ("?fieldManager=" + "x" * 129, self.config_map(), 422, "fieldManager: Too long: may not be more than 128"),
                ("?fieldManager=a%07", self.config_map(), 422, "invalid character U+0007 (at position 1)"),
                ("?fieldManager=a", managed, 400, "metadata.managedFields must be nil"),
                ("?fieldManager=a", {**self.config_map(), "kind": "Secret"}, 400, "invalid object type: /v1, Kind=Secret")):
            answer = api.call("PATCH", path + query, body, content_type="application/apply-patch+yaml")
            self.assertEqual(answer.status, code, answer)
            self.assertIn(words, answer.json["message"])
        answer = api.call("PATCH", path + "?force=true", {}, content_type="application/merge-patch+json")
        self.assertIn("force: Forbidden: may not be specified for non-apply patch", answer.json["message"])
        answer = api.call("PATCH", path + "?fieldManager=a", self.config_map(a="1"), content_type="application/apply-patch+yaml")
        self.assertEqual(answer.status, 201, answer)


class Apply120(Apply, SharedCluster):
    name = "apply"
    version = "1.20"
    suffix = "-120"


class Apply135(Apply, SharedCluster):
    name = "apply"
    version = "1.35"
    suffix = "-135"


tearDownModule = harness.stop_shared_cluster
