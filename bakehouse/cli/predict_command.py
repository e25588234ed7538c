"""`bakehouse predict`: what a run's model predicts for the rows of a user's file."""

import csv
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from bakehouse.cli.code_command import find_card
from bakehouse.cli.output import to_json
from bakehouse.cli.row_files import RowFile, read_rows, refusal
from bakehouse.client import Client, ClientRun, RecipeRefused
from bakehouse.client.prediction import columns_of
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plurals import listed
from bakehouse.recipe.problems import did_you_mean, path_of
from bakehouse.tasks.predictions import Prediction

PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
Cells = dict[str, object]


def predict_file(run_id: str, file: Path, output: Path | None, *, epoch: str, as_json: bool) -> None:
    """Predicts, and prints or saves the predictions."""
    if not file.exists():
        raise refusal(f"there is no {file}")
    with Client() as client:
        run = client.run(run_id)
        if file.is_dir() or file.suffix.lower() in PICTURES:
            predictions: Sequence[Prediction]
            names, predictions = predict_pictures(run, file, epoch)
            rows: Sequence[Cells] = [{"file": name} for name in names]
        elif file.suffix.lower() == ".npz":
            predictions = run.predict_file(file.read_bytes(), "application/x-npz", epoch=epoch)
            rows = [{"row": row} for row in range(len(predictions))]
        else:
            rows, predictions = predict_rows(run, client, file, epoch)
    if as_json:
        documents = [prediction.model_dump(mode="json", exclude_none=True) for prediction in predictions]
        write(output, to_json({"predictions": documents}) + "\n")
        return
    with ExitStack() as stack:
        to = sys.stdout if output is None else stack.enter_context(output.open("w", newline="", encoding="utf-8"))
        write_table([{**row, **columns_of(each)} for row, each in zip(rows, predictions, strict=True)], to)
    if output is not None:
        print(output)
    notes = [note for prediction in predictions for note in prediction.notes or ()]
    if notes:
        print(f"{notes[0]}" + (f"; {len(notes) - 1:,} more such cells" if notes[1:] else ""), file=sys.stderr)


def predict_rows(
    run: ClientRun, client: Client, file: Path, epoch: str
) -> tuple[Sequence[Cells], Sequence[Prediction]]:
    """Returns the cells that are printed before each prediction, and the predictions."""
    card = find_card(run, client)
    plan = make_plan(run.record.known_recipe, card)
    names = [column.name for column in card.columns or ()]
    found = read_rows(file, names, card.text)
    if not found.rows:
        raise refusal(f"{file} has no rows")
    sent = [only_known(row, names, plan, number, found) for row, number in zip(found.rows, found.lines, strict=True)]
    try:
        predictions = run.predict(sent, epoch=epoch)
    except RecipeRefused as error:
        print_first_line(error, found, file)
        raise
    steps = plan.data.steps
    if len(predictions) != len(found.rows) and steps is not None:
        return [{} for _ in predictions], predictions
    return [shown_cells(row, card) for row in found.rows], predictions


def only_known(row: object, names: Sequence[str], plan: Plan, number: int, found: RowFile) -> object:
    """Returns a row without the columns that the data set does not have. Refuses a row without an input."""
    if not isinstance(row, dict) or not names:
        return row
    steps = plan.data.steps
    keys = [] if steps is None else [steps.id, *([steps.order] if steps.order is not None else [])]
    missing = [name for name in (*(plan.input_columns or ()), *keys) if name not in row]
    if missing:
        hint = did_you_mean(missing[0], [name for name in row if name not in names])
        raise refusal(f"{found.noun} {number} has no column {listed(missing)}{hint}")
    return {name: cell for name, cell in row.items() if name in names}


def shown_cells(row: object, card: DatasetCard) -> Cells:
    """Returns the cells of a row of a table by their names; nothing of other rows, which may be long."""
    if isinstance(row, dict):
        return {str(name): cell for name, cell in row.items() if not isinstance(cell, list | dict)}
    if isinstance(row, list) and card.kind == "table":
        names = [column.name for column in card.columns or ()] or [f"x{place}" for place in range(len(row))]
        return dict(zip(names, row, strict=False))
    return {}


def print_first_line(error: RecipeRefused, found: RowFile, file: Path) -> None:
    """Says where the first refused row is in the file: pointers count rows from 0."""
    for problem in error.errors:
        path = path_of(problem.pointer or "")
        if len(path) > 1 and isinstance(path[1], int) and path[1] < len(found.lines):
            print(f"/rows/{path[1]} is {found.noun} {found.lines[path[1]]} of {file}", file=sys.stderr)
            return


def predict_pictures(run: ClientRun, file: Path, epoch: str) -> tuple[Sequence[str], list[Prediction]]:
    """Predicts for a picture, or for each of a folder in the order of their names."""
    files = sorted(path for path in file.rglob("*") if path.suffix.lower() in PICTURES) if file.is_dir() else [file]
    if not files:
        raise refusal(f"{file} has no PNG and no JPEG")
    predictions: list[Prediction] = []
    for path in files:
        predictions += run.predict_file(path.read_bytes(), PICTURES[path.suffix.lower()], epoch=epoch)
    return [str(path.relative_to(file) if file.is_dir() else path) for path in files], predictions


def write_table(rows: Sequence[Cells], to: TextIO) -> None:
    """Writes rows as CSV; a prediction that is not finite has empty cells."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(to, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write(output: Path | None, text: str) -> None:
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")
        print(output)
