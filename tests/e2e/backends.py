# SPDX-License-Identifier: Apache-2.0
"""An HTTP server of the test's own inside a pod's network, which says what it was asked: behind the proxy subresources."""
import hashlib
import http.server
import itertools
import json
import ssl
import threading
import time

from peers import listen_inside

LARGE = b"0123456789abcdef" * (1 << 20)  # 16 MiB


class Backend:
    """`/redirect` leads to /landed, `/large` is LARGE, `/slow` sends a second line when `go` is set, `/cut` breaks off,
    `/lines` says a line every half second without end, `/flood` sends as fast as it can, `/late` says nothing (`gone` is
    set when who asked has gone), `/back` sends each chunk back as it comes, `/echo` changes the protocol to one that sends
    back what it gets, `/wait` takes the body once `go` is set; all else is what was asked, as JSON."""

    def __init__(self, pid, port, address="0.0.0.0", certificate=None):
        self.go, self.gone, self.port, self.sent = threading.Event(), threading.Event(), port, 0
        listener = listen_inside(pid, port, address=address)
        self.server = http.server.ThreadingHTTPServer((address, port), handler_of(self), bind_and_activate=False)
        self.server.socket.close()
        self.server.socket, self.server.daemon_threads = listener, True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(listener, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


def handler_of(backend):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            path = self.path.split("?")[0]
            special = {"/redirect": self.redirect, "/large": self.large, "/slow": self.slow, "/cut": self.cut,
                       "/echo": self.echo, "/lines": self.lines, "/flood": self.flood, "/late": self.late, "/back": self.back,
                       "/wait": self.wait}
            special.get(path, self.say)()

        def say(self):
            size, total = 0, hashlib.sha256()
            for piece in self.pieces():
                size += len(piece)
                total.update(piece)
            said = json.dumps({"method": self.command, "path": self.path, "port": backend.port, "bytes": size,
                               "sum": total.hexdigest(),
                               "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
            self.send(200, said, "application/json")

        def pieces(self):
            """Of the body; a chunk as it comes."""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return
            left = int(self.headers.get("Content-Length") or 0)
            while left and (piece := self.rfile.read(min(left, 1 << 16))):
                left -= len(piece)
                yield piece

        def send(self, status, body, kind, **headers):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def redirect(self):
            self.send(302, b"", "text/plain", Location="/landed?a=b")

        def large(self):
            self.send(200, LARGE, "application/octet-stream")

        def slow(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"6\r\nfirst\n\r\n")
            backend.go.wait(30)
            self.wfile.write(b"7\r\nsecond\n\r\n0\r\n\r\n")

        def chunks(self, pieces):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    backend.sent += len(piece)
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True
                backend.gone.set()

        def lines(self):
            def say():
                for i in itertools.count():
                    yield b"line %d\n" % i
                    time.sleep(0.5)
            self.chunks(say())

        def flood(self):
            self.chunks(itertools.repeat(LARGE[:1 << 20]))

        def back(self):
            self.chunks(self.pieces())

        def late(self):
            if self.connection.recv(1) == b"":
                backend.gone.set()
            self.close_connection = True

        def wait(self):
            backend.go.wait(60)
            try:
                self.say()
            except OSError:
                self.close_connection = True  # who asked may have given up

        def cut(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True

        def echo(self):
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", self.headers["Upgrade"])
            self.end_headers()
            self.close_connection = True
            while piece := self.connection.recv(1 << 16):
                self.connection.sendall(piece)

        def log_message(self, *_):
            pass

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
