# SPDX-License-Identifier: Apache-2.0
"""exec, attach, cp and port-forward, by the oldest kubectl (SPDY) and the newest (WebSocket)."""
import contextlib
import filecmp
import hashlib
import os
import random
import re
import socket
import struct
import subprocess
import threading
import time

import harness
import machine
import peers
from harness import SharedCluster, container_of, make_pod, make_service
from machine import wait_until
from peers import Peer
from programs import Program
from terminal import Terminal

SLEEP = ("sleep", "3600")
PROMPT = r"/ # (\x1b\[\w+)*$"  # what follows moves the cursor
LARGE = random.Random(1).randbytes(20 << 20)  # no part of it is like another
LINES = 'while read line; do echo "got $line"; echo "$line" >> /tmp/lines; done; echo over; cat /tmp/lines | wc -l'


def sum_of(content):
    return hashlib.sha256(content).hexdigest()


class Forward(Program):
    """A `kubectl port-forward` and the local ports that it has opened."""

    def __init__(self, words, env):
        super().__init__(words, env)
        self.ports, self.said = {}, []
        wanted = sum(1 for word in words if re.fullmatch(r"\d*:\d+", word))
        while len(self.ports) < wanted:
            line = self.child.stdout.readline()
            found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line)
            if found:
                self.ports[int(found[2])] = int(found[1])
            elif not line:
                raise AssertionError(f"port-forward ended: {self.child.stderr.read()}")
        for pipe in (self.child.stdout, self.child.stderr):
            self.hear(pipe, self.said.append)

    def connect(self, port, timeout=30):
        return socket.create_connection(("127.0.0.1", self.ports[port]), timeout)


