# SPDX-License-Identifier: Apache-2.0
"""Helm 4: releases of tests/e2e/charts/shop, from install to uninstall. What counts is what the service answers."""
import base64
import gzip
import json
import os

import harness
from harness import ClusterTest, container_of, is_ready
from machine import run, wait_until

HELM = os.path.join(harness.ROOT, "build/clients/helm")
CHART = os.path.join(harness.ROOT, "tests/e2e/charts/shop")


class Helm(ClusterTest):
    name = "helm"

    def helm(self, *words, check=True, timeout=120):
        places = {f"HELM_{kind}_HOME": f"{self.cluster.directory}/helm" for kind in ("CACHE", "CONFIG", "DATA")}
        return run(HELM, "-n", self.namespace, *words, check=check, timeout=timeout, env=self.cluster.environment(**places))

    def json(self, *words):
        return json.loads(self.helm(*words, "-o", "json").stdout)

    def install(self, *words, **options):
        return self.helm("install", "shop", CHART, "--wait", "--timeout", "60s", *words, **options)

    def upgrade(self, *words, **options):
        return self.helm("upgrade", "shop", CHART, "--wait", "--timeout", "60s", *words, **options)

    def answer(self, word, timeout=15):
        """What the release's service says once it says the word."""
        address = self.get("service", "shop")["spec"]["clusterIP"]
        return self.wait_text(f"http://{address}/", word, timeout)

    def revisions(self):
        return [(row["revision"], row["status"]) for row in self.json("history", "shop")]

    def hook_says(self, hook):
        return self.text("logs", f"job/shop-{hook}").strip()

    def managers(self, *words):
        fields = self.get(*words, "--show-managed-fields")["metadata"]["managedFields"]
        return {(f["manager"], f["operation"]) for f in fields if not f.get("subresource")}

    def test_a_release_from_install_to_uninstall(self):
        done = self.install("--description", "the first")
        self.assertRegex(done.stdout, r"shop says Hello on Kubernetes v1\.\d+")
        pods = self.pods("app.kubernetes.io/instance=shop")
        self.assertEqual((len(pods), all(map(is_ready, pods))), (2, True), "--wait has waited")
        self.answer("Hello from shop-")
        self.assertEqual(self.hook_says("pre-install"), "pre-install of revision 1")
        self.assertEqual(self.hook_says("post-install"), "post-install of revision 1")
        self.assertIn(("helm", "Apply"), self.managers("deployment", "shop"), "server-side apply is the default")
        self.check_queries()
        self.check_upgrade_and_rollback()
        self.check_uninstall()

    def check_queries(self):
        listed, = self.json("list")
        self.assertEqual((listed["name"], listed["revision"], listed["status"], listed["chart"]),
                         ("shop", "1", "deployed", "shop-1.2.0"))
        self.assertEqual([r["name"] for r in self.json("list", "-A", "--filter", "^shop$")], ["shop"])
        self.assertEqual(self.json("status", "shop")["info"]["description"], "the first")
        manifest = self.helm("get", "manifest", "shop").stdout
        for kind in ("Deployment", "Service", "ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "PodDisruptionBudget"):
            self.assertIn(f"kind: {kind}\n", manifest)
        self.assertIn("helm.sh/hook: pre-delete", self.helm("get", "hooks", "shop").stdout)
        self.assertEqual(self.stored(1)["info"]["status"], "deployed")
        self.helm("test", "shop", "--timeout", "60s")
        self.assertIn("Hello from shop-", self.text("logs", "shop-asks"), "the test pod has asked the service")

    def stored(self, revision):
        """The release as helm keeps it: JSON, gzip, base64, in a Secret of a type of its own."""
        secret = self.get("secret", f"sh.helm.release.v1.shop.v{revision}")
        self.assertEqual(secret["type"], "helm.sh/release.v1")
        self.assertEqual(secret["metadata"]["labels"]["version"], str(revision))
        return json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))

    def check_upgrade_and_rollback(self):
        key = self.get("secret", "shop-key")["data"]["key"]
        self.upgrade("--set", "greeting=Welcome,replicas=3,banner=Sale")
        self.answer("Welcome from shop-")
        self.assertEqual(len([p for p in self.pods("app.kubernetes.io/instance=shop") if is_ready(p)]), 3)
        self.assertEqual(self.get("secret", "shop-key")["data"]["key"], key, "lookup has found what was there")
        self.assertEqual(self.get("cm", "shop-banner")["data"], {"text": "Sale"})
        self.assertEqual(self.hook_says("post-upgrade"), "post-upgrade of revision 2")
        self.assertEqual(self.json("get", "values", "shop"), {"banner": "Sale", "greeting": "Welcome", "replicas": 3})
        self.assertEqual(self.revisions(), [(1, "superseded"), (2, "deployed")])

        self.helm("rollback", "shop", "1", "--wait", "--timeout", "60s")
        self.answer("Hello from shop-")
        self.assertEqual(self.get("deployment", "shop")["spec"]["replicas"], 2)
        self.assert_fails(self.kubectl("get", "cm", "shop-banner", check=False), "NotFound")
        self.kubectl("get", "cm", "shop-kept")  # helm.sh/resource-policy: keep
        self.assertEqual(self.hook_says("pre-rollback"), "pre-rollback of revision 1")
        self.assertEqual(self.revisions(), [(1, "superseded"), (2, "superseded"), (3, "deployed")])

    def check_uninstall(self):
        self.helm("uninstall", "shop", "--wait", "--timeout", "60s")
        self.assertEqual(self.hook_says("pre-delete"), "pre-delete of revision 1", "as rendered for what was gone back to")
        for kind in ("deployment", "service", "role", "poddisruptionbudget"):
            self.assertEqual(self.get(kind)["items"], [], kind)
        wait_until(lambda: not self.pods("app.kubernetes.io/instance=shop"), 20, "the pods of what is gone go")
        self.assertEqual(self.get("secrets", "-l", "owner=helm")["items"], [])
        self.assertEqual(self.json("list"), [])
        self.assert_fails(self.helm("status", "shop", check=False), "release: not found")

    def test_a_failed_upgrade_goes_back_by_itself(self):
        self.install()
        before = {p["metadata"]["uid"] for p in self.pods("app.kubernetes.io/instance=shop")}
        done = self.helm("upgrade", "shop", CHART, "--set", "image=tetrarch.dev/missing:9,greeting=Lost", "--rollback-on-failure",
                         "--timeout", "8s", check=False)
        self.assert_fails(done, "has been rolled back due to rollback-on-failure being set")
        self.assertEqual(self.revisions(), [(1, "superseded"), (2, "failed"), (3, "deployed")])
        self.answer("Hello from shop-")
        pods = self.pods("app.kubernetes.io/instance=shop")
        self.assertEqual({p["metadata"]["uid"] for p in pods if is_ready(p)}, before, "the old pods have never gone")
        self.assertEqual({container_of(p)["image"] for p in pods if is_ready(p)}, {harness.DEMO})
        self.check_failing_hooks()

    def check_failing_hooks(self):
        done = self.upgrade("--set", "failHook=pre-upgrade,greeting=Never", check=False)
        self.assert_fails(done, "UPGRADE FAILED", "pre-upgrade hooks failed", "shop-pre-upgrade")
        self.answer("Hello from shop-")
        self.assertEqual(self.revisions()[-1], (4, "failed"))
        self.upgrade("--set", "greeting=Again")
        self.answer("Again from shop-")
        self.assertEqual(self.revisions()[-2:], [(4, "failed"), (5, "deployed")])

    def test_a_failed_install_leaves_nothing(self):
        done = self.helm("install", "shop", CHART, "--set", "image=tetrarch.dev/missing:9", "--rollback-on-failure",
                         "--timeout", "6s", check=False)
        self.assert_fails(done, "INSTALLATION FAILED")
        self.assertEqual(self.json("list"), [])
        wait_until(lambda: not self.pods("app.kubernetes.io/instance=shop"), 20, "its pods go")
        self.assertEqual(self.get("deployments")["items"], [])
        done = self.helm("install", "shop", CHART, "--set", "replicas=many", check=False)
        self.assert_fails(done, "replicas")
        done = self.helm("install", "shop", CHART, "--set", "resources.requests.cpu=much", "--no-hooks", check=False)
        self.assert_fails(done, "quantities must match the regular expression")
        self.helm("uninstall", "shop", "--no-hooks")
        self.install("--set", "replicas=1", "--no-hooks")
        self.answer("Hello from shop-")

    def test_fields_of_others_and_the_clients_own_merge(self):
        self.install("--set", "replicas=1", "--no-hooks")
        self.kubectl("set", "env", "deployment/shop", "EXTRA=1")
        self.kubectl("scale", "deployment/shop", "--replicas=2")
        done = self.upgrade("--set", "replicas=3", "--no-hooks", check=False)
        self.assert_fails(done, "conflict", ".spec.replicas")
        self.upgrade("--set", "replicas=3", "--no-hooks", "--force-conflicts")
        deployment = self.get("deployment", "shop")
        self.assertEqual(deployment["spec"]["replicas"], 3)
        self.assertEqual(deployment["spec"]["template"]["spec"]["containers"][0]["env"], [{"name": "EXTRA", "value": "1"}],
                         "what others have added stays")
        self.upgrade("--set", "replicas=1,greeting=Merged", "--no-hooks", "--server-side=false")
        self.answer("Merged from shop-")
        self.assertEqual(self.get("deployment", "shop")["spec"]["replicas"], 1)
        dry = self.upgrade("--set", "greeting=Dry", "--no-hooks", "--dry-run=server")
        self.assertIn('GREETING: "Dry"', dry.stdout)
        self.answer("Merged from shop-")
        self.upgrade("--set", "replicas=1,greeting=Replaced", "--no-hooks", "--server-side=false", "--force-replace")
        self.answer("Replaced from shop-", 30)
        self.helm("uninstall", "shop", "--cascade", "foreground", "--no-hooks", "--keep-history", "--wait", "--timeout", "60s")
        self.assertEqual(self.pods(), [])
        self.assertEqual(self.revisions()[-1][1], "uninstalled")
        self.helm("rollback", "shop", "1", "--no-hooks", "--wait", "--timeout", "60s")
        self.answer("Hello from shop-")
