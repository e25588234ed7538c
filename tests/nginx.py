"""An nginx in front of the running service, which it serves under a prefix of the path."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import wait_until

# Debian installs nginx where only root looks for programs.
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin"
PREFIX = "/tools/bakehouse"
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location {prefix}/ {{
            proxy_pass {upstream}/;
            proxy_set_header X-Forwarded-Prefix {prefix};
        }}
    }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_nginx(upstream: str, folder: Path) -> Iterator[str]:
    """Runs nginx during the block; yields the address of the service behind it. Skips the test if there is no nginx."""
    program = shutil.which("nginx", path=SEARCH)
    if program is None:
        pytest.skip("no nginx")
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, prefix=PREFIX, upstream=upstream))
    command = [program, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    with subprocess.Popen(command) as process:
        try:
            wait_until(lambda: answers(port))
            yield f"http://127.0.0.1:{port}{PREFIX}"
        finally:
            process.terminate()
