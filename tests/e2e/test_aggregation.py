# SPDX-License-Identifier: Apache-2.0
"""API servers of others behind ours: in a pod and beside the cluster, by two kubectls and by plain HTTPS; what they hear of
who asks, what is said while they are away."""
import base64
import os

import harness
from api import MERGE, Api
from conform import ConformTest
from extension import GROUP, ROOT, VERSION, Extension, make_certificate
from harness import container_of, make_pod, make_service
from machine import container_pids, free_port, run, wait_until

NAME = f"{VERSION}.{GROUP}"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def flunder(name, **spec):
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": name}, "spec": spec}


class Aggregation(ConformTest):
    name = "aggregation"

    def setUp(self):
        super().setUp()
        self.place = os.path.join(self.cluster.directory, self.namespace)
        os.makedirs(self.place)
        self.ca, *self.certificate = make_certificate(self.place, f"sample-api.{self.namespace}.svc")
        self.trust = self.read("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication")["data"]

    def at_flunders(self, name="", part=""):
        return f"{ROOT}/namespaces/{self.namespace}/flunders" + (f"/{name}" if name else "") + (f"/{part}" if part else "")

    def start_pod(self):
        self.create(self.at("pods"), make_pod("box", "sleep", "3600"))
        return min(container_pids(container_of(self.wait_ready("box"))["containerID"]))[0]

    def extend(self, pid, port=8443, **more):
        extension = Extension(pid, port, self.certificate, self.trust, **more)
        self.addCleanup(extension.close)
        return extension

    def register(self, **more):
        """The APIService; `more`: of its spec."""
        with open(self.ca, "rb") as file:
            bundle = base64.b64encode(file.read()).decode()
        spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": bundle,
                "service": {"namespace": self.namespace, "name": "sample-api", "port": 7443}, **more}
        self.create(SERVICES, {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {
            "name": NAME, "labels": {"sample": "yes"}}, "spec": {k: v for k, v in spec.items() if v is not None}})
        self.addCleanup(self.api.delete, f"{SERVICES}/{NAME}")

    def wait_condition(self, status, reason, *words):
        def is_so(now):
            found = [c for c in now.get("status", {}).get("conditions", []) if c["type"] == "Available"]
            return any((c["status"], c["reason"]) == (status, reason) and all(w in c["message"] for w in words) for c in found)
        return self.wait_object(f"{SERVICES}/{NAME}", is_so, f"{status} {reason}")

    def start(self):
        """All of it, with the server in a pod."""
        extension = self.extend(self.start_pod())
        self.create(self.at("services"), make_service("sample-api", port=7443, target=8443, app="box"))
        self.register()
        self.wait_condition("True", "Passed")
        wait_until(lambda: self.api.get(ROOT).status == 200, 10, "the API is passed on")
        return extension

    # ---- conformance ------------------------------------------------------------------------------------------

    def test_a_server_of_somebody_else(self):
        self.make("clusterrolebinding", f"{self.namespace}:auth", "--clusterrole=system:auth-delegator",
                  f"--serviceaccount={self.namespace}:default")
        self.addCleanup(self.kubectl, "delete", "clusterrolebinding", f"{self.namespace}:auth")
        self.kubectl("-n", "kube-system", "create", "rolebinding", f"{self.namespace}-reader",
                     "--role=extension-apiserver-authentication-reader", f"--serviceaccount={self.namespace}:default")
        self.start()

        made = self.create(self.at_flunders(), flunder("first", reference="x"))
        self.assertEqual(self.read(self.at_flunders("first"))["metadata"]["uid"], made["metadata"]["uid"])
        self.assertEqual(self.names(self.at_flunders()), ["first"])
        self.assertEqual(self.names(f"{ROOT}/flunders"), ["first"])
        self.remove(self.at_flunders("first"))
        self.assertTrue(self.is_gone(self.at_flunders("first")))
        self.create(self.at_flunders(), flunder("second"))
        self.assertEqual(self.text("get", "flunders", "-o", "name").split(), [f"flunder.{GROUP}/second"])

        path = f"{SERVICES}/{NAME}"
        self.assertEqual(self.read(f"{path}/status")["status"]["conditions"][0]["reason"], "Passed")
        condition = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "set by a test"}
        patched = self.api.ok("PATCH", f"{path}/status", {"status": {"conditions": [condition]}},
                              content_type="application/strategic-merge-patch+json")
        self.assertEqual({c["type"] for c in patched["status"]["conditions"]}, {"Available", "StatusPatched"})
        self.update(f"{path}/status", lambda o: o["status"]["conditions"].append({**condition, "type": "StatusUpdated"}))
        self.assertIn("StatusUpdated", str(self.read(path)["status"]))
        self.assertEqual(self.merge(path, {"spec": {"versionPriority": 400}})["spec"]["versionPriority"], 400)
        self.update(path, lambda o: o["metadata"]["labels"].update(updated="yes"))
        self.assertEqual(self.names(SERVICES, labelSelector="updated=yes"), [NAME])

        self.api.ok("DELETE", SERVICES, labelSelector="updated=yes")
        self.wait_gone(path)
        wait_until(lambda: self.is_gone(self.at_flunders("second")), 10, "nobody serves it any more")
        self.assertNotIn(GROUP, [g["name"] for g in self.read("/apis")["groups"]])

    # ---- both kubectls ----------------------------------------------------------------------------------------

    def test_kubectl_of_both_ages(self):
        self.start()
        row = self.cluster.kubectl("get", "apiservices", NAME, "--no-headers").stdout.split()
        self.assertEqual(row[:3], [NAME, f"{self.namespace}/sample-api", "True"])
        for version in harness.KUBECTLS:
            name = "by-" + version.replace(".", "-")
            self.kubectl("create", "-f", "-", input=str(flunder(name, reference="a")).replace("'", '"'), version=version)
            self.assertIn(name, self.text("get", "fl", version=version))
            self.assertEqual(self.text("get", "fl", name, "-o", "jsonpath={.spec.reference}", version=version), "a")
            self.kubectl("patch", "flunder", name, "--type=merge", "-p", '{"spec":{"reference":"b"}}', version=version)
            self.kubectl("annotate", "flunder", name, "seen=yes", version=version)
            self.kubectl("apply", "-f", "-", input=str(flunder("applied", reference=version)).replace("'", '"'),
                         version=version)
            self.assertIn("flunders", self.cluster.kubectl("api-resources", f"--api-group={GROUP}", version=version).stdout)
            self.assertIn(f"{GROUP}/{VERSION}", self.cluster.kubectl("api-versions", version=version).stdout.split())
            self.assertIn("The name of another one.", self.cluster.kubectl("explain", "flunder.spec", version=version).stdout)
            self.kubectl("delete", "flunder", name, version=version)
        self.assertEqual(self.read(self.at_flunders("applied"))["spec"]["reference"], list(harness.KUBECTLS)[-1])

    # ---- who asks ---------------------------------------------------------------------------------------------

    def heard(self, extension):
        headers = {}
        for name, value in extension.asked[-1]["headers"]:
            headers.setdefault(name, []).append(value)
        return headers

    def test_who_asks_is_told_and_may(self):
        extension = self.start()
        self.make("serviceaccount", "reader")
        token = self.api.ok("POST", self.at("serviceaccounts", "reader", part="token"), {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})["status"]["token"]
        reader = Api(self.cluster, token=token)
        asked = len(extension.asked)
        answer = reader.get(self.at_flunders())
        self.assertEqual((answer.status, answer.json["reason"]), (403, "Forbidden"))
        self.assertIn(f'cannot list resource "flunders" in API group "{GROUP}"', answer.json["message"])
        self.assertFalse([a for a in extension.asked[asked:] if "flunders" in a["path"]], "nothing was passed on")

        self.make("role", "reader", "--verb=list", f"--resource=flunders.{GROUP}")
        self.make("rolebinding", "reader", "--role=reader", f"--serviceaccount={self.namespace}:reader")
        answer = reader.get(self.at_flunders(), headers={"X-Remote-User": "system:admin", "X-Remote-Group": "system:masters",
                                                         "X-Remote-Extra-Scopes": "all", "X-Own": "kept"})
        self.assertEqual(answer.status, 200, str(answer))
        self.assertNotEqual(answer.headers["Audit-Id"], "theirs")
        heard = self.heard(extension)
        self.assertEqual(heard["x-remote-user"], [f"system:serviceaccount:{self.namespace}:reader"])
        self.assertIn("system:serviceaccounts", heard["x-remote-group"])
        self.assertNotIn("system:masters", heard["x-remote-group"])
        self.assertNotIn("x-remote-extra-scopes", heard)
        self.assertNotIn("authorization", heard)
        self.assertEqual(heard["x-own"], ["kept"])
        self.assertEqual(heard["host"], [f"sample-api.{self.namespace}.svc:7443"])

        self.text("get", "flunders", "--as=jane", "--as-group=system:masters")
        heard = self.heard(extension)
        self.assertEqual((heard["x-remote-user"], heard["x-remote-group"]), (["jane"], ["system:masters", "system:authenticated"]))
        self.assertNotIn("impersonate-user", heard)
        for path in (f"{self.at_flunders()}/%2e%2e/x", f"{ROOT}/namespaces/a%2Fb/flunders", f"{ROOT}//flunders"):
            self.assertEqual(self.api.get(path).status, 404, path)

    def test_watches_and_upgrades_pass(self):
        self.start()
        with self.api.watch(self.at_flunders()) as events:
            self.create(self.at_flunders(), flunder("seen"))
            self.assertEqual(next(events)["object"]["metadata"]["name"], "seen")
            self.merge(self.at_flunders("seen"), {"spec": {"reference": "y"}})
            self.assertEqual(next(events)["type"], "MODIFIED")
            self.remove(self.at_flunders("seen"))
            self.assertEqual(next(events)["type"], "DELETED")
        with self.api.upgraded(self.at_flunders("any", "echo"), "echo") as to:
            to.sendall(b"back")
            self.assertEqual(to.recv(4), b"back")

    def test_what_is_passed_on_has_no_limit_of_size(self):
        self.start()
        made = self.create(self.at_flunders(), flunder("large", reference="x" * (5 << 20)))
        self.assertEqual(len(made["spec"]["reference"]), 5 << 20)

    # ---- here and away ----------------------------------------------------------------------------------------

    def freshness(self):
        groups = self.api.ok("GET", "/apis", headers={"Accept": AGGREGATED})["items"]
        return next(v["freshness"] for g in groups if g["metadata"]["name"] == GROUP for v in g["versions"])

    def test_away_and_back(self):
        self.register()
        self.wait_condition("False", "ServiceNotFound", f'service/sample-api in "{self.namespace}" is not present')
        self.assertEqual(self.freshness(), "Stale")
        answer = self.api.get(self.at_flunders())
        self.assertEqual((answer.status, answer.json["kind"], answer.json["reason"]), (503, "Status", "ServiceUnavailable"))
        self.assertIn("is not present", answer.json["message"])
        self.create(self.at("services"), make_service("sample-api", port=1, target=8443, app="box"))
        self.wait_condition("False", "ServicePortError", "is not listening on port 7443")
        self.merge(self.at("services", "sample-api"), {"spec": {"ports": [{"name": "https", "port": 7443, "targetPort": 8443}]}})
        self.wait_condition("False", "MissingEndpoints", 'have no addresses with port name "https"')
        pid = self.start_pod()
        self.wait_condition("False", "FailedDiscoveryCheck", "onnection refused")
        first = self.extend(pid)
        self.wait_condition("True", "Passed")
        wait_until(lambda: self.freshness() == "Current", 10, "discovery is fresh")
        self.create(self.at_flunders(), flunder("one"))

        first.close()
        self.remove(self.at("services", "sample-api"))
        self.wait_condition("False", "ServiceNotFound")
        self.assertEqual(self.api.get(self.at_flunders()).status, 503)
        self.assertEqual(self.freshness(), "Stale")
        self.assertIn("flunders", str(self.api.ok("GET", "/apis", headers={"Accept": AGGREGATED})), "what was seen last stays")
        self.assertIn("deployments", self.cluster.kubectl("api-resources").stdout)
        self.assertEqual(self.cluster.kubectl("get", "pods", "-n", self.namespace).returncode, 0)
        self.extend(pid)
        self.create(self.at("services"), make_service("sample-api", port=7443, target=8443, app="box"))
        self.wait_condition("True", "Passed")
        wait_until(lambda: self.api.get(self.at_flunders()).status == 200, 10, "it is passed on again")

    def test_beside_the_cluster(self):
        self.start_pod()  # so that the bridge is there, whose address is this machine's
        address = run("ip", "-4", "-o", "addr", "show", "dev", self.cluster.bridges()[0]).stdout.split()[3].split("/")[0]
        port = free_port()
        extension = self.extend(os.getpid(), port, address=address)
        service = make_service("sample-api", port=7443)
        del service["spec"]["selector"]
        self.create(self.at("services"), service)
        slices = self.at("endpointslices", group="discovery.k8s.io")

        def endpoint(name, where):
            return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": name, "labels": {
                "kubernetes.io/service-name": "sample-api"}}, "addressType": "IPv4", "endpoints": [{"addresses": [where]}],
                "ports": [{"name": "http", "port": port, "protocol": "TCP"}]}
        refused = self.api.post(slices, endpoint("loopback", "127.0.0.1"))  # the server's own are its own
        self.assertEqual((refused.status, "may not be in the loopback range" in refused.text), (422, True), str(refused))
        self.create(slices, endpoint("multicast", "224.0.1.1"))
        self.register()
        self.wait_condition("False", "FailedDiscoveryCheck", "no endpoints available")  # no server is dialled there
        self.create(slices, endpoint("right", address))
        self.wait_condition("True", "Passed")
        wait_until(lambda: self.api.get(ROOT).status == 200, 10, "the API is passed on")
        self.create(self.at_flunders(), flunder("one"))
        self.assertEqual(self.names(self.at_flunders()), ["one"])

        other, *_ = make_certificate(self.cluster.directory, "other")
        with open(other, "rb") as file:
            self.merge(f"{SERVICES}/{NAME}", {"spec": {"caBundle": base64.b64encode(file.read()).decode()}})
        self.wait_condition("False", "FailedDiscoveryCheck", "certificate verify failed")
        self.merge(f"{SERVICES}/{NAME}", {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}})
        self.wait_condition("True", "Passed")
        self.assertTrue(extension.asked)

    # ---- what is served here ----------------------------------------------------------------------------------

    def test_what_is_served_here(self):
        listed = {o["metadata"]["name"]: o for o in self.read(SERVICES)["items"]}
        self.assertLessEqual({"v1.", "v1.apps", "v1.batch", "v1.rbac.authorization.k8s.io"}, set(listed))
        self.assertNotIn("v1.apiregistration.k8s.io", listed)
        groups = [g["name"] for g in self.read("/apis")["groups"]]
        self.assertEqual(groups[:3], ["apiregistration.k8s.io", "apps", "events.k8s.io"])
        self.assertEqual({f"v1.{g}" for g in ["", *groups[1:]]}, set(listed) - {NAME})
        apps = listed["v1.apps"]
        self.assertEqual(apps["metadata"]["labels"], {"kube-aggregator.kubernetes.io/automanaged": "onstart"})
        self.assertEqual(apps["status"]["conditions"][0]["reason"], "Local")
        row = self.cluster.kubectl("get", "apiservices", "v1.apps", "--no-headers").stdout.split()
        self.assertEqual(row[:3], ["v1.apps", "Local", "True"])
        self.remove(f"{SERVICES}/v1.apps")
        self.wait_object(f"{SERVICES}/v1.apps", lambda o: o["metadata"]["uid"] != apps["metadata"]["uid"], "is made again")
        self.assertEqual(self.api.get(self.at("deployments", group="apps")).status, 200)

    def test_what_other_servers_know_us_by(self):
        self.assertEqual(self.trust["requestheader-username-headers"], '["X-Remote-User"]')
        self.assertNotEqual(self.trust["client-ca-file"], self.trust["requestheader-client-ca-file"])
        for end in ("crt", "key"):
            path = f"{self.cluster.data}/server/front-proxy-ca.{end}"
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        self.merge(path, {"data": {"requestheader-client-ca-file": "forged"}})
        self.wait_object(path, lambda o: o["data"] == self.trust, "is put right")
        self.assertIn("configmaps", self.cluster.kubectl(
            "-n", "kube-system", "describe", "role", "extension-apiserver-authentication-reader").stdout)


tearDownModule = harness.stop_shared_cluster