class Streams:
    """The tests of one version; they run in its two forms below."""

    def box(self, name="box", *command, **more):
        return self.run_pod(make_pod(name, *(command or (() if "image" in more else SLEEP)), **more))

    def pids(self, name):
        return {pid for pid, _ in machine.container_pids(container_of(self.get("pod", name))["containerID"])}

    def pid(self, name):
        return min(self.pids(name))

    def inside(self, name, path):
        """A file as the machine sees it, whatever a reply says."""
        with open(f"/proc/{self.pid(name)}/root{path}", "rb") as file:
            return file.read()

    def at_terminal(self, *words, **size):
        terminal = Terminal(self.words(*words), self.cluster.environment(TERM="xterm"), **size)
        self.addCleanup(terminal.close)
        return terminal

    def started(self, *words):
        """A kubectl beside the test, with pipes of bytes."""
        child = subprocess.Popen(self.words(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=self.cluster.environment())

        def end():
            if child.poll() is None:
                child.kill()
            child.wait(10)
            for pipe in (child.stdin, child.stdout, child.stderr):
                with contextlib.suppress(BrokenPipeError):  # what was not sent any more
                    pipe.close()
        self.addCleanup(end)
        return child

    # ---- exec -------------------------------------------------------------------------------------------------

    def test_a_shell_at_a_terminal(self):
        self.box()
        screen = self.at_terminal("exec", "-it", "box", "--", "sh", rows=33, columns=91)
        screen.wait_screen(PROMPT)
        screen.type("stty size; tty\r")
        screen.wait_screen(r"33 91\s+/dev/pts/\d+\s")
        screen.resize(40, 120)
        wait_until(lambda: self.asks_size(screen) == (40, 120), 10, "the shell sees the window's new size")

        screen.type("sleep 1001\r")
        wait_until(lambda: self.running("box", "sleep 1001"), 10, "the program runs")
        screen.type("\x03")
        wait_until(lambda: not self.running("box", "sleep 1001"), 10, "Ctrl-C ends it")
        screen.wait_screen(PROMPT)
        screen.type("echo kept > /tmp/note; exit 7\r")
        self.assertEqual(screen.wait(), 7)
        self.assertEqual(self.inside("box", "/tmp/note"), b"kept\n")
        self.assertEqual(screen.read_settings(), screen.settings, "the person's terminal is as it was")

    def asks_size(self, screen):
        screen.type("stty size\r")
        found = screen.wait_screen(r"\n(\d+) (\d+)\s")
        return int(found[1]), int(found[2])

    def running(self, name, words):
        return [pid for pid in self.pids(name) if words in machine.read_proc(pid, "cmdline")]

    def test_exit_codes(self):
        self.box()
        for script, code in (("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143),
                             ("echo > /tmp/plain; /tmp/plain", 126), ("/no/such/program", 127)):
            with self.subTest(script=script):
                self.assertEqual(self.exec("box", "sh", "-c", script, check=False).returncode, code)
        self.assert_fails(self.exec("box", "no-such-program", check=False), "no-such-program")
        self.assert_fails(self.exec("box", "true", container="other", check=False), "container other is not valid")

    def test_stdin_ends_while_output_goes_on(self):
        self.box()
        script = "cat > /tmp/in; echo read; sleep 1; sha256sum < /tmp/in; echo late >&2; exit 4"
        child = self.started("exec", "-i", "box", "--", "sh", "-c", script)
        out, err = child.communicate(LARGE, timeout=60)
        self.assertEqual((child.returncode, out), (4, f"read\n{sum_of(LARGE)}  -\n".encode()), err)
        self.assertIn(b"late\n", err)
        self.assertEqual(sum_of(self.inside("box", "/tmp/in")), sum_of(LARGE))

        child = self.started("exec", "-i", "box", "--", "cat")
        out, _ = child.communicate(LARGE, timeout=60)
        self.assertEqual((child.returncode, sum_of(out)), (0, sum_of(LARGE)), "both directions full at once")
        child = self.started("exec", "-i", "box", "--", "head", "-c", "5")
        out, _ = child.communicate(LARGE[:1 << 20], timeout=30)
        self.assertEqual((child.returncode, out), (0, LARGE[:5]), "a program that does not read all ends all the same")

    def test_a_program_ends_with_the_client_that_started_it(self):
        self.box()
        child = self.started("exec", "-i", "box", "--", "sleep", "1002")
        wait_until(lambda: self.running("box", "sleep 1002"), 15, "it runs")
        child.kill()
        wait_until(lambda: not self.running("box", "sleep 1002"), 15, "it does not go on without a reader")
        child = self.started("exec", "box", "--", "sh", "-c", "echo $$; exec sleep 1003")
        child.stdout.readline()
        self.kubectl("delete", "pod", "box", "--wait=false")
        child.wait(20)
        self.assertNotEqual(child.returncode, 0, "the pod's end is told to who waits for a program in it")

    def test_who_has_gone_is_missed_whatever_waits(self):
        self.box()
        child = self.started("exec", "-i", "box", "--", "sleep", "1004")
        wait_until(lambda: self.running("box", "sleep 1004"), 15, "it runs")
        self.fill(child.stdin)
        self.assertTrue(self.running("box", "sleep 1004"), "that it reads nothing is its own affair")
        child.kill()
        wait_until(lambda: not self.running("box", "sleep 1004"), 45, "it ends, though nobody reads of who sends")
        wait_until(lambda: self.open_files("/pipes/") == [], 5, "nor do its pipes stay")

        follower = self.started("logs", "-f", "box")
        wait_until(lambda: self.open_files("/logs/"), 15, "a log is followed that says nothing")
        follower.kill()
        wait_until(lambda: self.open_files("/logs/") == [], 15, "the log is let go")

    def fill(self, pipe):
        """Writes until nothing has been taken for a while."""
        os.set_blocking(pipe.fileno(), False)
        last, sent = time.monotonic(), 0
        while time.monotonic() - last < 2:
            try:
                sent += os.write(pipe.fileno(), bytes(65536))
                last = time.monotonic()
            except BlockingIOError:
                time.sleep(0.1)
        self.assertGreater(sent, 300000, "more than a pipe and a window hold")

    def open_files(self, part):
        """What the cluster's process has open there."""
        return [path for path in machine.open_files(self.cluster.process.pid) if part in path]

    # ---- attach -----------------------------------------------------------------------------------------------

    def test_attach_and_the_end_of_stdin(self):
        self.box("open", "sh", "-c", LINES, container={"stdin": True})
        for number, text in enumerate((b"one\n", b"two\n"), 1):
            child = self.started("attach", "-i", "open")
            child.stdin.write(text)
            child.stdin.flush()
            self.assertEqual(child.stdout.readline(), b"got " + text)
            child.stdin.close()
            child.kill()
            self.assertEqual(len(self.inside("open", "/tmp/lines").splitlines()), number)
        self.assertIn("running", container_of(self.get("pod", "open"))["state"], "stdin stays open for the next")

        self.box("once", "sh", "-c", LINES, container={"stdin": True, "stdinOnce": True}, restartPolicy="Never")
        child = self.started("attach", "-i", "once")
        out, err = child.communicate(b"a\nb\nc\n", timeout=30)
        self.assertEqual((child.returncode, out), (0, b"got a\ngot b\ngot c\nover\n3\n"), err)
        self.assertEqual(container_of(self.wait_phase("once", "Succeeded"))["state"]["terminated"]["exitCode"], 0)
        self.assertEqual(self.text("logs", "once"), "got a\ngot b\ngot c\nover\n3\n")
        self.assert_fails(self.kubectl("attach", "once", check=False), "completed pod")

    def test_attach_to_a_shell_at_a_terminal(self):
        self.box("shell", "sh", container={"stdin": True, "tty": True})
        screen = self.at_terminal("attach", "-it", "shell", rows=31, columns=87)
        wait_until(lambda: self.asks_size(screen) == (31, 87), 15, "the container's terminal has the window's size")
        screen.type("echo half")
        screen.wait_screen("echo half$", 5)  # what is typed is seen before the line ends
        screen.type("-done > /tmp/note; printf 'no newline: '; read answer; exit 6\r")
        screen.wait_screen("no newline: $", 5)
        screen.type("yes\r")
        screen.wait(30)
        pod = self.wait_pod("shell", lambda p: container_of(p)["restartCount"] == 1, 30, "is started again")
        self.assertEqual(container_of(pod)["lastState"]["terminated"]["exitCode"], 6)
        self.assertEqual(screen.read_settings(), screen.settings)

    def test_run_shows_what_was_printed_before_it_attached(self):
        programs = {"short": "echo said", "longer": "echo said; sleep 2", "of-two-words": "echo said; sleep 1; echo more"}
        for number, (what, program) in enumerate(programs.items()):
            for flags in (("-i",), ("--attach",), ("-it",)):
                with self.subTest(what, flags=flags):
                    words = ["run", f"p{number}{flags[0].strip('-')}", f"--image={harness.BUSYBOX}", "--restart=Never", "--rm",
                             *flags, "--", "sh", "-c", program]
                    if "-it" in flags:
                        said = self.at_terminal(*words).wait_screen(r"said[\s\S]*deleted", 30).group()
                    else:
                        said = self.text(*words)
                    self.assertEqual((said.count("said"), said.count("more")), (1, program.count("more")), said)

    def test_run_with_input(self):
        words = ["run", "sorts", f"--image={harness.BUSYBOX}", "--restart=Never", "-i", "--rm", "--", "sort"]
        child = self.started(*words)
        out, err = child.communicate(b"pear\napple\nfig\n", timeout=60)
        self.assertEqual(child.returncode, 0, err)
        self.assertIn(b"apple\nfig\npear\n", out)
        wait_until(lambda: self.pods() == [], 15, "--rm has removed the pod")

    # ---- cp ---------------------------------------------------------------------------------------------------

    def test_copies_both_ways(self):
        self.box("box", *SLEEP)
        here = os.path.join(self.cluster.directory, self.namespace)
        os.makedirs(f"{here}/tree/deep/er")
        for name, content in (("tree/large", LARGE), ("tree/empty", b""), ("tree/deep/er/with space", b"\x00\xff\r\n"),
                              ("tree/script", b"#!/bin/sh\n")):
            with open(f"{here}/{name}", "wb") as file:
                file.write(content)
        os.chmod(f"{here}/tree/script", 0o755)
        self.kubectl("cp", f"{here}/tree", "box:/tmp/copy")
        self.assertEqual(sum_of(self.inside("box", "/tmp/copy/large")), sum_of(LARGE))
        self.assertEqual(self.inside("box", "/tmp/copy/deep/er/with space"), b"\x00\xff\r\n")
        self.assertEqual(self.inside("box", "/tmp/copy/empty"), b"")
        self.assertEqual(self.exec("box", "/tmp/copy/script").returncode, 0)
        self.kubectl("cp", "-c", "main", f"{self.namespace}/box:/tmp/copy", f"{here}/back")
        same = filecmp.dircmp(f"{here}/tree", f"{here}/back")
        self.assertEqual((same.left_only, same.right_only), ([], []))
        for name in ("large", "empty", "script", "deep/er/with space"):
            self.assertTrue(filecmp.cmp(f"{here}/tree/{name}", f"{here}/back/{name}", shallow=False), name)
        self.kubectl("cp", f"{here}/tree/script", "box:/tmp/one")
        self.assertEqual(self.inside("box", "/tmp/one"), b"#!/bin/sh\n")
        self.kubectl("cp", "box:/tmp/one", f"{here}/one")
        self.assertTrue(filecmp.cmp(f"{here}/tree/script", f"{here}/one", shallow=False))
        self.kubectl("cp", "box:/tmp/nothing", f"{here}/nothing", check=False)
        self.assertFalse(os.path.exists(f"{here}/nothing"))
        self.assert_fails(self.kubectl("cp", f"{here}/absent", "box:/tmp/x", check=False), "absent")

    # ---- port-forward -----------------------------------------------------------------------------------------

    def forward(self, *words):
        out = Forward(self.words("port-forward", *words), self.cluster.environment())
        self.addCleanup(out.close)
        return out

    def peer(self, name, port, serve):
        out = Peer(self.pid(name), port, serve)
        self.addCleanup(out.close)
        return out

    def ask(self, forward, port, content=b""):
        """All that comes after having sent the content and ended this direction."""
        with forward.connect(port) as connection:
            sender = threading.Thread(target=lambda: (connection.sendall(content), connection.shutdown(socket.SHUT_WR)))
            sender.start()
            out = peers.read_all(connection)
            sender.join()
            return out

    def test_forwarded_bytes(self):
        self.box("box", image=harness.DEMO)
        self.apply(make_service("box"))
        for target in ("pod/box", "service/box"):
            with contextlib.closing(self.forward(target, ":80" if "service" in target else ":8080")) as forward:
                self.assertEqual(self.cluster.curl(f"http://127.0.0.1:{next(iter(forward.ports.values()))}/"), "Hello from box\n")
        forward = self.forward("box", ":7001", ":7002", ":7003")
        summing = self.peer("box", 7001, peers.digest)
        self.peer("box", 7002, peers.sender_of(LARGE))
        self.peer("box", 7003, peers.echo)

        self.assertEqual(self.ask(forward, 7001, LARGE).decode(), sum_of(LARGE), "the answer comes after the end of the question")
        self.assertEqual(summing.ending(), len(LARGE))
        with forward.connect(7002) as connection:
            self.assertEqual(sum_of(peers.read_all(connection)), sum_of(LARGE), "the server's end is seen by who only listens")
        for number in range(30):
            self.assertEqual(self.ask(forward, 7003, b"n%d" % number), b"n%d" % number)
        self.check_side_by_side(forward)

    def check_side_by_side(self, forward):
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(forward.connect(7003)) for _ in range(20)]
            for number, connection in enumerate(held):
                connection.sendall(b"side %02d" % number)
            for number, connection in reversed(list(enumerate(held))):
                self.assertEqual(connection.recv(100), b"side %02d" % number)

    def test_forwarding_ends_while_in_use(self):
        self.box()
        forward = self.forward("box", ":7003")
        served = self.peer("box", 7003, peers.echo)
        with forward.connect(7003) as connection:
            connection.sendall(b"here")
            self.assertEqual(connection.recv(10), b"here")
        self.assertEqual(served.ending(), "ended", "the client's end reaches the server")
        with forward.connect(7003) as connection:
            connection.sendall(b"here")
            self.assertEqual(connection.recv(10), b"here")
            forward.child.kill()
            self.assertFalse(self.is_open(connection))
        self.assertIsNotNone(served.ending(), "and so does that of kubectl")
        self.check_broken_off(self.forward("box", ":7003", ":7005"))

        forward = self.forward("box", ":7009")
        with forward.connect(7009) as connection:
            self.assertFalse(self.is_open(connection), "nobody listens on that port")
        wait_until(lambda: any("Connection refused" in line for line in forward.said), 10, "kubectl says so")

        self.box("echoes", "nc", "-ll", "-p", "7004", "-e", "cat")
        forward = self.forward("echoes", ":7004")
        with forward.connect(7004) as connection:
            connection.sendall(b"here")
            self.assertEqual(connection.recv(10), b"here")
            self.kubectl("delete", "pod", "echoes", "--wait=false")
            self.assertFalse(self.is_open(connection), "a deleted pod takes its connections with it")
        self.assert_fails(self.kubectl("port-forward", "absent", ":80", check=False), "NotFound")

    def check_broken_off(self, forward):
        """A client that goes away in the middle of an answer without an end."""
        sending = self.peer("box", 7005, peers.send_until_end)
        with forward.connect(7005) as connection:
            connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
        ending = sending.ending()
        self.assertTrue(ending == "ended" or isinstance(ending, ConnectionError), f"who sends to nobody is told: {ending!r}")
        if self.version != "1.20":  # Seen: 1.20 reads nothing more while such an answer is in its way
            self.assertEqual(self.ask(forward, 7003, b"next"), b"next", "other connections go on")

    def is_open(self, connection):
        """Waits for whatever comes next: bytes, or the end."""
        try:
            return connection.recv(10) != b""
        except ConnectionError:
            return False


class Streams120(Streams, SharedCluster):
    name = "streams"
    version = "1.20"
    suffix = "-120"


class Streams135(Streams, SharedCluster):
    name = "streams"
    version = "1.35"
    suffix = "-135"


tearDownModule = harness.stop_shared_cluster
