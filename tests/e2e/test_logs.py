# SPDX-License-Identifier: Apache-2.0
"""kubectl logs while logs are rotated: small files, a fast writer, every line once."""
import re
import subprocess

from harness import KUBECTLS, NEWEST, Cluster, ClusterTest, container_of, make_pod
from machine import wait_until

COUNT = 40000
WRITER = f"i=0; while [ $i -lt {COUNT} ]; do echo line-$i; i=$((i+1)); done; exec sleep 3600"


class Logs(ClusterTest):
    name = "logs"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, flags=["--container-log-max-size", "64Ki", "--container-log-max-files", "100"])
        cls.cluster.start()

    def rotated(self, name):
        uid = self.get("pod", name)["metadata"]["uid"]
        found = subprocess.run(["find", f"{self.cluster.data}/agent/logs", "-path", f"*{uid}*", "-name", "*.log.*"],
                               capture_output=True, text=True, check=True)
        return found.stdout.split()

    def test_no_line_is_lost_by_rotation(self):
        self.apply(make_pod("fast", "sh", "-c", WRITER))
        self.wait_ready("fast")
        follow = subprocess.Popen([KUBECTLS[NEWEST], "-n", self.namespace, "logs", "-f", "fast"], text=True,
                                  stdout=subprocess.PIPE, env=self.cluster.environment())
        lines = [follow.stdout.readline().strip() for _ in range(COUNT)]
        follow.terminate()
        follow.wait(10)
        follow.stdout.close()
        wanted = [f"line-{i}" for i in range(COUNT)]
        self.assertEqual(lines, wanted, "logs -f gives every line once, in order")
        wait_until(lambda: self.rotated("fast"), 20, "the log was rotated")
        self.assertEqual(self.text("logs", "fast").split(), wanted, "and so does logs")
        self.assertEqual(self.text("logs", "fast", "--tail=3").split(), wanted[-3:])
        self.assertEqual(self.text("logs", "fast", "--tail=30000").split(), wanted[-30000:], "a tail over many files")
        self.assertEqual(self.text("logs", "fast", "--tail=0"), "")
        self.assertEqual(self.text("logs", "fast", "--limit-bytes=10"), "line-0\nlin")
        stamped = self.text("logs", "fast", "--timestamps", "--tail=2").splitlines()
        self.assertRegex(stamped[1], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line-" + str(COUNT - 1) + "$")
        since = re.sub(r"\.\d+Z.*", "Z", stamped[1])
        self.assertEqual(self.text("logs", "fast", f"--since-time={since}").split()[-1], wanted[-1])
        self.assertEqual(self.text("logs", "fast", "--since-time=2999-01-01T00:00:00Z"), "")

    def test_the_log_before_a_restart(self):
        self.apply(make_pod("twice", "sh", "-c", "echo run-$(date +%s); sleep 2; exit 1"))
        self.wait_pod("twice", lambda p: container_of(p).get("restartCount", 0) >= 1, 60, "restarts")
        wait_until(lambda: self.text("logs", "twice").startswith("run-"), 20, "the second run has said something")
        now, before = self.text("logs", "twice"), self.text("logs", "twice", "--previous")
        self.assertLess(int(before.split("-")[1]), int(now.split("-")[1]))
