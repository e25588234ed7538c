"""`bakehouse fork` and `bakehouse rerun`: new runs from the recipe of an earlier one."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.notification import require_watching
from bakehouse.cli.recipes import apply_changes, with_seeds
from bakehouse.cli.seeds import parse_seeds, print_seeds_note, repeat_for_seeds
from bakehouse.cli.submit import submit_all, watch_unless_detached
from bakehouse.client import Client, ClientRun
from bakehouse.model import JsonObject
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.runs.run import Run

ENDING = ("stop", "cancel")


def fork_and_watch(
    run_id: str,
    changes: list[str],
    seeds: str | None,
    *,
    detach: bool,
    output: Path | None,
    timeout: float | None,
    notify: str | None,
    as_json: bool,
) -> ExitCode:
    """Submits forks of a run and watches them."""
    print_seeds_note(seeds)
    require_single(output, seeds, detach=detach)
    require_watching(notify, detach=detach)
    with Client() as client:
        runs = submit_forks(client, run_id, changes, seeds)
        return watch_unless_detached(
            runs, detach=detach, output=output, timeout=timeout, notify=notify, as_json=as_json
        )


def rerun_and_watch(
    run_id: str,
    changes: list[str],
    seed: int | None,
    seeds: str | None,
    *,
    detach: bool,
    output: Path | None,
    timeout: float | None,
    notify: str | None,
    as_json: bool,
) -> ExitCode:
    """Submits the recipe of a run again and watches the new runs."""
    if seed is not None and seeds is not None:
        raise typer.BadParameter("give either --seed or --seeds, not both", param_hint="--seed")
    print_seeds_note(seeds)
    require_single(output, seeds, detach=detach)
    require_watching(notify, detach=detach)
    with Client() as client:
        runs = submit_again(client, run_id, changes, seeds if seed is None else str(seed))
        return watch_unless_detached(
            runs, detach=detach, output=output, timeout=timeout, notify=notify, as_json=as_json
        )


def require_single(output: Path | None, seeds: str | None, *, detach: bool) -> None:
    """Raises BadParameter for a file of weights that would be of several runs, or of a run that is not watched."""
    if output is not None and (detach or (seeds is not None and len(parse_seeds(seeds)) > 1)):
        raise typer.BadParameter("works with a single run, and not with --detach", param_hint="--output")


def submit_forks(client: Client, run_id: str, changes: list[str], seeds: str | None) -> list[ClientRun]:
    """Submits forks of a run, which begin with its best weights. A run that has been asked to end is waited for."""
    run = client.run(run_id)
    patches = repeat_for_seeds(fork_patch(run.record, changes, seeds), seeds)
    if run.record.request in ENDING:
        print(f"waiting until {run.id} is over ({run.record.request} requested)", file=sys.stderr)
        run.wait()
    return submit_all(run.fork, patches)


def fork_patch(run: Run, changes: list[str], seeds: str | None) -> JsonObject:
    """Returns the changes as a JSON merge patch of the run's recipe."""
    # The service lets a fork begin with the best weights, so `--set pretraining.layers=2` is a change of this.
    document = {**stated(run.recipe), "pretraining": {"type": "transfer"}}
    changed = apply_changes(document, changes, command=with_seeds(f"bakehouse fork {run.id}", seeds))
    families = dict.fromkeys(change.partition("=")[0].partition(".")[0] for change in changes)
    return {family: changed[family] for family in families}


def submit_again(client: Client, run_id: str, changes: list[str], seeds: str | None) -> list[ClientRun]:
    """Submits the recipe of a run again, with the changes and for the seeds. Without either, retries the run."""
    run = client.run(run_id)
    if seeds is None and not changes:
        return [run.retry()]
    record = run.record
    document = {**stated(record.recipe), "name": record.name, "labels": record.labels}
    changed = apply_changes(document, changes, command=with_seeds(f"bakehouse rerun {run.id}", seeds))
    return submit_all(partial(client.submit, priority=record.priority), repeat_for_seeds(changed, seeds))


def stated(value: object) -> Any:
    """Returns an ingredient as JSON without the fields that have their default, so that a change of its type leaves no
    fields of the old one behind."""
    if isinstance(value, tuple):
        return [stated(item) for item in value]
    if not isinstance(value, Ingredient):
        return value
    fields = {name: getattr(value, name) for name in type(value).model_fields}
    return {
        name: stated(item)
        for name, item in fields.items()
        if name == "type" or item != type(value).model_fields[name].default
    }
