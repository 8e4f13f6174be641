# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: a program runs on a pseudo-terminal of its own; keys are typed, the screen is read, the
window's size changes."""
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time


class Terminal:
    def __init__(self, words, env, rows=24, columns=80):
        self.ours, self.theirs = os.openpty()
        self.screen = ""
        self.resize(rows, columns)
        self.settings = self.read_settings()
        self.child = subprocess.Popen(words, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, env=env,
                                      start_new_session=True, preexec_fn=self.take_control)

    @staticmethod
    def take_control():
        """In the child: a change of the window's size is told to the session whose terminal it is."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read_settings(self):
        return termios.tcgetattr(self.theirs)

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def wait_screen(self, pattern, timeout=20):
        """Waits until the pattern has appeared since the last wait; what came before it, and itself, is then read."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.screen)
            if found:
                self.screen = self.screen[found.end():]
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {timeout} s on the screen: {pattern}; it shows {self.screen[-600:]!r}")
            if select.select([self.ours], [], [], left)[0]:
                self.screen += os.read(self.ours, 65536).decode(errors="replace")

    def wait(self, timeout=20):
        """The exit status."""
        return self.child.wait(timeout)

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(10)
        os.close(self.ours)
        os.close(self.theirs)
