# SPDX-License-Identifier: Apache-2.0
"""Judges of a cluster that suffers faults (faults.py) under traffic (traffic.py).

While it goes on, `Observer` looks at pods through the API and at processes on the machines. Afterwards:

- a call is answered within a bound, not counted the time in which its own machine was out of order;
- an identity runs in one place: a pod (uid) on one machine in one set of containers, a name of a StatefulSet once;
- a container was restarted as often as a fault ended all containers of its machine, at most;
- a pod was taken away only from a machine that was drained or away for long enough;
- the API has what it acknowledged.

`unrest` says what is not yet as it should be once the faults are over."""
import collections
import os
import threading
import time

import machine
from faults import AWAY, ENDS_CONTAINERS
from traffic import enter_network

MARK = "FAULTS_IDENTITY="  # an environment variable of every container: namespace/name/uid
BOUND = 12.0  # seconds
DETECTION = 8.0  # seconds of silence (docs/adr/0041-beats.md)
FIELDS = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
          {"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
          {"name": MARK.rstrip("="), "value": "$(POD)/$(UID)"}]


class Observer(threading.Thread):
    """Follows the pods of a namespace, and what runs of them where."""

    def __init__(self, cluster, api, namespace, pause=0.5):
        super().__init__(daemon=True)
        self.cluster, self.api, self.pause = cluster, api, pause
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.restarts = {}  # (uid, container) -> highest count that was seen
        self.pods = {}  # uid -> (name, node, owner's kind)
        self.gone = {}  # uid -> clock when it was first seen on its way out
        self.created = {}  # uid -> clock when it was first seen
        self.doubled, self.suspects = [], set()
        self.is_over = threading.Event()

    def run(self):
        enter_network(self.cluster.lab.network)
        while not self.is_over.wait(self.pause):
            self.look_at_machines()
            try:
                self.look_at_pods()
            except (OSError, AssertionError, ValueError):
                continue  # no server at the moment

    def look_at_pods(self):
        now = time.monotonic()
        items = self.api.ok("GET", self.path, timeout=3)["items"]
        for pod in items:
            meta, uid = pod["metadata"], pod["metadata"]["uid"]
            owner = next((one["kind"] for one in meta.get("ownerReferences", [])), "")
            self.pods[uid] = (meta["name"], pod["spec"].get("nodeName"), owner)
            self.created.setdefault(uid, now)
            if "deletionTimestamp" in meta:
                self.gone.setdefault(uid, now)
            for status in pod["status"].get("containerStatuses", []):
                place = uid, status["name"]
                self.restarts[place] = max(self.restarts.get(place, 0), status["restartCount"])
        there = {pod["metadata"]["uid"] for pod in items}
        for uid in self.pods:
            if uid not in there:
                self.gone.setdefault(uid, now)

    def look_at_machines(self):
        """What was seen twice is no container that just takes another's place."""
        seen = set(doubled(running(self.cluster)))
        self.doubled += [text for text in seen & self.suspects if text not in self.doubled]
        self.suspects = seen


def running(cluster):
    """(host, pod's name, uid, pid namespace) of the containers that bear MARK."""
    out = set()
    for pid in machine.all_pids():
        group = machine.read_proc(pid, "cgroup")
        host = next((one.name for one in cluster.hosts if f"/{one.group}/" in group or f"/{one.group}\n" in group), None)
        if host is None or MARK not in (text := machine.read_proc(pid, "environ")):
            continue
        try:
            space = os.readlink(f"/proc/{pid}/ns/pid")
        except OSError:
            continue
        name, uid = text.split(MARK, 1)[1].split(" ", 1)[0].split("/")
        out.add((host, name, uid, space))
    return out


def doubled(found):
    """Texts on identities that run more than once."""
    places = collections.defaultdict(set)
    for host, name, uid, space in found:
        places[f"pod {name} ({uid})"].add((host, space))
        if name.startswith("one-"):  # of the StatefulSet: another pod of that name must not run beside it
            places[f"identity {name}"].add((host, space))
    return [f"{what} runs {len(where)} times: {sorted(where)}" for what, where in places.items() if len(where) > 1]


# ---- afterwards -------------------------------------------------------------------------------------------------


def overlap(call, fault, settles=0.0):
    return max(0.0, min(call.ended, fault.ended + settles) - max(call.began, fault.began))


def slow_calls(callers, faults, kinds, end):
    """Calls that took longer than the bound, without the time in which a fault of these kinds held their machine."""
    out = []
    for caller in callers:
        for call in caller.calls:
            call.ended = min(call.ended, end)
            own = sum(overlap(call, fault, 1.0) for fault in faults
                      if fault.fault.host == call.source and fault.fault.kind in kinds)
            if call.ended - call.began - own > BOUND:
                out.append(f"a call from {call.source} took {call.ended - call.began:.1f} s and {call.tries} tries, "
                           f"{own:.1f} s of it its machine was out of order; last: {call.last_error}")
    return out


def unexplained_restarts(observer, faults):
    out = []
    for (uid, container), count in observer.restarts.items():
        name, node, _ = observer.pods[uid]
        causes = [one for one in faults if one.fault.host == node and one.fault.kind in ENDS_CONTAINERS
                  and one.ended > observer.created[uid] - 2]
        if count > len(causes):
            out.append(f"{name}/{container} on {node} was restarted {count} times, {len(causes)} faults explain it")
    return out


