# SPDX-License-Identifier: Apache-2.0
"""Machines made of namespaces: each has its own processes, mounts, control groups and network, and hangs on a segment.

    lab = Lab("join")                       # a router with two segments, in a network namespace of its own
    host = lab.add_host("m1", segment=1)    # 10.90.1.11, boots at once
    host.run("ip", "addr")                  # to its end, on the machine
    host.cut() / heal() / pause() / resume() / kill() / reboot() / slow(rate)
    lab.close()                             # what it still finds of them it returns as text

Every lab has the same addresses: no packet leaves its namespace, so any number of labs live side by side. The recipe of
host_machine is the one for a real systemd too (init="systemd").
"""
import glob
import os
import shutil
import signal
import subprocess

import machine
from machine import run, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
SEGMENTS = (1, 2)
LABS = set()  # those that have not been closed


def own_groups():
    """The control groups that this process is in, one per hierarchy: places to make a host's own below."""
    mounts = {}  # hierarchy (sorted controllers or name) -> mount point
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, at, kind, options = line.split()[:4]
            if kind == "cgroup2":
                mounts[""] = at
            elif kind == "cgroup":
                mounts.update({word: at for word in options.split(",")})
    out = []
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            at = mounts.get(names.split(",")[0])
            if at:
                out.append(os.path.join(at, path.lstrip("/")))
    return out


