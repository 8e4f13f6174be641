# SPDX-License-Identifier: Apache-2.0
"""A security context, seen from inside: what the kernel says of the process, and what the process then can(not) do."""
import os
import re

import machine
from harness import BUSYBOX, ClusterTest, container_of, make_pod
from machine import wait_until

TELL = "id -u; id -g; grep -E '^(Groups|Cap|NoNew|Seccomp:)' /proc/self/status | tr '\\t' ' '; "
WAIT = "exec sleep 3600"
# Harmless: a setting of the pod's own interface, and a control group that goes at once.
WRITE_SYS = "echo 1000 > /sys/class/net/eth0/tx_queue_len && echo wrote-sys; "
WRITE_CGROUP = "at=$(awk '$3 ~ /^cgroup/ {print $2; exit}' /proc/mounts); mkdir $at/made && rmdir $at/made && echo wrote-cgroup; "

# name -> (pod's security context, container's, more of the pod's spec, script, lines that its log must match)
EVERY = re.search(r"CapBnd:\s+(\w+)", machine.read_proc(os.getpid(), "status"))[1]  # this machine may lack some itself
DEFAULT_CAPS = "CapBnd: 00000000a80425fb"  # Source: containerd's default set, which is Docker's
RULES = {
    "defaults": ({}, {}, {}, WRITE_SYS + WRITE_CGROUP + "touch /made; ls /dev; cat /proc/sys/kernel/hostname; "
                 "echo x > /proc/sys/kernel/shmmni; wc -c < /proc/kcore",
                 [r"\A0\n0\n", DEFAULT_CAPS, r"CapEff: 00000000a80425fb", r"NoNewPrivs: 0", r"Seccomp: 0", r"(?m)^null$",
                  r"shmmni: Read-only file system", r"(?m)^0$", r"tx_queue_len: Read-only file system",
                  r"made.*: Read-only file system"]),
    "user-of-pod": ({"runAsUser": 2000, "runAsGroup": 2001}, {}, {}, "",
                    [r"\A2000\n2001\n", r"CapEff: 0{16}", DEFAULT_CAPS]),
    "user-of-container": ({"runAsUser": 2000, "runAsGroup": 2001}, {"runAsUser": 1000, "runAsGroup": 1001}, {}, "",
                          [r"\A1000\n1001\n"]),
    "user-alone": ({}, {"runAsUser": 1000}, {}, "", [r"\A1000\n0\n"]),
    "group-alone": ({"runAsGroup": 1001}, {}, {}, "", [r"\A0\n1001\n"]),
    "groups": ({"fsGroup": 4000, "supplementalGroups": [3000, 3001]}, {"runAsUser": 1000, "runAsGroup": 1000}, {}, "",
               [r"Groups:.*\b3000\b", r"Groups:.*\b3001\b", r"Groups:.*\b4000\b"]),
    "no-capabilities": ({}, {"capabilities": {"drop": ["ALL"]}}, {}, "chown 1 /tmp || echo may not",
                        [r"CapBnd: 0{16}", r"CapEff: 0{16}", r"may not"]),
    "one-capability": ({}, {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}, {}, "",
                       [r"CapBnd: 0000000000000400", r"CapEff: 0000000000000400"]),
    "added-capability": ({}, {"capabilities": {"add": ["NET_ADMIN"]}}, {}, "ip link add dummy0 type bridge && echo made it",
                         [r"CapEff: 00000000a80435fb", r"made it"]),
    "one-dropped": ({}, {"capabilities": {"drop": ["CHOWN"]}}, {}, "chown 1 /tmp || echo may not",
                    [r"CapEff: 00000000a80425fa", r"may not"]),
    "all-capabilities": ({}, {"capabilities": {"add": ["ALL"]}}, {}, "", [f"CapEff: {EVERY}"]),
    "privileged": ({}, {"privileged": True}, {}, WRITE_SYS + WRITE_CGROUP + "ls /dev; mount -t tmpfs none /mnt2 2>&1 || "
                   "mkdir /mnt2 && mount -t tmpfs none /mnt2 && echo mounted",
                   [f"CapEff: {EVERY}", r"Seccomp: 0", r"(?m)^kmsg$", r"(?m)^mounted$", r"(?m)^wrote-sys$",
                    r"(?m)^wrote-cgroup$"]),
    "no-escalation": ({}, {"allowPrivilegeEscalation": False}, {}, "", [r"NoNewPrivs: 1"]),
    "read-only-root": ({}, {"readOnlyRootFilesystem": True}, {}, "touch /x; touch /dev/shm/x && echo shm; touch /v/x && echo vol",
                       [r"/x: Read-only file system", r"(?m)^shm$", r"(?m)^vol$"]),
    "seccomp-of-pod": ({"seccompProfile": {"type": "RuntimeDefault"}}, {}, {}, "unshare -m true || echo filtered",
                       [r"Seccomp: 2", r"filtered"]),
    "seccomp-of-container": ({"seccompProfile": {"type": "RuntimeDefault"}}, {"seccompProfile": {"type": "Unconfined"}}, {},
                             "", [r"Seccomp: 0"]),
    "sysctls": ({"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "79"},
                             {"name": "net.ipv4.ping_group_range", "value": "0 200"}]}, {}, {},
                "sysctl net.ipv4.ip_unprivileged_port_start net.ipv4.ping_group_range",
                [r"port_start = 79", r"range = 0\s+200"]),
    "unconfined-by-name": ({"appArmorProfile": {"type": "Unconfined"}}, {}, {}, "", [r"\A0\n0\n"]),
    "numeric-non-root": ({"runAsNonRoot": True, "runAsUser": 1000}, {}, {}, "", [r"\A1000\n"]),
}