def waits_to_start(one, faults):
    """A containerd that has ended twice in a minute is started the third time after a pause (runtime/containerd.cc), and
    its node is not ready for longer than these pods bear."""
    return one.fault.kind == "kill containerd" and 2 <= sum(
        before.fault.kind == one.fault.kind and before.fault.host == one.fault.host and 0 < one.began - before.began < 60
        for before in faults)


def unexplained_removals(observer, faults):
    """A control plane that was away itself is no reason."""
    out = []
    for uid, when in observer.gone.items():
        name, node, _ = observer.pods[uid]
        if name.startswith("churning-"):
            continue
        for one in faults:
            is_long = min(one.ended, when) - one.began > DETECTION - 5
            if one.fault.host == node and one.began < when and (
                    one.fault.kind == "drain" or waits_to_start(one, faults) or (one.fault.kind in AWAY and is_long)):
                break
        else:
            out.append(f"{name} was taken from {node}, which no fault explains")
    return out


# ---- rest -------------------------------------------------------------------------------------------------------


def unrest(cluster, api, namespace):
    """What differs from a cluster in which all is done, as texts."""
    nodes = api.ok("GET", "/api/v1/nodes")["items"]
    every_pod = api.ok("GET", "/api/v1/pods")["items"]
    pods = [pod for pod in every_pod if pod["metadata"]["namespace"] == namespace]
    return [*unrest_of_nodes(nodes), *unrest_of_workloads(api, namespace, pods),
            *unrest_of_endpoints(api, namespace, pods), *leftovers(cluster, every_pod)]


def is_ready(item):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", []))


def unrest_of_nodes(nodes):
    out = []
    for node in nodes:
        name = node["metadata"]["name"]
        if not is_ready(node):
            out.append(f"node {name} is not ready")
        if node["spec"].get("unschedulable") or node["spec"].get("taints"):
            out.append(f"node {name} takes no pods: {node['spec']}")
    return out


def unrest_of_workloads(api, namespace, pods):
    out = []
    for kind in ("deployments", "statefulsets", "daemonsets"):
        for item in api.ok("GET", f"/apis/apps/v1/namespaces/{namespace}/{kind}")["items"]:
            status = item["status"]
            wanted = item["spec"].get("replicas", status.get("desiredNumberScheduled"))
            ready = status.get("readyReplicas", status.get("numberReady", 0))
            if ready != wanted or status["observedGeneration"] != item["metadata"]["generation"]:
                out.append(f"{kind} {item['metadata']['name']}: {ready} of {wanted} are ready")
    out += [f"pod {pod['metadata']['name']} is not ready" for pod in pods if not is_ready(pod)]
    return out + [f"pod {pod['metadata']['name']} is ending" for pod in pods if "deletionTimestamp" in pod["metadata"]]


def unrest_of_endpoints(api, namespace, pods):
    wanted = {pod["status"]["podIP"] for pod in pods if is_ready(pod) and pod["metadata"]["labels"].get("app") == "web"}
    slices = api.ok("GET", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")["items"]
    listed = {address for one in slices if one["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
              for end in one.get("endpoints") or [] if end["conditions"].get("ready") for address in end["addresses"]}
    return [] if wanted == listed else [f"endpoints are {sorted(listed)}, ready pods {sorted(wanted)}"]


def leftovers(cluster, every_pod):
    """Containers, sandboxes, links and network namespaces on the machines, against the pods that belong there."""
    out, found = [], running(cluster)
    for host in cluster.agents:
        here = {pod["metadata"]["uid"]: pod for pod in every_pod if pod["spec"].get("nodeName") == host.name}
        networks = sum(not pod["spec"].get("hostNetwork") for pod in here.values())
        out += [f"{host.name} runs a container of {name} ({uid}), which does not belong there"
                for at, name, uid, _ in found if at == host.name and uid not in here]
        out += doubled(found)
        script = ("pgrep -cf '^[^ ]*containerd-shim' || true; ip -o link show type veth | grep -c ' master tet' || true; "
                  "ls /run/netns | wc -l; ls /var/lib/tetrarch/agent/pods | tr '\\n' ' '; echo; "
                  "ctr -a /run/tetrarch/*/containerd.sock -n k8s.io c ls -q "
                  f"'{','.join(f'labels.io.kubernetes.pod.uid!={uid}' for uid in here)}' | tr '\\n' ' '; echo")
        shims, links, spaces, volumes, containers = host.run("sh", "-c", script).stdout.split("\n")[:5]
        for what, count, wanted in (("sandboxes", shims, len(here)), ("links of pods", links, networks),
                                    ("network namespaces", spaces, networks)):
            if int(count) != wanted:
                out.append(f"{host.name} has {count} {what} for {wanted} pods")
        out += [f"{host.name} has a directory of the pod {uid}, which is gone" for uid in volumes.split() if uid not in here]
        out += [f"{host.name} has a container {one} of a pod that is gone" for one in containers.split()]
    return sorted(set(out))
