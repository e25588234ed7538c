"""`python -m worker.main`: runs this machine's workers, the process that inspects uploaded data sets, and their
supervisor. This process does not import torch."""

import sys
from functools import partial

from bakehouse.processes import RestartingProcess, spawn

# -P: does not import a folder named `worker` from the working directory.
PREFORK = [sys.executable, "-P", "-m", "worker.host.prefork"]
INSPECTOR = [sys.executable, "-P", "-m", "worker.host.inspector"]


def main() -> int:
    """Runs the workers and the supervisor until SIGTERM or SIGINT; returns the exit code."""
    # The inherited descriptors keep the home's folder locked and its Redis running until the last worker has ended.
    prefork = RestartingProcess("the parent of the workers", partial(spawn, PREFORK, keep_inherited=True))
    prefork.keep_running()
    # Imported after the start, so that these imports (half a second) run while the child imports torch (three seconds).
    from worker.host.supervisor import supervise  # noqa: PLC0415

    # The supervisor starts it, so that it does not compete with the workers for the processor before.
    inspector = RestartingProcess("the inspector", partial(spawn, INSPECTOR, keep_inherited=True))
    return supervise([prefork, inspector])


if __name__ == "__main__":
    sys.exit(main())
