"""Two hosts with one home and one Redis: `bakehouse up` on the first; a service and workers on the second."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bakehouse.processes import spawn
from tests.chaos.machine import FIRST, SECOND, Found, processes_of, signal_all
from tests.processes import LIMIT_SECONDS, wait_until, workers_of
from tests.running_home import RunningHome

ROOT = Path(__file__).parents[2]
ALTERATIONS = Path(__file__).with_name("alterations")
LEASE_SECONDS = 3
FIRST_WORKERS, SECOND_WORKERS = 2, 1


def environment_of(host: str, further: dict[str, str]) -> dict[str, str]:
    """Returns the settings of every process of a host."""
    return {
        "BAKEHOUSE_LEASE_SECONDS": str(LEASE_SECONDS),
        # Most logs are moved out of Redis before they are judged.
        "BAKEHOUSE_ARCHIVE_AFTER_SECONDS": "5",
        "CHAOS_HOST": host,
        "PYTHONPATH": str(ALTERATIONS),
        "OMP_NUM_THREADS": "1",
        **further,
    }


@dataclass
class Hosts:
    """The processes under fire."""

    home: Path
    further: dict[str, str] = field(default_factory=dict)
    """Further entries of the environment of all processes."""
    second_version: str = ""
    """Another version of the program on the second host; empty if it has the first's."""

    def __post_init__(self) -> None:
        settings = environment_of(FIRST, self.further)
        self.first = RunningHome(self.home, {**settings, "BAKEHOUSE_WORKERS": str(FIRST_WORKERS)})
        self.second_service: subprocess.Popen[bytes] | None = None
        self.second_workers: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts both hosts; returns when both services accept runs."""
        self.first.start()
        self.start_second()
        wait_until(lambda: self.second_url)

    def start_second(self) -> None:
        """Starts what does not run on the second host."""
        logs = self.home / "logs"
        if self.second_service is None or self.second_service.poll() is not None:
            (logs / "second_service.log").unlink(missing_ok=True)
            self.second_service = self._spawn("service", logs / "second_service.log")
        if self.second_workers is None or self.second_workers.poll() is not None:
            self.second_workers = self._spawn("worker.main", logs / "second_worker.log")

    def _spawn(self, module: str, log: Path) -> "subprocess.Popen[bytes]":
        chosen = {
            "BAKEHOUSE_HOME": str(self.home),
            "BAKEHOUSE_REDIS_URL": self.first.redis_url,
            "BAKEHOUSE_PORT": "0",
            "BAKEHOUSE_WORKERS": str(SECOND_WORKERS),
            "PYTHONUNBUFFERED": "1",
            "CHAOS_VERSION": self.second_version,
            **environment_of(SECOND, self.further),
        }
        command = [sys.executable, "-P", "-m", module]
        # The program's own folder is not on the path of `-P`.
        return spawn(command, log=log, environment={**os.environ, **chosen}, folder=ROOT)

    @property
    def second_url(self) -> str:
        """The address of the second host's service; empty while it does not listen."""
        log = self.home / "logs" / "second_service.log"
        lines = log.read_text().splitlines() if log.exists() else []
        marker = "Uvicorn running on "
        return next((line.partition(marker)[2].split()[0] for line in reversed(lines) if marker in line), "")

    @property
    def urls(self) -> list[str]:
        """The addresses of the services that listen."""
        return [url for url in (self.first.url, self.second_url) if url]

    def restart_first(self) -> None:
        """Starts `bakehouse up` again if it has ended."""
        if self.first.process.poll() is not None:
            self.first.wait()
            self.first.start()

    def keep_running(self) -> None:
        """Starts again what nobody else starts: as the service manager of each host would do."""
        self.restart_first()
        self.start_second()

    def end(self) -> None:
        """Asks all processes to end, and waits until they have."""
        for process in (self.second_workers, self.second_service):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self.second_workers, self.second_service):
            if process is not None:
                process.wait(LIMIT_SECONDS)
        if self.first.process.returncode is None:
            self.first.end()

    def kill(self) -> None:
        """Ends everything at once, whatever state it is in."""
        signal_all([found.pid for found in self.all()], signal.SIGKILL)
        for process in (self.first.process, self.second_workers, self.second_service):
            if process is not None:
                process.wait(LIMIT_SECONDS)

    # Finding processes

    def all(self, host: str | None = None) -> list[Found]:
        """Lists the processes of a host, or of both."""
        return [found for found in processes_of(self.home) if host in (None, found.host)]

    def of_module(self, module: str, host: str | None = None) -> list[int]:
        """Lists the processes that `python -m` started; forked children have the same command and are left out."""
        found = self.all(host)
        ours = {item.pid for item in found if item.module == module}
        return sorted(item.pid for item in found if item.pid in ours and item.parent not in ours)

    def workers(self, host: str | None = None) -> list[int]:
        """Lists the processes that RQ knows as workers and that train."""
        return sorted(pid for parent in self.of_module("worker.host.prefork", host) for pid in workers_of(parent))

    def trainings(self, host: str | None = None) -> list[int]:
        """Lists the processes that a worker has forked for a run."""
        workers = self.workers(host)
        return sorted(item.pid for item in self.all(host) if item.parent in workers)

    def redis(self) -> int:
        """Returns Redis's process; 0 if there is none at the moment."""
        return next((item.pid for item in self.all() if item.command == ("redis",)), 0)

    def orphans(self) -> set[int]:
        """Lists the processes whose parent is not a process of the home, apart from those that this program started."""
        found = self.all()
        pids = {item.pid for item in found}
        return {item.pid for item in found if item.parent not in pids and item.parent != os.getpid()}
