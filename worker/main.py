"""`python -m worker.main`: this machine's workers and their supervisor; it does not import torch."""

import os

from worker.host.slots import Process, Slot, spawn


def start_prefork(_: str) -> Process:
    """The process that imports torch and forks the workers."""
    return spawn(["worker.host.prefork", "--parent", str(os.getpid())])


def main() -> None:
    """Until SIGTERM or SIGINT."""
    nursery = Slot("the nursery of the workers", start_prefork)
    nursery.keep_running()
    # Behind that start: torch needs three seconds to be ready, and these imports half of one beside it.
    from worker.host.supervisor import supervise  # noqa: PLC0415

    supervise([nursery])


if __name__ == "__main__":
    main()
