# SPDX-License-Identifier: Apache-2.0
"""What becomes of fleet's units when agents, machines and the server end. Rows are those of docs/protocols/fleet.md."""
import time

from fleet import FleetTest
from machine import wait_until
from units import main_pid


class FleetFaults(FleetTest):
    name = "fleetfaults"

    def start_three(self, name):
        self.write(f"{name}@.service", "[Service]\nExecStart=/bin/sleep 100000\n\n[X-Fleet]\n" f"Conflicts={name}@*.service\n")
        self.fleetctl("submit", f"{name}@.service")
        names = [f"{name}@{number}.service" for number in (1, 2, 3)]
        self.fleetctl("start", *names)
        return names

    def pids(self, units):
        return {unit: {host.name: main_pid(host, unit) for host in self.machines.values()} for unit in units}

    def test_an_agent_that_is_killed_adopts_its_units(self):  # F19
        units = self.start_three("adopt")
        before = self.pids(units)
        host = self.cluster.host("m2")
        self.cluster.end_on(host, "KILL")
        self.start_agent(host, "hostname=m2")
        self.assertEqual(self.pids(units), before)
        time.sleep(3)  # whatever a new agent would do wrong
        self.assertEqual(self.pids(units), before)

    def test_a_server_that_is_away_stops_nothing(self):  # F18, F29
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

    def test_the_loss_of_a_machine(self):  # F17
        self.write("move@.service")
        self.fleetctl("submit", "move@.service")
        units = [f"move@{number}.service" for number in range(6)]
        self.fleetctl("start", *units)
        host = self.cluster.host("m4")
        lost = [unit for unit in units if self.places_of(unit) == ["m4"]]
        self.assertTrue(lost)
        host.kill()
        self.cluster.running["m4"].wait(10)
        wait_until(lambda: len(self.lines("list-machines")) == 2, 30, "it is gone from the list")
        for unit in lost:  # a server that has just begun gives machines a minute to come
            wait_until(lambda u=unit: len(self.places_of(u)) == 1, 100, f"{unit} runs elsewhere")
        host.boot()
        self.start_agent(host, "hostname=m4")
        time.sleep(5)
        self.assertEqual({unit: len(self.places_of(unit)) for unit in units}, {unit: 1 for unit in units})

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
