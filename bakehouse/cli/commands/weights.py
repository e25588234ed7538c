"""The commands for a run's best weights."""

from pathlib import Path
from typing import Annotated

import typer

from bakehouse.cli.options import AsJson, Fields, File, RunId


def best(
    run_id: RunId, output: File = Path("best.safetensors"), as_json: AsJson = False, fields: Fields = None
) -> None:
    """Download a run's best weights and verify their digest; an interrupted download resumes."""
    from bakehouse.cli.weights import save_best

    save_best(run_id, output, as_json=as_json, fields=fields)


def predict(
    run_id: RunId,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Rows as CSV, JSON, JSON lines or NPZ; a picture, or a folder of these."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", dir_okay=False, help="Save the predictions: FILE.csv."),
    ] = None,
    epoch: Annotated[str, typer.Option(metavar="N", help="The epoch of the weights, best or last.")] = "best",
    as_json: AsJson = False,
) -> None:
    """Predict for the rows of your file: a CSV with your columns, the prediction and the probability of each class."""
    from bakehouse.cli.predict_command import predict_file

    predict_file(run_id, file, output, epoch=epoch, as_json=as_json)


def code(
    run_id: RunId,
    file: Annotated[Path, typer.Option(metavar="FILE", help="The file of weights that the script loads.")] = Path(
        "best.safetensors"
    ),
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Also read the test rows of your file, and compare the metrics.")
    ] = False,
) -> None:
    """Print a script that loads a run's weights in plain PyTorch, without Bakehouse.

    With --evaluate, the script computes the recorded test metrics again from your own file.
    """
    from bakehouse.cli.code_command import print_script

    print_script(run_id, file, evaluate=evaluate)


def split(
    run_id: RunId,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", dir_okay=False, help="Save all rows: FILE.json or FILE.npz."),
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Show which rows of your file are the training, validation and test split of a run."""
    from bakehouse.cli.split_command import show_split

    show_split(run_id, output, as_json=as_json, fields=fields)