class Host:
    """One machine. `state` lies on this machine's disk; its `disk` survives a reboot."""

    def __init__(self, lab, name, segment, number, init):
        self.lab, self.name, self.segment, self.init = lab, name, segment, init
        self.address = f"10.90.{segment}.{10 + number}"
        self.link = f"h{number}"  # its end in the lab
        self.state = os.path.join(lab.directory, name)
        self.disk = os.path.join(self.state, "disk")
        self.group = f"host-{lab.tag}-{name}"
        self.child = self.pid = None
        for part in ("root", "top", "disk"):
            os.makedirs(os.path.join(self.state, part), exist_ok=True)

    # ---- life -------------------------------------------------------------------------------------------------

    def groups(self):
        return [os.path.join(at, self.group) for at in own_groups()]

    def make_groups(self):
        for group in self.groups():
            os.makedirs(group, exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):  # v1: empty ones take nobody
                parent = os.path.join(os.path.dirname(group), name)
                if os.path.exists(os.path.join(group, name)) and os.path.exists(parent):
                    with open(parent, encoding="ascii") as file:
                        value = file.read().strip()
                    if value:
                        with open(os.path.join(group, name), "w", encoding="ascii") as file:
                            file.write(value)

    def boot(self):
        self.make_groups()
        environment = {**os.environ, "HOST_GROUPS": " ".join(self.groups()), "HOST_PROJECT": ROOT}
        with open(os.path.join(self.state, "boot.log"), "ab") as log:
            self.child = subprocess.Popen([f"{HERE}/host_machine", self.name, self.state, self.init], env=environment,
                                          stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.find_init, 10, f"{self.name} has a first process", pause=0.02)
        self.connect()
        wait_until(self.is_up, 20, f"{self.name} has booted (see {self.state}/boot.log)", pause=0.05)
        return self

    def find_init(self):
        if self.child.poll() is not None:
            raise RuntimeError(f"{self.name} did not boot: {self.boot_log()}")
        children = machine.read_proc(self.child.pid, f"task/{self.child.pid}/children").split()
        self.pid = int(children[0]) if children else None
        return self.pid

    def boot_log(self):
        with open(os.path.join(self.state, "boot.log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-1500:]

    def connect(self):
        mtu = str(self.lab.mtus.get(self.segment, 1500))
        # A machine keeps its card: by another address its neighbours would not find it for half a minute.
        card = "02:" + ":".join(f"{byte:02x}" for byte in (*map(int, self.address.split(".")), self.segment))
        self.lab.inside("ip", "link", "add", self.link, "mtu", mtu, "type", "veth", "peer", "name", "eth0", "mtu", mtu,
                        "address", card, "netns", str(self.pid))
        self.lab.inside("ip", "link", "set", self.link, "master", f"seg{self.segment}", "up")
        enter = ("nsenter", "-t", self.pid, "-n")
        run(*enter, "ip", "link", "set", "lo", "up")
        run(*enter, "ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        run(*enter, "ip", "link", "set", "eth0", "up")
        run(*enter, "ip", "route", "add", "default", "via", f"10.90.{self.segment}.1")

    def is_up(self):
        if self.init == "systemd":
            return self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"
        return machine.read_proc(self.pid, "cmdline").startswith("bash -c while")  # the last thing that it becomes

    def is_alive(self):
        return self.child is not None and self.child.poll() is None

    def network(self):
        """The file that names its network namespace; None while it is off."""
        pid = self.pid
        return f"/proc/{pid}/ns/net" if pid else None

    def kill(self):
        """Power off: every process ends at once, and what lay in memory is gone."""
        if not self.is_alive():
            return
        if self.is_paused():
            self.resume()
        os.kill(self.pid, signal.SIGKILL)
        self.child.wait(20)
        wait_until(lambda: not self.members(), 20, f"all of {self.name} has ended")
        self.lab.inside("ip", "link", "del", self.link, check=False)
        self.pid = None

    def kill_processes(self):
        """kill -9 of everything but the first process; the network stays as it is."""
        self.run("sh", "-c", "kill -9 -1", check=False)

    def reboot(self):
        self.kill()
        return self.boot()

    def members(self):
        """Pids of this machine that are on it."""
        return [pid for pid in machine.all_pids() if f"/{self.group}" in machine.read_proc(pid, "cgroup")
                and machine.is_alive(pid)]

    # ---- work -------------------------------------------------------------------------------------------------

    def command(self, *words):
        """What enters the machine and its control groups, and becomes these words."""
        join = "; ".join(f"echo $$ >{group}/cgroup.procs" for group in self.groups())
        enter = f"exec nsenter -t {self.pid} -m -p -u -i -n -C -- \"$@\""
        return ["sh", "-c", f"{join}; {enter}", "sh", *[str(word) for word in words]]

    def run(self, *words, check=True, timeout=60, input=None):
        return run(*self.command(*words), check=check, timeout=timeout, input=input)

    def start(self, log, *words):
        """A process of the machine; `log` is a file of ours."""
        with open(log, "ab") as out:
            return subprocess.Popen(self.command(*words), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                    start_new_session=True)

    # ---- faults -----------------------------------------------------------------------------------------------

    def freezer(self):
        """The file that stops all of it, and the words for yes and no (control groups v1 and v2)."""
        for group in self.groups():
            for name, words in (("freezer.state", ("FROZEN", "THAWED")), ("cgroup.freeze", ("1", "0"))):
                if os.path.exists(os.path.join(group, name)):
                    return os.path.join(group, name), words
        raise AssertionError("this machine has no freezer")

    def pause(self):
        """Stops every process, as a stuck hypervisor does; the network's queues go on."""
        path, words = self.freezer()
        with open(path, "w", encoding="ascii") as file:
            file.write(words[0])

    def resume(self):
        path, words = self.freezer()
        with open(path, "w", encoding="ascii") as file:
            file.write(words[1])

    def is_paused(self):
        path, words = self.freezer()
        with open(path, encoding="ascii") as file:
            return file.read().strip() in (words[0], "FREEZING")

    def cut(self, way="both"):
        """Drops its packets without a word: "out" those that it sends, "in" those for it."""
        self.heal()
        # Ahead of the bridge, so that the router's own address is cut off too.
        hooks = {"out": "ingress", "in": "egress"}
        chains = "\n".join(f"chain {one} {{ type filter hook {hook} device {self.link} priority 0; policy drop; }}"
                           for one, hook in hooks.items() if way in (one, "both"))
        self.lab.inside("nft", "-f", "-", input=f"table netdev cut_{self.link} {{\n{chains}\n}}\n")

    def heal(self):
        self.lab.inside("nft", "delete", "table", "netdev", f"cut_{self.link}", check=False)
        self.lab.inside("tc", "qdisc", "del", "dev", self.link, "root", check=False)

    def slow(self, rate="2mbit"):
        """What is sent to it goes no faster."""
        self.lab.inside("tc", "qdisc", "replace", "dev", self.link, "root", "tbf", "rate", rate, "burst", "16kb",
                        "latency", "400ms")


class Lab:
    """A network namespace with a bridge per segment and a router between them; and hosts."""

    def __init__(self, name, mtus=None):
        """`mtus`: of segments that carry other frames than 1500 bytes."""
        purge_dead_labs()
        self.mtus = mtus or {}
        self.tag = f"{name}-{os.getpid()}"
        self.netns = f"lab-{self.tag}"
        self.directory = os.path.join(ROOT, "build/e2e", f"lab-{self.tag}")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.hosts = {}
        LABS.add(self)
        run("ip", "netns", "add", self.netns)
        self.inside("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.inside("ip", "link", "set", "lo", "up")
        for segment in SEGMENTS:
            self.inside("ip", "link", "add", f"seg{segment}", "type", "bridge")
            self.inside("ip", "addr", "add", f"10.90.{segment}.1/24", "dev", f"seg{segment}")
            self.inside("ip", "link", "set", f"seg{segment}", "mtu", str(self.mtus.get(segment, 1500)), "up")

    @property
    def network(self):
        return f"/run/netns/{self.netns}"

    def inside(self, *words, check=True, input=None):
        return run("ip", "netns", "exec", self.netns, *words, check=check, input=input)

    def add_host(self, name, segment=1, init="plain"):
        host = Host(self, name, segment, len(self.hosts) + 1, init)
        self.hosts[name] = host
        return host.boot()

    def remove_host(self, name):
        """It is sold; what was on its disk goes with it."""
        host = self.hosts.pop(name)
        host.kill()
        remove_groups(host.group)
        shutil.rmtree(host.state, ignore_errors=True)

    def close(self):
        remains = []
        for host in self.hosts.values():
            try:
                host.kill()
            except AssertionError as error:
                remains.append(str(error))
            remove_groups(host.group)
        run("ip", "netns", "del", self.netns, check=False)
        remains += [f"mount {at}" for at in machine.mounts() if at.startswith(f"{self.directory}/")]
        LABS.discard(self)
        if not remains:
            shutil.rmtree(self.directory, ignore_errors=True)
        return remains

    stop = close  # as clusters say it


def remove_groups(name):
    for at in own_groups():
        for group in glob.glob(os.path.join(glob.escape(at), name)):
            for path, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass  # still in use; the next lab tries again


def purge_dead_labs():
    """What an interrupted run left (its pid ends the name) must not disturb this one."""
    for place in glob.glob(f"{ROOT}/build/e2e/lab-*-[0-9]*"):
        tag = os.path.basename(place).removeprefix("lab-")
        if machine.is_alive(int(tag.rsplit("-", 1)[1])):
            continue
        for pid in machine.all_pids():
            if f"/host-{tag}-" in machine.read_proc(pid, "cgroup"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        run("ip", "netns", "del", f"lab-{tag}", check=False)
        wait_until(lambda: not any(f"/host-{tag}-" in machine.read_proc(p, "cgroup") for p in machine.all_pids()), 20,
                   f"what is left of {tag} has ended")
        remove_groups(f"host-{tag}-*")
        shutil.rmtree(place, ignore_errors=True)
