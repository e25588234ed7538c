"""The commands that compare runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bakehouse.cli.commands.completing import complete_any, complete_run
from bakehouse.cli.commands.serving import require_package
from bakehouse.cli.options import AsJson, Fields, RunId, require_folder
from bakehouse.runs.status import Status

SomeIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="The runs; without ids, the latest that match.", autocompletion=complete_run),
]
Label = Annotated[list[str] | None, typer.Option(metavar="KEY:VALUE", help="Only runs with this label.")]
GroupBy = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="Show mean, standard deviation and number of runs over the seeds, for each value of this field, such as "
        "norm or optimizer.lr; give it again for a further field.",
    ),
]


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="The id of a run.", autocompletion=complete_run)],
    second: Annotated[str, typer.Argument(metavar="B", help="The id of another run.", autocompletion=complete_run)],
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Show the recipe fields and the results in which two runs differ."""
    from bakehouse.cli.differences import print_differences

    print_differences([first, second], as_json=as_json, fields=fields)


def compare(
    ids: SomeIds = None,
    label: Label = None,
    status: Annotated[Status | None, typer.Option(help="Only runs with this status.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only runs on this data set.")] = None,
    architecture: Annotated[str | None, typer.Option(help="Only runs with this architecture.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Compare at most this many of the latest runs.")] = 100,
    group_by: GroupBy = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Compare runs by their best epochs, the best first; shows only recipe fields that differ."""
    from bakehouse.cli.compare_command import print_comparison, select_runs

    runs = select_runs(
        ids or [], labels=label or [], status=status, dataset=dataset, architecture=architecture, limit=limit
    )
    print_comparison(runs, group_by=group_by or [], as_json=as_json, fields=fields)


def plot(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID", help="An experiment, or one or more runs.", autocompletion=complete_any),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", dir_okay=False, callback=require_folder,
                     help="The file: .png, .svg or .pdf; by default ID.png."),
    ] = None,
    kind: Annotated[
        Literal["dots", "curves", "interaction"] | None,
        typer.Option(help="Of an experiment: means with intervals, curves with the seeds as a band, or how two "
                          "ingredients of a factorial work together."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The metric of curves, such as validation_loss.")] = None,
) -> None:  # fmt: skip
    """Draw an experiment, or the curves of runs, as a picture."""
    require_package("matplotlib", extra="plot")
    from bakehouse.cli.plots.files import save_plot

    save_plot(ids, output, kind=kind, metric=metric)


def what_if(
    run_id: RunId,
    patience: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Ask about a patience of so many epochs; give it again for a further one."),
    ] = None,
    early_stopping: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JSON",
            help="Ask about early stopping as in a recipe: generalization_loss, or "
            '\'{"type": "patience", "patience": 5, "min_delta": 0.01}\'.',
        ),
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Show where other early stopping would have ended a run, and what that saves and loses; nothing is trained.

    Without settings, asks about a patience of 3, 5, 10 and 20 epochs.
    """
    from bakehouse.cli.what_if_command import print_answers, settings_of

    print_answers(run_id, settings_of(patience or [], early_stopping or []), as_json=as_json, fields=fields)
