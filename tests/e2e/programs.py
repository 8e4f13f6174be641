# SPDX-License-Identifier: Apache-2.0
"""Programs that run beside a test; what they say is read by threads, so that no pipe fills."""
import subprocess
import threading


class Program:
    def __init__(self, words, env):
        self.child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, env=env)
        self.readers = []

    def hear(self, pipe, take):
        """Calls `take` with each line, from now on."""
        def read():
            for line in pipe:
                take(line)
        reader = threading.Thread(target=read, daemon=True)
        self.readers.append(reader)
        reader.start()

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(10)
        for reader in self.readers:
            reader.join(10)
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            pipe.close()
