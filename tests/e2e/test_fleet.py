# SPDX-License-Identifier: Apache-2.0
"""The life of a fleet unit, as fleetctl's user sees it and as the machines' systemd does. Rows F1 to F29 are those of
docs/protocols/fleet.md."""
import json
import urllib.parse

from fleet import HELLO, HELLO_HASH, PORT, SLEEP, FleetTest, x_fleet
from harness import DEMO, make_pod, make_service
from machine import wait_until
from units import main_pid, placed_files, show


class Fleet(FleetTest):
    name = "fleet"
    flags = {"m3": ("--systemd-bus", "unix:path=/run/systemd/private")}  # what is true of a bus is true of this

    def test_machines_are_listed(self):  # F1
        rows = self.lines("list-machines", "--full")
        self.assertEqual([row[0] for row in rows], sorted(self.machines))
        for machine, address, metadata in rows:
            host = self.machines[machine]
            self.assertEqual(address, host.address)
            self.assertIn(f"hostname={host.name}", metadata.split(","))
        with self.subTest("over TCP"):
            status, found = self.curl("GET", "/fleet/v1/machines")
            self.assertEqual((status, [one["id"] for one in found["machines"]]), (200, sorted(self.machines)))

    def test_a_unit_goes_all_the_way(self):  # F2 to F6
        self.write("hello.service", HELLO)
        with self.subTest("submit"):
            self.assertEqual(self.fleetctl("submit", "hello.service").stdout, "Unit hello.service inactive\n")
            self.assertEqual(self.lines("list-unit-files"),
                             [["hello.service", HELLO_HASH[:7], "inactive", "inactive", "-"]])
            self.assertEqual(self.fleetctl("cat", "hello").stdout, HELLO)
        with self.subTest("load"):
            said = self.fleetctl("load", "hello.service").stdout
            host = self.host_of("hello.service")
            self.assertRegex(said, rf"^Unit hello.service loaded on [0-9a-f]{{8}}\.\.\./{host.address}\n$")
            self.assertEqual(show(host, "hello.service", "ActiveState", "UnitFileState"), ["inactive", "linked-runtime"])
            self.assertEqual(placed_files(host, "hello.service"), 2)
            unit, machine, active, sub = self.lines("list-units")[0]
            self.assertEqual((unit, active, sub), ("hello.service", "inactive", "dead"))
            self.assertTrue(machine.endswith(f"/{host.address}"))
        with self.subTest("start"):
            self.assertIn("Unit hello.service launched on ", self.fleetctl("start", "hello.service").stdout)
            self.assertEqual(self.lines("list-units")[0][2:], ["active", "running"])
            self.assertEqual(self.places_of("hello.service"), [host.name])
            self.assertNotEqual(main_pid(host, "hello.service"), 0)
        with self.subTest("stop"):
            done = self.fleetctl("stop", "hello.service")
            self.assertEqual(done.stderr, "Successfully stopped units [hello.service].\n")
            self.assertEqual(self.state_of("hello.service"), "loaded")
            self.assertEqual(show(host, "hello.service", "ActiveState"), ["inactive"])
        with self.subTest("unload"):
            done = self.fleetctl("unload", "hello.service")
            self.assertEqual(done.stderr, "Successfully unloaded units [hello.service].\n")
            wait_until(lambda: not placed_files(host, "hello.service"), 10, "file and link are gone")
            self.assertEqual(self.state_of("hello.service"), "inactive")
            again = self.fleetctl("stop", "hello.service", check=False)  # trap T6
            self.assertEqual((again.returncode, again.stderr), (1, "Unable to stop unit hello.service in state inactive\n"))
        with self.subTest("destroy, of one that runs"):
            self.fleetctl("start", "hello.service")
            host = self.host_of("hello.service")
            self.assertEqual(self.fleetctl("destroy", "hello.service").stdout, "Destroyed hello.service\n")
            self.assertEqual(self.lines("list-unit-files"), [])
            wait_until(lambda: not placed_files(host, "hello.service"), 10, "nothing is left of it")
            self.assertEqual(show(host, "hello.service", "LoadState"), ["not-found"])
            self.assertEqual(self.fleetctl("cat", "hello", check=False).returncode, 1)

    def test_templates(self):  # F7
        self.write("foo@.service")
        self.fleetctl("submit", "foo@.service")
        self.fleetctl("start", "foo@1", "foo@2")
        rows = {row[0]: row[1:4] for row in self.lines("list-unit-files")}
        self.assertEqual(rows["foo@1.service"], rows["foo@2.service"])
        self.assertEqual(rows["foo@1.service"][1:], ["launched", "launched"])
        refused = self.fleetctl("start", "foo@.service", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("cannot activate template", refused.stderr)

    def test_conflicts_spread_units(self):  # F8
        self.write("foo@.service", x_fleet("Conflicts=foo@*.service"))
        self.fleetctl("submit", "foo@.service")
        self.fleetctl("start", "foo@1", "foo@2", "foo@3")
        places = [self.places_of(f"foo@{number}.service") for number in (1, 2, 3)]
        self.assertEqual(sorted(place[0] for place in places), ["m2", "m3", "m4"])
        left_out = self.fleetctl("start", "--block-attempts=1", "foo@4", check=False)
        self.assertEqual(left_out.returncode, 1)
        self.assertIn("timed out waiting for unit foo@4.service", left_out.stderr)
        self.assertEqual(self.state_of("foo@4.service"), "inactive")

    def test_peers_follow(self):  # F9
        self.write("leader.service", x_fleet("MachineMetadata=hostname=m3"))
        self.write("follower.service", x_fleet("MachineOf=leader.service"))
        self.fleetctl("start", "leader", "follower")
        self.assertEqual((self.places_of("leader.service"), self.places_of("follower.service")), (["m3"], ["m3"]))
        self.write("leader.service", x_fleet("MachineMetadata=hostname=m4"))
        self.fleetctl("start", "--replace", "leader.service")
        self.assertEqual(self.places_of("leader.service"), ["m4"])
        wait_until(lambda: self.places_of("follower.service") == ["m4"], 30, "it follows")

    def test_units_choose_machines(self):  # F10, F13
        machine = next(id for id, host in self.machines.items() if host.name == "m4")
        for name, lines, place in (("id", [f"MachineID={machine}"], "m4"),
                                   ("one", ["MachineMetadata=disk=ssd"], "m2"),
                                   ("or", ["MachineMetadata=hostname=m9", "MachineMetadata=hostname=m3"], "m3"),
                                   ("and", ['MachineMetadata="disk=hdd" "hostname=m4"'], "m4")):
            with self.subTest(name):
                self.write(f"{name}.service", x_fleet(*lines))
                self.fleetctl("start", name)
                self.assertEqual(self.places_of(f"{name}.service"), [place])
        with self.subTest("none suits"):
            self.write("none.service", x_fleet("MachineMetadata=disk=tape"))
            self.assertEqual(self.fleetctl("start", "--block-attempts=1", "none", check=False).returncode, 1)
            self.assertEqual(self.state_of("none.service"), "inactive")
        with self.subTest("specifiers"):
            self.write("pin@.service", x_fleet("MachineMetadata=hostname=%i"))
            self.fleetctl("submit", "pin@.service")
            self.fleetctl("start", "pin@m3")
            self.assertEqual(self.places_of("pin@m3.service"), ["m3"])

    def test_global_units_run_everywhere(self):  # F11
        self.write("glob.service", x_fleet("Global=true"))
        said = self.fleetctl("start", "glob").stdout
        self.assertEqual(said, "Unit glob.service \nTriggered global unit glob.service start\n")
        self.assertEqual(self.wait_places("glob.service", 3), ["m2", "m3", "m4"])
        self.assertEqual([row[4] for row in self.lines("list-unit-files")], ["global"])
        wait_until(lambda: len(self.lines("list-units")) == 3, 10, "one line for each machine")
        self.addCleanup(self.cluster.lab.remove_host, "m5")
        self.addCleanup(self.cluster.tetrarch, "node", "rm", "m5", "--force", check=False)
        self.add_machine("m5", "hostname=m5")
        self.assertEqual(self.wait_places("glob.service", 4), ["m2", "m3", "m4", "m5"])

    def test_a_unit_replaces_another(self):  # F12
        self.write("a.service")
        self.fleetctl("start", "a")
        before = self.host_of("a.service").name
        self.write("b.service", x_fleet("Replaces=a.service"))
        self.fleetctl("start", "b")
        self.assertEqual(self.host_of("b.service").name, before)
        wait_until(lambda: self.places_of("a.service") not in ([], [before]), 20, "the other has gone elsewhere")

    def test_a_changed_file(self):  # F14
        self.write("change.service")
        self.fleetctl("start", "change")
        host = self.host_of("change.service")
        first = main_pid(host, "change.service")
        self.write("change.service", SLEEP.replace("100000", "200000"))
        self.assertIn("Add --replace to override", self.fleetctl("start", "change").stderr)
        self.assertEqual(main_pid(host, "change.service"), first)
        self.fleetctl("start", "--replace", "change.service")
        host = self.host_of("change.service")
        wait_until(lambda: self.places_of("change.service") == [host.name], 10, "it runs")
        self.assertNotEqual(main_pid(host, "change.service"), first)
        self.assertIn("200000", show(host, "change.service", "ExecStart")[0])
        self.assertIn("nothing to do", self.fleetctl("start", "--replace", "change.service").stdout)

    def test_a_restart_restarts(self):  # F15
        self.write("again.service")
        self.fleetctl("start", "again")
        host = self.host_of("again.service")
        first = main_pid(host, "again.service")
        self.fleetctl("restart", "again", timeout=20)
        self.assertEqual(show(host, "again.service", "ActiveState"), ["active"])
        self.assertNotEqual(main_pid(host, "again.service"), first)

    def test_pages(self):  # F16
        for number in range(250):
            status, _ = self.curl("PUT", f"/fleet/v1/units/p{number:03}.service",
                                  {"name": f"p{number:03}.service", "options": [
                                      {"section": "Service", "name": "ExecStart", "value": "/bin/true"}]})
            self.assertEqual(status, 201)
        names = [f"p{number:03}.service" for number in range(250)]
        self.assertEqual([row[0] for row in self.lines("list-unit-files")], names)
        pages, token = [], ""
        while not pages or token:
            _, page = self.curl("GET", f"/fleet/v1/units?alt=json&nextPageToken={urllib.parse.quote(token)}")
            pages.append([unit["name"] for unit in page["units"]])
            token = page.get("nextPageToken")
        self.assertEqual(pages, [names[:100], names[100:200], names[200:]])

    def test_a_failing_unit(self):  # F26
        self.write("fail.service", "[Service]\nExecStart=/bin/false\n")
        done = self.fleetctl("start", "fail", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"(?m)^Error waiting for units: Failed to find an active unit fail\.service within 2s")
        self.assertEqual(self.lines("list-units")[0][2:], ["failed", "failed"])
        self.assertEqual(self.state_of("fail.service"), "launched")

    def test_timers_find_their_services(self):  # F27
        self.write("tick.service", "[Service]\nType=oneshot\nExecStart=/bin/touch /run/fired\n\n[X-Fleet]\nMachineOf=tick.timer\n")
        self.write("tick.timer", "[Timer]\nOnActiveSec=1\nAccuracySec=1ms\n")
        self.fleetctl("load", "tick.timer", "tick.service")
        self.fleetctl("start", "tick.timer")
        host = self.host_of("tick.timer")
        wait_until(lambda: host.run("ls", "/run/fired", check=False).stdout, 20, "it fires")

    def test_install_sections(self):  # F28
        self.write("wanted.service", SLEEP + "\n[Install]\nWantedBy=multi-user.target\n")
        self.fleetctl("load", "wanted")
        host = self.host_of("wanted.service")
        link = "/run/systemd/system/multi-user.target.wants/wanted.service"
        self.assertTrue(host.run("ls", "-d", link).stdout)
        self.fleetctl("unload", "wanted")
        wait_until(lambda: not host.run("ls", "-d", link, check=False).stdout, 10, "the link is gone")

    def test_discovery_and_metrics(self):  # F23
        status, found = self.curl("GET", "/fleet/v1/discovery")
        self.assertEqual((status, found["id"]), (200, "fleet:v1"))
        self.assertIn("Unit", found["schemas"])
        status, text = self.curl("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("fleet_engine_", text)

    def test_metadata_can_be_changed(self):  # F21
        machine = next(id for id, host in self.machines.items() if host.name == "m2")
        self.write("big.service", x_fleet("Global=true", "MachineMetadata=size=big"))
        self.fleetctl("start", "big")
        change = [{"op": "add", "path": f"/{machine}/metadata/size", "value": "big"}]
        self.assertEqual(self.curl("PATCH", "/fleet/v1/machines", change)[0], 204)
        self.assertIn("size=big", next(row[2] for row in self.lines("list-machines", "--full") if row[0] == machine))
        self.assertEqual(self.wait_places("big.service", 1), ["m2"])
        self.assertEqual(self.curl("PATCH", "/fleet/v1/machines", [{"op": "remove", "path": f"/{machine}/metadata/size"}])[0], 204)
        wait_until(lambda: self.places_of("big.service") == [], 20, "it goes where it is not wanted any more")

    def test_it_is_seen_as_pods_and_by_tcp(self):
        self.write("seen.service")
        self.fleetctl("start", "seen")
        self.assertIn("seen.service", [pod["metadata"]["annotations"]["systemd.tetrarch.dev/name"]
                                       for pod in self.get("pods")["items"]])
        self.assertIn("seen.service", self.kubectl("get", "units").stdout)
        done = self.cluster.first.run("python3", "-B", f"{__file__.rsplit('/', 1)[0]}/fleetctl.py", "--endpoint",
                                      f"http://{self.cluster.address}:{PORT}", "list-units", "--no-legend")
        self.assertIn("seen.service", done.stdout)

    def test_lists_are_in_order(self):
        self.write("order@.service")
        self.fleetctl("submit", "order@.service")
        units = [f"order@{(7 * number) % 20:02}.service" for number in range(20)]
        self.fleetctl("start", *units)
        self.assertEqual([row[0] for row in self.lines("list-unit-files")], sorted([*units, "order@.service"]))
        rows = wait_until(lambda: (rows := self.lines("list-units")) and len(rows) == 20 and rows, 10, "each has a state")
        self.assertEqual([row[0] for row in rows], sorted(units))
        places = {host.name: 0 for host in self.machines.values()}
        for unit in units:
            places[self.host_of(unit).name] += 1
        self.assertEqual(sorted(places.values()), [6, 7, 7], "as many on each machine")

    def outside_fleet(self, *words, **options):
        return self.cluster.kubectl("-n", "default", *words, **options)

    def make_outside_fleet(self, *objects):
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.outside_fleet("apply", "-f", "-", input=listed)
        self.addCleanup(self.outside_fleet, "delete", "--wait=false", "-f", "-", input=listed)

    def test_units_and_services_find_each_other(self):
        self.make_outside_fleet(make_pod("demo", image=DEMO), make_pod("asker", "sleep", "1000"), make_service("demo"))
        self.outside_fleet("wait", "--for=condition=Ready", "pod/demo", "pod/asker", "--timeout=60s")
        with self.subTest("pods reach units by the name of a Service"):
            self.write("web@.service", "[Service]\nExecStartPre=/bin/sh -c 'mkdir -p /run/www; echo unit on %H >/run/www/index.html'\n"
                       "ExecStart=/bin/busybox httpd -f -p 8099 -h /run/www\n\n"
                       "[X-Fleet]\nLabel=app=web\nConflicts=web@*.service\n")
            self.fleetctl("submit", "web@.service")
            self.fleetctl("start", "web@1", "web@2")
            service = make_service("web", target=8099)
            self.apply(service)
            self.addCleanup(self.kubectl, "delete", "service", "web")
            wanted = {f"unit on {self.host_of(f'web@{number}.service').name}" for number in (1, 2)}
            seen = set()

            def both():
                seen.add(self.outside_fleet("exec", "asker", "--", "wget", "-qO-",
                                            "http://web.fleet.svc.cluster.local/").stdout.strip())
                return seen == wanted or self.fail(f"{seen}, not {wanted}")
            wait_until(both, 30, "both units answer")
        with self.subTest("units reach Services by their names"):
            settings = self.outside_fleet("exec", "asker", "--", "cat", "/etc/resolv.conf").stdout
            for host in self.machines.values():
                host.run("sh", "-c", "cat >/run/cluster-resolv.conf", input=settings)
            self.write("ask.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                       "BindReadOnlyPaths=/run/cluster-resolv.conf:/etc/resolv.conf\n"
                       "ExecStart=/usr/bin/curl -fsS --noproxy * -o /run/answer http://demo.default.svc.cluster.local/\n")
            self.fleetctl("start", "ask")
            self.assertIn("demo", self.host_of("ask.service").run("cat", "/run/answer").stdout)
