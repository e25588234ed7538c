"""Prints warnings as lines, such as that of a client whose service is newer."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bakehouse.cli.formats import sanitize


@contextmanager
def lines_for_warnings() -> Iterator[None]:
    """Prints each warning as a line on stderr, without the place in the program that Python would add."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"bakehouse: {sanitize(str(message))}", file=sys.stderr)
        yield
