"""`bakehouse up`: runs Redis, the service and the workers on this machine, with all state in one folder."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import httpx
import typer

from bakehouse.cli.credentials import of_owner
from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.home.errors import DataFolderMissing, HomeError, RedisUnreachable, StoreUnusable
from bakehouse.cli.home.lock import is_alive, lock_folder
from bakehouse.cli.home.redis_server import StartedRedis, start_redis
from bakehouse.cli.home.watch import Command, watch
from bakehouse.model import JsonObject
from bakehouse.ports import PortError, find_free_port
from bakehouse.processes import Say
from bakehouse.settings import Settings, is_loopback

# SIGHUP arrives when the terminal is closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SERVICE_GRACE_SECONDS = 10.0
READY_WITHIN_SECONDS = 60.0
WORKERS_WITHIN_SECONDS = 180.0  # on a slow disk, torch alone takes a minute to import
WORKER_GRACE_SECONDS = 30.0  # enough to write resume states to disk


@dataclass(frozen=True)
class Home:
    """A running home: the addresses of its service and its Redis, the folder of its logs, and its workers."""

    url: str
    redis_url: str
    logs: Path
    workers: int
    is_open_to_others: bool = False
    """Whether other machines reach the service, and it asks for no API key."""


def say_on_stderr(text: str) -> None:
    """Prints a message for the user to stderr; stdout is for data only."""
    print(f"bakehouse: {text}", file=sys.stderr, flush=True)


def run_home(settings: Settings, *, on_ready: Callable[[Home], None]) -> None:
    """Runs a home until Ctrl-C, which exits with code 130, or SIGTERM. If it cannot start, explains why on stderr and
    exits with code 2."""
    try:
        with home_running(settings) as home:
            on_ready(home)
            while True:
                signal.pause()
    except KeyboardInterrupt as end:
        say_on_stderr("stopped; the next `bakehouse up` resumes every unfinished run")
        if end.args == (signal.SIGINT,):
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (HomeError, PortError) as error:
        say_on_stderr(str(error))
        raise typer.Exit(ExitCode.USAGE) from error


@contextmanager
def home_running(settings: Settings, *, say: Say = say_on_stderr) -> Iterator[Home]:
    """Keeps Redis, the service and the workers running for the duration of the block.

    Signals interrupt the block. At its end the workers stop first, then the service, then Redis.
    """
    with ExitStack() as stack:
        # Signals are handled first, so that one during the start also ends the processes in order.
        stack.enter_context(interrupt_on_signals())
        if settings.data is not None and not settings.data.is_dir():
            raise DataFolderMissing(settings.data)
        # The lock comes before the port: a second `up` says that the folder is in use, not that the port is.
        lock = stack.enter_context(lock_folder(settings.home))
        if settings.store is not None:
            fill_store(settings, say)
        port = find_free_port(settings.host, settings.port)
        # Redis ends after all processes that hold `needing`: they still write to it if this process is killed.
        needed, needing = stack.enter_context(open_pipe())
        redis = stack.enter_context(open_redis(settings, say, needed))
        count = settings.worker_count
        running = settings.model_copy(update={"port": port, "redis_url": redis.url, "workers": count})
        service = stack.enter_context(watch(service_command(running, (lock, needing)), say=say))
        # The workers are entered later, so they end before the service.
        workers = stack.enter_context(watch(worker_command(running, (lock, needing)), say=say)) if count else None
        # Meanwhile the service imports its modules, and the workers import torch.
        redis.wait()
        service.wait_until(partial(is_ready, running), seconds=READY_WITHIN_SECONDS)
        if workers is not None:
            # A run that is submitted now must not be told that no worker is running.
            workers.wait_until(partial(has_workers, running), seconds=WORKERS_WITHIN_SECONDS)
        yield Home(address_of(running), redis.url, logs_of(running), count, is_open_to_others(running))


def fill_store(settings: Settings, say: Say) -> None:
    """Copies the files of the home into its store if that is new. Raises StoreUnusable."""
    # Imported here, because without a store beside the home, this process needs nothing of it.
    from bakehouse.runs.store_migration import migrate_home  # noqa: PLC0415

    try:
        # Neither the service nor the workers can be ready before, however long it takes.
        migrate_home(settings, say)
    except OSError as error:
        raise StoreUnusable(settings.store_name, error) from error


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(number: int, frame: FrameType | None) -> None:
    # Further signals are ignored: `make` and the terminal both send one, and an orderly end takes a moment.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def open_redis(settings: Settings, say: Say, needed: int) -> AbstractContextManager[StartedRedis]:
    if settings.redis_url is not None:
        check_redis(settings.redis_url)
        return nullcontext(StartedRedis(settings.redis_url, wait=lambda: None))
    return start_redis(settings.home, say=say, needed=needed)


def check_redis(redis_url: str) -> None:
    # Without this check, the service and the workers would be restarted for a minute before the error is shown.
    parts = urlsplit(redis_url)
    address = f"{parts.hostname}:{parts.port or 6379}"
    if parts.scheme in ("redis", "rediss"):
        try:
            socket.create_connection((parts.hostname, parts.port or 6379), timeout=5).close()
        except OSError as error:
            raise RedisUnreachable(address, error) from error


def service_command(settings: Settings, inherited: tuple[int, ...]) -> Command:
    # -P: does not import a folder named `service` from the working directory.
    return Command(
        name="service",
        arguments=(sys.executable, "-P", "-m", "service"),
        log=logs_of(settings) / "service.log",
        grace=SERVICE_GRACE_SECONDS,
        environment=environment_of(settings),
        inherited=inherited,
    )


def worker_command(settings: Settings, inherited: tuple[int, ...]) -> Command:
    return Command(
        name="worker",
        arguments=(sys.executable, "-P", "-m", "worker.main"),
        log=logs_of(settings) / "worker.log",
        grace=WORKER_GRACE_SECONDS,
        environment=environment_of(settings),
        inherited=inherited,
    )


def logs_of(settings: Settings) -> Path:
    return settings.home / "logs"


def environment_of(settings: Settings) -> dict[str, str]:
    names = {f"BAKEHOUSE_{name.upper()}" for name in Settings.model_fields}
    # Settings from the user's environment are left out, so that an unset one does not come back in a child.
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in names}
    # Whoever sends a key is a client; the service and the workers need none.
    passed_on = settings.model_dump(exclude={"api_key", "api_key_file"})
    chosen = {f"BAKEHOUSE_{name.upper()}": str(value) for name, value in passed_on.items() if value is not None}
    # Without a buffer, the log also has the last lines of a process that was killed.
    return inherited | chosen | {"PYTHONUNBUFFERED": "1"}


def address_of(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - an address to connect to, not to listen on
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def is_ready(settings: Settings) -> bool:
    return ask(settings, "/healthz/ready") is not None


def has_workers(settings: Settings) -> bool:
    """Returns whether as many workers of this machine as wanted are ready for runs, and its task process for tasks."""
    answer = ask(settings, "/v1/workers")
    if answer is None:
        return False
    listed = answer.json()
    return count_own(listed["data"]) >= settings.worker_count and count_own(listed["task_processes"]) > 0


def is_open_to_others(settings: Settings) -> bool:
    """Returns whether other machines reach the service without an API key."""
    if is_loopback(settings.host):
        return False
    answer = ask(settings, "/v1/session")
    return answer is not None and not answer.json()["needs_key"]


def count_own(listed: Sequence[JsonObject]) -> int:
    """Counts the processes that run on this machine."""
    # Processes of a killed home are still listed for a while, and other machines may have some too.
    return sum(process["host"] == socket.gethostname() and is_alive(process["pid"]) for process in listed)


def ask(settings: Settings, path: str) -> httpx.Response | None:
    """Returns the service's response; None if it does not answer, or refuses."""
    try:
        # The request must not go to a proxy that the user's environment names. It is not encrypted, so that no
        # certificates are read, which took longer than the request and 1 MB each time.
        answer = httpx.get(
            f"{address_of(settings)}{path}",
            headers=of_owner(settings),
            timeout=5,
            trust_env=False,
            verify=False,  # noqa: S501
        )
    except httpx.TransportError:
        return None
    return answer if answer.is_success else None


def program() -> str:
    """Returns what the user has to type to run `bakehouse`: the bare name if the shell finds it, else its path."""
    if shutil.which("bakehouse"):
        return "bakehouse"
    path = Path(sys.executable).with_name("bakehouse")
    folder = Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
