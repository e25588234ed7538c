"""`python -m worker.main`: runs this machine's workers and their supervisor; it does not import torch."""

import sys
from functools import partial

from bakehouse.processes import RestartingProcess, spawn

# -P: a folder named `worker` in the working directory is not ours.
PREFORK = [sys.executable, "-P", "-m", "worker.host.prefork"]


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    prefork = RestartingProcess("the parent of the workers", partial(spawn, PREFORK))
    prefork.keep_running()
    # Imported after that start: torch needs three seconds to be ready, and these imports half of one beside it.
    from worker.host.supervisor import supervise  # noqa: PLC0415

    supervise([prefork])


if __name__ == "__main__":
    main()
