# SPDX-License-Identifier: Apache-2.0
"""Asks a DNS server, over UDP or TCP. Source: RFC 1035 section 4 (messages), RFC 2782 (SRV)."""
import socket
import struct

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
NAMES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def ask(server, name, kind="A", is_tcp=False, port=53, timeout=5):
    """(word for the response code, sorted answers as text)"""
    query = struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0)
    query += b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".")) + b"\0"
    query += struct.pack(">HH", TYPES[kind], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM) as to:
        to.settimeout(timeout)
        to.connect((server, port))
        to.send(struct.pack(">H", len(query)) + query if is_tcp else query)
        if not is_tcp:
            return parse(to.recv(65535))
        got = b""
        while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
            got += to.recv(65535)
        return parse(got[2:])


def parse(message):
    number, flags, questions, answers = struct.unpack(">HHHH", message[:8])
    if number != 4711:
        raise AssertionError("an answer to another question")
    at, found = 12, []
    for _ in range(questions):
        at = name_at(message, at)[1] + 4
    for _ in range(answers):
        _, at = name_at(message, at)
        kind, _, _, size = struct.unpack(">HHIH", message[at:at + 10])
        at += 10
        found.append(data_at(message, at, kind, size))
        at += size
    return NAMES.get(flags & 15, str(flags & 15)), sorted(found)


def name_at(message, at):
    """The name and the place behind it."""
    parts, after = [], None
    while message[at]:
        if message[at] >= 0xC0:
            after = after or at + 2
            at = int.from_bytes(message[at:at + 2], "big") & 0x3FFF
            continue
        parts.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(parts), after or at + 1


def data_at(message, at, kind, size):
    if kind == TYPES["A"]:
        return socket.inet_ntoa(message[at:at + 4])
    if kind in (TYPES["PTR"], TYPES["CNAME"]):
        return name_at(message, at)[0]
    if kind == TYPES["SRV"]:
        return f"{struct.unpack('>HHH', message[at:at + 6])[2]} {name_at(message, at + 6)[0]}"
    return message[at:at + size].hex()
