"""`bakehouse code`: the scripts that load a run's weights, or compute its test metrics again, in plain PyTorch."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import typer

from bakehouse.client import Client, ClientRun, NotFound
from bakehouse.data.archives import is_archive
from bakehouse.data.errors import DatasetBroken
from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.readers.arrow_folders import is_row
from bakehouse.data.uploaded import FETCHED, UPLOAD
from bakehouse.plan.card import DatasetCard, SplitCounts
from bakehouse.plan.evaluation_script import Evaluation, evaluation_code
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.script import pytorch_code
from bakehouse.runs.split import MAX_JSON_ROWS, ROW_NUMBER

ROWS_FILE = "split.npz"
MAX_PRINTED_ROWS = 100_000
"""Limit on the test rows that a script lists itself; more are read from a file."""


class NothingToEvaluate(Exception):
    """Raised if a run has no test metrics that a script could compute again; the message says why."""


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


def where_data_are(card: DatasetCard) -> str:
    """Says what the path on the command line is."""
    match card.format:
        case "npy":
            return f"The data are in the folder bakehouse/data/builtin/{card.id} of the package bakehouse."
        case _ if is_unpacked(card):
            folder = f"your folder {own_name(card)}, or " if own_name(card) != upload_name(card) else ""
            return f"Give it the path of {folder}your archive {upload_name(card)}."
        case "csv" | "parquet" | "json" | "npz" if not card.origin.startswith("folder "):
            return f"Give it the path of your file {own_name(card)}."
        case _:
            return f"Give it the path of your folder {own_name(card)}."


def data_path(plan: Plan) -> str:
    """Returns the path of the data: of a built-in set where it is installed, else the name of the user's file."""
    return str(BUILTIN / plan.card.id) if plan.card.format == "npy" else own_name(plan.card)


def own_name(card: DatasetCard) -> str:
    """Returns the name of a user's file or folder."""
    known = KNOWN.get(card.id)
    if known is not None and known.origin == card.origin:
        return str(known.system_folder or card.id)
    # The client packs a folder into such an archive; any other origin is `file NAME` or `folder NAME`.
    return (upload_name(card) or card.origin.partition(" ")[2]).removesuffix(".tar")


def upload_name(card: DatasetCard) -> str | None:
    """Returns the name of the file that was uploaded; None for a set that was not."""
    is_upload = card.origin.startswith(UPLOAD)
    return card.origin.removeprefix(UPLOAD).partition(FETCHED)[0] if is_upload else None


def is_unpacked(card: DatasetCard) -> bool:
    """Whether the set is what an uploaded archive holds; an archive may have a name without an ending."""
    name = upload_name(card)
    return name is not None and (is_archive(name) or not Path(name).suffix)


def reads_rows_from_file(plan: Plan) -> bool:
    """Whether there are too many test rows to list them in the script. All rows of an own test split need no list."""
    is_large = plan.sizes.test > MAX_PRINTED_ROWS or sum(plan.sizes) > MAX_JSON_ROWS
    return is_large and (plan.card.counts.test is None or plan.card.format == "pictures")


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


def refuse_several_files(card: DatasetCard, pictures: Sequence[tuple[str, str]]) -> None:
    """Raises NothingToEvaluate if the data are in Arrow files or in a table for each split, which the script does not
    read."""
    if card.format == "arrow" or any(is_row(tuple(path.split("/"))) for path, _ in pictures):
        raise NothingToEvaluate(
            "the data are in Arrow files, which the script does not read: save the data set as Parquet or as pictures, "
            "and train on that"
        )
    if card.format in ("csv", "parquet", "json") and card.counts != SplitCounts(train=card.counts.train):
        raise NothingToEvaluate("each split of the data has tables of its own, and the script reads one table")


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
