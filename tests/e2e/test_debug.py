# SPDX-License-Identifier: Apache-2.0
"""`kubectl debug`: containers that are added to a running pod."""
import json

import harness
import machine
from harness import BUSYBOX, SharedCluster, container_of, make_pod
from machine import wait_until
from terminal import Terminal

SLEEP = ("sleep", "3600")
PROMPT = r"/ # (\x1b\[\w+)*$"
EPHEMERAL = "ephemeralContainerStatuses"


def debugger(name, *command, **more):
    return {"name": name, "image": BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": list(command), **more}


class Debug(SharedCluster):
    name = "debug"

    def box(self, name="box", **more):
        return self.run_pod(make_pod(name, *SLEEP, **more))

    def add(self, pod, *containers, check=True):
        """As `kubectl debug` does it."""
        return self.kubectl("patch", "pod", pod, "--subresource=ephemeralcontainers", "--type=strategic", "-p",
                            json.dumps({"spec": {"ephemeralContainers": list(containers)}}), check=check)

    def status(self, pod, name):
        return container_of(self.get("pod", pod), name, EPHEMERAL)

    def wait_state(self, pod, name, state):
        return self.wait_pod(pod, lambda p: state in container_of(p, name, EPHEMERAL).get("state", {}), 30,
                             f"{name} is {state}")

    def test_a_shell_that_sees_the_processes_of_its_target(self):
        self.box()
        screen = Terminal(self.words("debug", "-it", "box", f"--image={BUSYBOX}", "--target=main", "--container=look",
                                     "--profile=general", "--", "sh"), self.cluster.environment(TERM="xterm"))
        self.addCleanup(screen.close)
        screen.type("\r")  # what attaches shows no prompt that was printed before
        screen.wait_screen(PROMPT, 60)
        screen.type("ps; echo end-of-list\r")
        listed = screen.wait_screen(r"(?s)PID.*\nend-of-list")[0]
        self.assertIn("sleep 3600", listed, "the target's processes are seen")
        screen.type("ls -d /proc/1/root/bin && echo $(cat /proc/1/comm)-is-first\r")
        screen.wait_screen(r"sleep-is-first")
        pod = self.get("pod", "box")
        main, look = container_of(pod, "main"), container_of(pod, "look", EPHEMERAL)
        self.assertEqual(self.pid_namespace(main), self.pid_namespace(look))
        self.assertIn("running", look["state"])
        self.assertTrue(harness.is_ready(pod), "it does not count for readiness")
        self.assertEqual(pod["spec"]["ephemeralContainers"][0]["targetContainerName"], "main")

        screen.type("exit 3\r")
        screen.wait()
        ended = self.wait_state("box", "look", "terminated")
        self.assertEqual(container_of(ended, "look", EPHEMERAL)["state"]["terminated"]["exitCode"], 3)
        self.assertTrue(harness.is_ready(ended))
        self.assertIn("Ephemeral Containers:", self.kubectl("describe", "pod", "box").stdout)

    def pid_namespace(self, status):
        pids = machine.container_pids(status["containerID"])
        self.assertTrue(pids, status)
        return machine.run("readlink", f"/proc/{pids[0][0]}/ns/pid").stdout

    def test_without_a_target_it_has_processes_of_its_own_and_the_pods_network(self):
        self.box()
        self.add("box", debugger("alone", *SLEEP))
        pod = self.wait_state("box", "alone", "running")
        main, alone = container_of(pod, "main"), container_of(pod, "alone", EPHEMERAL)
        self.assertNotEqual(self.pid_namespace(main), self.pid_namespace(alone))
        shown = self.exec("box", "ip", "-4", "-o", "addr", "show", "eth0", container="alone").stdout
        self.assertIn(pod["status"]["podIP"], shown)

    def test_it_runs_once_and_its_log_stays(self):
        self.box()
        self.add("box", debugger("once", "sh", "-c", "echo seen by $HOSTNAME; exit 7"))
        pod = self.wait_state("box", "once", "terminated")
        once = container_of(pod, "once", EPHEMERAL)
        self.assertEqual((once["state"]["terminated"]["exitCode"], once["restartCount"], once["ready"]), (7, 0, False))
        self.assertEqual(self.kubectl("logs", "box", "-c", "once").stdout, "seen by box\n")
        self.add("box", debugger("twice", *SLEEP))
        pod = self.wait_state("box", "twice", "running")
        self.assertEqual(container_of(pod, "once", EPHEMERAL), once, "what has ended is not started again")
        self.assertEqual({c["name"] for c in pod["spec"]["ephemeralContainers"]}, {"once", "twice"})

    def test_an_agent_that_starts_anew_knows_it(self):
        self.box()
        self.add("box", debugger("gone", "true"), debugger("stays", *SLEEP))
        self.wait_state("box", "gone", "terminated")
        before = self.wait_state("box", "stays", "running")
        self.cluster.process.kill()
        self.cluster.start()
        self.add("box", debugger("last", *SLEEP))
        after = self.wait_state("box", "last", "running")
        for name in ("gone", "stays"):
            self.assertEqual(container_of(after, name, EPHEMERAL), container_of(before, name, EPHEMERAL))

    def test_a_target_that_does_not_run_yet_is_waited_for(self):
        waits = {"name": "first", "image": BUSYBOX, "command": ["sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done"],
                 "imagePullPolicy": "IfNotPresent"}
        self.apply(make_pod("slow", *SLEEP, initContainers=[waits]))
        self.wait_pod("slow", lambda p: "running" in container_of(p, "first", "initContainerStatuses").get("state", {}), 30,
                      "initializes")
        self.add("slow", debugger("early", *SLEEP), debugger("aims", *SLEEP, targetContainerName="main"))
        self.wait_state("slow", "early", "running")
        wait_until(lambda: self.status("slow", "aims")["state"].get("waiting", {}).get("message") ==
                   "unable to find target container main", 20, "it says what it waits for")
        self.exec("slow", "touch", "/tmp/go", container="first")
        self.wait_ready("slow")
        self.wait_state("slow", "aims", "running")

    def test_it_ends_with_its_pod(self):
        self.apply(make_pod("short", "sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done", restartPolicy="Never"))
        self.wait_ready("short")
        self.add("short", debugger("lasts", *SLEEP))
        self.wait_state("short", "lasts", "running")
        self.exec("short", "touch", "/tmp/go", container="main")
        self.wait_phase("short", "Succeeded", 60)
        self.assertIn("terminated", self.status("short", "lasts")["state"])

    def test_what_is_refused(self):
        self.box()
        self.assert_fails(self.apply(make_pod("bad", *SLEEP, ephemeralContainers=[debugger("d", *SLEEP)]), check=False),
                          "spec.ephemeralContainers: Forbidden: cannot be set on create")
        self.assert_fails(self.add("box", debugger("main", *SLEEP), check=False), 'Duplicate value: "main"')
        self.assert_fails(self.add("box", debugger("d", *SLEEP, ports=[{"containerPort": 80}]), check=False),
                          "ports: Forbidden: cannot be set for an Ephemeral Container")
        self.add("box", debugger("d", *SLEEP))
        self.assert_fails(self.add("box", debugger("d", "true"), check=False), 'existing ephemeral containers "d" may not be changed')
        gone = self.kubectl("patch", "pod", "box", "--subresource=ephemeralcontainers", "--type=json", "-p",
                            '[{"op":"remove","path":"/spec/ephemeralContainers"}]', check=False)
        self.assert_fails(gone, "may not be removed")
        shown = self.kubectl("get", "--raw", "/api/v1").stdout
        self.assertIn("ephemeralcontainers", self.resource_verbs(shown, "pods/ephemeralcontainers"))

    @staticmethod
    def resource_verbs(text, name):
        return next(f"{r['name']} {' '.join(r['verbs'])}" for r in json.loads(text)["resources"] if r["name"] == name)


tearDownModule = harness.stop_shared_cluster
