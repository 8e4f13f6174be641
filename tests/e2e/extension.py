# SPDX-License-Identifier: Apache-2.0
"""An API server of the test's own, as sits behind APIServices: one namespaced kind, Flunder of wardle.example.com, by TLS.
It believes the X-Remote headers of whoever shows a certificate that the front proxy's CA has signed, and nobody else."""
import copy
import http.server
import itertools
import json
import queue
import ssl
import threading
import uuid
from urllib.parse import parse_qs, urlsplit

from machine import run
from peers import echo, listen_inside

GROUP, VERSION = "wardle.example.com", "v1alpha1"
ROOT = f"/apis/{GROUP}/{VERSION}"
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
RESOURCES = [{"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": VERBS,
              "shortNames": ["fl"], "categories": ["all"]},
             {"name": "flunders/echo", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get", "create"]}]
SCHEMA = {"type": "object", "description": "Something that an extension serves.", "properties": {
    "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
    "spec": {"type": "object", "description": "What is wanted of it.", "properties": {
        "reference": {"type": "string", "description": "The name of another one."}}}},
    "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": "Flunder"}]}
DEFINITION = "com.example.wardle.v1alpha1.Flunder"


def make_certificate(place, name):
    """A CA, and a certificate of it for that DNS name; paths of the CA, the certificate and the key."""
    ca_key, ca, key, request, certificate, more = (f"{place}/extension-{end}" for end in (
        "ca.key", "ca.crt", "tls.key", "tls.csr", "tls.crt", "tls.cnf"))
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", "-x509", *curve, "-days", "1", "-subj", "/CN=extension-ca", "-keyout", ca_key, "-out", ca)
    run("openssl", "req", "-new", *curve, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    with open(more, "w", encoding="ascii") as file:
        file.write(f"subjectAltName=DNS:{name}\n")
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "1",
        "-extfile", more, "-out", certificate)
    return ca, certificate, key


class Extension:
    """Listens in the network of a process; `trust`: the data of the ConfigMap extension-apiserver-authentication."""

    def __init__(self, pid, port, certificate, trust, address="0.0.0.0"):
        self.lock, self.objects, self.watchers, self.asked = threading.Lock(), {}, [], []
        self.versions = itertools.count(100)
        self.names = json.loads(trust["requestheader-allowed-names"])
        self.listener = listen_inside(pid, port, address=address)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.context.load_verify_locations(cadata=trust["requestheader-client-ca-file"])
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.server = http.server.ThreadingHTTPServer((address, port), handler_of(self), bind_and_activate=False)
        self.server.socket.close()
        self.server.socket, self.server.daemon_threads = self.listener, True
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self):
        with self.lock:
            for events in self.watchers:
                events.put(None)
        self.server.shutdown()
        self.server.server_close()

    def tell(self, word, made):
        for events in self.watchers:
            events.put({"type": word, "object": copy.deepcopy(made)})

    def store(self, word, made):
        made["metadata"]["resourceVersion"] = str(next(self.versions))
        self.objects[made["metadata"]["namespace"], made["metadata"]["name"]] = made
        self.tell(word, made)
        return made


def merge(into, change):
    for name, value in change.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


