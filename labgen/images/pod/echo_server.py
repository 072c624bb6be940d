"""An HTTP server that answers every request with what it received, as jmalloc/echo-server does.

The response names the pod that served it, so a test can see how a service spreads its flows.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

MAX_HEADERS = 65536
IDLE_SECONDS = 30
READY = Path("/run/labgen/ready")


def answer(request: bytes, hostname: str) -> bytes:
    """The response to one request (its bytes up to the end of the body that arrived)."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = [line for line in lines[1:] if line]
    host = [line for line in headers if line.lower().startswith("host:")]
    others = sorted(line for line in headers if not line.lower().startswith("host:"))
    target = lines[0].rsplit(" ", 1)[0]
    text = f"Request served by {hostname}\n\nHTTP/1.1 {target}\n\n"
    text += "".join(f"{line}\n" for line in [*host, *others]) + "\n"
    content = text.encode() + body
    start = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    return f"{start}Content-Length: {len(content)}\r\n\r\n".encode() + content


def read_request(connection: socket.socket) -> bytes:
    """Read headers, then as much body as Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < MAX_HEADERS:
        part = connection.recv(4096)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = min(int(value), MAX_HEADERS)
    while len(body) < length:
        part = connection.recv(4096)
        if not part:
            break
        body += part
    return head + b"\r\n\r\n" + body


def serve(connection: socket.socket, hostname: str) -> None:
    """Answer one connection; a client that goes away is no news."""
    with connection:
        connection.settimeout(IDLE_SECONDS)
        try:
            request = read_request(connection)
            if request:
                connection.sendall(answer(request, hostname))
        except OSError:
            return


def main() -> None:
    """Listen on PORT (8080) on IPv4 and IPv6."""
    port = int(os.environ.get("PORT", "8080"))
    hostname = socket.gethostname()
    try:
        server = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
        )
    except OSError:  # a namespace without IPv6
        server = socket.create_server(("0.0.0.0", port), backlog=128)  # noqa: S104 -- a pod's server
    READY.touch()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection, hostname), daemon=True).start()


if __name__ == "__main__":
    main()
