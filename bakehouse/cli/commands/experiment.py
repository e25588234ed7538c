"""The commands about experiments: `bakehouse experiment run`, `ablate`, `compare`, `grid`, `results` and so on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bakehouse.cli.commands.completing import complete_experiment
from bakehouse.cli.options import AsJson, Changes, Fields, require_folder

HELP = "Ask a question about recipes: many runs with the same seeds, and one answer with an interval."
app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

ExperimentId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The id, as `bakehouse experiment ls` lists it.", autocompletion=complete_experiment
    ),
]
ExperimentIds = Annotated[
    list[str], typer.Argument(metavar="ID", help="The ids of experiments.", autocompletion=complete_experiment)
]
Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A JSON file, - for standard input, or the id of a run.")]
Seeds = Annotated[str | None, typer.Option(help="The seeds of each arm: 0-4, or 0,3,7.")]
Folds = Annotated[int | None, typer.Option(min=2, max=20, help="Make each seed a cross-validation with so many folds.")]
Metric = Annotated[str | None, typer.Option(help="The metric to compare, such as validation_loss.")]
Name = Annotated[str | None, typer.Option(help="A name for the experiment.")]
Priority = Annotated[
    int | None, typer.Option(min=-1000, max=1000, help="Runs of higher priority are trained first; usually 0.")
]
MaxRunning = Annotated[int | None, typer.Option(min=1, help="Train at most so many of the runs at the same time.")]
NoReuse = Annotated[bool, typer.Option("--no-reuse", help="Train again what was trained before with the same result.")]
Detach = Annotated[bool, typer.Option("--detach", help="Print the experiment's id and exit without watching.")]
Timeout = Annotated[
    float | None, typer.Option(min=0, help="Stop watching after so many seconds and exit with 124; the runs continue.")
]
AnswerAsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON; with --detach the experiment.")]
Axis = Annotated[
    list[str],
    typer.Option(
        "--axis", metavar="PLACE=A,B", help="A place in the recipe and its values: /norm=none,batch_norm or "
        "optimizer.lr=0.1,0.01. Give it again for a further axis.",
    ),
]  # fmt: skip


@app.command()
def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The document, a JSON file, or - for standard input.")],
    seeds: Seeds = None,
    folds: Folds = None,
    metric: Metric = None,
    name: Name = None,
    priority: Priority = None,
    max_running: MaxRunning = None,
    no_reuse: NoReuse = False,
    detach: Detach = False,
    timeout: Timeout = None,
    as_json: AnswerAsJson = False,
) -> None:
    """Post the document of an experiment, watch its runs, and print the answer; an option replaces its field."""
    from bakehouse.cli.experiments.asking import ask
    from bakehouse.cli.experiments.documents import fields_of, read_experiment_file

    fields = fields_of(seeds=seeds, folds=folds, metric=metric, name=name, priority=priority,
                       max_running=max_running, no_reuse=no_reuse)  # fmt: skip
    document = read_experiment_file(file, fields)
    raise typer.Exit(ask(lambda _: document, detach=detach, timeout=timeout, as_json=as_json))


@app.command()
def ablate(
    recipe: Recipe,
    ingredient: Annotated[
        list[str] | None,
        typer.Option(help="Switch off only this ingredient, such as norm or dropout; give it again for another."),
    ] = None,
    changes: Changes = None,
    seeds: Seeds = "0-4",
    folds: Folds = None,
    metric: Metric = None,
    name: Name = None,
    priority: Priority = None,
    max_running: MaxRunning = None,
    no_reuse: NoReuse = False,
    detach: Detach = False,
    timeout: Timeout = None,
    as_json: AnswerAsJson = False,
) -> None:
    """Ask what each ingredient of a recipe is worth: each is switched off alone, and all of them."""
    from bakehouse.cli.experiments.asking import ask
    from bakehouse.cli.experiments.documents import ablation, fields_of

    fields = fields_of(seeds=seeds, folds=folds, metric=metric, name=name, priority=priority,
                       max_running=max_running, no_reuse=no_reuse)  # fmt: skip
    raise typer.Exit(
        ask(
            lambda client: ablation(client, recipe, changes or [], ingredient or [], fields),
            detach=detach,
            timeout=timeout,
            as_json=as_json,
        )
    )


@app.command()
def compare(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Two or more JSON files or ids of runs.")],
    changes: Changes = None,
    seeds: Seeds = "0-4",
    folds: Folds = None,
    metric: Metric = None,
    name: Name = None,
    priority: Priority = None,
    max_running: MaxRunning = None,
    no_reuse: NoReuse = False,
    detach: Detach = False,
    timeout: Timeout = None,
    as_json: AnswerAsJson = False,
) -> None:
    """Compare recipes over the same seeds; the first is the baseline, and names are those of the files."""
    from bakehouse.cli.experiments.asking import ask
    from bakehouse.cli.experiments.documents import comparison, fields_of

    fields = fields_of(seeds=seeds, folds=folds, metric=metric, name=name, priority=priority,
                       max_running=max_running, no_reuse=no_reuse)  # fmt: skip
    raise typer.Exit(
        ask(
            lambda client: comparison(client, recipes, changes or [], fields),
            detach=detach,
            timeout=timeout,
            as_json=as_json,
        )
    )


@app.command()
def grid(
    recipe: Recipe,
    axis: Axis,
    changes: Changes = None,
    seeds: Seeds = "0-4",
    folds: Folds = None,
    metric: Metric = None,
    name: Name = None,
    priority: Priority = None,
    max_running: MaxRunning = None,
    no_reuse: NoReuse = False,
    detach: Detach = False,
    timeout: Timeout = None,
    as_json: AnswerAsJson = False,
) -> None:
    """Compare all combinations of values; the first value of each axis is the baseline."""
    from bakehouse.cli.experiments.asking import ask
    from bakehouse.cli.experiments.documents import fields_of
    from bakehouse.cli.experiments.documents import grid as grid_document

    fields = fields_of(seeds=seeds, folds=folds, metric=metric, name=name, priority=priority,
                       max_running=max_running, no_reuse=no_reuse)  # fmt: skip
    raise typer.Exit(
        ask(
            lambda client: grid_document(client, recipe, changes or [], axis, fields),
            detach=detach,
            timeout=timeout,
            as_json=as_json,
        )
    )


@app.command()
def watch(experiment_id: ExperimentId, timeout: Timeout = None, as_json: AnswerAsJson = False) -> None:
    """Show the runs of an experiment until they are over, and print the answer."""
    from bakehouse.cli.experiments.asking import watch_posted

    raise typer.Exit(watch_posted(experiment_id, timeout=timeout, as_json=as_json))


@app.command()
def extend(
    experiment_id: ExperimentId,
    seeds: Annotated[str | None, typer.Option(help="Further seeds: 5-9.")] = None,
    axis: Annotated[
        list[str] | None, typer.Option(metavar="PLACE=A,B", help="Further values of an axis of a grid.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATCH", help="A further variant: its name, and what it changes as JSON."),
    ] = None,
    detach: Detach = False,
    timeout: Timeout = None,
    as_json: AnswerAsJson = False,
) -> None:
    """Add seeds, variants or values of axes to an experiment; only what is new is trained."""
    from bakehouse.cli.experiments.asking import extend_and_watch
    from bakehouse.cli.experiments.documents import fields_of, read_axes, read_variants

    axes = read_axes(axis) if axis else None
    variants = read_variants(variant) if variant else None
    more = fields_of(seeds=seeds, axes=axes, variants=variants)
    if not more:
        raise typer.BadParameter("give --seeds, --axis or --variant")
    raise typer.Exit(extend_and_watch(experiment_id, more, detach=detach, timeout=timeout, as_json=as_json))


@app.command()
def ls(
    limit: Annotated[int, typer.Option(min=1, help="List at most so many of the latest experiments.")] = 20,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """List experiments, the newest first."""
    from bakehouse.cli.experiments.looking import list_experiments

    list_experiments(limit=limit, as_json=as_json, fields=fields)


@app.command()
def show(experiment_id: ExperimentId, as_json: AsJson = False, fields: Fields = None) -> None:
    """Show what an experiment asks, and a mark for each of its runs."""
    from bakehouse.cli.experiments.looking import show_experiment

    show_experiment(experiment_id, as_json=as_json, fields=fields)


@app.command()
def results(
    experiment_id: ExperimentId,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line of CSV for each run, with its value.")] = False,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Print the answer, or what there is so far: a row for each arm, and a sentence."""
    from bakehouse.cli.experiments.looking import show_results

    show_results(experiment_id, as_json=as_json, as_csv=as_csv, fields=fields)


