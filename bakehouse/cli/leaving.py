"""Ctrl-C while runs are watched: offers to stop the runs, and otherwise leaves them alone."""

import sys
from collections.abc import Sequence

from bakehouse.cli.failures import print_error
from bakehouse.cli.interrupts import raise_on_interrupt
from bakehouse.client import ClientError, ClientRun

STOP = ("s", "stop")


def stops_on_request(runs: Sequence[ClientRun]) -> bool:
    """Asks the user on a terminal whether to stop the runs, and stops them if so; returns whether it did. Another
    Ctrl-C, the end of the input, and any other answer mean no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    ids, it = " ".join(run.id for run in runs), "it" if len(runs) == 1 else "them"
    question = f"\nstop {ids} now and keep the best (s), or stop watching and let {it} continue (Enter)? "
    try:
        # Before the question is shown, because Ctrl-C may be the answer.
        with raise_on_interrupt():
            print(question, end="", file=sys.stderr, flush=True)
            answer = sys.stdin.readline()
    except KeyboardInterrupt:
        return False
    return answer.strip().lower() in STOP and stop_all(runs)


def stop_all(runs: Sequence[ClientRun]) -> bool:
    """Stops the runs that are not over; returns whether all requests were accepted."""
    accepted = True
    for run in runs:
        try:
            if not run.is_over:
                run.stop()
        except ClientError as error:
            print_error(error)
            accepted = False
    return accepted


def detached_text(runs: Sequence[ClientRun]) -> str:
    """Returns that the runs continue, with the commands to stop them, to watch them again, and to cancel them."""
    ids = " ".join(run.id for run in runs)
    verb = "continues" if len(runs) == 1 else "continue"
    return (
        f"\nno longer watching; {ids} {verb}\n"
        f"  bakehouse stop {ids}    finishes now and keeps the best\n"
        f"  bakehouse watch {ids}   watches again\n"
        f"  bakehouse cancel {ids}  gives up"
    )
