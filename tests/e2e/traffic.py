# SPDX-License-Identifier: Apache-2.0
"""What goes on in a cluster while it suffers: callers of a service and of the name service on every machine, a writer to
the API, and a deployment that changes its size and its template. Callers try again until they succeed; what they and the writer saw is judged by fault_checks.py.

Each is a thread in a network namespace of its own choice, so that the calls cost no process."""
import contextlib
import ctypes
import dataclasses
import random
import threading
import time
import urllib.request

import dns
from api import Api, config_map

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def enter_network(path):
    """For the calling thread alone."""
    with open(path, "rb") as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


@contextlib.contextmanager
def in_network(path):
    """As a block, for the calling thread alone."""
    with open("/proc/thread-self/ns/net", "rb") as own:
        enter_network(path)
        try:
            yield
        finally:
            if LIBC.setns(own.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns back")


@dataclasses.dataclass
class Call:
    """One request with all its tries; times of the monotonic clock. `ended` is when it was answered."""
    source: str
    began: float
    ended: float
    tries: int
    last_error: str


class Caller(threading.Thread):
    """Asks from one machine, again and again. A request is tried until it is answered."""

    def __init__(self, host, ask, pause=0.25):
        super().__init__(daemon=True)
        self.host, self.ask, self.pause = host, ask, pause
        self.calls, self.is_over, self.place = [], threading.Event(), None

    def run(self):
        while not self.is_over.wait(self.pause):
            if self.host.network():
                self.calls.append(self.call())

    def call(self):
        call = Call(self.host.name, time.monotonic(), float("inf"), 0, "")
        while True:
            call.tries += 1
            try:
                self.move()
                self.ask()
                call.ended = time.monotonic()
                return call
            except (OSError, AssertionError) as error:  # HTTPError is an OSError
                call.last_error = repr(error)
            if self.is_over.wait(0.1):
                return call

    def move(self):
        """A machine that was started again has a new network."""
        place = self.host.network()
        if place is None:
            raise OSError(f"{self.host.name} is off")
        if place != self.place:
            enter_network(place)
            self.place = place


def http(url, timeout=0.7):
    def ask():
        with DIRECT.open(url, timeout=timeout) as answer:
            answer.read()
    return ask


def name(server, domain, address, timeout=0.7):
    def ask():
        said = dns.ask(server, domain, timeout=timeout)
        assert said == ("NOERROR", [address]), said
    return ask


class Writer(threading.Thread):
    """Makes, changes and deletes config maps, and remembers for each what was acknowledged and what may have happened
    since: an answer that never came leaves both possible."""

    def __init__(self, api, namespace, network, pause=0.2):
        super().__init__(daemon=True)
        self.api, self.network, self.pause = api, network, pause
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self.possible = {}  # name -> set of values; None: it is not there
        self.acknowledged, self.unanswered, self.refused = 0, 0, []
        self.is_over = threading.Event()

    def run(self):
        enter_network(self.network)
        number = 0
        while not self.is_over.wait(self.pause):
            number += 1
            # Of every five: three new ones, a change of the third and the end of the second.
            step = number % 5
            if step < 3:
                self.write("POST", f"w{number}", str(number))
            elif step == 3:
                self.write("PUT", f"w{number - 1}", str(number))
            else:
                self.write("DELETE", f"w{number - 3}", None)

    def write(self, method, name_of_it, value):
        before = self.possible.get(name_of_it, {None})
        self.possible[name_of_it] = before | {value}
        body = None if value is None else config_map(name_of_it, {"v": value})
        path = self.path if method == "POST" else f"{self.path}/{name_of_it}"
        try:
            answer = self.api.call(method, path, body, timeout=3)
        except OSError:
            self.unanswered += 1
            return
        if answer.status // 100 == 2:
            self.possible[name_of_it] = {value}
            self.acknowledged += 1
        elif answer.status // 100 == 5 or answer.status == 429:
            self.unanswered += 1
        elif answer.status != 404 or None not in before:  # else: a create that was never answered
            self.refused.append(f"{method} {name_of_it}: {answer}")

    def lost(self):
        """What is not as it was acknowledged."""
        there = {item["metadata"]["name"]: item["data"]["v"] for item in self.api.ok("GET", self.path)["items"]
                 if item["metadata"]["name"].startswith("w")}
        return [f"config map {one} is {there.get(one)}, acknowledged or possible: {sorted(map(str, values))}"
                for one, values in self.possible.items() if there.get(one) not in values]


class Churn(threading.Thread):
    """Scales a deployment up and down and rolls it out, so that pods are begun and ended while faults go on."""

    def __init__(self, api, namespace, deployment, network, seed):
        super().__init__(daemon=True)
        self.api, self.network, self.chance = api, network, random.Random(seed)
        self.path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
        self.is_over = threading.Event()

    def run(self):
        enter_network(self.network)
        while not self.is_over.wait(self.chance.uniform(1, 4)):
            change = {"replicas": self.chance.randint(0, 6)}
            if self.chance.random() < 0.3:
                change = {"template": {"metadata": {"annotations": {"n": str(self.chance.random())}}}}
            with contextlib.suppress(OSError):  # no server at the moment; the next change will do
                self.api.patch(self.path, {"spec": change}, timeout=3)


class Traffic:
    """All of it, for a service `web` of a namespace and a deployment `churning`."""

    def __init__(self, cluster, namespace, service, name_server, domain, seed):
        agents = cluster.agents
        self.services = [Caller(host, http(f"http://{service}/")) for host in agents]
        self.names = [Caller(host, name(name_server, f"web.{namespace}.svc.{domain}", service), 0.5) for host in agents]
        self.writer = Writer(Api(cluster), namespace, cluster.lab.network)
        self.churn = Churn(Api(cluster), namespace, "churning", cluster.lab.network, seed)

    @contextlib.contextmanager
    def flowing(self):
        threads = [*self.services, *self.names, self.writer, self.churn]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for thread in threads:
                thread.is_over.set()
            for thread in threads:
                thread.join(10)
