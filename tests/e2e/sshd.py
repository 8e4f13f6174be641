# SPDX-License-Identifier: Apache-2.0
"""OpenSSH's server on hosts of hosts.py, and an agent with the one key that it lets in. Nothing of the configuration of the
machine that the tests run on is read.

    door = Door(directory)              # a key, an ssh-agent, a list of known machines
    door.open(host)                     # its sshd, with the user `core`
    door.environment, door.known_hosts  # for clients
    door.close()
"""
import os
import subprocess

from machine import run, wait_until

PLACE = "/run/sshd-of-tests"
CONFIG = f"""Port 22
HostKey {PLACE}/key
AuthorizedKeysFile {PLACE}/authorized
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
"""


class Door:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory)
        self.key = self.make_key("login")
        self.known_hosts = os.path.join(directory, "known_hosts")
        self.socket = os.path.join(directory, "agent")
        self.agent = subprocess.Popen(["ssh-agent", "-D", "-a", self.socket], stdout=subprocess.DEVNULL,
                                      start_new_session=True)
        wait_until(lambda: os.path.exists(self.socket), 10, "ssh-agent listens", pause=0.02)
        run("ssh-add", "-q", self.key, env=self.environment)
        self.servers = []

    @property
    def environment(self):
        return {**os.environ, "SSH_AUTH_SOCK": self.socket}

    def make_key(self, name):
        path = os.path.join(self.directory, name)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path)
        return path

    def open(self, host):
        key = self.make_key(host.name)
        files = {"key": key, "authorized": f"{self.key}.pub"}
        host.run("mkdir", "-p", PLACE, "/run/sshd")
        for name, path in files.items():
            with open(path, encoding="ascii") as file:
                host.run("sh", "-c", f"umask 077; cat >{PLACE}/{name}", input=file.read())
        # Read as the user who comes in.
        host.run("sh", "-c", f"cat >{PLACE}/config; chmod 644 {PLACE}/authorized", input=CONFIG)
        host.run("useradd", "--create-home", "--password", "*", "--groups", "systemd-journal", "core")
        self.servers.append(host.start(f"{self.directory}/{host.name}.log", "/usr/sbin/sshd", "-D", "-e", "-f",
                                       f"{PLACE}/config"))
        with open(f"{key}.pub", encoding="ascii") as file:
            public = " ".join(file.read().split()[:2])
        with open(self.known_hosts, "a", encoding="ascii") as file:
            file.write(f"{host.address} {public}\n")
        wait_until(lambda: "Server listening" in self.log_of(host), 10, f"sshd listens on {host.name}", pause=0.02)

    def log_of(self, host):
        with open(f"{self.directory}/{host.name}.log", encoding="utf-8") as file:
            return file.read()

    def close(self):
        self.agent.terminate()
        self.agent.wait()
        for server in self.servers:
            server.terminate()
            server.wait()
