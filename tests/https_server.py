"""A server that speaks HTTPS with a certificate of its own, and sends the bytes that a test gives it."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Answer = Callable[[str], Iterable[bytes]]
"""Takes the header of a request, and yields what is sent; then the connection ends."""


@dataclass
class HttpsServer:
    """Gives the answers in order, and the last one again and again."""

    port: int
    authority: Path
    """The certificate that a client has to trust."""
    answers: list[Answer] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def address(self, path: str = "/houses.csv") -> str:
        return f"https://localhost:{self.port}{path}"

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"


THIS_MACHINE = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def make_certificate(folder: Path, names: str = THIS_MACHINE) -> tuple[Path, Path]:
    """Makes a certificate for these names that is its own authority; returns it and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(key), "-out", str(certificate))
    command = ("openssl", "req", "-x509", *kind, "-days", "2", "-subj", "/CN=localhost", "-addext", names, *files)
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@contextmanager
def https_server(folder: Path, names: str = THIS_MACHINE) -> Iterator[HttpsServer]:
    """Runs a server for the length of the block."""
    certificate, key = make_certificate(folder, names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HttpsServer(listener.getsockname()[1], certificate)
        thread = threading.Thread(target=serve, args=(listener, context, server), daemon=True)
        thread.start()
        yield server
        # Wakes the thread, which `close` does not.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def serve(listener: socket.socket, context: ssl.SSLContext, server: HttpsServer) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        # A client may refuse the certificate, or leave while it is being answered.
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as stream:
            answer(stream, server)


def answer(stream: ssl.SSLSocket, server: HttpsServer) -> None:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += stream.recv(65536)
    server.requests.append(request.decode())
    chosen = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
    for piece in chosen(request.decode()):
        stream.sendall(piece)


def file_answer(data: bytes, *, status: str = "200 OK", length: int | None = None, **headers: str) -> Answer:
    """Returns the answer with a file; `length` is a lie about its size."""
    fields = {"content-length": str(len(data) if length is None else length), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return lambda request: [f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + data]


def redirect(location: str) -> Answer:
    """Returns the answer that sends the client to another address."""
    return file_answer(b"", status="302 Found", location=location)
