"""The commands of the images, run without a container engine: all but the base images and the users."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisUnreachable

from bakehouse.cli.home.redis_server import server_program
from bakehouse.runs.store import Store
from tests.processes import wait_until
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import start_service
from tests.test_containers import PASSWORD, ROOT, TOOLS, services, stages


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis that no service has used."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = start_redis(folder)
    yield socket_url(folder)
    stop_redis(server)


def start_composed_redis(folder: Path) -> "subprocess.Popen[bytes]":
    """Runs the command of the service `redis`, with a folder in place of the container's."""
    script = services()["redis"]["command"][-1].replace("$$", "$")
    script = script.replace("/tmp/", f"{folder}/").replace("dir /data", f"dir {folder}")
    script = script.replace("redis-server", f"{server_program()} --port 0 --unixsocket {folder}/r.sock --include")
    return subprocess.Popen(
        ["sh", "-euc", script], env={**os.environ, "REDISCLI_AUTH": PASSWORD}, stdout=subprocess.DEVNULL
    )


def answers(redis: "Redis") -> bool:
    try:
        return bool(redis.ping())
    except RedisUnreachable:
        return False


def test_the_redis_of_compose_starts_durable_and_refuses_strangers(tmp_path: Path) -> None:
    server = start_composed_redis(tmp_path)
    try:
        with Redis(unix_socket_path=str(tmp_path / "r.sock"), password=PASSWORD) as redis:
            wait_until(lambda: answers(redis))
            assert list(Store(redis).check_durability()) == []
        with Redis(unix_socket_path=str(tmp_path / "r.sock")) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
    finally:
        stop_redis(server)


def copied_folders() -> list[str]:
    """The names that the Dockerfile copies into the stage that builds."""
    words = [line.split()[1:-1] for line in stages()["build"] if line.startswith("COPY ")]
    return [name for names in words for name in names]


def install(target: str, folder: Path) -> Path:
    """Installs a target of the Dockerfile from the files that it copies; returns the virtual environment."""
    for name in copied_folders():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    [line] = [line for line in stages()[f"build-{target}"] if line.startswith("RUN /opt/uv/bin/uv pip install")]
    words = shlex.split(line.removeprefix("RUN ").replace("$TORCH_BACKEND", "cpu"))
    places = {"/opt/uv/bin/uv": str(TOOLS / "uv"), "/opt/venv": str(venv)}
    # The cache saves the download.
    command = [places.get(word, word) for word in words if word != "--no-cache"]
    ended = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    if "Failed to fetch" in ended.stderr:
        pytest.skip("no package index")
    assert ended.returncode == 0, ended.stderr
    return venv


def program_of(target: str, venv: Path, instruction: str) -> list[str]:
    """The program that an instruction of the image starts, in the virtual environment."""
    [line] = [line for line in stages()[target] if line.startswith(instruction)]
    name, *arguments = json.loads(line[line.index("[") :])
    return [str(venv / "bin" / name), *arguments]


def test_the_service_image_runs_without_the_repository(tmp_path: Path, redis_url: str) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    venv = install("service", folder)
    home = tmp_path / "home"
    home.mkdir()
    service = start_service(redis_url, home, program=program_of("service", venv, "CMD "), folder=home)
    try:
        probe = program_of("service", venv, "HEALTHCHECK ")
        subprocess.run([part.replace("http://127.0.0.1:8000", service.url) for part in probe], check=True)
        for path in ("docs", "docs/swagger-ui.css", "openapi.json", "llms.txt", "problems", "v1/datasets/digits"):
            assert httpx.get(f"{service.url}/{path}", trust_env=False).status_code == 200, path
    finally:
        service.end()
