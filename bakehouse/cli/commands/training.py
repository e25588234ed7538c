"""The commands that train, check and watch."""

from pathlib import Path
from typing import Annotated

import typer

from bakehouse.cli.commands.serving import require_package
from bakehouse.cli.options import (
    AsJson,
    Changes,
    EventsAsJson,
    Fields,
    Folder,
    NotifyCommand,
    Output,
    Priority,
    Recipe,
    RunId,
    RunIds,
    Seeds,
    Timeout,
    require_folder,
)


def train(recipe: Recipe, output: Folder = None, changes: Changes = None, as_json: EventsAsJson = False) -> None:
    """Train a recipe on this machine without a service; after an interruption the same command resumes."""
    require_package("torch", extra="worker")
    from bakehouse.cli.local import train_locally
    from bakehouse.cli.recipes import read_document

    raise typer.Exit(train_locally(read_document(recipe, changes or []), output, as_json=as_json))


def run(
    recipe: Recipe,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and exit without watching.")] = False,
    changes: Changes = None,
    seeds: Seeds = None,
    priority: Priority = 0,
    output: Output = None,
    timeout: Timeout = None,
    notify: NotifyCommand = None,
    as_json: EventsAsJson = False,
) -> None:
    """Submit a recipe to the service and watch it train."""
    from bakehouse.cli.notification import require_watching
    from bakehouse.cli.recipes import read_documents
    from bakehouse.cli.seeds import print_seeds_note
    from bakehouse.cli.submit import submit_and_watch

    documents = read_documents(recipe, changes or [], seeds)
    print_seeds_note(seeds)
    if output is not None and (detach or len(documents) > 1):
        raise typer.BadParameter("works with a single run, and not with --detach", param_hint="--output")
    require_watching(notify, detach=detach)
    code = submit_and_watch(
        documents, priority=priority, detach=detach, output=output, timeout=timeout, notify=notify, as_json=as_json
    )
    raise typer.Exit(code)


def watch(
    ids: RunIds,
    timeout: Timeout = None,
    notify: NotifyCommand = None,
    as_json: EventsAsJson = False,
) -> None:
    """Show runs from their first event until they are over."""
    from bakehouse.cli.submit import watch_submitted

    raise typer.Exit(watch_submitted(ids, timeout=timeout, as_json=as_json, notify=notify))


def verify(run_id: RunId, timeout: Timeout = None, as_json: AsJson = False, fields: Fields = None) -> None:
    """Train a run again, killed and resumed half-way, and compare all weights and metrics to the bit."""
    from bakehouse.cli.show import verify_run

    raise typer.Exit(verify_run(run_id, timeout=timeout, as_json=as_json, fields=fields))


def preview(
    recipe: Recipe,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", dir_okay=False, callback=require_folder, help="The file for the picture."
        ),
    ] = Path("preview.png"),
    changes: Changes = None,
) -> None:
    """Draw what a recipe's augmentation makes of training rows: each original and eight draws, as a PNG file."""
    from bakehouse.cli.preview_command import save_preview
    from bakehouse.cli.recipes import read_document

    save_preview(read_document(recipe, changes or []), output)


def lint(recipe: Recipe, changes: Changes = None, as_json: AsJson = False, fields: Fields = None) -> None:
    """Check a recipe or an experiment without training it: its problems, its size, and advice from the literature."""
    from bakehouse.cli.experiments.lint import print_experiment_lint
    from bakehouse.cli.local import print_lint
    from bakehouse.cli.recipes import read_document

    document = read_document(recipe, changes or [])
    (print_experiment_lint if "design" in document else print_lint)(document, as_json=as_json, fields=fields)
