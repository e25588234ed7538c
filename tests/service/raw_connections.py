"""Raw connections to a service, for requests that no HTTP client sends."""

import socket
from urllib.parse import urlsplit

TINY_BUFFER = 4096


def connect_and_send(address: str, sent: bytes, *, receive_buffer: int | None = None) -> socket.socket:
    """Opens a connection and sends these bytes; a small receive buffer makes the service wait for the reader soon."""
    url = urlsplit(address)
    connection = socket.socket()
    connection.settimeout(30)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect((url.hostname, url.port))
    connection.sendall(sent)
    return connection


def receive_all(connection: socket.socket) -> bytes:
    """Everything until the service closes the connection."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def get(path: str, *, version: str = "1.1", headers: str = "Host: localhost\r\n") -> bytes:
    """The bytes of a GET request."""
    return f"GET {path} HTTP/{version}\r\n{headers}\r\n".encode()
