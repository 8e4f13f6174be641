# SPDX-License-Identifier: Apache-2.0
"""What a host's own systemd says of units, and that the machine which the tests run on notices nothing."""
import os

# What this machine, which is none of the test's, has of units and journals.
OWN = ("/run/systemd/system", "/etc/systemd/system", "/run/log/journal", "/var/log/journal")
TEXT = "of the machine that tests run on"


class Untouched:
    """Notes what is here; check() finds it as it was. A systemd that is started in the wrong place empties /tmp."""

    def __init__(self):
        self.before = self.look()
        self.mark = f"/tmp/units-{os.getpid()}"
        with open(self.mark, "w", encoding="ascii") as file:
            file.write(TEXT)

    @staticmethod
    def look():
        return {place: sorted(os.listdir(place)) if os.path.isdir(place) else None for place in OWN}

    def check(self):
        with open(self.mark, encoding="ascii") as file:
            assert file.read() == TEXT
        os.remove(self.mark)
        assert self.look() == self.before, (self.look(), self.before)


def show(host, unit, *names):
    done = host.run("systemctl", "show", unit, *[f"--property={name}" for name in names])
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return [found.get(name) for name in names]


def main_pid(host, unit):
    return int(show(host, unit, "MainPID")[0])


def placed_files(host, unit):
    """How many there are of its file and its link."""
    found = host.run("sh", "-c", f"ls -d /run/tetrarch/*/units/{unit} /run/systemd/system/{unit}", check=False)
    return len(found.stdout.split())
