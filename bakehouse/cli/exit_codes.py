"""The exit codes of `bakehouse`."""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command. 124 and 130 are the codes of `timeout` and of the shell after Ctrl-C."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    CANCELLED = 5
    TIMEOUT = 124
    INTERRUPTED = 130


def exit_code_of(statuses: Iterable[str]) -> ExitCode:
    """Returns the exit code for several runs: FAILED if any neither succeeded nor was cancelled, also if only a newer
    service knows its status; else CANCELLED if any was cancelled."""
    others = set(statuses) - {"succeeded"}
    if not others:
        return ExitCode.SUCCEEDED
    return ExitCode.CANCELLED if others == {"cancelled"} else ExitCode.FAILED
