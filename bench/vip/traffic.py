"""Server and client of bench/vip.py; both run inside a lab's containers, standard library only.

traffic.py serve                         port 5001: `b` sends without end, else one octet back
traffic.py bulk ADDRESS PORT SECONDS     prints octets per second of one connection
traffic.py requests ADDRESS PORT SECONDS prints connections per second, one after the other
traffic.py watch ADDRESS PORT SECONDS    prints JSON: (start, end, answered) of each request
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

CHUNK = bytes(1 << 16)
PATIENCE = 0.2  # seconds that a watched request may take
# A watched request takes a port that nobody took in the last 120 s: connection tracking holds a SYN
# that was never answered so long, and a port used again would find that flow, not the pool.
PORTS, SLOT = range(10_000, 32_768), 0.006  # below what Linux chooses itself; one port per slot


def serve() -> None:
    with socket.create_server(("", 5001), backlog=512) as listener:
        print("serving", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    with connection:
        try:
            if connection.recv(1) == b"b":
                while True:
                    connection.sendall(CHUNK)
            connection.sendall(b"!")
        except OSError:
            return


def bulk(address: str, port: int, seconds: float) -> None:
    with socket.create_connection((address, port), timeout=5) as connection:
        connection.sendall(b"b")
        room, total = bytearray(1 << 18), 0
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            total += connection.recv_into(room)
        print(total / (time.monotonic() - began))


def request(address: str, port: int, patience: float, own_port: int = 0) -> bool:
    try:
        with socket.create_connection(
            (address, port), timeout=patience, source_address=("", own_port)
        ) as connection:
            connection.sendall(b"r")
            return connection.recv(1) == b"!"
    except OSError:
        return False


def requests(address: str, port: int, seconds: float) -> None:
    began, done = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        if not request(address, port, 5):
            sys.exit("a request failed")
        done += 1
    print(done / (time.monotonic() - began))


def watch(address: str, port: int, seconds: float) -> None:
    began, seen, turn = time.monotonic(), [], 0
    while (start := time.monotonic()) - began < seconds:
        turn = max(turn + 1, int(start / SLOT))
        good = request(address, port, PATIENCE, PORTS[turn % len(PORTS)])
        seen.append((start, time.monotonic(), good))
        threading.Event().wait(0.005)
    print(json.dumps(seen))


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "serve":
        serve()
    else:
        {"bulk": bulk, "requests": requests, "watch": watch}[verb](
            rest[0], int(rest[1]), float(rest[2])
        )
