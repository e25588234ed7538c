"""`--notify`: a command of the user that runs when a run has ended."""

import os
import subprocess
import sys
from tempfile import TemporaryFile


def notify(command: str, *, run_id: str, status: str) -> None:
    """Runs a command with RUN_ID and STATUS in its environment. Prints its output on stderr, and a message if it
    fails."""
    environment = {**os.environ, "RUN_ID": run_id, "STATUS": status}
    # The shell only sees what the user wrote: what the service says is in variables, which are never run as code.
    # A pipe would stay open as long as any process that the command leaves in the background.
    with TemporaryFile() as output:
        process = subprocess.run(
            ["/bin/sh", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output.seek(0)
        print(output.read().decode(errors="replace"), end="", file=sys.stderr, flush=True)
    if process.returncode:
        print(f"bakehouse: --notify: {command!r} failed with exit code {process.returncode}", file=sys.stderr)
