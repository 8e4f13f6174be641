# SPDX-License-Identifier: Apache-2.0
"""What fleetctl.py does through ssh: commands on the machines of units, the tunnel, and fd-forward, which runs at its end.

fleetctl has an ssh client of its own; this is OpenSSH, told to behave like it: keys of the agent alone, no configuration,
unknown machines refused. Source: fleet 1.0.0, fleetctl/ssh.go, status.go, journal.go, fd_forward.go, and ssh/.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

LOGIN_TIMEOUT = 10


class Ssh:
    def __init__(self, options):
        self.options = options

    def words(self, host, *flags):
        address, _, port = host.partition(":")
        options = self.options
        return ["ssh", "-F", "none", "-T", "-l", options.ssh_username, "-p", port or "22", "-o", "BatchMode=yes",
                "-o", "IdentityFile=none", "-o", f"ConnectTimeout={LOGIN_TIMEOUT}", "-o", "LogLevel=ERROR",
                "-o", f"UserKnownHostsFile={options.known_hosts_file}", "-o", "GlobalKnownHostsFile=none",
                "-o", f"StrictHostKeyChecking={'yes' if options.strict_host_key_checking else 'no'}", *flags, address]

    def run(self, host, command):
        """To its end, with our stdin, stdout and stderr; through the tunnel where there is one."""
        flags = ()
        if self.options.tunnel:
            flags = ("-o", "ProxyCommand=" + " ".join(self.words(self.options.tunnel, "-W", "%h:%p")))
        sys.stdout.flush()
        return subprocess.run([*self.words(host, *flags), command], check=False).returncode


class Tunnel:
    """The endpoint, as the tunnel's end reaches it: TCP is forwarded, for a unix socket fleetctl runs there."""

    def __init__(self, options, url):
        self.ssh, self.end, self.url = Ssh(options), options.tunnel, url
        self.place = tempfile.mkdtemp(prefix="fleetctl-")
        self.children = []
        if url.scheme != "unix":
            self.forward(os.path.join(self.place, "socket"))

    def forward(self, path):
        words = self.ssh.words(self.end, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{path}:{self.url.netloc}")
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.children.append(child)
        while not os.path.exists(path) and child.poll() is None:
            time.sleep(0.01)

    def connect(self):
        if self.url.scheme != "unix":
            made = socket.socket(socket.AF_UNIX)
            made.connect(os.path.join(self.place, "socket"))
            return made
        mine, other = socket.socketpair()
        words = [*self.ssh.words(self.end), f"fleetctl fd-forward {self.url.path}"]
        self.children.append(subprocess.Popen(words, stdin=other, stdout=other))
        other.close()
        return mine

    def close(self):
        for child in self.children:
            child.terminate()
            child.wait()
        shutil.rmtree(self.place)


def fd_forward(path):
    """Copies stdin to the unix socket, and what comes from there to stdout, until both have ended."""
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(path)

        def send():
            while chunk := os.read(0, 65536):
                to.sendall(chunk)
            to.shutdown(socket.SHUT_WR)
        threading.Thread(target=send, daemon=True).start()
        while chunk := to.recv(65536):
            os.write(1, chunk)


def own_machine():
    with open("/etc/machine-id", encoding="ascii") as file:
        return file.read().strip()


class SshCommands:
    """Those of Fleetctl; `api`, `options` and `exit_code` are its."""

    def run_on(self, machine, command):
        """Here, where the machine is this one."""
        if machine["id"] == own_machine():
            sys.stdout.flush()
            return subprocess.run(["sh", "-c", command], check=False).returncode
        return Ssh(self.options).run(machine["primaryIP"], command)

    def machine_of_unit(self, name, lacks="running"):
        """None: it is told why there is none."""
        unit = self.api.unit(name)
        if unit is None:
            print(f"Unit {name} does not exist.", file=sys.stderr)
        elif "machineID" not in unit:
            print(f"Unit {name} does not appear to be {lacks}.", file=sys.stderr)
        else:
            return self.api.machines()[unit["machineID"]]
        return None

    def on_unit(self, name, command, lacks="running"):
        machine = self.machine_of_unit(name, lacks)
        self.exit_code = self.run_on(machine, command) if machine else 1

    def status(self, arguments):
        for number, name in enumerate(map(self.unit_name, arguments)):
            if number:
                print()
            self.on_unit(name, f'systemctl "status" "-l" "{name}"', "loaded")

    def journal(self, arguments):
        name = self.unit_name(arguments[0])
        options = self.options
        command = f'journalctl "--unit" "{name}" "--no-pager" "-n" "{options.lines}" "--output" "{options.output}"'
        if options.follow:
            command += ' "-f"'
        self.on_unit(name, f"sudo {command}" if options.sudo else command)

    def ssh(self, arguments):
        """Of a machine (the beginning of its ID), or of the one where a unit is."""
        first, *command = arguments
        found = [one for id, one in self.api.machines().items() if id.startswith(first)]
        machine = found[0] if len(found) == 1 else self.machine_of_unit(self.unit_name(first))
        self.exit_code = self.run_on(machine, " ".join(command)) if machine else 1

    def fd_forward(self, arguments):
        fd_forward(arguments[0])


def add_flags(parser):
    parser.add_argument("--tunnel", help="HOST[:PORT]: requests go through its sshd")
    parser.add_argument("--ssh-username", default="core")
    parser.add_argument("--known-hosts-file", default="~/.fleetctl/known_hosts")
    parser.add_argument("--strict-host-key-checking", type=lambda text: text == "true", default=True)
    parser.add_argument("--lines", type=int, default=10)
    parser.add_argument("--output", default="short")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--sudo", action="store_true")
