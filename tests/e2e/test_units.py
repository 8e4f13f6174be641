# SPDX-License-Identifier: Apache-2.0
"""Pods of runtime class `systemd`: units of a machine's own systemd, driven by its agent. The machine is one of hosts.py
with a real systemd; the cluster's first machine has none."""
import json

import units
from machine import wait_until
from machines import MachinesTest

SLEEP = "[Service]\nExecStart=/bin/sleep 100000\n"
NAME = "systemd.tetrarch.dev/name"
UNIT = "systemd.tetrarch.dev/unit"
RESTARTS = "systemd.tetrarch.dev/restarts"
RUN_STATE = "tetrarch.dev/run-state"


def make_unit(pod, unit, text=SLEEP, held=False, node="m2"):
    """A Pod of one unit, as the controller of fleet units makes them."""
    annotations = {NAME: unit, UNIT: text}
    if held:
        annotations[RUN_STATE] = "held"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "labels": {"app": pod}, "annotations": annotations},
            "spec": {"runtimeClassName": "systemd", "hostNetwork": True, "nodeName": node,
                     "terminationGracePeriodSeconds": 5, "containers": [{"name": "unit"}]}}


class Units(MachinesTest):
    name = "units"
    segments = (1,)

    @classmethod
    def start_cluster(cls):
        cls.untouched = units.Untouched()
        super().start_cluster()
        host = cls.cluster.lab.add_host("m2", 1, init="systemd")
        cls.cluster.put_images(host)
        cls.cluster.agent_flags = ("--metadata", "disk=ssd, region=eu")
        cls.cluster.start_on(host)
        cls.cluster.wait_node("m2")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.untouched.check()

    # ---- what the machine says ----------------------------------------------------------------------------------

    def show(self, unit, *names):
        return units.show(self.cluster.host("m2"), unit, *names)

    def pid(self, unit):
        return units.main_pid(self.cluster.host("m2"), unit)

    def files(self, unit):
        return units.placed_files(self.cluster.host("m2"), unit)

    def condition(self, pod):
        conditions = self.get("pod", pod)["status"].get("conditions", [])
        return next((c for c in conditions if c["type"] == "systemd.tetrarch.dev/Unit"), {"message": ""})

    def wait_unit(self, pod, *words):
        def is_so():
            said = self.condition(pod)
            return all(word in said["message"].split() for word in words) or self.fail(str(said))
        wait_until(is_so, 20, f"{pod} is {words}")

    def annotate(self, pod, **changes):
        """None takes one away."""
        self.kubectl("patch", "pod", pod, "--type=merge", "-p", json.dumps({"metadata": {"annotations": changes}}))

    def events(self, pod):
        return [e["reason"] for e in self.get("events", f"--field-selector=involvedObject.name={pod}")["items"]]

    # ---- tests --------------------------------------------------------------------------------------------------

    def test_nodes_say_whether_they_run_units(self):
        node = self.get("node", "m2")
        machine = self.cluster.host("m2").run("cat", "/etc/machine-id").stdout.strip()
        self.assertEqual(node["metadata"]["labels"]["fleet.tetrarch.dev/systemd"], "true")
        self.assertEqual(node["metadata"]["labels"]["fleet.tetrarch.dev/machine-id"], machine)
        self.assertEqual(node["metadata"]["annotations"]["fleet.tetrarch.dev/metadata"], "disk=ssd,region=eu")
        said = next(c for c in node["status"]["conditions"] if c["type"] == "Systemd")
        self.assertEqual((said["status"], said["message"].split()[0]), ("True", "systemd"))
        other = self.get("node", "m1")
        self.assertNotIn("fleet.tetrarch.dev/systemd", other["metadata"]["labels"])
        said = next(c for c in other["status"]["conditions"] if c["type"] == "Systemd")
        self.assertEqual((said["status"], said["reason"]), ("False", "NoSystemd"))

    def test_a_unit_is_loaded_started_restarted_changed_and_taken_away(self):
        self.apply(make_unit("walk", "walk@1.service", held=True))
        self.wait_unit("walk", "loaded", "inactive")
        self.assertEqual(self.show("walk@1.service", "LoadState", "ActiveState", "UnitFileState"),
                         ["loaded", "inactive", "linked-runtime"])
        self.assertEqual(self.files("walk@1.service"), 2)
        self.annotate("walk", **{RUN_STATE: None})
        self.wait_unit("walk", "active", "running", "launched")
        self.assertEqual(self.show("walk@1.service", "ActiveState"), ["active"])
        self.wait_ready("walk")
        first = self.pid("walk@1.service")
        with self.subTest("a restart"):
            self.annotate("walk", **{RESTARTS: "1"})
            wait_until(lambda: self.condition("walk")["message"].endswith(" launched 1"), 10, "started again")
            wait_until(lambda: self.pid("walk@1.service") not in (0, first), 10, "another process")
        with self.subTest("another text"):
            self.annotate("walk", **{UNIT: SLEEP.replace("100000", "200000")})
            wait_until(lambda: "200000" in self.show("walk@1.service", "ExecStart")[0], 10, "read anew")
            self.wait_unit("walk", "active", "launched")
        with self.subTest("held"):
            self.annotate("walk", **{RUN_STATE: "held"})
            self.wait_unit("walk", "inactive")
            self.assertEqual(self.pid("walk@1.service"), 0)
        self.kubectl("delete", "pod", "walk", "--wait=true", timeout=20)
        self.assertEqual(self.files("walk@1.service"), 0)
        self.assertEqual(self.show("walk@1.service", "LoadState"), ["not-found"])
        self.assertTrue({"UnitLoaded", "UnitStarted", "UnitStopped"} <= set(self.events("walk")), self.events("walk"))

    def test_a_failing_unit_says_so_and_another_is_not_kept_waiting(self):
        self.apply(make_unit("bad", "bad.service", "[Service]\nExecStart=/bin/sh -c 'exit 3'\n"),
                   make_unit("worse", "worse.service", "[Service]\nType=nonsense\n"),
                   make_unit("good", "good.service"))
        self.wait_unit("good", "active", "running")
        self.wait_unit("bad", "failed", "launched")
        state = self.get("pod", "bad")["status"]["containerStatuses"][0]["state"]
        self.assertEqual(state["terminated"]["exitCode"], 3)
        wait_until(lambda: "UnitNotStarted" in self.events("worse"), 10, "systemd's reason is told")

    def test_install_sections_and_timers(self):
        wanted = SLEEP + "\n[Install]\nWantedBy=multi-user.target\n"
        self.apply(make_unit("wanted", "wanted.service", wanted, held=True))
        self.wait_unit("wanted", "loaded")
        link = "/run/systemd/system/multi-user.target.wants/wanted.service"
        self.assertEqual(self.cluster.host("m2").run("readlink", "-f", link).stdout.strip().split("/")[-1], "wanted.service")
        self.kubectl("delete", "pod", "wanted", "--wait=true", timeout=20)
        self.assertFalse(self.cluster.host("m2").run("ls", link, check=False).stdout)
        once = "[Service]\nType=oneshot\nExecStart=/bin/touch /run/fired\n"
        self.apply(make_unit("tick-service", "tick.service", once, held=True),
                   make_unit("tick-timer", "tick.timer", "[Timer]\nOnActiveSec=1\nAccuracySec=1ms\n"))
        wait_until(lambda: self.cluster.host("m2").run("ls", "/run/fired", check=False).stdout, 20, "the timer fires")

    def test_a_unit_of_the_machines_own_is_left_alone(self):
        self.apply(make_unit("bus", "dbus.service"))
        wait_until(lambda: "of its own" in self.condition("bus")["message"], 10, "it is refused")
        self.kubectl("delete", "pod", "bus", "--wait=true", timeout=20)
        self.assertEqual(self.show("dbus.service", "ActiveState"), ["active"])

    def test_a_machine_without_systemd_refuses(self):
        self.apply(make_unit("nowhere", "nowhere.service", node="m1"))
        pod = self.wait_pod("nowhere", lambda pod: pod["status"].get("phase") == "Failed", 20, "is refused")
        self.assertEqual(pod["status"]["reason"], "NoSystemd")

    def test_logs_are_the_journals_and_exec_says_where_to_go(self):
        talk = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/echo one\nExecStart=/bin/echo two\n"
        self.apply(make_unit("talk", "talk.service", talk))
        self.wait_unit("talk", "active")
        wait_until(lambda: "two" in self.kubectl("logs", "talk").stdout, 10, "the journal has it")
        self.assertIn("one\n", self.kubectl("logs", "talk").stdout)
        self.assertEqual(len(self.kubectl("logs", "talk", "--tail=2").stdout.splitlines()), 2)
        refused = self.kubectl("exec", "talk", "--", "true", check=False)
        self.assertIn("unit talk.service runs on the machine itself", refused.stderr)

    def test_units_outlive_the_agent_and_what_was_deleted_meanwhile_goes(self):
        host = self.cluster.host("m2")
        self.apply(make_unit("stay", "stay.service"), make_unit("go", "go.service"))
        self.wait_unit("stay", "active")
        self.wait_unit("go", "active")
        first = self.pid("stay.service")
        self.cluster.end_on(host, "KILL")
        self.kubectl("delete", "pod", "go", "--force", "--grace-period=0")
        self.assertEqual(self.show("go.service", "ActiveState"), ["active"])
        self.cluster.start_on(host)
        self.cluster.wait_node("m2")
        wait_until(lambda: self.files("go.service") == 0, 20, "its Pod has gone: it is unloaded")
        self.assertEqual(self.pid("stay.service"), first)
        self.wait_unit("stay", "active", "launched")
        with self.subTest("a bus that goes and comes"):
            host.run("systemctl", "restart", "dbus.service", check=False)
            self.annotate("stay", **{RUN_STATE: "held"})
            wait_until(lambda: self.show("stay.service", "ActiveState") == ["inactive"], 30, "it is stopped")
