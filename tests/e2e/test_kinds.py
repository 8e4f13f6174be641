# SPDX-License-Identifier: Apache-2.0
"""What the server itself does with ingresses, addresses and ranges of services, storage classes and claims for devices.
Their lives as objects: test_conform_kinds."""
import json

import machine
from harness import DEMO, ClusterTest, make_deployment, make_pod, make_service
from machine import wait_until

SLEEP = ("sleep", "3600")
READY = "Ready"


class Kinds(ClusterTest):
    name = "kinds"

    def address_of(self, service):
        return self.get("service", service)["spec"]["clusterIP"]

    def row(self, *words):
        """Columns of the only line, as kubectl shows them."""
        return self.text("get", *words, "--no-headers").split()

    def is_gone(self, *words):
        return self.kubectl("get", *words, check=False).returncode != 0

    def condition(self, cidr):
        conditions = self.cluster.get("servicecidr", cidr)["status"]["conditions"]
        return next((c["status"], c["reason"]) for c in conditions if c["type"] == READY)

    def range(self, name, cidr):
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": name}, "spec": {"cidrs": [cidr]}}
        self.addCleanup(self.cluster.kubectl, "delete", "servicecidr", name, "--wait=false", check=False)
        return self.cluster.kubectl("create", "-f", "-", input=json.dumps(body))

    def test_the_address_of_a_service_is_an_object_that_comes_and_goes_with_it(self):
        self.apply(make_service("web"))
        address = self.address_of("web")
        made = self.cluster.get("ipaddress", address)
        self.assertEqual(made["spec"]["parentRef"], {"resource": "services", "namespace": self.namespace, "name": "web"})
        self.assertEqual(self.row("ipaddress", address)[:2], [address, f"services/{self.namespace}/web"])
        self.assert_fails(self.kubectl("delete", "ipaddress", address, check=False), "it goes with the service")

        self.cluster.process.kill()
        self.cluster.start()
        again = self.cluster.get("ipaddress", address)
        self.assertEqual((again["metadata"]["uid"], again["spec"]), (made["metadata"]["uid"], made["spec"]))
        services = {s["spec"]["clusterIP"] for s in self.cluster.get("services", "-A")["items"]} - {"None"}
        self.assertEqual(services, {a["metadata"]["name"] for a in self.cluster.get("ipaddresses")["items"]})
        self.kubectl("delete", "service", "web")
        self.assertTrue(self.is_gone("ipaddress", address))

    def test_a_further_range_gives_addresses_that_work_and_stays_while_they_are_used(self):
        self.assertEqual(self.row("servicecidr", "kubernetes")[1], self.cluster.slot.service_cidr)
        self.assertEqual(self.condition("kubernetes")[0], "True")
        self.assert_fails(self.kubectl("delete", "servicecidr", "kubernetes", check=False), "service-cidr")
        asked = make_service("web", clusterIP="198.18.77.7")
        self.assert_fails(self.kubectl("create", "-f", "-", input=json.dumps(asked), check=False), "is not in the valid range")

        self.range("more", "198.18.77.0/24")
        self.assertEqual(self.condition("more")[0], "True")
        self.apply(asked)
        self.apply(make_deployment("web", 1, image=DEMO))
        self.apply(make_pod("client", *SLEEP))
        self.wait_ready("client")
        self.kubectl("rollout", "status", "deployment", "web", "--timeout=60s")
        for host in ("198.18.77.7", "web"):
            wait_until(lambda h=host: "web-" in self.exec("client", "wget", "-qO-", f"http://{h}/").stdout, 30, f"{host} answers")

        self.cluster.kubectl("delete", "servicecidr", "more", "--wait=false")
        wait_until(lambda: self.condition("more") == ("False", "Terminating"), 10, "it says why it stays")
        other = make_service("other", clusterIP="198.18.77.8")
        self.assert_fails(self.kubectl("create", "-f", "-", input=json.dumps(other), check=False), "is not in the valid range")
        self.kubectl("delete", "service", "web")
        wait_until(lambda: self.is_gone("servicecidr", "more"), 10, "nobody needs it")

    def test_ingresses_are_kept_shown_and_checked(self):
        ingress_class = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {
            "name": "usual", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "example.com/ingress"}}
        self.apply(ingress_class)
        self.addCleanup(self.cluster.kubectl, "delete", "ingressclass", "usual", check=False)
        self.kubectl("create", "ingress", "web", "--rule=a.example/*=web:80", "--rule=b.example/x=web:http,tls=cert")
        self.assertEqual(self.row("ingress", "web")[:3], ["web", "usual", "a.example,b.example"])
        self.assertIn("80, 443", self.text("get", "ingress", "web"))
        self.assertEqual(self.row("ingressclass", "usual")[:3], ["usual", "example.com/ingress", "<none>"])
        self.assertIn("a.example", self.text("describe", "ingress", "web"))
        empty = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "none"}, "spec": {}}
        self.assert_fails(self.kubectl("create", "-f", "-", input=json.dumps(empty), check=False),
                          "either `defaultBackend` or `rules` must be specified")

    def test_storage_classes_show_which_is_the_default(self):
        body = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {
            "name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "example.com/disk"}
        self.apply(body)
        self.addCleanup(self.cluster.kubectl, "delete", "storageclass", "fast", check=False)
        self.assertEqual(self.row("sc", "fast")[:6], ["fast", "(default)", "example.com/disk", "Delete", "Immediate", "false"])
        body["parameters"] = {"a": "b"}
        self.assert_fails(self.kubectl("replace", "-f", "-", input=json.dumps(body), check=False),
                          "updates to parameters are forbidden.")

    def test_a_pod_that_asks_for_devices_is_not_run_without_them(self):
        claims = {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]}
        self.apply(make_pod("asks", *SLEEP, **claims))
        self.wait_events("devices by claim are not allocated here yet")
        pod = self.get("pod", "asks")
        scheduled = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
        self.assertEqual((scheduled["status"], scheduled["reason"]), ("False", "Unschedulable"))
        self.assertIn("devices by claim are not allocated here yet", scheduled["message"])

        self.apply(make_pod("placed", *SLEEP, nodeName=self.cluster.node, **claims))
        pod = self.wait_pod("placed", lambda p: p["status"]["phase"] == "Failed", 30, "is refused by the node")
        self.assertEqual(pod["status"]["reason"], "UnexpectedAdmissionError")
        self.assertEqual(machine.pids_with(pod["metadata"]["uid"]), [], "nothing of it runs")
