# SPDX-License-Identifier: Apache-2.0
"""The life of an object of each kind: found by discovery, created, read, listed, watched, patched, updated, its status
read and written, deleted alone and with others. Pods of templates here never run: no node has their label."""
import base64

import harness
from conform import ConformTest, Kind, Life
from harness import PAUSE, make_pod
from machine import run, wait_until

NOW = "2026-11-28T09:00:00.000000Z"
CONDITION = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "set by a test"}
LABELS = {"matchLabels": {"app": "x"}}


def template(**spec):
    pod = make_pod("x", image=PAUSE, labels={"app": "x"}, nodeSelector={"conform": "nowhere"}, **spec)
    return {"metadata": {"labels": {"app": "x"}}, "spec": pod["spec"]}


def job_spec():
    return {"template": template(restartPolicy="Never")}


APPS = {kind.kind: kind for kind in (
    Kind("apps", "v1", "deployments", "Deployment", {"spec": {"replicas": 1, "selector": LABELS, "template": template()}},
         status={"conditions": [CONDITION]}, changed={"spec": {"replicas": 2}}),
    Kind("apps", "v1", "replicasets", "ReplicaSet", {"spec": {"replicas": 1, "selector": LABELS, "template": template()}},
         status={"conditions": [CONDITION]}, changed={"spec": {"replicas": 2}}),
    Kind("apps", "v1", "daemonsets", "DaemonSet", {"spec": {"selector": LABELS, "template": template()}},
         status={"conditions": [CONDITION]}, changed={"spec": {"minReadySeconds": 1}}),
    Kind("apps", "v1", "statefulsets", "StatefulSet",
         {"spec": {"replicas": 1, "serviceName": "none", "selector": LABELS, "template": template()}},
         status={"conditions": [CONDITION]}, changed={"spec": {"replicas": 2}}),
    Kind("apps", "v1", "controllerrevisions", "ControllerRevision", {"revision": 1, "data": {"spec": {"a": 1}}},
         changed={"revision": 2}),
    Kind("batch", "v1", "jobs", "Job", {"spec": {**job_spec(), "suspend": True}}, status={"conditions": [CONDITION]},
         changed={"spec": {"parallelism": 2}}),
    Kind("batch", "v1", "cronjobs", "CronJob",
         {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job_spec()}}},
         status={"lastScheduleTime": "2026-01-01T00:00:00Z"}, changed={"spec": {"suspend": True}}),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget",
         {"spec": {"minAvailable": 1, "selector": LABELS}}, status={"conditions": [
             {**CONDITION, "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}]},
         changed={"spec": {"minAvailable": "50%"}}),
    Kind("", "v1", "replicationcontrollers", "ReplicationController",
         {"spec": {"replicas": 1, "selector": {"app": "x"}, "template": template()}},
         status={"conditions": [CONDITION]}, changed={"spec": {"replicas": 2}}),
)}

