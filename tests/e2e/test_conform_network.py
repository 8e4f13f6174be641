# SPDX-License-Identifier: Apache-2.0
"""What the published conformance suite asks of services, names, accounts and access, where no other module shows it."""
import base64
import json
import time

import dns
import harness
import machine
from api import Api
from conform import FOREVER, ConformTest, ask_udp
from harness import DEMO, container_of, make_pod, make_service
from machine import free_port, run, wait_until

PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"


def endpoints(name, addresses, *ports):
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name}, "subsets": [{
        "addresses": [{"ip": ip} for ip in addresses], "ports": [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports]}]}


def slice_of(service, name, addresses, **ports):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in addresses],
            "ports": [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports.items()]}


class Services(ConformTest):
    name = "conform-network"

    def start(self, *bodies):
        for body in bodies:
            kind = body["kind"]
            group = "discovery.k8s.io" if kind == "EndpointSlice" else ""
            self.create(self.at({"Endpoints": "endpoints"}.get(kind, kind.lower() + "s"), group=group), body)

    def address_of(self, service):
        return self.read(self.at("services", service))["spec"].get("clusterIP", "")

    def ip_of(self, pod):
        return self.wait_ready(pod)["status"]["podIP"]

    def known(self, service):
        """What Endpoints and slices say, as (address, port), when they agree."""
        subsets = self.read(self.at("endpoints", service)).get("subsets") or []
        old = {(a["ip"], p["port"]) for s in subsets for a in s.get("addresses") or [] for p in s.get("ports") or []}
        slices = self.read(self.at("endpointslices", group="discovery.k8s.io"), labelSelector=f"kubernetes.io/service-name={service}")
        new = {(ip, p["port"]) for s in slices["items"] for e in s.get("endpoints") or [] if e["conditions"].get("ready")
               for ip in e["addresses"] for p in s.get("ports") or []}
        return old if old == new else self.fail(f"{old} and {new}")

    def wait_known(self, service, *wanted):
        wait_until(lambda: self.known(service) == set(wanted) or self.fail(str(self.known(service))), 20, f"{service} leads to {wanted}")

    def place_of(self, pod):
        pid = machine.container_pids(container_of(self.get("pod", pod))["containerID"])[0][0]
        return ["nsenter", "-t", pid, "-n"]

    # ---- endpoints --------------------------------------------------------------------------------------------

    def test_the_service_of_the_api(self):
        service = self.read("/api/v1/namespaces/default/services/kubernetes")
        self.assertEqual([(p["name"], p["port"]) for p in service["spec"]["ports"]], [("https", 443)])
        everywhere = [(s["metadata"]["namespace"], s["metadata"]["name"]) for s in self.read("/api/v1/services")["items"]]
        self.assertIn(("default", "kubernetes"), everywhere)
        subsets = self.read("/api/v1/namespaces/default/endpoints/kubernetes")["subsets"]
        old = {(a["ip"], p["port"]) for s in subsets for a in s["addresses"] for p in s["ports"]}
        slices = self.read("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", labelSelector="kubernetes.io/service-name=kubernetes")
        new = {(ip, p["port"]) for s in slices["items"] for e in s["endpoints"] for ip in e["addresses"] for p in s["ports"]}
        self.assertEqual((old, old), (new, {("127.0.0.1", self.cluster.port)}))

    def test_endpoints_follow_pods(self):
        self.start(make_service("web"))
        self.wait_known("web")
        for name in ("one", "two"):
            self.start(make_pod(name, image=DEMO, labels={"app": "web"}))
        one, two = self.ip_of("one"), self.ip_of("two")
        self.wait_known("web", (one, 8080), (two, 8080))
        wait_until(lambda: {self.cluster.curl(f"http://{self.address_of('web')}/").split()[-1] for _ in range(20)} == {"one", "two"}, 15,
                   "both are asked")
        self.remove(self.at("pods", "one"))
        self.wait_known("web", (two, 8080))
        self.remove(self.at("pods", "two"))
        self.wait_known("web")

    def test_endpoints_of_a_service_without_pods(self):
        slices = self.at("endpointslices", group="discovery.k8s.io")
        self.start(make_service("empty"))
        self.wait_object(self.at("endpoints", "empty"), lambda o: not o.get("subsets"), "is there, and empty")
        wait_until(lambda: len(self.names(slices, labelSelector="kubernetes.io/service-name=empty")) == 1, 10, "one slice")
        self.wait_known("empty")
        self.remove(self.at("services", "empty"))
        self.wait_gone(self.at("endpoints", "empty"))
        wait_until(lambda: not self.names(slices), 20, "the slice goes too")

    def test_slices_that_somebody_else_writes(self):
        for name in ("one", "two"):
            self.start(make_pod(name, image=DEMO))
        one, two = self.ip_of("one"), self.ip_of("two")
        by_address, by_port = make_service("by-address", selector=None), make_service("by-port", selector=None)
        by_port["spec"]["ports"] = [{"name": "a", "port": 80, "targetPort": 1}, {"name": "b", "port": 81, "targetPort": 1}]
        self.start(by_address, by_port, slice_of("by-address", "a1", [one], http=8080), slice_of("by-address", "a2", [two], http=8080),
                   slice_of("by-port", "p1", [one], a=8080), slice_of("by-port", "p2", [one], b=8080))
        address = self.address_of("by-address")
        wait_until(lambda: {self.cluster.curl(f"http://{address}/").split()[-1] for _ in range(20)} == {"one", "two"}, 15, "both answer")
        for port in (80, 81):
            self.wait_text(f"http://{self.address_of('by-port')}:{port}/", "Hello from one")

    def test_endpoints_by_hand_are_mirrored(self):
        slices = self.at("endpointslices", group="discovery.k8s.io")
        mirrored = lambda: self.read(slices, labelSelector="kubernetes.io/service-name=by-hand")["items"]
        seen = lambda: [(e["addresses"], p["port"]) for s in mirrored() for e in s["endpoints"] for p in s["ports"]]
        self.start(make_service("by-hand", selector=None), endpoints("by-hand", ["10.1.2.3"], ("http", 80)))
        wait_until(lambda: seen() == [(["10.1.2.3"], 80)], 15, "it is mirrored")
        self.assertEqual(mirrored()[0]["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"],
                         "endpointslicemirroring-controller.k8s.io")
        self.update(self.at("endpoints", "by-hand"), lambda o: o.update(subsets=endpoints("x", ["10.2.3.4"], ("http", 81))["subsets"]))
        wait_until(lambda: seen() == [(["10.2.3.4"], 81)], 15, "the change too")
        self.remove(self.at("endpoints", "by-hand"))
        wait_until(lambda: not mirrored(), 15, "and the end")

    def test_ports_of_several_pods(self):
        service = make_service("multi")
        service["spec"]["ports"] = [{"name": "a", "port": 80, "targetPort": "p1"}, {"name": "b", "port": 81, "targetPort": "p2"}]
        self.start(service)
        for name, number in (("p1", 8080), ("p2", 9090)):
            self.start(make_pod(name, image=DEMO, labels={"app": "multi"}, container={
                "env": [{"name": "PORT", "value": str(number)}], "ports": [{"name": name, "containerPort": number}]}))
        one, two = self.ip_of("p1"), self.ip_of("p2")
        self.wait_known("multi", (one, 8080), (two, 9090))
        address = self.address_of("multi")
        for port, name in ((80, "p1"), (81, "p2")):
            self.wait_text(f"http://{address}:{port}/", f"Hello from {name}")
        self.remove(self.at("pods", "p1"))
        self.wait_known("multi", (two, 9090))

    def test_endpoints_of_many_services_come_soon(self):
        self.start(make_pod("one", image=DEMO, labels={"app": "one"}))
        self.ip_of("one")
        took = []
        for number in range(100):
            began = time.monotonic()
            self.start(make_service(f"s{number}", app="one"))
            wait_until(lambda n=number: self.api.get(self.at("endpoints", f"s{n}")).text.find('"ip"') > 0, 20, "an address", pause=0.01)
            took.append(time.monotonic() - began)
        took.sort()
        self.assertLess(took[98], 5, f"half in {took[50]:.3f} s, all in {took[99]:.3f} s")
        self.api.ok("DELETE", self.at("services"))

    # ---- ways -------------------------------------------------------------------------------------------------

    def test_pods_and_nodes_reach_pods(self):
        for name in ("one", "two"):
            self.start(make_pod(name, image=DEMO))
        self.start(make_pod("asker", *FOREVER))
        ips = {name: self.ip_of(name) for name in ("one", "two")}
        self.wait_ready("asker")
        for where in ([], self.place_of("asker")):
            for name, ip in ips.items():
                with self.subTest(name=name, where=where):
                    self.assertIn(f"Hello from {name}", run(*where, "curl", "-fsS", "-m", "3", f"http://{ip}:8080/").stdout)
                    self.assertEqual(ask_udp(ip, where=where), name)

    def test_host_ports_by_address_and_protocol(self):
        port = free_port()
        rows = {"first": {"hostIP": "127.0.0.1"}, "other-address": {"hostIP": "127.0.0.2"}, "other-protocol": {"hostIP": "127.0.0.2", "protocol": "UDP"}}
        for name, more in rows.items():
            self.start(make_pod(name, image=DEMO, container={"ports": [{"containerPort": 8080, "hostPort": port, **more}]}))
        for name in rows:
            self.wait_ready(name)
        self.start(make_pod("all", image=DEMO, container={"ports": [{"containerPort": 8080, "hostPort": port, "hostIP": "0.0.0.0"}]}))
        self.wait_text(f"http://127.0.0.1:{port}/", "Hello from first")
        self.wait_text(f"http://127.0.0.2:{port}/", "Hello from other-address")
        wait_until(lambda: ask_udp("127.0.0.2", port) == "other-protocol", 15, "UDP")
        self.wait_pod("all", lambda p: "free ports" in json.dumps(p["status"].get("conditions", [])), 15, "waits")

    def test_types_of_a_service_change(self):
        self.start(make_pod("web", image=DEMO), make_service("first", app="web"), make_service("second", app="web", type="NodePort"))
        self.ip_of("web")
        name = lambda service: f"{service}.{self.namespace}.svc.cluster.local"
        server = f"{self.cluster.slot.service_prefix}.10"
        external = {"spec": {"type": "ExternalName", "externalName": "example.test", "clusterIP": None, "clusterIPs": None, "ports": None}}
        for service in ("first", "second"):
            changed = self.merge(self.at("services", service), external)["spec"]
            self.assertEqual((changed.get("clusterIP"), [p for p in changed.get("ports", []) if "nodePort" in p]), (None, []))
            wait_until(lambda s=service: dns.ask(server, name(s), "CNAME")[1] == ["example.test"], 15, f"{service} is an alias")
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        for service, kind in (("first", "ClusterIP"), ("second", "NodePort")):
            changed = self.merge(self.at("services", service), {"spec": {"type": kind, "externalName": None, "ports": ports}})["spec"]
            self.wait_text(f"http://{changed['clusterIP']}/", "Hello from web")
            wait_until(lambda s=service, c=changed: dns.ask(server, name(s), "A")[1] == [c["clusterIP"]], 15, "its name leads there")
            if kind == "NodePort":
                self.wait_text(f"http://127.0.0.1:{changed['ports'][0]['nodePort']}/", "Hello from web")

    def test_affinity_is_switched(self):
        for name in ("one", "two", "three"):
            self.start(make_pod(name, image=DEMO, labels={"app": "web"}))
        self.start(make_service("cluster", app="web"), make_service("node", app="web", type="NodePort"))
        for name in ("one", "two", "three"):
            self.wait_ready(name)
        port = self.read(self.at("services", "node"))["spec"]["ports"][0]["nodePort"]
        for service, url in (("cluster", f"http://{self.address_of('cluster')}/"), ("node", f"http://127.0.0.1:{port}/")):
            answers = lambda u=url: len({self.cluster.curl(u) for _ in range(24)})
            for affinity, many in (("None", 3), ("ClientIP", 1), ("None", 3)):
                self.merge(self.at("services", service), {"spec": {"sessionAffinity": affinity}})
                wait_until(lambda: answers() == many, 20, f"{service} with {affinity}: {many} answer")

    # ---- names ------------------------------------------------------------------------------------------------

    def test_an_external_name_that_changes(self):
        self.start(make_service("away", type="ExternalName", externalName="foo.example.test", ports=None, selector=None))
        server, name = f"{self.cluster.slot.service_prefix}.10", f"away.{self.namespace}.svc.cluster.local"
        wait_until(lambda: dns.ask(server, name, "CNAME")[1] == ["foo.example.test"], 15, "an alias")
        self.merge(self.at("services", "away"), {"spec": {"externalName": "bar.example.test"}})
        wait_until(lambda: dns.ask(server, name, "CNAME")[1] == ["bar.example.test"], 15, "another alias")
        changed = self.merge(self.at("services", "away"), {"spec": {"type": "ClusterIP", "externalName": None, "ports": [{"port": 80}]}})
        wait_until(lambda: dns.ask(server, name, "A")[1] == [changed["spec"]["clusterIP"]], 15, "an address")

    def test_names_in_the_hosts_file(self):
        self.start(make_service("dns-test", app="one", clusterIP="None"),
                   make_pod("one", *FOREVER, hostname="querier", subdomain="dns-test"))
        ip = self.ip_of("one")
        full = f"querier.dns-test.{self.namespace}.svc.cluster.local"
        self.assertRegex(self.exec("one", "cat", "/etc/hosts").stdout, rf"(?m)^{ip}\s+{full}\s+querier$")
        self.assertEqual(self.exec("one", "hostname", "-f").stdout.strip(), full)


