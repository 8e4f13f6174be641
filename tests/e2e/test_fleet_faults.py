# SPDX-License-Identifier: Apache-2.0
"""What becomes of fleet's units when agents, machines and the server end. Rows are those of docs/protocols/fleet.md.

In this order (unittest goes by names): a server that has just begun gives machines a minute to come, so what waits for a
lost one is at the end, and the server's own restart behind it."""
import json
import os
import time

from fleet import FleetTest, x_fleet
from fleetctl import MadeConnection, unix_socket
from machine import wait_until
from machines import DATA
from units import main_pid, show

STORE = f"{DATA}/server/store"


class FleetFaults(FleetTest):
    name = "fleetfaults"

    def start_three(self, name):
        self.write(f"{name}@.service", "[Service]\nExecStart=/bin/sleep 100000\n\n[X-Fleet]\n" f"Conflicts={name}@*.service\n")
        self.fleetctl("submit", f"{name}@.service")
        names = [f"{name}@{number}.service" for number in (1, 2, 3)]
        self.fleetctl("start", *names)
        return names

    def start_six(self, name):
        """They, and those on m4."""
        self.write(f"{name}@.service")
        self.fleetctl("submit", f"{name}@.service")
        units = [f"{name}@{number}.service" for number in range(6)]
        self.fleetctl("start", *units)
        on_m4 = [unit for unit in units if self.places_of(unit) == ["m4"]]
        self.assertTrue(on_m4)
        return units, on_m4

    def pids(self, units):
        return {unit: {host.name: main_pid(host, unit) for host in self.machines.values()} for unit in units}

    def test_a_hangup_changes_nothing(self):  # fleetd read its configuration anew, and kept its sockets
        units = self.start_three("hangup")
        before = self.pids(units)
        path = self.endpoint.removeprefix("unix://")
        inode = os.stat(path).st_ino
        connection = MadeConnection("domain-sock", lambda: unix_socket(path), 5)
        self.addCleanup(connection.close)
        for _ in range(2):
            connection.request("GET", "/fleet/v1/machines")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read().count(b"primaryIP")), (200, 3))
            for host in self.cluster.hosts:
                host.run("pkill", "-HUP", "-x", "tetrarch")
            time.sleep(1)
        self.assertTrue(all(self.cluster.is_running(host) for host in self.cluster.hosts))
        self.assertEqual((os.stat(path).st_ino, self.pids(units)), (inode, before))

    def test_a_machine_that_leaves(self):  # F20
        units = self.start_three("leave")
        gone = next(unit for unit in units if self.places_of(unit) == ["m3"])
        self.write("free.service", "[Service]\nExecStart=/bin/sleep 100000\n\n[X-Fleet]\nMachineMetadata=disk=hdd\n")
        self.fleetctl("start", "free")
        host = self.cluster.host("m3")
        self.cluster.tetrarch("node", "leave", host=host, timeout=90)
        self.assertEqual(len(self.lines("list-machines")), 2)
        self.assertEqual(self.places_of(gone), [], "the others conflict with it")
        self.assertEqual(host.run("sh", "-c", "ls /run/systemd/system | grep service", check=False).stdout, "")
        wait_until(lambda: len(self.places_of("free.service")) == 1, 30, "what may be elsewhere is")
        self.start_agent(host, "hostname=m3,disk=hdd")
        wait_until(lambda: self.places_of(gone) == ["m3"], 30, "there is a machine for it again")

    def systemd_condition(self, node):
        return next(c for c in self.cluster.get("node", node)["status"]["conditions"] if c["type"] == "Systemd")

    def test_a_machine_whose_id_another_one_has(self):
        self.write("every.service", x_fleet("Global=true"))
        self.fleetctl("start", "every")
        machines = self.machines
        self.wait_places("every.service", 3)
        twin = self.cluster.lab.add_host("m5", 1, init="systemd")
        self.addCleanup(self.cluster.lab.remove_host, "m5")
        self.addCleanup(self.cluster.tetrarch, "node", "rm", "m5", "--force", check=False)
        self.cluster.put_images(twin)
        twin.run("sh", "-c", "cat >/etc/machine-id", input=self.cluster.host("m2").run("cat", "/etc/machine-id").stdout)
        self.cluster.agent_flags = ()
        self.cluster.start_on(twin)
        self.cluster.wait_node("m5")
        wait_until(lambda: "node m2 has the same machine ID" in self.systemd_condition("m5")["message"], 40, "it is told")
        self.assertEqual(self.systemd_condition("m5")["status"], "False")
        self.assertEqual(sorted(row[0] for row in self.lines("list-machines", "--full")), sorted(machines))
        self.assertEqual(self.systemd_condition("m2")["status"], "True")
        self.assertEqual(show(twin, "every.service", "LoadState"), ["not-found"])
        with self.subTest("another ID"):
            twin.run("sh", "-c", "tr 0-8 1-9 </etc/machine-id >/run/id; cat /run/id >/etc/machine-id")
            self.cluster.end_on(twin)
            self.start_agent(twin)
            wait_until(lambda: len(self.lines("list-machines")) == 4, 20, "it is a machine of its own")
            self.wait_places("every.service", 4)

    def test_an_agent_that_is_killed_adopts_its_units(self):  # F19
        units = self.start_three("adopt")
        before = self.pids(units)
        host = self.cluster.host("m2")
        self.cluster.end_on(host, "KILL")
        self.start_agent(host, "hostname=m2")
        self.assertEqual(self.pids(units), before)
        time.sleep(3)  # whatever a new agent would do wrong
        self.assertEqual(self.pids(units), before)

    def test_the_loss_of_a_machine(self):  # F17
        units, lost = self.start_six("move")
        host = self.cluster.host("m4")
        host.kill()
        self.cluster.running["m4"].wait(10)
        wait_until(lambda: len(self.lines("list-machines")) == 2, 30, "it is gone from the list")
        for unit in lost:  # a server that has just begun gives machines a minute to come
            wait_until(lambda u=unit: len(self.places_of(u)) == 1, 100, f"{unit} runs elsewhere")
        host.boot()
        self.start_agent(host, "hostname=m4")
        time.sleep(5)
        self.assertEqual({unit: len(self.places_of(unit)) for unit in units}, {unit: 1 for unit in units})

    def test_the_loss_of_a_network(self):  # F17, the machine runs on
        units, away = self.start_six("cut")
        host = self.cluster.host("m4")
        before = self.pids(units)
        host.cut()
        self.addCleanup(host.heal)
        begun = time.monotonic()
        for unit in away:
            wait_until(lambda u=unit: len(self.places_of(u)) == 2, 60, f"{unit} runs elsewhere as well")
        self.assertGreater(time.monotonic() - begun, 20, "it is given time to come back")
        for unit in units:  # what nobody can tell to stop goes on, and what is not concerned too
            self.assertEqual({name: pid for name, pid in before[unit].items() if pid},
                             {name: main_pid(self.cluster.host(name), unit) for name, pid in before[unit].items() if pid})
        self.assertNotIn("m4", [self.host_of(unit).name for unit in units])
        host.heal()
        wait_until(lambda: len(self.lines("list-machines")) == 3, 30, "it is back")
        for unit in away:
            wait_until(lambda u=unit: self.places_of(u) not in ([], ["m4"]) and "m4" not in self.places_of(u), 20,
                       f"{unit} has ended there")
        self.assertEqual({unit: len(self.places_of(unit)) for unit in units}, {unit: 1 for unit in units})

    def test_the_server_is_away_and_nothing_stops(self):  # F18, F29
        units = self.start_three("away")
        before = self.pids(units)
        self.cluster.end_on(self.cluster.first, "KILL")
        time.sleep(5)
        self.assertEqual(self.pids(units), before)
        self.cluster.start_on(self.cluster.first)
        wait_until(lambda: self.cluster.is_up(self.cluster.first), 60, "the server is back")
        self.assertEqual(self.pids(units), before)
        self.write("new.service")
        self.fleetctl("start", "new", timeout=30)
        self.assertEqual(len(self.places_of("new.service")), 1)

    def put_store_on_a_small_disk(self, host, size):
        """Through a restart of the server."""
        self.cluster.end_on(host)
        host.run("sh", "-ec", f"cp -a {STORE} /run/copy; mount -t tmpfs -o size={size} tmpfs {STORE}; cp -a /run/copy/. {STORE}/")
        self.cluster.start_on(host)
        wait_until(lambda: self.cluster.is_up(host), 60, "the server is back")

    def put_much(self, name):
        options = [{"section": "Service", "name": "Environment", "value": "x" * 1900}] * 400
        connection = MadeConnection("domain-sock", lambda: unix_socket(self.endpoint.removeprefix("unix://")), 10)
        connection.request("PUT", f"/fleet/v1/units/{name}", json.dumps({"options": options}),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.assertIn(answer.status, (201, 503), text)
        return answer.status, json.loads(text or "null")

    def test_the_store_cannot_write(self):  # F29
        units = self.start_three("full")
        before = self.pids(units)
        first = self.cluster.first
        self.put_store_on_a_small_disk(first, "200m")
        wait_until(lambda: len(self.lines("list-machines")) == 3, 30, "machines are there again")
        first.run("dd", "if=/dev/zero", f"of={STORE}/filler", "bs=1M", check=False)
        away = (503, {"error": {"code": 503, "message": "fleet server unable to communicate with etcd"}})
        number = iter(range(10000))
        wait_until(lambda: self.put_much(f"big{next(number)}.service") == away, 60, "it is full", 0)
        with self.subTest("what would be written is refused"):
            machine = next(iter(self.machines))
            change = [{"op": "add", "path": f"/{machine}/metadata/k", "value": "v"}]
            for method, path, body in (("PUT", f"/units/{units[0].replace('@', '%40')}", {"desiredState": "loaded"}),
                                       ("DELETE", f"/units/{units[0].replace('@', '%40')}", None),
                                       ("PATCH", "/machines", change)):
                self.assertEqual(self.curl(method, f"/fleet/v1{path}", body), away)
        with self.subTest("what is known is answered"):
            self.assertEqual(self.state_of(units[0]), "launched")
        time.sleep(12)  # longer than silence lasts until a machine is missed
        self.assertEqual(self.pids(units), before)
        with self.subTest("with room again"):
            first.run("rm", f"{STORE}/filler")
            self.cluster.end_on(first, "KILL")
            self.cluster.start_on(first)
            wait_until(lambda: self.cluster.is_up(first), 60, "the server is back")
            self.write("room.service")
            self.fleetctl("start", "room", timeout=30)
            self.assertEqual(self.pids(units), before)
        self.fleetctl("destroy", "big*.service")
