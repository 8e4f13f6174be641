# SPDX-License-Identifier: Apache-2.0
"""Cluster: one real tetrarch with its own directory, addresses and ports; ClusterTest: a test case on one.

Every module shares one cluster (setUpClass) and every test has a namespace of its own. At the end the cluster is
purged and the machine is searched for anything that it left.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import unittest

import machine
from machine import run, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("TETRARCH", os.path.join(ROOT, "build/release/tetrarch"))
IMAGES = os.path.join(ROOT, "build/images")
KUBECTLS = {version: os.path.join(ROOT, f"build/clients/kubectl-{version}") for version in ("1.20", "1.35")}
NEWEST = "1.35"
USUAL = os.environ.get("E2E_KUBECTL", NEWEST)  # what a test uses that does not ask for one

PAUSE = "tetrarch.dev/pause:1"
DEMO = "tetrarch.dev/demo:1"
BUSYBOX = "tetrarch.dev/busybox:1"
SMALL = {"requests": {"cpu": "1m", "memory": "2Mi"}}


def make_pod(name, *command, image=BUSYBOX, labels=None, container=None, **spec):
    """A pod of one container, as kubectl takes it. Ends fast: grace period 1."""
    main = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "resources": SMALL}
    if command:
        main["command"] = list(command)
    main.update(container or {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {"app": name}},
            "spec": {"containers": [main], "terminationGracePeriodSeconds": 1, **spec}}


def make_template(labels, *command, restart=None, **spec):
    """The template of a workload; with what make_pod takes."""
    pod = make_pod("x", *command, labels=labels, **spec)["spec"]
    if restart:
        pod["restartPolicy"] = restart
    return {"metadata": {"labels": labels}, "spec": pod}


def make_deployment(name, replicas, image=DEMO, container=None, **spec):
    template = make_pod(name, image=image, container=container)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]}, **spec}}


def make_service(name, port=80, target=8080, app=None, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": app or name}, "ports": [{"name": "http", "port": port,
                                                                  "targetPort": target}], **spec}}


READY_HTTP = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}


LIVE = set()  # clusters that have not been stopped; `run` stops them when it is interrupted


def purge_dead_runs():
    """What an interrupted run (its pid ends the directory's name) left must not disturb this one."""
    for place in glob.glob(f"{ROOT}/build/e2e/*-[0-9]*"):
        if not machine.is_alive(int(place.rsplit("-", 1)[1])):
            for data in filter(os.path.isdir, glob.glob(f"{place}/*")):
                run(BINARY, "down", "--data-dir", data, "--purge", check=False, timeout=120)
            shutil.rmtree(place, ignore_errors=True)


class Process:
    """One `tetrarch up|server|agent` and its log."""

    def __init__(self, words, log):
        self.words, self.log, self.child = words, log, None

    def start(self):
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen([BINARY, *self.words], stdout=out, stderr=out,
                                          stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def kill(self, how=signal.SIGKILL, timeout=30):
        """Sends a signal and waits for the end; returns the exit status."""
        self.child.send_signal(how)
        return self.child.wait(timeout)

    def tail(self, lines=60):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return "(no log)"


# A machine that runs tests may have a disk as full as it likes; who tests that says so.
CALM = ("--eviction-hard", "memory.available<100Mi")


class Cluster:
    """`tetrarch up` by default; parts=("server",) starts the control plane alone (see add_agent)."""

    def __init__(self, name, command="up", flags=()):
        for path in (BINARY, *KUBECTLS.values(), *(f"{IMAGES}/{i}.tar" for i in ("pause", "demo", "busybox"))):
            if not os.path.exists(path):
                raise AssertionError(f"{path} is missing: ./test builds and fetches it")
        purge_dead_runs()
        self.slot = machine.Slot()
        self.directory = os.path.join(ROOT, "build/e2e", f"{name}-{os.getpid()}")
        self.data = os.path.join(self.directory, "data")
        self.node = f"{name}-node"
        self.port = machine.free_port()
        self.log = os.path.join(self.directory, "tetrarch.log")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.put_images(self.data)
        self.process = Process([command, *self.flags(self.data), "--api-listen", f"127.0.0.1:{self.port}",
                                "--node-name", self.node, *([] if CALM[0] in flags else CALM), *flags], self.log)
        self.agents = {}  # data directory -> Process
        self.seen_links, self.seen_netns = set(), set()
        LIVE.add(self)

    def flags(self, data, service_cidr=None):
        first, last = self.slot.node_ports
        return ["--data-dir", data, "--advertise-address", "127.0.0.1", "--pod-cidr", self.slot.pod_cidr,
                "--service-cidr", service_cidr or self.slot.service_cidr, "--service-node-ports", f"{first}-{last}"]

    @staticmethod
    def put_images(data):
        os.makedirs(f"{data}/images", exist_ok=True)
        for image in ("pause", "demo", "busybox"):
            shutil.copy(f"{IMAGES}/{image}.tar", f"{data}/images/")

    # ---- life -------------------------------------------------------------------------------------------------

    def start(self, node=None, timeout=60):
        self.process.start()
        self.wait_ready(timeout)
        if node is not False:
            self.wait_node(node or self.node, timeout)
        return self

    def wait_ready(self, timeout=60):
        def ready():
            if not self.process.is_running():
                raise RuntimeError(f"tetrarch ended with {self.process.child.returncode}:\n{self.process.tail(15)}")
            return os.path.exists(f"{self.data}/admin.kubeconfig") and \
                self.kubectl("get", "--raw", "/readyz", check=False).stdout.strip() == "ok"
        wait_until(ready, timeout, "/readyz says ok")

    def wait_node(self, name, timeout=60, status="True"):
        def is_so():
            node = self.get("node", name)
            return any(c["type"] == "Ready" and c["status"] == status for c in node["status"]["conditions"])
        wait_until(is_so, timeout, f"node {name} is Ready={status}", pause=0.2)

    def add_agent(self, name, token, data=None, service_cidr=None):
        """A `tetrarch agent` of its own; not yet started. A further one beside it needs service addresses of its own:
        the name service listens on one of them."""
        data = data or os.path.join(self.directory, name)
        self.put_images(data)
        words = ["agent", *self.flags(data, service_cidr), *CALM, "--server", f"https://127.0.0.1:{self.port}",
                 "--token", token, "--node-name", name]
        agent = Process(words, os.path.join(self.directory, f"{name}.log"))
        self.agents[data] = agent
        return agent

    def start_nodes(self, *names):
        """A server alone, and agents beside it: one machine plays several, each with service addresses of its own."""
        self.start(node=False)
        with open(f"{self.data}/join-token", encoding="ascii") as file:
            token = file.read().strip()
        for number, name in enumerate(names):
            services = f"{self.slot.service_prefix.rsplit('.', 1)[0]}.{128 + 16 * number}.0/20"
            self.add_agent(name, token, service_cidr=services).start()
        for name in names:
            self.wait_node(name)

    def stop(self):
        """`down --purge` for every data directory, then a search of the machine."""
        remains = []
        for data, process in [*self.agents.items(), (self.data, self.process)]:
            self.remember(data)
            done = run(BINARY, "down", "--data-dir", data, "--purge", check=False, timeout=120)
            if done.returncode != 0:
                remains.append(f"down --purge of {data}: {done.stdout}{done.stderr}")
            if process.is_running():
                remains.append(f"tetrarch (pid {process.pid}) still ran after down")
                process.kill()
            left = self.remains_of(data)
            if left:  # the test has failed; the next one shall find a clean machine
                run(BINARY, "down", "--data-dir", data, "--purge", check=False, timeout=120)
            remains += left
        self.slot.free()
        LIVE.discard(self)
        if not remains:
            shutil.rmtree(self.directory, ignore_errors=True)
        return remains

    def own_pids(self, data=None):
        data = data or self.data
        instance = machine.instance_of(data)
        return machine.pids_with(f"{data}/", f"{data} ", f"/run/tetrarch/{instance}", f"tetrarch-{instance}")

    def bridges(self, data=None):
        instance = machine.instance_of(data or self.data)
        return [link for link in machine.links() if link.startswith("tet") and instance[:4] in link]

    def remember(self, data):
        """Names that carry no sign of their cluster: veth ends and network namespaces."""
        for bridge in self.bridges(data):
            self.seen_links.update(machine.ports_of_bridge(bridge))
        names = machine.named_network_namespaces()
        own = {machine.network_namespace_of(pid) for pid in self.own_pids(data)}
        self.seen_netns.update(names[inode] for inode in own if inode in names)

    def remains_of(self, data):
        instance = machine.instance_of(data)
        out = [f"process {pid}: {machine.read_proc(pid, 'cmdline')}" for pid in self.own_pids(data)]
        out += [f"link {name}" for name in machine.links() if name in self.seen_links]
        out += [f"link {name}" for name in self.bridges(data)]
        out += [f"nft {line}" for line in machine.nft_tables() if instance in line]
        out += [f"network namespace {n}" for n in machine.named_network_namespaces().values() if n in self.seen_netns]
        out += [f"mount {at}" for at in machine.mounts() if at.startswith((data, f"/run/tetrarch/{instance}"))]
        out += [f"directory {path}" for path in (data, f"/run/tetrarch/{instance}") if os.path.exists(path)]
        found = run("find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d", "-name", f"*tetrarch-{instance}*")
        out += [f"cgroup {path}" for path in found.stdout.split()]
        return out

    # ---- kubectl ----------------------------------------------------------------------------------------------

    def environment(self, **more):
        clean = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        return {**clean, "KUBECONFIG": f"{self.data}/admin.kubeconfig", "HOME": self.directory, **more}

    def kubectl(self, *words, check=True, input=None, timeout=120, version=USUAL, env=None):
        return run(KUBECTLS[version], *words, check=check, input=input, timeout=timeout,
                   env=self.environment(**(env or {})))

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def get_config(self):
        """The administrator's kubeconfig, as a dict."""
        return json.loads(self.kubectl("config", "view", "--raw", "-o", "json").stdout)

    def tetrarch(self, command, *words, check=True):
        return run(BINARY, command, "--data-dir", self.data, *words, check=check)

    def curl(self, url, timeout=3):
        """Text of an answer with status 200; anything else is an AssertionError."""
        return run("curl", "-fsS", "--noproxy", "*", "-m", timeout, url).stdout

    def logs(self):
        """The last lines of the first process, for a cluster that does not come up."""
        return self.process.tail()

    def dump(self, namespace=None):
        scope = ["-n", namespace] if namespace else ["-A"]
        parts = []
        for words in (["get", "nodes,pods,services", "-o", "wide", *scope], ["get", "events", *scope]):
            done = run(KUBECTLS[NEWEST], *words, check=False, env=self.environment())
            parts.append(f"--- kubectl {' '.join(words)}\n{done.stdout[-6000:]}{done.stderr[-1000:]}")
        for process in [self.process, *self.agents.values()]:
            parts.append(f"--- {process.log}\n{process.tail()}")
        return "\n".join(parts)


class ClusterTest(unittest.TestCase):
    """Owns the cluster of a module; subclasses set `name` and may override `start_cluster`."""

    name = "e2e"
    suffix = ""  # of the tests' namespaces
    cluster = None

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name)
        cls.cluster.start()

    @classmethod
    def setUpClass(cls):
        try:
            cls.start_cluster()
        except BaseException:
            if cls.cluster is not None:
                print(cls.cluster.logs(), flush=True)
                print("\n".join(cls.cluster.stop()), flush=True)
            raise

    @classmethod
    def tearDownClass(cls):
        remains = cls.cluster.stop()
        if remains:
            raise AssertionError("down --purge left:\n  " + "\n  ".join(remains))

    def setUp(self):
        self.namespace = self._testMethodName.removeprefix("test_").replace("_", "-")[:50].strip("-") + self.suffix
        self.make_namespace(self.namespace)
        self.addCleanup(self.cluster.kubectl, "delete", "namespace", self.namespace, "--wait=false", check=False)

    def make_namespace(self, name):
        """By create -f, which every client sends as JSON: `create namespace` has a test of its own."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.cluster.kubectl("create", "-f", "-", input=json.dumps(body))

    def dump(self):
        return self.cluster.dump(getattr(self, "namespace", None))

    # ---- shorthands in the test's namespace -------------------------------------------------------------------

    def kubectl(self, *words, **options):
        return self.cluster.kubectl("-n", self.namespace, *words, **options)

    def make(self, *words):
        """`kubectl create …` as a step on the way, by the client that sends JSON; test_kubectl tests create itself."""
        self.kubectl("create", *words, version="1.20")

    def text(self, *words, **options):
        return self.kubectl(*words, **options).stdout

    def get(self, *words):
        return self.cluster.get("-n", self.namespace, *words)

    def apply(self, *objects, **options):
        """Objects as dicts, or one YAML text."""
        if len(objects) == 1 and isinstance(objects[0], str):
            return self.kubectl("apply", "-f", "-", input=objects[0], **options)
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("apply", "-f", "-", input=json.dumps(listed), **options)

    def pods(self, selector=""):
        return self.get("pods", *(["-l", selector] if selector else []))["items"]

    def wait_pod(self, name, check, timeout, what):
        """Waits until check(pod) holds; returns the pod."""
        def seen():
            pod = self.get("pod", name)
            if check(pod):
                return pod
            raise AssertionError(json.dumps(pod.get("status", {}))[-1200:])
        return wait_until(seen, timeout, f"pod {name} {what}", pause=0.2)

    def wait_ready(self, name, timeout=60):
        return self.wait_pod(name, is_ready, timeout, "is ready")

    def wait_phase(self, name, phase, timeout=60):
        return self.wait_pod(name, lambda pod: pod["status"].get("phase") == phase, timeout, f"is {phase}")

    def run_pod(self, pod, timeout=60):
        self.apply(pod)
        return self.wait_ready(pod["metadata"]["name"], timeout)

    def wait_rollout(self, name, timeout=120):
        self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={timeout}s", timeout=timeout + 10)

    def exec(self, pod, *command, check=True, input=None, container=None):
        flags = ["-i"] if input is not None else []
        flags += ["-c", container] if container else []
        return self.kubectl("exec", *flags, pod, "--", *command, check=check, input=input)

    def wait_text(self, url, word, timeout=30):
        def answer():
            text = self.cluster.curl(url)
            if word not in text:
                raise AssertionError(text)
            return text
        return wait_until(answer, timeout, f"{url} answers with '{word}'")

    def wait_events(self, word, timeout=30):
        return wait_until(lambda: [e for e in self.get("events")["items"] if word in e["reason"] + e["message"]],
                          timeout, f"an event that says {word}", pause=0.3)

    def assert_fails(self, done, *words):
        """The command failed, and said each of the words."""
        self.assertNotEqual(done.returncode, 0, f"succeeded, with: {done.stdout}")
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)


class OutsideTest(ClusterTest):
    """With `outside`, another host that the module's tests share."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.outside = machine.Outside(cls.cluster.slot)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        if getattr(cls, "outside", None):
            cls.outside.close()
        super().tearDownClass()


class SharedCluster(ClusterTest):
    """Several classes, one for each kubectl, speak to one cluster: the first class makes it; a module of such tests
    says `tearDownModule = harness.stop_shared_cluster`."""

    shared = None
    version = USUAL

    @classmethod
    def setUpClass(cls):
        if SharedCluster.shared is None:
            ClusterTest.setUpClass.__func__(cls)
            SharedCluster.shared = cls.cluster
        cls.cluster = SharedCluster.shared

    @classmethod
    def tearDownClass(cls):
        pass

    def kubectl(self, *words, **options):
        return super().kubectl(*words, **{"version": self.version, **options})

    def words(self, *words):
        """The command of a kubectl that a test runs beside itself."""
        return [KUBECTLS[self.version], "-n", self.namespace, *words]


def stop_shared_cluster():
    if SharedCluster.shared is not None:
        remains = SharedCluster.shared.stop()
        if remains:
            raise AssertionError("down --purge left:\n  " + "\n  ".join(remains))


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def container_of(pod, name=None, kind="containerStatuses"):
    statuses = pod["status"].get(kind, [])
    return next((s for s in statuses if name is None or s["name"] == name), {})
