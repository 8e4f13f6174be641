# SPDX-License-Identifier: Apache-2.0
"""A cluster whose machines run fleet units: a server, and agents on hosts with a real systemd each. FleetTest: a test case
on one, with fleetctl.py as its client and systemctl on the hosts as the judge."""
import json
import os
import re
import subprocess
import sys

import units
from hosts import HERE
from machine import run, wait_until
from machines import Machines, MachinesTest

# A fleetctl of one's own instead of fleetctl.py, which does as it does: TETRARCH_FLEETCTL=/path/of/fleetctl.
FLEETCTL = [os.environ["TETRARCH_FLEETCTL"]] if "TETRARCH_FLEETCTL" in os.environ else [sys.executable, "-B",
                                                                                       f"{HERE}/fleetctl.py"]
INSTALLED = f'#!/bin/sh\nexec {" ".join(FLEETCTL)} "$@"\n'  # as a program on a machine
SLEEP = "[Service]\nExecStart=/bin/sleep 100000\n"
HELLO = ('[Unit]\nDescription=Hello World\n\n[Service]\n'
         'ExecStart=/bin/bash -c "while true; do echo \\"Hello, world\\"; sleep 1; done"\n')
HELLO_HASH = "e55c0aeb44ba0b68004ceb8a200e685194448b45"
PORT = 49153
SOCKET = "/run/tetrarch/fleet.sock"
FLEETS_SOCKET = "/run/fleet.sock"  # where fleetctl looks, as it was built


def x_fleet(*lines):
    return SLEEP + "\n[X-Fleet]\n" + "".join(f"{line}\n" for line in lines)


class FleetTest(MachinesTest):
    """Subclasses set `metadata`: of each machine, m2 and on; `flags`: more of agents' flags, by machine."""

    flags = {}
    metadata = ("disk=ssd,hostname=m2", "disk=hdd,hostname=m3", "disk=hdd,hostname=m4")

    @classmethod
    def start_cluster(cls):
        cls.untouched = units.Untouched()
        listen = ("--fleet-listen", f"unix://{FLEETS_SOCKET}", "--fleet-listen", f"0.0.0.0:{PORT}")
        cls.cluster = Machines(cls.name, (1,), "server", listen)
        cls.cluster.start()
        for number, metadata in enumerate(cls.metadata, 2):
            cls.add_machine(f"m{number}", metadata)

    @classmethod
    def add_machine(cls, name, metadata=""):
        host = cls.cluster.lab.add_host(name, 1, init="systemd")
        cls.cluster.put_images(host)
        cls.start_agent(host, metadata, cls.flags.get(name, ()))
        return host

    @classmethod
    def start_agent(cls, host, metadata="", flags=()):
        cls.cluster.agent_flags = (*(("--metadata", metadata) if metadata else ()), *flags)
        cls.cluster.start_on(host)
        cls.cluster.wait_node(host.name)
        name = host.name
        wait_until(lambda: "fleet.tetrarch.dev/systemd" in cls.cluster.get("node", name)["metadata"]["labels"], 20,
                   f"{name} runs units")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.untouched.check()

    def setUp(self):
        self.namespace = "fleet"
        self.place = os.path.join(self.cluster.directory, "units")
        os.makedirs(self.place, exist_ok=True)
        self.addCleanup(self.clear)

    def clear(self):
        left = [line[0] for line in self.lines("list-unit-files")]
        if left:
            self.fleetctl("destroy", *left)
        wait_until(lambda: not self.lines("list-units"), 60, "nothing is left of the test's units")

    # ---- the client ---------------------------------------------------------------------------------------------

    @property
    def endpoint(self):
        """The server's socket, through its first process: a path that this process can open."""
        return f"unix:///proc/{self.cluster.first.pid}/root{SOCKET}"

    def fleetctl(self, *words, check=True, timeout=60, endpoint=None):
        command = [*FLEETCTL, "--endpoint", endpoint or self.endpoint, *words]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                              cwd=self.place, check=False)
        if check and done.returncode:
            raise AssertionError(f"fleetctl {words} exits {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def lines(self, *words):
        said = self.fleetctl(*words, "--no-legend").stdout
        return [re.split(r"\t+", line.strip()) for line in said.splitlines()]

    def write(self, name, text=SLEEP):
        with open(os.path.join(self.place, name), "w", encoding="utf-8") as file:
            file.write(text)
        return name

    def curl(self, method, path, body=None, *words):
        """Status and body, over TCP."""
        more = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body is not None else []
        done = run(*self.cluster.inside(), "curl", "-sS", "--noproxy", "*", "-X", method, "-w", "\n%{http_code}",
                   *more, *words, f"http://{self.cluster.address}:{PORT}{path}").stdout
        text, _, status = done.rpartition("\n")
        return int(status), json.loads(text) if text.strip().startswith("{") else text

    # ---- the judge ----------------------------------------------------------------------------------------------

    @property
    def machines(self):
        """Of the hosts with a systemd, by machine id."""
        return {host.run("cat", "/etc/machine-id").stdout.strip(): host
                for host in self.cluster.hosts[1:] if host.is_alive()}

    def places_of(self, unit):
        """Names of the hosts where it is active."""
        return sorted(host.name for host in self.machines.values()
                      if units.show(host, unit, "ActiveState") == ["active"])

    def wait_places(self, unit, count, timeout=20):
        wait_until(lambda: len(self.places_of(unit)) == count, timeout, f"{unit} runs on {count}")
        return self.places_of(unit)

    def host_of(self, unit):
        """Where the API says that it is."""
        status, found = self.curl("GET", f"/fleet/v1/units/{unit.replace('@', '%40')}")
        self.assertEqual(status, 200, found)
        return self.machines.get(found.get("machineID"))

    def state_of(self, unit):
        _, found = self.curl("GET", f"/fleet/v1/units/{unit.replace('@', '%40')}")
        return found.get("currentState")
