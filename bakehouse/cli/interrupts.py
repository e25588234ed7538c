"""Ctrl-C in a command that ends in order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from bakehouse.cli.entry import end_at_once


@contextmanager
def raise_on_interrupt() -> Iterator[None]:
    """Lets Ctrl-C raise KeyboardInterrupt during the block; elsewhere it ends the command at once."""
    before = signal.getsignal(signal.SIGINT)
    if before is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
