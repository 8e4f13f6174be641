# SPDX-License-Identifier: Apache-2.0
"""The ways to a fleet: the usual socket, fd-forward, ssh to machines, the tunnel; and each refusal in fleet's words. Rows are
those of docs/protocols/fleet.md."""
import os
import subprocess

from fleet import FLEETCTL, FLEETS_SOCKET, HELLO, INSTALLED, PORT, SOCKET, FleetTest
from fleet_refusals import REFUSALS
from machine import wait_until
from sshd import Door
from units import show


class FleetAccess(FleetTest):
    name = "fleetaccess"
    metadata = ("hostname=m2", "hostname=m3")

    @classmethod
    def start_cluster(cls):
        super().start_cluster()
        cls.door = Door(os.path.join(cls.cluster.directory, "door"))
        cls.addClassCleanup(cls.door.close)
        for host in cls.cluster.hosts:
            cls.door.open(host)
            host.run("sh", "-c", "cat >/usr/local/bin/fleetctl; chmod 755 /usr/local/bin/fleetctl", input=INSTALLED)

    def from_outside(self, *words, check=True, timeout=60):
        """fleetctl on a machine that is none of the cluster's, with a key that opens all of them."""
        command = ["nsenter", f"--net={self.cluster.lab.network}", *FLEETCTL,
                   "--known-hosts-file", self.door.known_hosts, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=self.place,
                              env=self.door.environment, check=False)
        if check and done.returncode:
            raise AssertionError(f"fleetctl {words} exits {done.returncode}: {done.stdout}{done.stderr}")
        return done

    @property
    def by_tcp(self):
        return ("--endpoint", f"http://{self.cluster.address}:{PORT}")

    def test_units_are_looked_at_through_ssh(self):  # F24
        self.write("hello.service", HELLO + "\n[X-Fleet]\nMachineMetadata=hostname=m3\n")
        self.fleetctl("start", "hello")
        host = self.cluster.host("m3")
        with self.subTest("status"):
            done = self.from_outside(*self.by_tcp, "status", "hello.service")
            self.assertIn("hello.service - Hello World", done.stdout)
            self.assertIn("Active: active (running)", done.stdout)
            self.assertIn(f"Main PID: {show(host, 'hello.service', 'MainPID')[0]} (bash)", done.stdout)
        with self.subTest("journal"):
            # As root: these hosts have no systemd-tmpfiles, which would give the journal to systemd-journal, core's group.
            words = (*self.by_tcp, "--ssh-username", "root", "journal", "--lines", "2", "hello.service")

            def two_lines():
                said = self.from_outside(*words).stdout.splitlines()
                return len(said) == 2 and all(line.endswith("Hello, world") and " m3 " in line for line in said)
            wait_until(two_lines, 15, "two lines")
        with self.subTest("ssh to a unit's machine, and to a machine"):
            self.assertEqual(self.from_outside(*self.by_tcp, "ssh", "hello.service", "hostname").stdout, "m3\n")
            machine = next(id for id, each in self.machines.items() if each.name == "m2")
            self.assertEqual(self.from_outside(*self.by_tcp, "ssh", machine[:8], "hostname").stdout, "m2\n")
            self.assertEqual(self.from_outside(*self.by_tcp, "ssh", "hello", "exit 7", check=False).returncode, 7)
        with self.subTest("through the tunnel"):
            done = self.from_outside("--tunnel", self.cluster.address, *self.by_tcp, "ssh", "hello", "echo $SSH_CONNECTION")
            self.assertEqual(done.stdout.split()[0], self.cluster.address)
        with self.subTest("on the machine itself no ssh is needed"):
            done = host.run("fleetctl", *self.by_tcp, "status", "hello.service")
            self.assertIn("Active: active (running)", done.stdout)
        with self.subTest("what does not run has no status"):
            self.write("idle.service")
            self.fleetctl("submit", "idle.service")
            done = self.from_outside(*self.by_tcp, "status", "idle", check=False)
            self.assertEqual((done.returncode, done.stderr), (1, "Unit idle.service does not appear to be loaded.\n"))

    def test_machines_that_are_not_known_are_refused(self):
        self.write("known.service")
        self.fleetctl("start", "known")
        empty = self.write("empty", "")
        done = self.from_outside(*self.by_tcp, "--known-hosts-file", empty, "ssh", "known", "hostname", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Host key verification failed", done.stderr)
        done = self.from_outside(*self.by_tcp, "--known-hosts-file", empty, "--strict-host-key-checking=false",
                                 "ssh", "known", "hostname")
        self.assertIn(done.stdout.strip(), ("m2", "m3"))

    def test_the_tunnel(self):  # F24
        machines = sorted(self.machines)
        for endpoint, user in ((f"http://127.0.0.1:{PORT}", "core"), (f"unix://{SOCKET}", "root")):
            with self.subTest(endpoint):
                done = self.from_outside("--tunnel", f"{self.cluster.address}:22", "--ssh-username", user, "--endpoint",
                                         endpoint, "list-machines", "--full", "--no-legend")
                self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()], machines)

    def test_ten_units_through_the_tunnel(self):
        units = [f"batch@{number}.service" for number in range(10)]
        for unit in units:
            self.write(unit)
        through = ("--tunnel", self.cluster.address, "--endpoint", f"http://127.0.0.1:{PORT}")
        said = self.from_outside(*through, "start", *units).stdout
        self.assertEqual(said.count(" launched"), 10)
        self.assertEqual([len(self.places_of(unit)) for unit in units], [1] * 10)
        done = self.from_outside(*through, "stop", *units)
        self.assertEqual(done.stderr, f"Successfully stopped units [{' '.join(units)}].\n")

    def test_the_usual_sockets(self):  # F25
        first = self.cluster.first
        for where in ((), ("env", f"FLEETCTL_ENDPOINT=unix://{SOCKET}")):
            said = first.run(*where, "fleetctl", "list-machines", "--no-legend").stdout
            self.assertEqual(len(said.splitlines()), 2, where)
        self.assertEqual(first.run("stat", "-c", "%a %F", SOCKET, FLEETS_SOCKET).stdout, "660 socket\n" * 2)
        with self.subTest("fd-forward"):
            raw = "GET /fleet/v1/units HTTP/1.1\r\nHost: domain-sock\r\nConnection: close\r\n\r\n"
            # It ends with its stdin, whatever is still to come.
            said = first.run("sh", "-c", f"(cat; sleep 1) | fleetctl fd-forward {SOCKET}", input=raw).stdout
            head, _, body = said.partition("\n\n")
            self.assertTrue(head.startswith("HTTP/1.1 200 OK"), said)
            self.assertIn("fleetd/1.0.0", head)
            self.assertEqual(body, "{}")

    def test_the_group_of_fleet_may_use_the_socket(self):
        host = self.cluster.first
        host.run("groupadd", "--system", "fleet")
        host.run("usermod", "-aG", "fleet", "core")
        self.cluster.end_on(host)
        self.cluster.start_on(host)
        wait_until(lambda: self.cluster.is_up(host), 60, "the server is back")
        self.assertEqual(host.run("stat", "-c", "%a %G", SOCKET, FLEETS_SOCKET).stdout, "660 fleet\n" * 2)
        wait_until(lambda: len(self.lines("list-machines")) == 2, 30, "machines are there again")
        done = self.from_outside("--tunnel", self.cluster.address, "list-machines", "--no-legend")
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def test_each_refusal(self):  # F22
        self.write("known.service")
        self.write("t@.service")
        self.fleetctl("submit", "known.service", "t@.service")
        for row in REFUSALS:
            with self.subTest(f"{row.method} {row.path} {row.body}"):
                status, found = self.curl(row.method, f"/fleet/v1{row.path}" if row.is_below else row.path, row.body,
                                          *row.words)
                self.assertEqual((status, found), (row.status, {"error": {"code": row.status, "message": row.message}}))
        self.assertEqual([row[0] for row in self.lines("list-unit-files")], ["known.service", "t@.service"])
