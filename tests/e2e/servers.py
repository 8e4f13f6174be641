# SPDX-License-Identifier: Apache-2.0
"""Servers that probes ask, played by the test itself: https with its own certificate, and gRPC's health service."""
import http.server
import os
import socketserver
import ssl
import struct
import threading

from machine import run


class Asked(threading.Thread):
    """A server on a free port of every address; is_well says what it answers, `seen` what it was asked."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.port = server.server_address[1]
        server.is_well, server.seen = True, []
        self.start()

    def run(self):
        self.server.serve_forever(0.1)

    @property
    def seen(self):
        return self.server.seen

    def set_well(self, is_well):
        self.server.is_well = is_well

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class HttpHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        status = 200 if self.server.is_well else 503
        status = {"/elsewhere": 302, "/missing": 404}.get(self.path, status)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/healthz")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True


def http_server():
    return Asked(Threads(("0.0.0.0", 0), HttpHandler))


def https_server(place):
    """With a certificate that nobody has a reason to believe: probes do not check it."""
    key, certificate = os.path.join(place, "probe.key"), os.path.join(place, "probe.crt")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=nobody", "-keyout", key, "-out", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Threads(("0.0.0.0", 0), HttpHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return Asked(server)


# ---- gRPC's health service on HTTP/2, by hand ---------------------------------------------------------------------
# Source: RFC 9113 (frames), RFC 7541 (header block: :status 200 is entry 8 of the static table; literals without
# indexing), gRPC over HTTP2 (five bytes before each message), grpc.health.v1.Health (status 1 SERVING, 2 NOT_SERVING).

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


class HealthHandler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(10)
        try:
            self.read(24)  # the client's preface
            self.send(SETTINGS, 0, 0, b"")
            while True:
                self.frame()
        except OSError:
            return

    def read(self, size):
        got = b""
        while len(got) < size:
            more = self.request.recv(size - len(got))
            if not more:
                raise ConnectionError
            got += more
        return got

    def send(self, kind, flags, stream, payload):
        self.request.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    def frame(self):
        head = self.read(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream, payload = int.from_bytes(head[5:], "big") & 0x7FFFFFFF, self.read(size)
        if kind == SETTINGS and not flags & ACK:
            self.send(SETTINGS, ACK, 0, b"")
        elif kind == PING and not flags & ACK:
            self.send(PING, ACK, 0, payload)
        elif kind == DATA and flags & END_STREAM:
            self.answer(stream, payload[7:].decode())  # five bytes of gRPC, then field 1's key and length

    def answer(self, stream, service):
        self.server.seen.append(service)
        status = 1 if self.server.is_well else 2
        self.send(HEADERS, END_HEADERS, stream, b"\x88" + literal(b"content-type", b"application/grpc"))
        self.send(DATA, 0, stream, b"\x00\x00\x00\x00\x02\x08" + bytes([status]))
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, literal(b"grpc-status", b"0"))


class HealthServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def grpc_server():
    return Asked(HealthServer(("0.0.0.0", 0), HealthHandler))
