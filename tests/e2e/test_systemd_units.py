# SPDX-License-Identifier: Apache-2.0
"""The agent's client of systemd, on a machine that has one."""
import os
import unittest

from hosts import Lab
from harness import ROOT

PROGRAM = os.path.join(ROOT, "build/release/runtime_systemd_test")


class SystemdUnits(unittest.TestCase):
    def test_units_are_linked_started_watched_and_taken_away(self):
        lab = Lab("units")
        self.addCleanup(lab.close)
        host = lab.add_host("m1", init="systemd")
        done = host.run(PROGRAM, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("[  PASSED  ]", done.stdout)


if __name__ == "__main__":
    unittest.main()
