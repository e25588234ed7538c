"""The entry point of `bakehouse`. It imports little, so that Ctrl-C is handled before anything else is imported."""

# `signal` is the same with an import of `enum`; until the handler is set, Ctrl-C in each millisecond is a traceback.
import _signal as signal  # type: ignore[import-not-found]
import gc
import os
import sys

INTERRUPTED = 130
"""The same as `ExitCode.INTERRUPTED`, which would import `enum` too."""
COMPLETION_VARIABLE = "_BAKEHOUSE_COMPLETE"
"""Set by the script of `bakehouse completion` to ask for the words that can come next."""


def main() -> None:
    """Runs the command line. Ctrl-C ends it at once, except in a command that ends in order."""
    # A shell starts its background jobs with Ctrl-C ignored, and that stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    # httpx imports its own command line, with rich and pygments, if it can: that takes longer than the rest of httpx.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # None means that the module cannot be imported
    # Garbage collections during the imports, and one at the end over all that was imported, took a third of `ls`.
    gc.set_threshold(50_000)
    try:
        from bakehouse.cli.main import app

        if COMPLETION_VARIABLE in os.environ:
            from bakehouse.cli.completion import prepare_answer

            prepare_answer()
        app()
    finally:
        gc.freeze()


def end_at_once(number: int, frame: object) -> None:
    # A KeyboardInterrupt in the middle of an import may be lost, or printed with a traceback.
    print_interruption()
    os._exit(INTERRUPTED)


def print_interruption() -> None:
    # A buffer might be in use by the code that the signal has interrupted.
    os.write(2, b"bakehouse: interrupted\n")