class Security(ClusterTest):
    name = "security"

    def test_every_rule_is_seen_by_the_process(self):
        pods = []
        for name, (pod_context, context, more, script, _) in RULES.items():
            pods.append(make_pod(name, "sh", "-c", f"({TELL} {script}) 2>&1; echo end; {WAIT}", securityContext=pod_context,
                                 volumes=[{"name": "v", "emptyDir": {}}], **more,
                                 container={"securityContext": context, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}))
        self.apply(*pods)
        for name, (*_, wanted) in RULES.items():
            with self.subTest(rule=name):
                self.wait_ready(name)
                text = self.told(name)
                for pattern in wanted:
                    self.assertRegex(text, pattern)

    def told(self, name):
        """The log of a pod whose script says "end" when all is told."""
        def ended():
            text = self.text("logs", name)
            return text if text.endswith("\nend\n") else None
        return wait_until(ended, 20, f"{name} has told everything")

    def test_only_the_privileged_container_of_a_pod_may_write_to_sys(self):
        pod = make_pod("mixed", "sleep", "3600", container={"securityContext": {"privileged": True}})
        pod["spec"]["containers"].append({"name": "other", "image": BUSYBOX, "command": ["sleep", "3600"]})
        self.run_pod(pod)
        run = lambda name: self.exec("mixed", "sh", "-c", f"{WRITE_SYS}{WRITE_CGROUP}true", container=name)
        self.assertEqual(run("main").stdout, "wrote-sys\nwrote-cgroup\n")
        self.assertEqual(run("other").stdout, "")
        self.assertEqual(run("other").stderr.count("Read-only file system"), 2)

    def test_a_command_run_later_has_the_same_limits(self):
        self.run_pod(make_pod("later", "sleep", "3600", securityContext={"runAsUser": 1000, "seccompProfile": {
            "type": "RuntimeDefault"}}, container={"securityContext": {"allowPrivilegeEscalation": False,
                                                                       "capabilities": {"drop": ["ALL"]}}}))
        text = self.exec("later", "sh", "-c", TELL).stdout
        for pattern in (r"\A1000\n", r"CapBnd: 0{16}", r"NoNewPrivs: 1", r"Seccomp: 2"):
            self.assertRegex(text, pattern)

    def test_files_of_volumes_belong_to_the_group(self):
        self.make("secret", "generic", "hidden", "--from-literal=word=sesame")
        volumes = [{"name": "e", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}},
                   {"name": "s", "secret": {"secretName": "hidden", "defaultMode": 0o400}},
                   {"name": "h", "hostPath": {"path": self.cluster.directory}}]
        mounts = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]
        context = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 4000}
        self.run_pod(make_pod("grouped", "sleep", "3600", securityContext=context, volumes=volumes,
                              container={"volumeMounts": mounts}))
        stat = lambda path: self.exec("grouped", "stat", "-Lc", "%u:%g %a", path).stdout.strip()
        self.assertEqual(stat("/e"), "0:4000 2777")
        self.assertEqual(stat("/m"), "0:4000 2777")
        self.assertEqual(stat("/s/word"), "0:4000 440", "readable by the group, as kubelet does it")
        self.assertEqual(self.exec("grouped", "cat", "/s/word").stdout, "sesame")
        self.exec("grouped", "touch", "/e/new")
        self.assertEqual(stat("/e/new"), "1000:4000 644", "a new file has the directory's group")
        self.assertNotIn(":4000", stat("/h"), "a path of the host is left as it is")
        self.exec("grouped", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")

    def test_the_token_can_be_read_by_any_user_of_its_pod(self):
        self.apply(make_pod("one-user", "sleep", "3600", securityContext={"runAsUser": 1000, "runAsGroup": 1000}))
        self.wait_ready("one-user")
        self.assertRegex(self.exec("one-user", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token").stdout, r"^ey.*\..*\.")

    def test_namespaces_of_the_host(self):
        own = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "pid", "ipc", "uts", "mnt")}
        self.apply(make_pod("net", "sleep", "3600", hostNetwork=True), make_pod("pid", "sleep", "3600", hostPID=True),
                   make_pod("ipc", "sleep", "3600", hostIPC=True), make_pod("none", "sleep", "3600"))
        for name, shared in (("net", {"net", "uts"}), ("pid", {"pid"}), ("ipc", {"ipc"}), ("none", set())):
            with self.subTest(pod=name):
                self.wait_ready(name)
                text = self.exec(name, "sh", "-c", "for n in net pid ipc uts mnt; do echo $n $(readlink /proc/self/ns/$n); done").stdout
                seen = dict(line.split() for line in text.splitlines())
                self.assertEqual({kind for kind in own if seen[kind] == own[kind]}, shared)
        pod = self.get("pod", "net")
        self.assertEqual(pod["status"]["podIP"], pod["status"]["hostIP"])
        self.assertIn(str(self.cluster.process.pid), self.exec("pid", "ls", "/proc", check=False).stdout.split())

    def test_containers_share_one_process_table_when_asked(self):
        def two(name, **more):
            pod = make_pod(name, "sleep", "3601", **more)
            pod["spec"]["containers"].append({"name": "other", "image": BUSYBOX, "command": ["sleep", "3602"]})
            return pod
        self.apply(two("together", shareProcessNamespace=True), two("apart"))
        self.wait_ready("together")
        self.wait_ready("apart")
        text = self.exec("together", "ps").stdout
        self.assertRegex(text, r"sleep 3601")
        self.assertRegex(text, r"sleep 3602")
        self.assertRegex(text, r"(?m)^ +1 .*/pause", "the sandbox's process reaps the orphans of both")
        self.assertNotIn("sleep 3602", self.exec("apart", "ps").stdout)

    def test_what_is_refused_says_why(self):
        cases = {
            "root-image": ({}, {"runAsNonRoot": True}, "CreateContainerConfigError",
                           "container has runAsNonRoot and image will run as root"),
            "root-user": ({"runAsNonRoot": True}, {"runAsUser": 0}, "CreateContainerConfigError",
                          "container's runAsUser breaks non-root policy"),
            "no-profile": ({}, {"seccompProfile": {"type": "Localhost", "localhostProfile": "none.json"}},
                           "CreateContainerError", "none.json"),
        }
        self.apply(*(make_pod(name, "sleep", "3600", securityContext=pod, container={"securityContext": own})
                     for name, (pod, own, *_) in cases.items()))
        for name, (_, _, reason, message) in cases.items():
            with self.subTest(pod=name):
                pod = self.wait_pod(name, lambda p, r=reason: container_of(p).get("state", {}).get("waiting", {}).get("reason") == r,
                                    40, f"waits with {reason}")
                self.assertIn(message, container_of(pod)["state"]["waiting"]["message"])

    def test_a_pod_that_this_node_may_not_run_is_refused_for_good(self):
        cases = {
            "unsafe-sysctl": ({"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}, {"name": "kernel.msgmax", "value": "9000"}]},
                              {}, "SysctlForbidden", 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
            "no-apparmor": ({"appArmorProfile": {"type": "RuntimeDefault"}}, {}, "AppArmor", "Cannot enforce AppArmor"),
        }
        self.assertFalse(os.path.exists("/sys/module/apparmor/parameters/enabled"), "this machine has no AppArmor")
        self.apply(*(make_pod(name, "sleep", "3600", securityContext=context) for name, (context, *_) in cases.items()))
        for name, (_, _, reason, message) in cases.items():
            with self.subTest(pod=name):
                status = self.wait_phase(name, "Failed")["status"]
                self.assertEqual(status["reason"], reason)
                self.assertIn(message, status["message"])
                self.assertRegex(self.text("get", "pod", name), rf"0/1 +{reason}")

    def test_contradictions_are_invalid(self):
        for context, word in (({"privileged": True, "allowPrivilegeEscalation": False},
                               "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"),
                              ({"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": False},
                               "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"),
                              ({"runAsUser": -1}, "must be between 0 and 2147483647, inclusive"),
                              ({"seccompProfile": {"type": "Localhost"}}, "must be set when seccomp type is Localhost")):
            with self.subTest(context=context):
                done = self.apply(make_pod("never", container={"securityContext": context}), check=False)
                self.assert_fails(done, word)
        done = self.apply(make_pod("never", securityContext={"sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}]},
                                   hostNetwork=True), check=False)
        self.assert_fails(done, "may not be specified when 'hostNetwork' is true")
