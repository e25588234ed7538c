"""A new process of the command line: what it imports, and how it ends on Ctrl-C."""

import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bakehouse.cli.entry import INTERRUPTED
from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.main import COMMANDS
from bakehouse.client import Client
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService

# Calls the command with each of its arguments, which are separated by commas, and lists what was imported on stderr.
PROGRAM = """
import sys
from bakehouse.cli.entry import main
for arguments in sys.argv[1:]:
    sys.argv[1:] = arguments.split(",")
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments
print("MODULES", *sys.modules, file=sys.stderr)
"""
# An import of any of these takes about as long as one of typer, or longer.
SLOW = {"click", "httpx", "numpy", "pydantic", "pygments", "redis", "rich", "torch"}


def imported_modules(*calls: str, **environment: str) -> set[str]:
    """Calls the command in a new process; returns the names of the modules that it has imported."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *calls], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return set(finished.stderr.partition("MODULES")[2].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_of_all_commands_import_nothing_slow(option: str) -> None:
    calls = [f"{command.__name__.replace('_', '-')},{option}" for command in COMMANDS]
    modules = imported_modules(option, *calls)
    assert modules & SLOW == set()
    ours = {name for name in modules if name.startswith("bakehouse")}
    # Besides the modules that define the commands, these say what an argument may be.
    allowed = ("bakehouse.cli.commands", "bakehouse.runs.status", "bakehouse.tasks.sample_choices")
    assert {name for name in ours if not name.startswith(allowed)} == {
        "bakehouse", "bakehouse.cli", "bakehouse.cli.entry", "bakehouse.cli.exit_codes", "bakehouse.cli.main",
        "bakehouse.cli.options", "bakehouse.runs", "bakehouse.cli.formats", "bakehouse.cli.warning_lines",
        "bakehouse.tasks",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["ls", "show"])
def test_ls_and_show_import_only_what_they_need(service: RunningService, client: Client, command: str) -> None:
    run = client.submit({"dataset": "digits", "architecture": "mlp"})
    call = "ls" if command == "ls" else f"show,{run.id}"
    modules = imported_modules(call, BAKEHOUSE_URL=service.url)
    assert modules & (SLOW - {"httpx", "pydantic"}) == set()
    ours = {name for name in modules if name.startswith("bakehouse")}
    assert not {name for name in ours if name.startswith(("bakehouse.cli.home", "bakehouse.cli.screens"))}


def test_ctrl_c_is_handled_before_anything_is_imported_that_python_has_not_imported_itself() -> None:
    program = "import sys; before = set(sys.modules); import bakehouse.cli.entry; print(*set(sys.modules) - before)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(finished.stdout.split()) <= {"bakehouse", "bakehouse.cli", "bakehouse.cli.entry", "gc"}
    assert INTERRUPTED == ExitCode.INTERRUPTED


@pytest.fixture
def silent_service() -> Iterator[tuple[socket.socket, str]]:
    """A socket that accepts connections and never answers, so that the command cannot end before the signal."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


# The last module that was imported completely when the signal comes.
@pytest.mark.parametrize("moment", ["typer", "bakehouse.cli.main", "pydantic", "httpx", "bakehouse.client"])
def test_ctrl_c_during_the_imports_is_one_line(silent_service: tuple[socket.socket, str], moment: str) -> None:
    program = "from bakehouse.cli.entry import main; main()"
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", program, "ls"],
        env={"BAKEHOUSE_URL": silent_service[1]},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split()[-1] == moment:
                break
        process.send_signal(signal.SIGINT)
        messages = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == 130
    assert messages == ["bakehouse: interrupted\n"]


@pytest.mark.parametrize("command", ["show run_2", "watch run_2", "run -", "stop run_2"])
def test_ctrl_c_during_a_request_is_one_line(silent_service: tuple[socket.socket, str], command: str) -> None:
    listening, url = silent_service
    program = "from bakehouse.cli.entry import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *command.split()],
        env={"BAKEHOUSE_URL": url},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write("{}")
        process.stdin.close()
        connection, _ = listening.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            messages = process.stderr.read()
    assert process.returncode == 130
    assert messages == "bakehouse: interrupted\n"


def test_a_command_in_the_background_ignores_ctrl_c() -> None:
    # A shell without job control starts its background jobs like this. Signal 2 is SIGINT.
    program = "import signal; from bakehouse.cli.entry import main\ntry: main()\nfinally: print(signal.getsignal(2))"
    finished = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", program, "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.splitlines()[-1] == str(signal.SIG_IGN)


@pytest.mark.parametrize("width", [60, 118])
def test_what_is_printed_fits_the_terminal(
    service: RunningService, client: Client, worker: FakeWorker, width: int
) -> None:
    run = client.submit(
        {
            "dataset": "digits",
            "architecture": "mlp",
            "name": "two words " * 20,
            "optimizer": {"type": "adam", "lr": 0.5},
        }
    )
    worker.train(run.id, [0.5, 0.4])
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    calls = ["ls", f"show,{run.id}", "datasets", "workers", f"watch,{run.id}"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *calls],
        env={"BAKEHOUSE_URL": service.url},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        text = read_all(ours)
    assert process.returncode == 0
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    headings = ("RUN", "METRIC", "EPOCH", "DATASET", "RUN")
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in headings] == [
        "RUN", "METRIC", "EPOCH", "DATASET", "RUN",
    ]  # fmt: skip


def read_all(terminal: int) -> str:
    """Reads what a process writes to a terminal until it has ended."""
    parts = []
    # Linux reports the end of a terminal as an error.
    with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as reader:
        while part := reader.read(1 << 16):
            parts.append(part)
    return b"".join(parts).decode().replace("\r\n", "\n")
