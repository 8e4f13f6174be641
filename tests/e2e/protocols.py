# SPDX-License-Identifier: Apache-2.0
"""A server and a client of TCP, UDP and SCTP in one, run inside the networks of pods and machines: who is reached, and
what address of the asker was seen there. SCTP is a single packet (INIT) by a raw socket, noted in a directory that both
see: the test's kernel need not have the protocol itself.

    protocols.py serve DIRECTORY tcp/8080 udp/5353 sctp/9899      until it is ended
    protocols.py ask DIRECTORY SECONDS name=udp/10.42.0.5/5353 …  prints "name address" for each that is reached
"""
import os
import random
import socket
import struct
import sys
import threading
import time

SCTP = 132  # Source: IANA protocol numbers


def checksum(packet):
    """CRC-32C. Source: RFC 9260, appendix A."""
    value = 0xFFFFFFFF
    for byte in packet:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def init_packet(port, tag):
    """Source: RFC 9260, sections 3.1 and 3.3.2."""
    head = struct.pack(">HHI", random.randrange(1024, 65536), port, 0)
    chunk = struct.pack(">BBHIIHHI", 1, 0, 20, tag, 65536, 1, 1, tag)
    return head + struct.pack("<I", checksum(head + bytes(4) + chunk)) + chunk


def serve_tcp(port):
    with socket.create_server(("0.0.0.0", port)) as listener:
        while True:
            connection, peer = listener.accept()
            with connection:
                connection.sendall(peer[0].encode())


def serve_udp(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind(("0.0.0.0", port))
        while True:
            _, peer = served.recvfrom(100)
            served.sendto(peer[0].encode(), peer)


def serve_sctp(ports, directory):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, SCTP) as served:
        while True:
            packet, peer = served.recvfrom(1000)
            packet = packet[(packet[0] & 15) * 4:]
            if len(packet) >= 20 and packet[12] == 1 and struct.unpack(">H", packet[2:4])[0] in ports:
                tag = struct.unpack(">I", packet[16:20])[0]
                with open(os.path.join(directory, f"{tag}.new"), "w", encoding="ascii") as note:
                    note.write(peer[0])
                os.rename(note.name, os.path.join(directory, str(tag)))


def ask_tcp(address, port, seconds, _):
    with socket.create_connection((address, port), seconds) as connection:
        return connection.recv(100).decode()


def ask_udp(address, port, seconds, _):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        asking.connect((address, port))
        asking.send(b"?")
        return asking.recv(100).decode()


def ask_sctp(address, port, seconds, directory):
    tag = random.randrange(1, 1 << 32)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, SCTP) as asking:
        asking.sendto(init_packet(port, tag), (address, 0))
    note, until = os.path.join(directory, str(tag)), time.monotonic() + seconds
    while time.monotonic() < until:
        if os.path.exists(note):
            with open(note, encoding="ascii") as file:
                return file.read()
        time.sleep(0.02)
    raise TimeoutError


def ask(directory, seconds, target):
    name, where = target.split("=")
    protocol, address, port = where.split("/")
    try:
        seen = {"tcp": ask_tcp, "udp": ask_udp, "sctp": ask_sctp}[protocol](address, int(port), seconds, directory)
        sys.stdout.write(f"{name} {seen}\n")
    except OSError:  # refused, or silent
        pass


def main(what, directory, *words):
    if what == "ask":
        work = [(ask, directory, float(words[0]), target) for target in words[1:]]
    else:
        ports = [(word.split("/")[0], int(word.split("/")[1])) for word in words]
        work = [({"tcp": serve_tcp, "udp": serve_udp}[protocol], port) for protocol, port in ports if protocol != "sctp"]
        work.append((serve_sctp, {port for protocol, port in ports if protocol == "sctp"}, directory))
    threads = [threading.Thread(target=each[0], args=each[1:]) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
