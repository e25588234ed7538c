"""`bakehouse code`: the scripts that load a run's weights, or compute its test metrics again, in plain PyTorch."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import typer

from bakehouse.client import Client, ClientRun, NotFound
from bakehouse.data.errors import DatasetBroken
from bakehouse.evaluation_files import (
    ROWS_FILE,
    NothingToEvaluate,
    data_path,
    is_unpacked,
    reads_rows_from_file,
    refuse_several_files,
    where_data_are,
)
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.evaluation_script import Evaluation, evaluation_code
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.script import pytorch_code
from bakehouse.runs.split import ROW_NUMBER


def print_script(run_id: str, file: Path, *, evaluate: bool) -> None:
    """Prints the script of a run; with `evaluate`, the one that computes its test metrics again."""
    with Client() as client:
        run = client.run(run_id)
        try:
            text = evaluation_of(run, client, file) if evaluate else script_of(run, client, file)
        except NothingToEvaluate as error:
            raise typer.BadParameter(str(error), param_hint="--evaluate") from error
    print(text, end="")


def script_of(run: ClientRun, client: Client, file: Path) -> str:
    """Returns the script that builds the run's model and loads its weights from `file`."""
    plan = make_plan(run.record.known_recipe, find_card(run, client))
    evaluate = f"bakehouse code {run.id} --evaluate --file {shlex.quote(str(file))}"
    note = f"""Loads the best weights of {run.id} in plain PyTorch; they are downloaded by
  bakehouse best {run.id} -o {shlex.quote(str(file))}
A script that computes the run's test metrics again from your own file, without Bakehouse, is printed by
  {evaluate} > evaluate.py"""
    return pytorch_code(plan, str(file), note=note)


def evaluation_of(run: ClientRun, client: Client, file: Path) -> str:
    """Returns the script that computes the run's test metrics again. Raises NothingToEvaluate."""
    best = run.record.best
    plan = make_plan(run.record.known_recipe, find_card(run, client))
    metrics = best.metrics if best is not None else {}
    recorded = {name: value for name, value in metrics.items() if name.startswith("test_") and value is not None}
    provenance = run.record.provenance
    if not recorded or provenance is None:
        raise NothingToEvaluate(why_not_measured(run))
    pictures = find_test_pictures(run, plan)
    refuse_several_files(plan.card, pictures)
    data = data_path(plan)
    evaluation = Evaluation(
        file=data,
        is_unpacked=is_unpacked(plan.card),
        rows=find_test_rows(run, plan),
        pictures=pictures,
        row_number=ROW_NUMBER[plan.card.format],
        recorded=recorded,
        threads=provenance.threads,
    )
    return evaluation_code(plan, str(file), evaluation, note=evaluation_note(run, plan, file, data))


def why_not_measured(run: ClientRun) -> str:
    if not run.is_over:
        return f"{run.id} is {run.status}: the test split is measured at the end; try again then"
    return f"{run.id} has {run.status} without test metrics, so there is nothing to compute again"


def evaluation_note(run: ClientRun, plan: Plan, file: Path, data: str) -> str:
    """Returns the comment at the beginning of the script, with the commands that lead to it and the next one."""
    weights = shlex.quote(str(file))
    rows = f"\n  bakehouse split {run.id} -o {ROWS_FILE}" if reads_rows_from_file(plan) else ""
    reader = {"pictures": ", Pillow", "parquet": ", duckdb", "json": ", duckdb"}.get(plan.card.format, "")
    return f"""Computes the test metrics of {run.id} again and compares them with the recorded ones. It needs torch,
numpy{reader} and safetensors, but not Bakehouse. {where_data_are(plan.card)}
The commands, of which the last one needs this file, the weights and the data:
  bakehouse best {run.id} -o {weights}{rows}
  bakehouse code {run.id} --evaluate --file {weights} > evaluate.py
  python evaluate.py {shlex.quote(data)}"""


def find_test_rows(run: ClientRun, plan: Plan) -> Sequence[int] | str:
    """Returns the rows of the test split, or the file in which the script finds them."""
    if reads_rows_from_file(plan):
        return ROWS_FILE
    return run.split().test.rows if plan.card.counts.test is None else range(plan.card.counts.test)


def find_test_pictures(run: ClientRun, plan: Plan) -> Sequence[tuple[str, str]]:
    """Returns the path and the label of each test picture, unless the script finds them in a file."""
    if plan.card.format != "pictures" or reads_rows_from_file(plan):
        return ()
    test = run.split().test
    return list(zip(test.paths or (), test.labels or (), strict=True))


def find_card(run: ClientRun, client: Client) -> DatasetCard:
    """Returns the card of the run's data set. Raises DatasetBroken if the set was removed or changed since the run,
    because the model's shape follows from it."""
    record = run.record
    name = record.known_recipe.dataset.id
    try:
        listing = client.dataset(name)
    except NotFound as error:
        raise DatasetBroken(name, "the service no longer has it, and the model's shape depends on it") from error
    card = listing.card
    if card is None:
        raise DatasetBroken(name, listing.problem or "the service is packing it; try again in a moment")
    if record.trained_on not in (None, card.fingerprint):
        raise DatasetBroken(name, "its files have changed since the run was trained on them")
    return card
