#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fleetctl as CoreOS fleet 1.0 had it, as far as its requests go: fleetctl.py [--endpoint URL] COMMAND [words …]

No distribution has the real client any more. This one sends what that sends, in its order and with its pauses (every 250
ms), and says what it says, with its exit codes: the tests that use it pass with the real one too (TETRARCH_FLEETCTL, see
fleet.py). Source: fleet 1.0.0, fleetctl/*.go, and the requests that it was watched making (docs/protocols/fleet.md). What a
user of it would not notice is left out, as colours. What goes through ssh is in fleetctl_ssh.py.
"""
import argparse
import http.client
import json
import os
import socket
import sys
import time
import urllib.parse

import fleetctl_ssh

POLL = 0.25
ATTEMPT = 2.0
SUFFIXES = ("service", "socket", "timer", "path", "device", "mount", "automount")


class Failed(Exception):
    """What the command says on stderr before it ends with 1."""


# ---- the text of units ---------------------------------------------------------------------------------------------

def parse_unit(text):
    """Options as the API has them. Source: coreos/go-systemd, unit/deserialize.go."""
    options, section, lines = [], None, iter(text.splitlines())
    for line in lines:
        line = line.strip()
        if not line or line[0] in "#;":
            while line.endswith("\\"):
                line = next(lines, "")
            continue
        if line[0] == "[":
            section = line[1:line.index("]")]
            continue
        if section is None:
            continue
        name, value = line.split("=", 1)
        while value.endswith("\\"):
            value += "\n" + next(lines, "")
        options.append({"section": section, "name": name.strip(), "value": value.strip()})
    return options


def canonical_text(options):
    sections = {}
    for option in options:
        sections.setdefault(option["section"], []).append(f"{option['name']}={option['value']}\n")
    return "\n".join(f"[{name}]\n{''.join(lines)}" for name, lines in sections.items())


def unit_name(argument):
    base = os.path.basename(argument)
    return base if base.rsplit(".", 1)[-1] in SUFFIXES and "." in base else f"{base}.service"


def template_of(name):
    stem, suffix = name.rsplit(".", 1)
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{suffix}" if at and instance else None


def is_global(unit):
    values = [o["value"] for o in unit["options"] if (o["section"], o["name"]) == ("X-Fleet", "Global")]
    return bool(values) and values[-1].lower() in ("true", "yes", "1", "on", "t")


# ---- HTTP ----------------------------------------------------------------------------------------------------------

class MadeConnection(http.client.HTTPConnection):
    """Over a socket that somebody else makes."""

    def __init__(self, host, make, timeout):
        super().__init__(host, timeout=timeout)
        self.make = make

    def connect(self):
        self.sock = self.make()
        self.sock.settimeout(self.timeout)


def unix_socket(path):
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)
    return made


class Api:
    """fleet's HTTP API, asked as google-api-go-client asks."""

    def __init__(self, options):
        self.url = urllib.parse.urlsplit(options.endpoint)
        self.timeout = options.request_timeout
        self.tunnel = fleetctl_ssh.Tunnel(options, self.url) if options.tunnel else None

    def close(self):
        if self.tunnel:
            self.tunnel.close()

    def connection(self):
        if self.tunnel:
            return MadeConnection(self.url.netloc or "domain-sock", self.tunnel.connect, self.timeout)
        if self.url.scheme == "unix":
            return MadeConnection("domain-sock", lambda: unix_socket(self.url.path), self.timeout)
        return http.client.HTTPConnection(self.url.netloc, timeout=self.timeout)

    def ask(self, method, path, body=None):
        connection = self.connection()
        headers = {"User-Agent": "google-api-go-client/0.5"}
        data = None
        if body is not None:
            data = (json.dumps(body) + "\n").encode()
            headers["Content-Type"] = "application/json"
        target = f"/fleet/v1{path}{'&' if '?' in path else '?'}alt=json"
        try:
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise Failed(f"Error: {method} {target}: {error}") from error
        finally:
            connection.close()
        found = json.loads(text) if text.strip() else {}
        if answer.status >= 400 and answer.status != 404:
            raise Failed(f"googleapi: Error {answer.status}: {found['error']['message']}")
        return answer.status, found

    @staticmethod
    def place(name):
        return f"/units/{urllib.parse.quote(name, safe='')}"

    def unit(self, name):
        status, found = self.ask("GET", self.place(name))
        return None if status == 404 else found

    def put(self, name, **body):
        self.ask("PUT", self.place(name), {"name": name, **body})

    def pages(self, path, key):
        out, token = [], None
        while True:
            _, page = self.ask("GET", path + (f"?nextPageToken={urllib.parse.quote(token, safe='')}" if token else ""))
            out += page.get(key, [])
            token = page.get("nextPageToken")
            if not token:
                return out

    def machines(self):
        return {one["id"]: one for one in self.pages("/machines", "machines")}


# ---- commands ------------------------------------------------------------------------------------------------------

class Fleetctl(fleetctl_ssh.SshCommands):
    def __init__(self, api, options):
        self.api, self.options = api, options
        self.known_machines = None
        self.exit_code = 0

    @staticmethod
    def unit_name(argument):
        return unit_name(argument)

    # -- printing

    def table(self, title, rows):
        fields = self.options.fields.split(",") if self.options.fields else title
        if not self.options.no_legend:
            print("\t".join(field.upper() for field in fields))
        for row in rows:
            print("\t".join(row[field] for field in fields))

    def legend(self, machine_id, machines):
        short = machine_id if self.options.full else f"{machine_id[:8]}..."
        address = machines.get(machine_id, {}).get("primaryIP")
        return f"{short}/{address}" if address else short

    # -- waiting

    def wait(self, names, state, is_so):
        """Every 250 ms, in attempts of two seconds; for ever where their number is 0."""
        attempts = self.options.block_attempts
        for name in names:
            begun = time.monotonic()
            while not is_so(name):
                if attempts and time.monotonic() - begun > attempts * ATTEMPT:
                    raise Failed(f"Error waiting for units: timed out waiting for unit {name} to report state {state}")
                time.sleep(POLL)

    def wait_state(self, names, state):
        """Until they have it; says so of each, and where."""
        def is_so(name):
            unit = self.api.unit(name)
            if unit is None or unit.get("desiredState" if is_global(unit) else "currentState") != state:
                return False
            where = unit.get("machineID")
            print(f"Unit {name} {unit.get('currentState', '')}{f' on {self.legend(where, self.machines())}' if where else ''}")
            return True
        self.wait(names, state, is_so)

    def machines(self):
        if self.known_machines is None:
            self.known_machines = self.api.machines()
        return self.known_machines

    # -- the parts

    def local_options(self, argument):
        if not os.path.exists(argument):
            return None
        with open(argument, encoding="utf-8") as file:
            return parse_unit(file.read())

    def submit_one(self, argument, allowed):
        """Brings the unit to the server where it is not there. Whether its text is another one now."""
        name = unit_name(argument)
        local = self.local_options(argument if os.path.exists(argument) else name)
        known = self.api.unit(name)
        if known is not None:
            if local is None or canonical_text(local) == canonical_text(known["options"]):
                if self.options.replace and local is not None:
                    print(f"Found same Unit({name}) in Registry, nothing to do")
                return False
            if not self.options.replace or known.get("desiredState", "inactive") not in allowed:
                print(f"WARNING: Unit {name} in registry differs from local unit file {name}. Add --replace to override.",
                      file=sys.stderr)
                return False
            self.api.put(name, options=local)
            self.wait_state([name], "inactive")
            return True
        if local is None:
            template = template_of(name)
            found = self.api.unit(template) if template else None
            if found is None:
                raise Failed(f"Error creating units: unable to find Unit({name}) in Registry or on filesystem")
            local = found["options"]
        self.api.put(name, options=local)
        self.wait_state([name], "inactive")
        return True

    def submit_all(self, arguments, allowed):
        for argument in arguments:
            self.submit_one(argument, allowed)
        return [unit_name(argument) for argument in arguments]

    def ask_state(self, names, state):
        """Waits for those that are not global, if at all; the others are only told. Returns who was waited for."""
        word, waited = "start" if state == "launched" else "load", []
        for name in names:
            unit = self.api.unit(name)
            if unit is None:
                raise Failed(f"Unit {name} not found")
            self.api.put(name, desiredState=state)
            if is_global(unit):
                print(f"Triggered global unit {name} {word}")
            elif self.options.no_block:
                print(f"Triggered unit {name} {word}")
            else:
                waited.append(name)
        self.wait_state(waited, state)
        return waited

    def matching(self, arguments):
        units = {unit["name"]: unit for unit in self.api.pages("/units", "units")}
        return [units[name] for name in map(self.unit_name, arguments) if name in units]

    # -- commands

    def submit(self, arguments):
        self.submit_all(arguments, ("inactive",))

    def load(self, arguments):
        self.ask_state(self.submit_all(arguments, ("inactive", "loaded")), "loaded")

    def start(self, arguments):
        self.wait_active(self.ask_state(self.submit_all(arguments, ("inactive", "loaded", "launched")), "launched"))

    def wait_active(self, names):
        for name in names:
            begun = time.monotonic()
            while not self.is_active(name):
                if time.monotonic() - begun > ATTEMPT:
                    said = f"Failed to find an active unit {name} within 2s, err: Failed to fetch states within 2s"
                    print(f"Error waiting for units: {said}", file=sys.stderr)
                    raise Failed(f"Error waiting for systemd unit states, err: {said}")
                time.sleep(POLL)

    def is_active(self, name):
        status, state = self.api.ask("GET", f"/state/{urllib.parse.quote(name, safe='')}")
        if status == 404:
            raise AssertionError("panic: runtime error: invalid memory address or nil pointer dereference")  # trap T2
        return (state["systemdActiveState"], state["systemdLoadState"]) == ("active", "loaded")

    def found(self, arguments):
        units = self.matching(arguments)
        if not units:
            print("Units not found in registry", file=sys.stderr)
        return units

    def put_back(self, units, state, word, past):
        """stop and unload."""
        names = []
        for unit in units:
            name = unit["name"]
            try:
                self.api.put(name, desiredState=state)
            except Failed:
                pass  # trap T7: fleetctl polls all the same
            if is_global(unit):
                print(f"Triggered global unit {name} {word}")
            else:
                names.append(name)
        if not self.options.no_block:
            self.wait_state(names, state)
        if units:
            print(f"Successfully {past} units [{' '.join(names)}].", file=sys.stderr)

    def stop(self, arguments):
        units = self.found(arguments)
        for unit in units:
            if unit.get("currentState") == "inactive":
                raise Failed(f"Unable to stop unit {unit['name']} in state inactive")
        self.put_back([unit for unit in units if unit.get("currentState") != "loaded"], "loaded", "stop", "stopped")

    def unload(self, arguments):
        units = [unit for unit in self.found(arguments) if unit.get("currentState") != "inactive"]
        self.put_back(units, "inactive", "unload", "unloaded")

    def destroy(self, arguments):
        for unit in self.found(arguments):
            name = unit["name"]
            self.api.ask("DELETE", self.api.place(name))
            print(f"Destroyed {name}")

    def restart(self, arguments):
        for unit in self.found(arguments):
            name = unit["name"]
            if unit.get("currentState") == "inactive":
                print(f"Unable to restart unit {name} in state inactive", file=sys.stderr)
                continue
            if unit.get("currentState") == "launched":
                self.api.put(name, desiredState="loaded")
                self.wait_state([name], "launched")  # trap T1: fleetctl waits for what it does not want
            self.api.put(name, desiredState="launched")
            self.wait_state([name], "launched")

    def cat(self, arguments):
        name = unit_name(arguments[0])
        unit = self.api.unit(name)
        if unit is None:
            raise Failed(f"Unit {name} not found")
        print(canonical_text(unit["options"]), end="")

    def list_machines(self, _):
        rows = []
        for one in self.machines().values():
            metadata = ",".join(f"{key}={value}" for key, value in sorted(one.get("metadata", {}).items()))
            rows.append({"machine": one["id"] if self.options.full else f"{one['id'][:8]}...",
                         "ip": one.get("primaryIP", "-"), "metadata": metadata or "-"})
        self.table(["machine", "ip", "metadata"], rows)

    def list_units(self, _):
        states = self.api.pages("/state", "states")
        machines = self.machines() if states else {}
        rows = [{"unit": one["name"], "machine": self.legend(one["machineID"], machines),
                 "load": one["systemdLoadState"], "active": one["systemdActiveState"], "sub": one["systemdSubState"],
                 "hash": one["hash"] if self.options.full else one["hash"][:7]} for one in states]
        self.table(["unit", "machine", "active", "sub"], rows)

    def list_unit_files(self, _):
        units = self.api.pages("/units", "units")
        machines = self.machines() if any("machineID" in unit for unit in units) else {}
        rows = []
        for unit in units:
            everywhere = is_global(unit)
            where = self.legend(unit["machineID"], machines) if "machineID" in unit else "-"
            digest = hash_of(unit["options"])
            rows.append({"unit": unit["name"], "hash": digest if self.options.full else digest[:7],
                         "dstate": unit.get("desiredState", "-"), "state": "-" if everywhere else unit["currentState"],
                         "global": "true" if everywhere else "false", "target": "global" if everywhere else where})
        self.table(["unit", "hash", "dstate", "state", "target"], rows)


def hash_of(options):
    import hashlib  # pylint: disable=import-outside-toplevel
    return hashlib.sha1(canonical_text(options).encode()).hexdigest()


def main(words):
    parser = argparse.ArgumentParser(prog="fleetctl")
    parser.add_argument("--endpoint", default=os.environ.get("FLEETCTL_ENDPOINT", "unix:///var/run/fleet.sock"))
    parser.add_argument("--request-timeout", type=float, default=3)
    parser.add_argument("command")
    parser.add_argument("arguments", nargs="*")
    parser.add_argument("--no-legend", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--fields")
    parser.add_argument("--replace", action="store_true")
    parser.add_argument("--no-block", action="store_true")
    parser.add_argument("--block-attempts", type=int, default=0)
    fleetctl_ssh.add_flags(parser)
    options = parser.parse_intermixed_args(words)
    fleetctl = Fleetctl(Api(options), options)
    command = getattr(fleetctl, options.command.replace("-", "_"))
    try:
        command(options.arguments)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        fleetctl.api.close()
    return fleetctl.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
