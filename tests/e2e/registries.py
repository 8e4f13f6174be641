# SPDX-License-Identifier: Apache-2.0
"""Registries outside the cluster: just as much of the OCI distribution API as a pull needs, on an address of the lab."""
import base64
import ctypes
import http.server
import os
import re
import threading

from image_archives import OCI, digest_of

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def listen_in(network, address, handler):
    """A server whose socket is in that network namespace; a thread of ours enters it and ends."""
    made = []

    def make():
        with open(network, "rb") as place:
            if LIBC.setns(place.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(http.server.ThreadingHTTPServer((address, 0), handler))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Registry:
    """Gives images by name and tag; `login`: "user:password" that it wants to see. `asked`: paths, in order."""

    def __init__(self, lab, address, login=None):
        self.images, self.login, self.asked, self.shown = {}, login, [], set()
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.serve(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass
        self.server = listen_in(lab.network, address, Handler)
        self.host = f"{address}:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://{self.host}"

    @property
    def auth(self):
        return base64.b64encode(self.login.encode()).decode()

    def add(self, name, tag, image):
        self.images[name, tag] = image

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def serve(self, request):
        path = request.path.split("?")[0]
        shown = request.headers.get("Authorization", "")
        self.asked.append(path)
        self.shown.add(shown)
        if self.login and shown != f"Basic {self.auth}":
            return self.answer(request, 401, b"{}", "application/json", {"WWW-Authenticate": 'Basic realm="outside"'})
        status, body, kind = self.find(path)
        return self.answer(request, status, body, kind, {"Docker-Content-Digest": digest_of(body)})

    def find(self, path):
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path)
        if not match:
            return (200 if path == "/v2/" else 404), b"{}", "application/json"
        name, kind, what = match.groups()
        for (known, tag), image in self.images.items():
            if kind == "manifests" and known == name and what in (tag, digest_of(image.manifest)):
                return 200, image.manifest, f"{OCI}.manifest.v1+json"
            for content in (image.config, image.layer):
                if kind == "blobs" and known == name and what == digest_of(content):
                    return 200, content, "application/octet-stream"
        return 404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json"

    @staticmethod
    def answer(request, status, body, kind, headers):
        request.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
            request.send_header(name, str(value))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


def docker_config(logins):
    """What `docker login` writes: host to "user:password"."""
    return {"auths": {host: {"auth": base64.b64encode(login.encode()).decode()} for host, login in logins.items()}}