def handler_of(extension):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            self.request = extension.context.wrap_socket(self.request, server_side=True)
            super().setup()

        def answer(self):
            length = self.headers.get("Content-Length")
            self.body = self.read_chunks() if length is None and self.headers.get("Transfer-Encoding") else \
                self.rfile.read(int(length or 0))
            shown = self.connection.getpeercert() or {}
            name = dict(part[0] for part in shown.get("subject", ())).get("commonName")
            if name not in extension.names:
                self.fail(401, "Unauthorized", "whoever asks is no front proxy")
                return
            url = urlsplit(self.path)
            self.query = parse_qs(url.query)
            extension.asked.append({"method": self.command, "path": self.path, "headers": [
                (name.lower(), value) for name, value in self.headers.items()]})
            if url.path == ROOT:
                self.say(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}",
                               "resources": RESOURCES})
            elif url.path.startswith("/openapi/"):
                self.openapi(url.path)
            else:
                self.resource(url.path.removeprefix(ROOT).strip("/").split("/"))

        def read_chunks(self):
            out = b""
            while size := int(self.rfile.readline(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out

        def openapi(self, path):
            meaning = {"x-kubernetes-group-version-kind": {"group": GROUP, "version": VERSION, "kind": "Flunder"}}
            if path == "/openapi/v2":
                operation = {"responses": {"200": {"description": "OK", "schema": {"$ref": f"#/definitions/{DEFINITION}"}}}, **meaning}
                self.say(200, {"swagger": "2.0", "info": {"title": "wardle", "version": "1"}, "paths": {
                    ROOT + "/namespaces/{namespace}/flunders/{name}": {"get": operation}, "/elsewhere": {"get": operation}},
                    "definitions": {DEFINITION: SCHEMA}})
            elif path == "/openapi/v3":
                self.say(200, {"paths": {ROOT[1:]: {"serverRelativeURL": f"/openapi/v3{ROOT}?hash=one"},
                                         "version": {"serverRelativeURL": "/openapi/v3/version?hash=two"}}})
            elif path == f"/openapi/v3{ROOT}":
                operation = {"responses": {"200": {"description": "OK"}}, **meaning}
                self.say(200, {"openapi": "3.0.0", "info": {"title": "wardle", "version": "1"}, "paths": {
                    f"{ROOT}/namespaces/{{namespace}}/flunders": {"post": operation, "get": operation},
                    f"{ROOT}/namespaces/{{namespace}}/flunders/{{name}}": {"get": operation}},
                    "components": {"schemas": {DEFINITION: SCHEMA}}})
            else:
                self.fail(404, "NotFound", "no such document")

        def resource(self, parts):
            if parts[-1] == "echo":
                self.echo()
            elif parts[0] == "namespaces" and len(parts) == 4:
                self.one(parts[1], parts[3])
            else:
                self.many(parts[1] if parts[0] == "namespaces" else None)

        def many(self, namespace):
            with extension.lock:
                found = [o for _, o in sorted(extension.objects.items()) if self.is_asked_for(o, namespace)]
                if self.command == "POST":
                    made = json.loads(self.body)
                    made["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4()),
                                         "creationTimestamp": "2026-01-01T00:00:00Z"}
                    if (namespace, made["metadata"]["name"]) in extension.objects:
                        self.fail(409, "AlreadyExists", "it is there")
                    else:
                        self.say(201, extension.store("ADDED", made))
                    return
                if self.command == "DELETE":
                    for gone in found:
                        self.drop(gone)
                    self.say(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
                    return
                events = queue.Queue()
                if self.query.get("watch"):
                    extension.watchers.append(events)
                    if self.query.get("resourceVersion", ["0"])[0] in ("", "0"):
                        for each in found:
                            events.put({"type": "ADDED", "object": each})
                else:
                    self.say(200, {"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}",
                                   "metadata": {"resourceVersion": str(next(extension.versions))}, "items": found})
                    return
            self.watch(events, namespace)

        def is_asked_for(self, found, namespace):
            name = self.query.get("fieldSelector", [""])[0].removeprefix("metadata.name=")
            at = found["metadata"]
            return namespace in (None, at["namespace"]) and name in ("", at["name"])

        def watch(self, events, namespace):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while (event := events.get()) is not None:
                if self.is_asked_for(event["object"], namespace):
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.close_connection = True

        def one(self, namespace, name):
            with extension.lock:
                found = extension.objects.get((namespace, name))
                if found is None:
                    self.fail(404, "NotFound", f'flunders.{GROUP} "{name}" not found')
                    return
                if self.command == "DELETE":
                    self.drop(found)
                elif self.command == "PATCH":
                    merge(found, json.loads(self.body))
                    extension.store("MODIFIED", found)
                elif self.command == "PUT":
                    found = extension.store("MODIFIED", json.loads(self.body))
                self.say(200, found)

        def drop(self, gone):
            del extension.objects[gone["metadata"]["namespace"], gone["metadata"]["name"]]
            extension.tell("DELETED", gone)

        def echo(self):
            """Changes the protocol where that is asked for; else says how much was sent."""
            if not self.headers.get("Upgrade"):
                self.say(200, {"bytes": len(self.body)})
                return
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", self.headers["Upgrade"])
            self.end_headers()
            self.close_connection = True
            echo(self.connection)

        def say(self, status, body):
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Audit-Id", "theirs")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

        def fail(self, status, reason, message):
            self.say(status, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
                              "message": message, "code": status})

        def log_message(self, *_):
            pass

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
