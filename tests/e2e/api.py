# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API by hand: HTTPS with the administrator's certificate, a token, or nothing."""
import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
from urllib.parse import urlencode

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def text(self):
        return self.raw.decode(errors="replace")

    def __str__(self):
        return f"HTTP {self.status}: {self.text[:1500]}"


class Api:
    """One caller. Each call has its own connection: cheap enough, and nothing is shared between threads."""

    def __init__(self, cluster, token=None, certificate=None):
        self.address, self.port = getattr(cluster, "address", "127.0.0.1"), cluster.port
        config = cluster.get_config()
        place = os.path.join(cluster.directory, "api")
        os.makedirs(place, mode=0o700, exist_ok=True)
        ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        self.ca = ca
        self.context = ssl.create_default_context(cadata=ca)
        self.token = token
        if certificate is None and token is None:
            user = config["users"][0]["user"]
            certificate = tuple(base64.b64decode(user[f"client-{part}-data"]).decode()
                                for part in ("certificate", "key"))
        if certificate:
            self.context.load_cert_chain(*write_pair(place, certificate))

    @classmethod
    def anonymous(cls, cluster):
        return cls(cluster, token="")

    def connect(self, timeout=30):
        return http.client.HTTPSConnection(self.address, self.port, context=self.context, timeout=timeout)

    def headers(self, more):
        auth = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Accept": JSON, **auth, **(more or {})}

    def call(self, method, path, body=None, content_type=JSON, headers=None, timeout=30, **query):
        """Any answer is returned, whatever its status."""
        if query:
            path += ("&" if "?" in path else "?") + urlencode(query)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        more = dict(headers or {})
        if body is not None:
            more.setdefault("Content-Type", content_type)
        with contextlib.closing(self.connect(timeout)) as connection:
            connection.request(method, path, body=body, headers=self.headers(more))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body, **options):
        return self.call("POST", path, body, **options)

    def put(self, path, body, **options):
        return self.call("PUT", path, body, **options)

    def patch(self, path, body, content_type=MERGE, **options):
        return self.call("PATCH", path, body, content_type=content_type, **options)

    def delete(self, path, body=None, **options):
        return self.call("DELETE", path, body, **options)

    def ok(self, method, path, body=None, **options):
        """Like call, but the answer must be 2xx; returns its JSON."""
        answer = self.call(method, path, body, **options)
        if answer.status // 100 != 2:
            raise AssertionError(f"{method} {path}: {answer}")
        return answer.json

    @contextlib.contextmanager
    def watch(self, path, timeout=20, **query):
        """An iterator over watch events; the socket's timeout ends a wait that takes too long."""
        connection = self.connect(timeout)
        try:
            connection.request("GET", path + "?" + urlencode({"watch": "true", **query}), headers=self.headers(None))
            response = connection.getresponse()
            yield Watch(response)
        finally:
            connection.close()


    @contextlib.contextmanager
    def upgraded(self, path, protocol, timeout=20):
        """A connection that has changed to another protocol."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as plain, \
                self.context.wrap_socket(plain, server_hostname="127.0.0.1") as to:
            to.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += to.recv(1)
            if not head.startswith(b"HTTP/1.1 101 ") or f"\r\nUpgrade: {protocol}\r\n" not in head.decode():
                raise AssertionError(head)
            yield to

    def websocket(self, path, protocol, timeout=20):
        """Messages that a WebSocket brings, until it is closed. Source: RFC 6455, sections 4.1 and 5.2."""
        key = base64.b64encode(os.urandom(16)).decode()
        with socket.create_connection((self.address, self.port), timeout) as plain, \
                self.context.wrap_socket(plain, server_hostname=self.address) as to, to.makefile("rb") as reader:
            to.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n".encode())
            head = b"".join(iter(reader.readline, b"\r\n")).decode()
            if " 101 " not in head or f"sec-websocket-protocol: {protocol}" not in head.lower():
                raise AssertionError(head)
            while True:
                code, size = reader.read(2)
                if size >= 126:
                    size = int.from_bytes(reader.read(2 if size == 126 else 8), "big")
                message = reader.read(size)
                if code & 15 == 8:
                    return
                yield message


class Watch:
    def __init__(self, response):
        self.status, self.response = response.status, response

    def __iter__(self):
        return self

    def __next__(self):
        line = self.response.readline()
        if not line:
            raise StopIteration
        return json.loads(line)


def write_pair(place, pair):
    """Writes certificate and key once each; returns their paths."""
    paths = []
    for text, end in zip(pair, ("crt", "key")):
        path = os.path.join(place, f"{abs(hash(pair)):x}.{end}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        paths.append(path)
    return paths


def config_map(name, data=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}
