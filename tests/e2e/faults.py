# SPDX-License-Identifier: Apache-2.0
"""Random faults on machines of namespaces: `plan` draws them from a seed, `Injector` does them to a cluster.

A plan is a list that depends on nothing but its arguments, so a seed replays it. What hides a machine or ends its pods
("away") happens to one machine at a time; what else there is goes on beside it.
"""
import dataclasses
import random
import threading
import time

from machine import wait_until

# Seconds that a fault lasts, and those that it takes the machine to be itself again.
AGENT = {"kill agent": (0, 3, 2), "kill containerd": (0, 0, 3), "kill a shim": (0, 0, 3), "slow link": (3, 9, 1),
         "drain": (2, 6, 3)}
AGENT_AWAY = {"kill everything": (0, 3, 10), "reboot": (0, 6, 12), "cut off": (2, 16, 6), "cut off, sends": (2, 14, 6),
              "cut off, hears": (2, 14, 6), "pause": (2, 14, 6)}
SERVER = {"kill server": (0, 4, 2), "slow link": (3, 9, 1)}
SERVER_AWAY = {"reboot": (0, 4, 4), "cut off": (2, 12, 3), "pause": (2, 12, 3)}
AWAY = {*AGENT_AWAY, *SERVER_AWAY}
WAYS = {"cut off": "both", "cut off, sends": "out", "cut off, hears": "in"}
ENDS_CONTAINERS = ("kill everything", "reboot", "kill a shim")


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float  # seconds behind the beginning, at the earliest
    kind: str
    host: str
    lasts: float

    def __str__(self):
        return f"{self.at:6.1f} s  {self.kind} {self.host}, {self.lasts:.1f} s"


def plan(seed, count, server, agents, pace=5.0):
    """`count` faults, one every `pace` seconds on average."""
    chance = random.Random(seed)
    faults, at = [], 0.0
    free = dict.fromkeys([server, *agents, "away"], 0.0)
    while len(faults) < count:
        at += chance.uniform(0.4, 1.6) * pace
        idle = [host for host in [server, *agents] if free[host] <= at]
        if not idle:
            continue
        host = chance.choice(idle)
        kinds, away = (SERVER, SERVER_AWAY) if host == server else (AGENT, AGENT_AWAY)
        if free["away"] <= at and chance.random() < 0.7:
            kinds = away
        kind = chance.choice(sorted(kinds))
        least, most, settles = kinds[kind]
        fault = Fault(round(at, 1), kind, host, round(chance.uniform(least, most), 1))
        faults.append(fault)
        free[host] = at + fault.lasts + settles
        if kind in AWAY:
            free["away"] = free[host]
    return faults


@dataclasses.dataclass
class Done:
    """A fault that was done; times of the monotonic clock. Until it has ended, `ended` is infinite."""
    fault: Fault
    began: float
    ended: float = float("inf")


class Injector:
    """Does a plan, in its order. A fault waits for the one before it on its machine, and those that take a machine away
    for each other, so a slow machine stretches the plan and changes nothing else."""

    def __init__(self, cluster, tell=print):
        self.cluster, self.tell = cluster, tell
        self.done, self.errors = [], []
        self.locks = {host.name: threading.Lock() for host in cluster.hosts}
        self.away = threading.Lock()
        self.is_over = threading.Event()

    def run(self, faults):
        threads = []
        try:
            self.begin_all(faults, threads)
        except BaseException:
            self.is_over.set()  # who is interrupted leaves no machine paused and boots none behind our back
            raise
        finally:
            for thread in threads:
                thread.join()

    def begin_all(self, faults, threads):
        begin = time.monotonic()
        for fault in faults:
            time.sleep(max(0.0, begin + fault.at - time.monotonic()))
            if fault.kind in AWAY:
                self.away.acquire()  # pylint: disable=consider-using-with
            self.locks[fault.host].acquire()
            done = Done(fault, time.monotonic())
            self.done.append(done)
            self.tell(f"{done.began - begin:6.1f} s  fault {len(self.done)}: {fault.kind} {fault.host}, {fault.lasts} s")
            threads.append(threading.Thread(target=self.inject, args=(done,)))
            threads[-1].start()

    def inject(self, done):
        fault = done.fault
        try:
            self.perform(fault, self.cluster.host(fault.host))
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"{fault}: {error!r}")
        finally:
            done.ended = time.monotonic()
            self.is_over.wait({**AGENT, **SERVER, **SERVER_AWAY, **AGENT_AWAY}[fault.kind][2])
            self.locks[fault.host].release()
            if fault.kind in AWAY:
                self.away.release()

    def perform(self, fault, host):
        if fault.kind in ("kill agent", "kill server"):
            self.cluster.end_on(host, "KILL")
            self.start_after(fault, host)
        elif fault.kind == "kill containerd":
            host.run("pkill", "-KILL", "-x", "containerd", check=False)
        elif fault.kind == "kill a shim":
            host.run("pkill", "-KILL", "-o", "-f", "^[^ ]*containerd-shim", check=False)
        elif fault.kind == "kill everything":
            host.kill_processes()
            wait_until(lambda: not self.cluster.is_running(host), 10, f"tetrarch has ended on {host.name}")
            self.start_after(fault, host)
        elif fault.kind == "reboot":
            host.kill()
            self.is_over.wait(fault.lasts)
            host.boot()
            self.cluster.start_on(host)
        elif fault.kind in WAYS:
            self.hold(fault, lambda: host.cut(WAYS[fault.kind]), host.heal)
        elif fault.kind == "slow link":
            self.hold(fault, lambda: host.slow("2mbit"), host.heal)
        elif fault.kind == "pause":
            self.hold(fault, host.pause, host.resume)
        else:
            self.drain(fault)

    def hold(self, fault, begin, end):
        begin()
        try:
            self.is_over.wait(fault.lasts)
        finally:
            end()

    def start_after(self, fault, host):
        self.is_over.wait(fault.lasts)
        self.cluster.start_on(host)

    def drain(self, fault):
        """Another machine's fault may keep it from its end, which is no mistake. That it is taken back must succeed."""
        def command(*words):
            return self.cluster.kubectl("--request-timeout=3s", *words, check=False, timeout=40, outside=True)
        command("drain", fault.host, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=10s")
        self.is_over.wait(fault.lasts)
        wait_until(lambda: self.is_over.is_set() or command("uncordon", fault.host).returncode == 0, 90, f"{fault.host} is uncordoned", pause=1)
