# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicies between real pods on two machines: what their selectors choose, before and after each change."""
import json
import time

from harness import DEMO, READY_HTTP, make_pod, make_service
from policies import SLEEP, PolicyTest, pods, policy, ports


class NetworkPolicy(PolicyTest):
    name = "netpol"
    segments = (1, 1)

    def test_who_reaches_whom_on_one_node_and_across(self):
        client = lambda name, node, app: make_pod(name, *SLEEP, labels={"app": app}, nodeName=node)
        probed = make_pod("probed", image=DEMO, labels={"app": "web"}, container={"readinessProbe": READY_HTTP}, nodeName="m1")
        at = self.start_pods(self.serve("near", "m1"), self.serve("far", "m2"), probed, client("friend-near", "m1", "friend"),
                             client("friend-far", "m2", "friend"), client("stranger", "m1", "stranger"))
        webs = {name: (at[name], 8080) for name in ("near", "far", "probed")}
        everywhere = set(webs)
        everybody, friends = ("friend-near", "friend-far", "stranger"), ("friend-near", "friend-far")
        self.expect_each(everybody, webs, everywhere, "nothing limits it")

        self.apply(policy("deny", {}))
        self.expect_each(everybody, webs, (), "nothing may come in")
        self.expect("near", {"itself": (at["near"], 8080)}, {"itself"}, "a pod reaches itself")
        for host, name in (("m1", "near"), ("m2", "far")):
            self.cluster.curl(f"http://{at[name]}:8080/", host=self.cluster.host(host))
        time.sleep(3)  # several periods of the probe
        self.assertEqual([c["status"] for c in self.get("pod", "probed")["status"]["conditions"] if c["type"] == "Ready"],
                         ["True"], "probes pass")

        self.apply(policy("friends", {"app": "web"}, ingress=[{"from": [pods(app="friend")], "ports": ports(8080)}]))
        self.expect_each(friends, webs, everywhere, "policies add up")
        self.expect("stranger", webs, (), "only friends are let in")

        self.apply(policy("stay", {"app": "friend"}, policyTypes=["Egress"], egress=[{"to": [
            {"ipBlock": {"cidr": f"{at['far']}/32"}}]}]))
        self.expect_each(friends, webs, {"far"}, "egress to an address")
        self.kubectl("label", "pod", "stranger", "app=friend", "--overwrite")
        self.expect("stranger", webs, {"far"}, "its new label decides")
        self.apply(policy("stay", {"app": "friend"}, policyTypes=["Egress"], egress=[{"to": [
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": [f"{at['far']}/32"]}}]}]))
        self.expect("friend-near", webs, {"near", "probed"}, "all of a block but an address")

        self.kubectl("delete", "networkpolicy", "--all")
        self.expect_each(everybody, webs, everywhere, "open again")

    def test_ports_by_number_name_and_range(self):
        at = self.start_pods(self.serve("one", "m1", (8080, 8081, 9000, 9005), named={"http": 8080}),
                             self.serve("two", "m2", (8080, 8081, 9000, 9005), named={"http": 8081}),
                             make_pod("client", *SLEEP, labels={"app": "client"}, nodeName="m1"))
        targets = {f"{name}:{port}": (at[name], port) for name in ("one", "two") for port in (8080, 8081, 9000, 9005)}
        allow = lambda which: self.apply(policy("np", {"app": "web"}, ingress=[{"ports": which}]))
        allow(ports(8081))
        self.expect("client", targets, {"one:8081", "two:8081"}, "a number")
        allow(ports("http"))
        self.expect("client", targets, {"one:8080", "two:8081"}, "a name is each pod's own number")
        allow(ports((9000, 9004), 8080))
        self.expect("client", targets, {"one:8080", "one:9000", "two:8080", "two:9000"}, "a range and a number")
        allow([{"protocol": "UDP"}])
        self.expect("client", targets, (), "another protocol")
        self.kubectl("delete", "networkpolicy", "np")
        self.apply(policy("out", {"app": "client"}, policyTypes=["Egress"], egress=[
            {"to": [pods(app="web")], "ports": ports("http")}]))
        self.expect("client", targets, {"one:8080", "two:8081"}, "a name, going out")
        self.apply(policy("out", {"app": "client"}, policyTypes=["Egress"], egress=[{"ports": ports("http", 9005)}]))
        self.expect("client", targets, {"one:8080", "two:8081", "one:9005", "two:9005"}, "to anybody, by name and number")

    def test_namespaces_by_label_and_services(self):
        other = self.namespace + "-other"
        self.make_namespace(other)
        self.addCleanup(self.cluster.kubectl, "delete", "namespace", other, "--wait=false", check=False)
        at = self.start_pods(self.serve("web", "m1"), make_pod("client", *SLEEP, labels={"app": "client"}, nodeName="m2"))
        service = make_service("web")
        self.apply(service)
        vip = self.get("service", "web")["spec"]["clusterIP"]
        guest = make_pod("guest", *SLEEP, nodeName="m1")
        guest["metadata"]["namespace"] = other
        self.cluster.kubectl("apply", "-f", "-", input=json.dumps(guest))
        self.cluster.kubectl("-n", other, "wait", "pod/guest", "--for=condition=Ready", "--timeout=60s")
        targets = {"pod": (at["web"], 8080), "service": (vip, 80)}
        self.expect("guest", targets, targets, "nothing limits it", other)

        self.apply(policy("teams", {"app": "web"}, ingress=[{"from": [
            {"namespaceSelector": {"matchLabels": {"team": "friends"}}, **pods(app="guest")}]}]))
        self.expect("guest", targets, (), "its namespace has no such label", other)
        self.expect("client", targets, (), "nor has this one")
        self.cluster.kubectl("label", "namespace", other, self.namespace, "team=friends")
        self.expect("guest", targets, targets, "now it has", other)
        self.expect("client", targets, (), "the pod must be right too")
        self.cluster.kubectl("label", "namespace", other, "team-")
        self.expect("guest", targets, (), "the label has gone", other)

        self.apply(policy("teams", {"app": "web"}, ingress=[{"from": [{"namespaceSelector": {"matchLabels": {
            "kubernetes.io/metadata.name": self.namespace}}}], "ports": ports(8080)}]))
        self.expect("client", targets, targets, "a service is judged by the pod behind it")
        self.apply(policy("out", {"app": "client"}, policyTypes=["Egress"], egress=[
            {"to": [pods(app="web")], "ports": ports(80)}]))
        self.expect("client", targets, (), "the service's own port counts for nothing")
        names = self.exec("client", "nslookup", f"web.{self.namespace}.svc.cluster.local", check=False)
        self.assertIn(vip, names.stdout, "names are the node's own answer")
