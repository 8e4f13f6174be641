# SPDX-License-Identifier: Apache-2.0
"""A steady stream between two pods, to see what a fault in between costs: `serve PORT` answers what it gets, over UDP
and TCP; `udp|tcp|fresh ADDRESS PORT` asks it every few milliseconds until its input ends, then prints as JSON how often
it asked, how many answers came, and the longest wait for one. `fresh` makes a connection each time."""
import json
import select
import socket
import sys
import threading
import time

PAUSE = 0.02
PATIENCE = 2


def serve(port):
    def datagrams():
        at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        at.bind(("0.0.0.0", port))
        while True:
            data, who = at.recvfrom(65535)
            at.sendto(data, who)

    def answer(connection):
        with connection:
            while data := connection.recv(65535):
                connection.sendall(data)
    threading.Thread(target=datagrams, daemon=True).start()
    listener = socket.create_server(("0.0.0.0", port), backlog=128)
    print("ready", flush=True)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def open_stream(kind, to):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    out.settimeout(PATIENCE)
    out.connect(to)
    return out


def ask(stream, number):
    """Whether the answer to this very question came."""
    question = number.to_bytes(8, "big") * 16
    stream.send(question)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if stream.recv(len(question), socket.MSG_WAITALL) == question:
            return True
    return False


def run(kind, to):
    sent = answered = longest = 0
    errors = []
    stream = None
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        began = time.monotonic()
        sent += 1
        try:
            if stream is None or kind == "fresh":
                stream = open_stream(kind, to)
            answered += ask(stream, sent)
            if kind == "fresh":
                stream.close()
        except OSError as error:
            errors.append(str(error))
            stream = None
        longest = max(longest, time.monotonic() - began)
    print(json.dumps({"sent": sent, "answered": answered, "longest": round(longest, 3), "errors": errors[:5]}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    run(sys.argv[1], (sys.argv[2], int(sys.argv[3])))
