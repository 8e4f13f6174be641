# SPDX-License-Identifier: Apache-2.0
"""What fleet's users get from being on a shared pool: reservations, quotas and roles, drains, and reasons in words."""
import json

from fleet import FleetTest, x_fleet
from machine import wait_until


class FleetPool(FleetTest):
    name = "fleetpool"
    metadata = ("hostname=m2", "hostname=m3")

    def message_of(self, unit):
        _, found = self.curl("GET", f"/fleet/v1/units/{unit}")
        return found.get("message", "")

    def wait_message(self, unit, words):
        return wait_until(lambda: words in self.message_of(unit), 10, f"{unit} says {words}")

    def test_what_does_not_fit_says_why_and_runs_once_it_fits(self):
        self.write("big.service", x_fleet("CPU=1000"))
        self.assertEqual(self.fleetctl("start", "--block-attempts=1", "big", check=False).returncode, 1)
        self.wait_message("big.service", "Insufficient cpu")
        said = self.kubectl("describe", "unit", "big.service").stdout
        self.assertIn("Insufficient cpu", said)
        self.assertRegex(said, r"Warning\s+Unschedulable")
        self.write("big.service", x_fleet("CPU=100m"))
        self.fleetctl("start", "--replace", "big")
        self.wait_places("big.service", 1)
        pod = next(pod for pod in self.get("pods")["items"] if pod["metadata"]["name"].startswith("big-"))
        self.assertEqual(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"], "100m")

    def test_a_quota_holds_for_units(self):
        self.write("first.service")
        self.fleetctl("start", "first")
        self.kubectl("create", "quota", "few", "--hard=pods=1")
        self.addCleanup(self.kubectl, "delete", "quota", "few", "--ignore-not-found")
        wait_until(lambda: self.get("quota", "few").get("status", {}).get("used", {}).get("pods") == "1", 10, "it counts")
        self.write("second.service")
        self.assertEqual(self.fleetctl("start", "--block-attempts=1", "second", check=False).returncode, 1)
        self.wait_message("second.service", "exceeded quota: few")
        self.assertNotEqual(self.places_of("first.service"), [])
        self.kubectl("delete", "quota", "few")
        self.wait_places("second.service", 1, 60)

    def test_the_role_of_fleet_holds(self):
        role = json.loads(self.cluster.kubectl("get", "clusterrole", "system:fleet", "-o", "json").stdout)
        rules = json.dumps({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]})
        body = {"name": "mine.service", "desiredState": "inactive",
                "options": [{"section": "Service", "name": "ExecStart", "value": "/bin/true"}]}
        self.cluster.kubectl("patch", "clusterrole", "system:fleet", "--type=merge", "-p", rules)
        self.addCleanup(self.cluster.kubectl, "patch", "clusterrole", "system:fleet", "--type=merge", "-p",
                        json.dumps({"rules": role["rules"]}))

        def refusal():
            status, said = self.curl("PUT", "/fleet/v1/units/mine.service", body)
            return status == 403 and said
        said = wait_until(refusal, 10, "a unit is refused")
        self.assertIn('User "system:fleet" cannot create resource "units"', said["error"]["message"])
        self.assertEqual(self.curl("GET", "/fleet/v1/units")[0], 200)

    def test_a_drained_machine_has_no_units_and_gets_none(self):
        for name in ("one", "two", "three", "four"):
            self.write(f"{name}.service")
        self.fleetctl("start", "one", "two", "three", "four")
        self.addCleanup(self.cluster.kubectl, "uncordon", "m2")
        self.cluster.kubectl("drain", "m2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        for name in ("one", "two", "three", "four"):
            wait_until(lambda unit=f"{name}.service": self.places_of(unit) == ["m3"], 20, f"{name} runs on m3")
        self.write("five.service")
        self.fleetctl("start", "five")
        self.assertEqual(self.places_of("five.service"), ["m3"])
