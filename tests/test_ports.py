"""Who listens on a port of this machine."""

import os
import socket

import pytest

from bakehouse.ports import PortTaken, find_free_port, find_listener


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_process_that_listens_is_named(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        assert find_listener(port).endswith(f", process {os.getpid()}")
        with pytest.raises(PortTaken, match=rf"listens on {host}:{port} \(.*, process {os.getpid()}\): stop it"):
            find_free_port(host, port)
    assert find_listener(port) == ""
    assert find_free_port(host, port) == port
