"""The commands that make a new run from an earlier one."""

from typing import Annotated

import typer

from bakehouse.cli.options import Changes, EventsAsJson, NotifyCommand, Output, RunId, Seeds, Timeout

Detach = Annotated[bool, typer.Option("--detach", help="Print the ids of the new runs and exit without watching.")]


def fork(
    run_id: RunId,
    changes: Changes = None,
    seeds: Seeds = None,
    detach: Detach = False,
    output: Output = None,
    timeout: Timeout = None,
    notify: NotifyCommand = None,
    as_json: EventsAsJson = False,
) -> None:
    """Train a changed recipe from a run's best weights on, as a new run: --set optimizer.lr=1e-4."""
    from bakehouse.cli.again import fork_and_watch

    code = fork_and_watch(
        run_id, changes or [], seeds,
        detach=detach, output=output, timeout=timeout, notify=notify, as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(code)


def rerun(
    run_id: RunId,
    changes: Changes = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Train with this seed instead.")] = None,
    seeds: Seeds = None,
    detach: Detach = False,
    output: Output = None,
    timeout: Timeout = None,
    notify: NotifyCommand = None,
    as_json: EventsAsJson = False,
) -> None:
    """Train the recipe of a run again from the start, as a new run."""
    from bakehouse.cli.again import rerun_and_watch

    code = rerun_and_watch(
        run_id, changes or [], seed, seeds,
        detach=detach, output=output, timeout=timeout, notify=notify, as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(code)
