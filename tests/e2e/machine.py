# SPDX-License-Identifier: Apache-2.0
"""What a test sees of the machine: processes, links, tables, mounts, ports. It reads; it changes nothing but
network namespaces that it made itself."""
import hashlib
import os
import re
import socket
import subprocess
import time

SLOTS = 8  # clusters that tests may run side by side


def run(*command, check=True, timeout=60, input=None, env=None):
    """Runs a program to its end; returns CompletedProcess with text."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout, input=input, env=env)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def wait_until(question, timeout, what, pause=0.1):
    """Asks until the answer is true and returns it. An AssertionError counts as a not yet, and its text is told."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = question()
            if last:
                return last
        except (AssertionError, OSError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what}; last seen: {str(last)[-1500:]}")
        time.sleep(pause)


class Slot:
    """A share of this machine's addresses and ports, held by an abstract socket until the process ends."""

    def __init__(self):
        self.lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        taken = run("ip", "-o", "-4", "addr").stdout
        for number in range(SLOTS):
            if f" 10.{80 + 2 * number}." in taken or f" 10.{81 + 2 * number}." in taken:
                continue
            try:
                self.lock.bind(f"\0tetrarch-e2e-slot-{number}")
            except OSError:
                continue
            self.number = number
            self.pod_cidr = f"10.{80 + 2 * number}.0.0/16"
            self.service_prefix = f"10.{81 + 2 * number}.0"
            self.service_cidr = f"{self.service_prefix}.0/16"
            self.node_ports = (28000 + 200 * number, 28199 + 200 * number)
            return
        raise AssertionError(f"{SLOTS} clusters of tests run on this machine already")

    def free(self):
        self.lock.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def instance_of(data_dir):
    """The part of names that belongs to one data directory (src/agent/down.cc, instance_name)."""
    return hashlib.sha256(os.path.realpath(data_dir).encode()).hexdigest()[:6]


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def is_alive(pid):
    stat = read_proc(pid, "stat")
    return bool(stat) and stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def start_time(pid):
    stat = read_proc(pid, "stat")
    return stat.rsplit(")", 1)[1].split()[19] if stat else ""


def open_files(pid):
    """Where its descriptors point."""
    out = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            out.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue  # closed meanwhile
    return out


def pids_with(*words, of=("cmdline", "cgroup")):
    """Living processes whose command line or control group names one of the words."""
    out = []
    for pid in all_pids():
        if pid != os.getpid() and is_alive(pid):
            text = " ".join(read_proc(pid, name) for name in of)
            if any(word in text for word in words):
                out.append(pid)
    return out


def container_pids(container_id):
    """Processes of a container, oldest first: (pid, start time), so that a pid used again is told apart."""
    bare = container_id.split("://")[-1]
    found = pids_with(bare, of=("cgroup",)) if bare else []
    return sorted(((pid, start_time(pid)) for pid in found), key=lambda item: int(item[1] or 0))


def links():
    return re.findall(r"^\d+: ([^:@]+)[:@]", run("ip", "-o", "link").stdout, re.M)


def ports_of_bridge(bridge):
    text = run("ip", "-o", "link", "show", "master", bridge, check=False).stdout
    return re.findall(r"^\d+: ([^:@]+)[:@]", text, re.M)


def nft_tables():
    return run("nft", "list", "tables").stdout.split("\n")


def mount_table():
    """Device, place and type of everything that is mounted."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        return [tuple(line.split()[:3]) for line in file]


def mounts():
    return [at for _, at, _ in mount_table()]


def named_network_namespaces():
    """inode -> name of what lies in /run/netns."""
    out = {}
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        try:
            out[os.stat(f"/run/netns/{name}").st_ino] = name
        except OSError:
            continue
    return out


def network_namespace_of(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


class Outside:
    """Another host, played by a network namespace with a veth to this one."""

    def __init__(self, slot):
        self.name = f"tete2e-{os.getpid()}"
        self.link = f"te2e{os.getpid() % 100000}"
        third = 200 + slot.number
        self.host_address = f"172.31.{third}.1"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "addr", "add", f"{self.host_address}/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        self.inside("ip", "addr", "add", f"172.31.{third}.2/30", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "route", "add", "default", "via", self.host_address)

    def inside(self, *command, check=True, timeout=20):
        return run("ip", "netns", "exec", self.name, *command, check=check, timeout=timeout)

    def close(self):
        run("ip", "link", "del", self.link, check=False)
        run("ip", "netns", "del", self.name, check=False)
