"""`--notify`: a command of the user that runs when a run has ended."""

import os
import subprocess
import sys
from tempfile import TemporaryFile

import typer

MAX_SECONDS = 60.0
"""The command is ended after this time, because the runs are not shown meanwhile."""


def require_watching(command: str | None, *, detach: bool) -> None:
    """Raises BadParameter for a command that would never run."""
    if command is not None and detach:
        raise typer.BadParameter("works while runs are watched, and not with --detach", param_hint="--notify")


class Notification:
    """Runs a command once for each run that ends."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._notified: set[str] = set()

    def send(self, run_id: str, status: str) -> None:
        """Runs the command with RUN_ID and STATUS in its environment, unless it has run for this run already. Prints
        its output on stderr, and a message if it fails."""
        if run_id in self._notified:
            return
        self._notified.add(run_id)
        if reason := run_command(self.command, {"RUN_ID": run_id, "STATUS": status}):
            print(f"bakehouse: --notify: {self.command!r} {reason}", file=sys.stderr)


def run_command(command: str, variables: dict[str, str]) -> str:
    """Runs a command and prints its output on stderr; returns why it failed, or an empty text."""
    # The shell only sees what the user wrote: what the service says is in variables, which are never run as code.
    # A pipe would stay open as long as any process that the command leaves in the background.
    with TemporaryFile() as output:
        try:
            code = subprocess.run(
                ["/bin/sh", "-c", command],
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=MAX_SECONDS,
                check=False,
            ).returncode
            reason = f"failed with exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            reason = f"was ended after {MAX_SECONDS:g} s"
        output.seek(0)
        print(output.read().decode(errors="replace"), end="", file=sys.stderr, flush=True)
    return reason
