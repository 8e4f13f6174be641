# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian 12 in qemu: systemd is its process 1, its kernel is Debian's, its control groups are version 2."""
import json
import os
import shutil
import socket
import subprocess
import time

import machine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("TETRARCH", os.path.join(ROOT, "build/release/tetrarch"))


def has_kvm():
    """Whether the processor runs the machine. Without it qemu emulates, some ten times slower. /dev/kvm alone does
    not say so: where the kernel has only paravirtual KVM, Debian's kernel does not start."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and any(
        os.path.isdir(f"/sys/module/{module}") for module in ("kvm_intel", "kvm_amd"))


class Monitor:
    """qemu's own control. Source: QEMU Machine Protocol specification, 2.4: after a greeting, each command is answered
    by "return"; events come at any time."""

    def __init__(self, path):
        def connect():
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(path)
            return True
        machine.wait_until(connect, 60, f"qemu listens on {path}")
        self.lines = self.socket.makefile("rb")
        self.events = []
        self.order("qmp_capabilities")

    def read(self, timeout):
        self.socket.settimeout(timeout)
        line = self.lines.readline()
        if not line:
            raise AssertionError("qemu has ended")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message["event"])
        return message

    def order(self, word):
        self.events.clear()
        self.socket.sendall(json.dumps({"execute": word}).encode() + b"\n")
        while "return" not in self.read(10):
            pass

    def wait_event(self, name, timeout):
        while name not in self.events:
            self.read(timeout)


class Vm:
    """One machine, from power on to power off. Its disk is a throw-away copy of the image's."""

    def __init__(self, name, memory_mb=3072, has_internet=False, shares=()):
        """shares: (tag, folder) which the machine may write. The clone itself is there, read-only, as `clone`."""
        made = machine.run(os.path.join(ROOT, "tests/vm/make_image"), BINARY, timeout=1800)
        image = os.path.join(ROOT, made.stdout.strip())
        self.folder = os.path.join(ROOT, "build/vm", f"{name}-{os.getpid()}")
        os.makedirs(self.folder)
        self.node_port = machine.free_port()  # here, for 30080 there
        self.patience = 1 if has_kvm() else 8
        self.channel_port = machine.free_port()
        forward = f"hostfwd=tcp:127.0.0.1:{self.node_port}-:30080,hostfwd=tcp:127.0.0.1:{self.channel_port}-:7000"
        command = [
            "qemu-system-x86_64", "-machine", f"pc,accel={'kvm' if has_kvm() else 'tcg'}", "-cpu", "max", "-smp", "2", "-m", str(memory_mb),
            "-nodefaults", "-display", "none", "-serial", f"file:{self.folder}/console",
            "-kernel", f"{image}/kernel", "-initrd", f"{image}/initrd",
            "-append", "root=/dev/vda rw console=ttyS0 panic=1 systemd.show_status=1",
            "-drive", f"file={image}/disk,format=raw,if=none,id=disk,snapshot=on",
            "-device", "virtio-blk-pci,drive=disk,addr=4", "-device", "virtio-rng-pci,addr=5",
            "-netdev", f"user,id=net,restrict={'off' if has_internet else 'on'},{forward}",
            "-device", "virtio-net-pci,netdev=net,addr=3",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            "-virtfs", f"local,path={ROOT},mount_tag=clone,security_model=none,readonly=on,multidevs=remap"]
        for tag, path in shares:
            command += ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,multidevs=remap"]
        with open(f"{self.folder}/qemu.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "TMPDIR": self.folder})
        try:
            self.monitor = Monitor(f"{self.folder}/qmp")
            self.boot = self.wait_boot()
        except BaseException:
            print(self.console(), self.complaints(), flush=True)
            self.close()
            raise

    def wait_boot(self, timeout=90):
        """Waits until the machine is up and systemd says that it is done; returns this boot's id."""
        def booted():
            if self.process.poll() is not None:
                raise RuntimeError(f"qemu ended with {self.process.returncode}: {self.complaints()}")
            return self.ask(["cat", "/proc/sys/kernel/random/boot_id"], None, 5)["out"].strip()
        boot = machine.wait_until(booted, timeout * self.patience, "the machine answers")
        # The channel itself may be started anew while the machine comes up.
        machine.wait_until(lambda: self.run("systemctl", "is-system-running", "--wait", timeout=60 * self.patience, check=False),
                           60 * self.patience, "systemd has started everything")
        return boot

    def ask(self, command, input, timeout):
        with socket.create_connection(("127.0.0.1", self.channel_port), timeout=timeout + 15) as channel:
            channel.sendall(json.dumps({"command": command, "input": input, "timeout": timeout}).encode())
            channel.shutdown(socket.SHUT_WR)
            return json.load(channel.makefile("rb"))

    def run(self, *command, check=True, input=None, timeout=60):
        """Runs a program inside to its end; the same answer as machine.run."""
        answer = self.ask([str(word) for word in command], input, timeout)
        done = subprocess.CompletedProcess(command, answer["code"], answer["out"], answer["err"])
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                                 f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def text(self, *command, **options):
        return self.run(*command, **options).stdout.strip()

    def shell(self, script, **options):
        return self.run("sh", "-ec", script, **options).stdout.strip()

    def reboot(self, timeout=120):
        """As a user does it; returns the seconds from the command to the kernel's end."""
        began = time.monotonic()
        self.monitor.events.clear()
        self.run("systemctl", "reboot", "--no-block")
        return self.come_back(began, timeout)

    def cut_power(self):
        """What was in memory and not on disk is gone."""
        began = time.monotonic()
        self.monitor.order("system_reset")
        return self.come_back(began, 20)

    def come_back(self, began, timeout):
        self.monitor.wait_event("RESET", timeout * self.patience)
        took = time.monotonic() - began
        boot = self.wait_boot()
        if boot == self.boot:
            raise AssertionError("the machine did not start anew")
        self.boot = boot
        return took

    def console(self, lines=60):
        with open(f"{self.folder}/console", encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def complaints(self):
        with open(f"{self.folder}/qemu.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self, keep=False):
        self.process.kill()
        self.process.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
