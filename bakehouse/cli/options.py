"""The arguments and options that several commands have in common."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bakehouse.cli.commands.completing import complete_paused_run, complete_run, complete_unfinished_run

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A JSON file, or - for standard input.")]

SOME_IDS = "The ids of one or more runs."
RunId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The run's id, as `bakehouse ls` lists it.", autocompletion=complete_run),
]
RunIds = Annotated[list[str], typer.Argument(metavar="ID", help=SOME_IDS, autocompletion=complete_run)]
UnfinishedIds = Annotated[
    list[str], typer.Argument(metavar="ID", help=SOME_IDS, autocompletion=complete_unfinished_run)
]
PausedIds = Annotated[list[str], typer.Argument(metavar="ID", help=SOME_IDS, autocompletion=complete_paused_run)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Fields = Annotated[
    str | None, typer.Option("--fields", metavar="A,B.C", help="Print JSON with only these fields: id,best.value.")
]
EventsAsJson = Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Change a field of the recipe: norm=group_norm, optimizer.lr=0.01."
    ),
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Submit a run for each of these seeds: 0-4, or 0,3,7.")]
Priority = Annotated[int, typer.Option(min=-1000, max=1000, help="Waiting runs of higher priority are claimed first.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=0, help="Stop watching after this many seconds and exit with 124; the run continues."),
]

NotifyCommand = Annotated[
    str | None,
    typer.Option(
        "--notify",
        metavar="COMMAND",
        help="Run a shell command when a run ends, with RUN_ID and STATUS in its environment.",
    ),
]


def require_folder(file: Path | None) -> Path | None:
    # A file that cannot be written should be reported before hours of training, not after.
    if file is not None and not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{file.parent} is not a folder in which files can be written")
    return file


OUTPUT = typer.Option(
    "-o",
    "--output",
    metavar="FILE",
    dir_okay=False,
    callback=require_folder,
    help="The file for the best weights.",
)
File = Annotated[Path, OUTPUT]
Output = Annotated[Path | None, OUTPUT]
Folder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", file_okay=False, help="The folder for the results.")
]