@app.command()
def what_if(
    experiment_id: ExperimentId,
    patience: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Ask about a patience of so many epochs; give it again for a further one."),
    ] = None,
    early_stopping: Annotated[
        list[str] | None, typer.Option(metavar="JSON", help="Ask about early stopping as in a recipe.")
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Show where other early stopping would have ended the runs, and what that saves and loses; nothing is trained.

    Without settings, asks about a patience of 3, 5, 10 and 20 epochs.
    """
    from bakehouse.cli.experiments.looking import show_what_if
    from bakehouse.cli.what_if_command import settings_of

    settings = settings_of(patience or [], early_stopping or [])
    show_what_if(experiment_id, settings, as_json=as_json, fields=fields)


@app.command()
def ensemble(
    experiment_id: ExperimentId,
    arm: Annotated[str, typer.Option(help="The arm whose finished runs are used as one model.")],
    mean: Annotated[
        Literal["arithmetic", "geometric"],
        typer.Option(help="How the probabilities of classes are averaged; values have the arithmetic mean.")
    ] = "arithmetic",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.zip", dir_okay=False, callback=require_folder,
                     help="Save the members, and a script that predicts with their mean."),
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:  # fmt: skip
    """Measure the runs of an arm as one model: the mean of their probabilities or values."""
    from bakehouse.cli.experiments.ensembles import show_ensemble

    show_ensemble(experiment_id, arm, mean, output, as_json=as_json, fields=fields)


@app.command()
def report(
    experiment_id: ExperimentId,
    html: Annotated[bool, typer.Option("--html", help="Write one HTML file with the picture in it.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", dir_okay=False, callback=require_folder,
                     help="The file; by default the report is printed."),
    ] = None,
) -> None:  # fmt: skip
    """Print what one sends to a colleague, as Markdown: question, answer, tables, and how to make it again."""
    from bakehouse.cli.experiments.looking import save_report

    is_html = html or (output is not None and output.suffix.lower() in (".html", ".htm"))
    save_report(experiment_id, output, format="html" if is_html else "markdown")


@app.command()
def pause(ids: ExperimentIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Pause experiments: runs in training pause, and those that wait are not started."""
    from bakehouse.cli.experiments.acting import request_action

    request_action(ids, "pause", as_json=as_json, fields=fields)


@app.command()
def resume(ids: ExperimentIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Let paused experiments continue, each run at its step."""
    from bakehouse.cli.experiments.acting import request_action

    request_action(ids, "resume", as_json=as_json, fields=fields)


@app.command()
def stop(ids: ExperimentIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Finish experiments now: runs in training keep their best weights, and those that wait are cancelled."""
    from bakehouse.cli.experiments.acting import request_action

    request_action(ids, "stop", as_json=as_json, fields=fields)


@app.command()
def cancel(ids: ExperimentIds, as_json: AsJson = False, fields: Fields = None) -> None:
    """Cancel all runs of experiments that are not over."""
    from bakehouse.cli.experiments.acting import request_action

    request_action(ids, "cancel", as_json=as_json, fields=fields)


@app.command()
def rm(
    experiment_id: ExperimentId,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without a question.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete an experiment that is over, with the runs that it has made; says before what that is."""
    from bakehouse.cli.experiments.acting import delete_experiment

    delete_experiment(experiment_id, is_sure=yes, as_json=as_json)