DEVICES = {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}
GIVEN = {"results": [{"request": "gpu", "driver": "gpu.example.com", "pool": "p", "device": "gpu-0"}]}
ADDRESS = {"addresses": ["10.1.2.3"], "conditions": {"ready": True}}
OTHERS = {kind.kind: kind for kind in (
    Kind("", "v1", "configmaps", "ConfigMap", {"data": {"a": "1"}}, changed={"data": {"a": "2", "b": "3"}}),
    Kind("", "v1", "secrets", "Secret", {"data": {"a": "MQ=="}}, changed={"data": {"a": "Mg=="}}),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", {}, changed={"automountServiceAccountToken": False}),
    Kind("", "v1", "podtemplates", "PodTemplate", {"template": template()}),
    Kind("", "v1", "limitranges", "LimitRange", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
         changed={"spec": {"limits": [{"type": "Container", "max": {"cpu": "3"}, "default": {"cpu": "3"},
                                       "defaultRequest": {"cpu": "3"}}]}}),
    Kind("", "v1", "resourcequotas", "ResourceQuota", {"spec": {"hard": {"cpu": "500m", "memory": "500Mi"}}},
         changed={"spec": {"hard": {"cpu": "600m"}}}),
    Kind("", "v1", "endpoints", "Endpoints", {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [
        {"name": "http", "port": 80, "protocol": "TCP"}]}]}, changed={"subsets": None}),
    Kind("", "v1", "services", "Service", {"spec": {"ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}},
         status={"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}, changed={"spec": {"selector": {"a": "b"}}}),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice",
         {"addressType": "IPv4", "endpoints": [ADDRESS], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
         changed={"endpoints": None}),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", {"spec": {"defaultBackend": {"service": {
        "name": "web", "port": {"number": 80}}}}}, status={"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
         changed={"spec": {"rules": [{"host": "a.example"}]}}),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", {"spec": {"podSelector": {}, "ingress": [{}]}},
         changed={"spec": {"policyTypes": ["Ingress", "Egress"]}}),
    Kind("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", {"spec": {"devices": DEVICES}},
         status={"allocation": {"devices": GIVEN}}),
    Kind("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", {"spec": {"spec": {"devices": DEVICES}}}),
    Kind("coordination.k8s.io", "v1", "leases", "Lease",
         {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 30, "acquireTime": NOW, "renewTime": NOW, "leaseTransitions": 0}},
         changed={"spec": {"holderIdentity": "b", "leaseTransitions": 1}}),
)}
WHEN = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
WIDE = {kind.kind: kind for kind in (
    Kind("networking.k8s.io", "v1", "ingressclasses", "IngressClass", {"spec": {"controller": "example.com/ingress"}},
         is_namespaced=False, changed={"spec": {"parameters": {"kind": "Settings", "name": "a", "scope": "Cluster"}}}),
    Kind("networking.k8s.io", "v1", "ipaddresses", "IPAddress", {"spec": {"parentRef": {
        "group": "example.com", "resource": "boxes", "namespace": "some", "name": "box"}}}, is_namespaced=False,
         names=("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::4")),
    Kind("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", {"spec": {"cidrs": ["198.51.100.0/24"]}},
         is_namespaced=False, status={"conditions": [{**CONDITION, **WHEN}]}),
    Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", {"provisioner": "example.com/disk", "parameters": {"a": "b"}},
         is_namespaced=False, changed={"allowVolumeExpansion": True}),
    Kind("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", {"spec": {"selectors": [{"cel": {
        "expression": "device.driver == \"gpu.example.com\""}}]}}, is_namespaced=False,
         changed={"spec": {"config": [{"opaque": {"driver": "gpu.example.com", "parameters": {"a": 1}}}]}}),
    Kind("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", {"spec": {
        "driver": "gpu.example.com", "pool": {"name": "p", "resourceSliceCount": 1}, "nodeName": "n1"}}, is_namespaced=False,
         changed={"spec": {"devices": [{"name": "gpu-0", "attributes": {"model": {"string": "a"}}}]}}),
    Kind("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", {"handler": "some"}, is_namespaced=False),
    Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", {"value": 7}, is_namespaced=False,
         changed={"description": "seven"}),
    Kind("", "v1", "nodes", "Node", {"spec": {"unschedulable": True}}, is_namespaced=False,
         status={"conditions": [{"type": "Seen", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z",
                                 "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "Test", "message": "said"}]}),
    Kind("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema",
         {"spec": {"matchingPrecedence": 9999, "priorityLevelConfiguration": {"name": "global-default"}, "rules": [{
             "subjects": [{"kind": "User", "user": {"name": "nobody-here"}}],
             "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}},
         is_namespaced=False, status={"conditions": [{**CONDITION, "status": "False"}]},
         changed={"spec": {"matchingPrecedence": 9998}}),
    Kind("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration",
         {"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}},
         is_namespaced=False, status={"conditions": [CONDITION]},
         changed={"spec": {"limited": {"nominalConcurrencyShares": 4}}}),
)}


class Kinds(ConformTest):
    name = "conform-kinds"

    def live(self, kind):
        Life(self, kind).run()

    def test_life_of_deployments(self):
        self.live(APPS["Deployment"])

    def test_life_of_replica_sets(self):
        self.live(APPS["ReplicaSet"])

    def test_life_of_daemon_sets(self):
        self.live(APPS["DaemonSet"])

    def test_life_of_stateful_sets(self):
        self.live(APPS["StatefulSet"])

    def test_life_of_controller_revisions(self):
        self.live(APPS["ControllerRevision"])

    def test_life_of_jobs(self):
        self.live(APPS["Job"])

    def test_life_of_cron_jobs(self):
        self.live(APPS["CronJob"])

    def test_life_of_disruption_budgets(self):
        self.live(APPS["PodDisruptionBudget"])

    def test_life_of_replication_controllers(self):
        self.live(APPS["ReplicationController"])

    def test_life_of_config_maps(self):
        self.live(OTHERS["ConfigMap"])

    def test_life_of_secrets(self):
        self.live(OTHERS["Secret"])

    def test_life_of_service_accounts(self):
        self.live(OTHERS["ServiceAccount"])

    def test_life_of_pod_templates(self):
        self.live(OTHERS["PodTemplate"])

    def test_life_of_limit_ranges(self):
        self.live(OTHERS["LimitRange"])

    def test_life_of_resource_quotas(self):
        self.live(OTHERS["ResourceQuota"])

    def test_life_of_endpoints(self):
        self.live(OTHERS["Endpoints"])

    def test_life_of_services(self):
        self.live(OTHERS["Service"])

    def test_life_of_endpoint_slices(self):
        self.live(OTHERS["EndpointSlice"])

    def test_life_of_leases(self):
        self.live(OTHERS["Lease"])

    def test_life_of_runtime_classes(self):
        self.live(WIDE["RuntimeClass"])

    def test_life_of_ingresses(self):
        self.live(OTHERS["Ingress"])

    def test_life_of_ingress_classes(self):
        self.live(WIDE["IngressClass"])

    def test_life_of_network_policies(self):
        self.live(OTHERS["NetworkPolicy"])

    def test_life_of_addresses(self):
        self.live(WIDE["IPAddress"])

    def test_life_of_service_ranges(self):
        self.live(WIDE["ServiceCIDR"])

    def test_life_of_storage_classes(self):
        self.live(WIDE["StorageClass"])

    def test_life_of_device_classes(self):
        self.live(WIDE["DeviceClass"])

    def test_life_of_resource_claims(self):
        self.live(OTHERS["ResourceClaim"])

    def test_life_of_resource_claim_templates(self):
        self.live(OTHERS["ResourceClaimTemplate"])

    def test_life_of_resource_slices(self):
        self.live(WIDE["ResourceSlice"])

    def test_life_of_priority_classes(self):
        kind = WIDE["PriorityClass"]
        self.live(kind)
        path = f"{kind.everywhere}/fixed"
        made = self.create(kind.everywhere, kind.object("fixed"))
        for change in ({"value": 8}, {"preemptionPolicy": "Never"}):
            self.assertEqual(self.api.patch(path, change).status, 422)
            self.assertEqual(self.api.put(path, {**made, **change}).status, 422)
        self.remove(path)

    def test_life_of_flow_schemas(self):
        self.live(WIDE["FlowSchema"])

    def test_life_of_priority_levels(self):
        self.live(WIDE["PriorityLevelConfiguration"])

    def test_life_of_nodes(self):
        self.live(WIDE["Node"])

    def test_life_of_events(self):
        about = {"kind": "Pod", "namespace": self.namespace, "name": "none", "apiVersion": "v1"}
        old = {"involvedObject": about, "reason": "Test", "message": "said", "type": "Normal", "source": {"component": "test"}}
        self.live(Kind("", "v1", "events", "Event", old, changed={"message": "said again"}))
        new = {"regarding": about, "reason": "Test", "note": "said", "type": "Normal", "eventTime": NOW, "action": "Test",
               "reportingController": "test", "reportingInstance": "test-1"}
        self.live(Kind("events.k8s.io", "v1", "events", "Event", new, changed={"series": {"count": 2, "lastObservedTime": NOW}}))

    def test_life_of_signing_requests(self):
        asked = run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=conform").stdout
        spec = {"request": base64.b64encode(asked.encode()).decode(), "usages": ["client auth"], "signerName": "example.com/conform"}
        kind = Kind("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", {"spec": spec},
                    is_namespaced=False, status={"conditions": [{"type": "Failed", "status": "True", "reason": "Test",
                                                                 "message": "said"}]})
        self.live(kind)
        path = kind.everywhere
        self.create(path, kind.object("approved"))
        approval = {"type": "Approved", "status": "True", "reason": "Test", "message": "said"}
        approved = self.update(f"{path}/approved/approval", lambda o: o.update(status={"conditions": [approval]}))
        self.assertEqual(approved["status"]["conditions"][0]["type"], "Approved")
        self.merge(f"{path}/approved/approval", {"metadata": {"annotations": {"seen": "yes"}}})
        self.assertEqual(self.read(f"{path}/approved/approval")["metadata"]["annotations"], {"seen": "yes"})
        self.remove(f"{path}/approved")

    # ---- lives with a difference ------------------------------------------------------------------------------

    def test_scale_of_every_kind_that_has_one(self):
        for kind in ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"):
            with self.subTest(kind):
                path = APPS[kind].path(self.namespace)
                self.create(path, APPS[kind].object("scaled"))
                scale = self.read(f"{path}/scaled/scale")
                self.assertEqual((scale["kind"], scale["spec"]["replicas"]), ("Scale", 1))
                scale["spec"]["replicas"] = 2
                scale["metadata"].pop("resourceVersion")
                self.assertEqual(self.api.ok("PUT", f"{path}/scaled/scale", scale)["spec"]["replicas"], 2)
                self.assertEqual(self.read(f"{path}/scaled")["spec"]["replicas"], 2)
                patched = self.merge(f"{path}/scaled/scale", {"spec": {"replicas": 4}})
                self.assertEqual(patched["spec"]["replicas"], 4)
                self.assertEqual(self.read(f"{path}/scaled/scale")["spec"]["replicas"], 4)
                self.remove(f"{path}/scaled", "Background")

    def test_a_lease_is_kept_exactly(self):
        path = self.at("leases", group="coordination.k8s.io")
        spec = OTHERS["Lease"].body["spec"]
        self.create(path, OTHERS["Lease"].object("exact"))
        self.assertEqual(self.read(f"{path}/exact")["spec"], spec)
        newer = {**spec, "holderIdentity": "other", "renewTime": "2026-11-28T09:00:01.500000Z", "leaseTransitions": 1}
        self.update(f"{path}/exact", lambda lease: lease.update(spec=newer))
        self.assertEqual(self.read(f"{path}/exact")["spec"], newer)

    def test_history_of_a_daemon_set(self):
        sets, revisions = APPS["DaemonSet"].path(self.namespace), APPS["ControllerRevision"].path(self.namespace)
        owner = self.create(sets, APPS["DaemonSet"].object("daemon"))
        listed = lambda: self.read(revisions, labelSelector="app=x")["items"]
        first = self.wait_for_count(listed, 1)[0]
        self.assertEqual(first["metadata"]["ownerReferences"][0]["uid"], owner["metadata"]["uid"])
        name = first["metadata"]["name"]
        self.assertEqual(self.merge(f"{revisions}/{name}", {"metadata": {"labels": {"seen": "yes"}}})["metadata"]["labels"]["seen"], "yes")
        self.create(revisions, {**first, "metadata": {"name": "by-hand", "labels": first["metadata"]["labels"],
                                                      "ownerReferences": first["metadata"]["ownerReferences"]},
                                "revision": first["revision"] + 1})
        self.wait_for_count(listed, 2)
        self.remove(f"{revisions}/by-hand")
        self.wait_for_count(listed, 1)
        self.update(f"{revisions}/{name}", lambda o: o["metadata"]["labels"].update(updated="yes"))
        changed = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 2}}}}
        self.merge(f"{sets}/daemon", changed)
        self.wait_for_count(listed, 2)
        self.api.ok("DELETE", revisions, labelSelector="updated=yes")
        self.wait_for_count(listed, 1)

    def wait_for_count(self, listed, count):
        return wait_until(lambda: len(listed()) == count and listed(), 15, f"there are {count}")


tearDownModule = harness.stop_shared_cluster
