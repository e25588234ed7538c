"""The commands that run Bakehouse on this machine."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bakehouse.cli.options import AsJson, Fields, File


def up() -> None:
    """Run Redis, the service and the workers on this machine until Ctrl-C; all state is in BAKEHOUSE_HOME."""
    require_package("fastapi", extra="service")
    require_package("torch", extra="worker")
    from bakehouse.cli.up import run_until_interrupted

    run_until_interrupted()


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the service running until Ctrl-C.")] = False,
    output: File = Path("bakehouse-demo-best.safetensors"),
) -> None:
    """Train two recipes side by side in a temporary home; only the best weights are kept."""
    from bakehouse.cli.demo import run_demo

    raise typer.Exit(run_demo(output, keep=keep))


def doctor(as_json: AsJson = False, fields: Fields = None) -> None:
    """Check Redis, the disk, the port, the workers, devices and versions; exit with 1 if one of them is an error.

    Works while the service or Redis is down. Each row is ok, a warning or an error, with what is wrong and what to do.
    """
    from bakehouse.cli.doctor_command import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json, fields=fields))


def serve() -> None:
    """Run only the HTTP service; needs BAKEHOUSE_REDIS_URL."""
    require_package("fastapi", extra="service")
    # The service replaces this process, so that signals reach it directly.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service"])  # noqa: S606 - the arguments are a list, without a shell


def worker() -> None:
    """Run only this machine's workers; needs BAKEHOUSE_REDIS_URL."""
    require_package("torch", extra="worker")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "worker.main"])  # noqa: S606 - the arguments are a list, without a shell


def require_package(package: str, *, extra: str) -> None:
    """Exits with the command to install if an optional part of Bakehouse is missing."""
    # `find_spec` does not import the package; an import of torch takes more than a second.
    if find_spec(package) is None:
        raise typer.BadParameter(f"{package} is not installed here: pip install 'bakehouse[{extra}]'")
