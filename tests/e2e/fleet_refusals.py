# SPDX-License-Identifier: Apache-2.0
"""What fleet's API refuses, and in which words; known.service and t@.service are there. Source: fleet 1.0.0, api/*.go and a
live cluster of it."""
from dataclasses import dataclass

SERVICE = [{"section": "Service", "name": "ExecStart", "value": "/bin/sleep 100000"}]


@dataclass
class Refusal:
    status: int
    message: str
    method: str
    path: str
    body: object = None
    words: tuple = ()  # more of curl's
    is_below: bool = True  # the path continues /fleet/v1


def x_fleet(*pairs):
    return {"options": SERVICE + [{"section": "X-Fleet", "name": name, "value": value} for name, value in pairs]}


def put(status, message, name, body, *words):
    return Refusal(status, message, "PUT", f"/units/{name}", body, words)


def patch(message, op, path, **more):
    return Refusal(400, message, "PATCH", "/machines", [{"op": op, "path": path, **more}])


UNITS_ONLY = "only GET, PUT and DELETE supported against this resource"
GET_ONLY = "only GET supported against this resource"
MACHINES_ONLY = "only GET and PATCH supported against this resource"
BAD_PATH = "machine metadata path invalid"
BAD_OP = "invalid op: expect add, remove, or replace"
NO_VALUE = "invalid value: add and replace require a value"
NO_UNIT = "unit does not exist"
LONG = "x" * 250 + ".service"

PATHS = [Refusal(405, "", "GET", "/", is_below=False),
         Refusal(405, "", "GET", "/fleet/v1", is_below=False),
         Refusal(405, "", "GET", "/v1-alpha", is_below=False),
         Refusal(404, "", "GET", "/"),
         Refusal(404, "", "GET", "/units/"),
         Refusal(404, "", "GET", "/nothing"),
         Refusal(404, "", "GET", "/else", is_below=False)]

METHODS = [Refusal(400, "only HTTP GET supported against this resource", "POST", "/discovery", {}),
           *[Refusal(405, MACHINES_ONLY, method, "/machines", {}) for method in ("PUT", "POST", "DELETE")],
           *[Refusal(405, GET_ONLY, method, path, {}) for method in ("PUT", "POST", "DELETE")
             for path in ("/units", "/state", "/state/known.service")],
           *[Refusal(405, UNITS_ONLY, method, "/units/known.service", {}) for method in ("POST", "PATCH")]]

UNKNOWN = [Refusal(404, NO_UNIT, method, path) for method, path in (
    ("GET", "/units/none.service"), ("DELETE", "/units/none.service"), ("GET", "/state/none.service"),
    ("GET", "/units/none.service?alt=json"))] + [Refusal(404, NO_UNIT, "GET", "/v1-alpha/units/none.service", is_below=False)]

PAGES = [Refusal(400, message, "GET", f"/{collection}?{query}") for collection in ("units", "machines", "state")
         for message, query in (("token limit must be 100", "nextPageToken=ZQACAA%3D%3D"),
                                ("token page must be greater than zero", "nextPageToken=ZAAAAA%3D%3D"),
                                ("too many values for page token", "nextPageToken=ZAACAA%3D%3D&nextPageToken=x"))]

BODIES = [put(415, "only acceptable Content-Type is application/json", "a.service", None, "-d", "{}"),
          put(415, "expected 1 Content-Type, got 0", "a.service", None, "-d", "{}", "-H", "Content-Type:"),
          put(415, "expected 1 Content-Type, got 2", "a.service", {}, "-H", "Content-Type: text/plain"),
          put(400, 'name in URL "a.service" differs from unit name in request body "b.service"', "a.service",
              {"name": "b.service"}),
          put(409, "unit does not exist and options field empty", "a.service", {"desiredState": "launched"}),
          put(409, "must provide DesiredState to update existing unit", "known.service", {"options": SERVICE}),
          put(409, "must provide DesiredState to update existing unit", "known.service", {"name": "known.service"}),
          put(400, 'cannot activate template "t@.service"', "t%40.service", {"desiredState": "launched"}),
          put(400, 'cannot activate template "t@.service"', "t%40.service", {"desiredState": "loaded"}),
          *[put(400, 'invalid desiredState "running": expect inactive, loaded or launched', name,
                {"options": SERVICE, "desiredState": "running"}) for name in ("a.service", "known.service")]]

NAMES = [put(400, message, name, {"options": SERVICE}) for message, name in (
    ("unit name exceeds maximum length (256)", LONG), ('unit name must contain "."', "plain"),
    ('unit name cannot end in "."', "plain."), ('invalid unit type: "foo"', "a.foo"),
    ('invalid unit type for template: "mount"', "a%401.mount"), ("invalid character ' ' in unit name", "a%20b.service"),
    ('unit name cannot start in "@"', "%40a.service"))]

REQUIREMENTS = [put(400, message, "a.service", x_fleet(*pairs)) for message, pairs in (
    ("MachineID cannot be used with Peers", (("MachineID", "m"), ("MachineOf", "b.service"))),
    ("MachineID cannot be used with Conflicts", (("MachineID", "m"), ("Conflicts", "b.service"))),
    ("MachineID cannot be used with Global", (("MachineID", "m"), ("Global", "true"))),
    ("MachineID cannot be used with Replaces", (("MachineID", "m"), ("Replaces", "b.service"))),
    ("Global cannot be used with Peers", (("Global", "true"), ("MachineOf", "b.service"))),
    ("Global cannot be used with Replaces", (("Global", "true"), ("Replaces", "b.service"))),
    ("Conflicts cannot be used with Replaces", (("Conflicts", "c.service"), ("Replaces", "b.service"))),
    ('unresolvable requirements: peer "b.service" matches conflict "b*"', (("MachineOf", "b.service"), ("Conflicts", "b*"))),
    ('unresolvable requirements: peer "b.service" matches replace "b.service"',
     (("MachineOf", "b.service"), ("Replaces", "b.service"))))]
# Of a known unit too: the original did not look at these.
REQUIREMENTS += [put(400, "MachineID cannot be used with Global", "known.service",
                     x_fleet(("MachineID", "m"), ("Global", "true")))]

METADATA = [patch(BAD_OP, "move", "/m/metadata/k", value="v"), patch(BAD_OP, "", "/m/metadata/k", value="v"),
            patch(BAD_PATH, "add", "/m/else/k", value="v"), patch(BAD_PATH, "add", "m/metadata/k", value="v"),
            patch(BAD_PATH, "remove", "/m/metadata/"), patch(BAD_PATH, "remove", "/m/metadata/a b"),
            patch(NO_VALUE, "add", "/m/metadata/k"), patch(NO_VALUE, "replace", "/m/metadata/k", value={})]

REFUSALS = [*PATHS, *METHODS, *UNKNOWN, *PAGES, *BODIES, *NAMES, *REQUIREMENTS, *METADATA]