class Accounts(ConformTest):
    name = "conform-network"

    def test_tokens_are_mounted_unless_somebody_says_no(self):
        for name, says in (("mount", {"automountServiceAccountToken": True}), ("nomount", {"automountServiceAccountToken": False}), ("plain", {})):
            self.create(self.at("serviceaccounts"), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, **says})
        for account, by_account in (("mount", True), ("nomount", False), ("plain", True)):
            for word, says in (("default", None), ("yes", True), ("no", False)):
                spec = {"serviceAccountName": account, **({} if says is None else {"automountServiceAccountToken": says})}
                pod = self.create(self.at("pods"), make_pod(f"{account}-{word}", nodeSelector={"conform": "nowhere"}, **spec))
                mounts = [m["mountPath"] for m in pod["spec"]["containers"][0].get("volumeMounts", [])]
                self.assertEqual(PLACE in mounts, by_account if says is None else says, f"{account}, {word}")

    def test_a_token_is_made_and_reviewed(self):
        self.create(self.at("serviceaccounts"), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}})
        made = self.create(self.at("serviceaccounts", "robot", part="token"), {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                                                               "spec": {"expirationSeconds": 600}})
        token = made["status"]["token"]
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        told = self.create("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
        self.assertEqual((told["authenticated"], told["user"]["username"]), (True, f"system:serviceaccount:{self.namespace}:robot"))
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self.assertEqual(claims["exp"] - claims["iat"], 600)
        self.remove(self.at("serviceaccounts", "robot"))
        told = self.create("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
        self.assertFalse(told.get("authenticated", False), "it ends with its account")

    def test_the_root_certificate_comes_back(self):
        path = self.at("configmaps", "kube-root-ca.crt")
        first = self.wait_object(path, lambda o: True, "is there")
        self.remove(path)
        wait_until(lambda: not self.is_gone(path) and self.read(path)["metadata"]["uid"] != first["metadata"]["uid"], 15, "it is made again")
        self.merge(path, {"data": {"ca.crt": "forged"}})
        self.wait_object(path, lambda o: o["data"] == first["data"], "is made right", 15)

    def test_access_is_reviewed(self):
        self.create(self.at("serviceaccounts"), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}})
        robot = {"user": f"system:serviceaccount:{self.namespace}:robot", "groups": ["system:authenticated", "system:serviceaccounts"]}
        asked = {"verb": "list", "resource": "configmaps", "namespace": self.namespace, "version": "v1"}
        kinds = {"SubjectAccessReview": "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                 "LocalSubjectAccessReview": self.at("localsubjectaccessreviews", group="authorization.k8s.io")}
        token = self.create(self.at("serviceaccounts", "robot", part="token"), {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                                                                "spec": {}})["status"]["token"]
        allowed = lambda kind: self.create(kinds[kind], {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {
            "namespace": self.namespace} if kind.startswith("Local") else {}, "spec": {**robot, "resourceAttributes": asked}})["status"]["allowed"]
        for expected in (False, True):
            for kind in kinds:
                self.assertEqual(allowed(kind), expected, kind)
            self.assertEqual(Api(self.cluster, token=token).get(self.at("configmaps")).status, 200 if expected else 403)
            if not expected:
                self.make("role", "reader", "--verb=list", "--resource=configmaps")
                self.make("rolebinding", "robot", "--role=reader", f"--serviceaccount={self.namespace}:robot")


tearDownModule = harness.stop_shared_cluster
