# SPDX-License-Identifier: Apache-2.0
"""What is at the far end of a forwarded port: servers of the test's own that listen inside a pod's network, on its
loopback address alone unless told otherwise, and see what becomes of their connections."""
import ctypes
import hashlib
import os
import queue
import select
import socket
import threading

CLONE_NEWNET = 0x40000000  # Source: Linux, sched.h


def listen_inside(pid, port, backlog=64, address="127.0.0.1"):
    """A listening socket in the network of a process. Only a thread enters it, and ends there."""
    made = queue.Queue()

    def make():
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(backlog)
            made.put(listener)
        except OSError as error:
            made.put(error)
    threading.Thread(target=make).start()
    out = made.get(timeout=10)
    if isinstance(out, OSError):
        raise out
    return out


class Peer:
    """Serves each connection by `serve(connection, peer)` in a thread; `endings` gets what each one came to."""

    def __init__(self, pid, port, serve):
        self.listener, self.serve, self.endings = listen_inside(pid, port), serve, queue.Queue()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            with connection:
                self.endings.put(self.serve(connection))
        except OSError as error:
            self.endings.put(error)

    def ending(self, timeout=20):
        return self.endings.get(timeout=timeout)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_all(connection):
    """Until the other side ends its direction."""
    out = bytearray()
    while True:
        piece = connection.recv(1 << 16)
        if not piece:
            return bytes(out)
        out += piece


def digest(connection):
    """Answers only when the client has ended its direction: the sum of all that it sent."""
    received = read_all(connection)
    connection.sendall(hashlib.sha256(received).hexdigest().encode())
    return len(received)


def echo(connection):
    while True:
        piece = connection.recv(1 << 16)
        if not piece:
            return "ended"
        connection.sendall(piece)


def send_until_end(connection):
    """Sends without an end, until the client has ended its direction."""
    while not select.select([connection], [], [], 0)[0]:
        if select.select([connection], [connection], [], 10)[1]:
            connection.send(b"more" * 1000)
    return "ended" if connection.recv(1) == b"" else "spoken to"


def sender_of(content):
    """Sends it all and closes, without a word from the client."""
    def send(connection):
        connection.sendall(content)
        return "sent"
    return send
