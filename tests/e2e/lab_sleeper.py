# SPDX-License-Identifier: Apache-2.0
"""A run that test_labs interrupts: two machines that are up, and then nothing."""
import time

from machines import MachinesTest


class Sleeper(MachinesTest):
    name = "sleeper"
    segments = (1, 2)

    def test_sleeps(self):
        print(f"up: {self.cluster.lab.tag} {len(self.cluster.get('nodes')['items'])}", flush=True)
        time.sleep(300)

    def test_that_never_comes(self):
        print("another test began", flush=True)
