"""`bakehouse experiment ls`, `show`, `results`, `what-if` and `report`."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from bakehouse.cli.comparing import heading
from bakehouse.cli.experiments.answer import print_answer, print_csv
from bakehouse.cli.experiments.board import Board
from bakehouse.cli.experiments.grid_lines import grid_text
from bakehouse.cli.formats import format_duration, format_metric, format_status, sanitize
from bakehouse.cli.listing import print_list
from bakehouse.cli.output import output_width, print_json, print_json_list
from bakehouse.cli.tables import Column, Row, block, table
from bakehouse.client import Client
from bakehouse.client.async_experiment import ReportFormat
from bakehouse.client.reading import ExperimentState
from bakehouse.experiments.experiment import Brief
from bakehouse.experiments.what_if import ExperimentWhatIf, PooledAnswer
from bakehouse.plurals import count_of, listed

NO_EXPERIMENTS = """no experiments yet: an experiment is one question about recipes, many runs and one answer
  next: echo '{"dataset": "digits", "architecture": "mlp", "norm": "batch_norm"}' | bakehouse experiment ablate -"""
LIST_COLUMNS = (
    Column("EXPERIMENT"),
    Column("NAME", least=8, rank=1),
    Column("DESIGN", rank=3),
    Column("STATUS", least=9),
    Column("RUNS"),
    Column("RECIPE", least=8, rank=4),
    Column("METRIC", least=8, rank=5),
    Column("CREATED", rank=6),
)
EVERY_LINE = 10_000
PLAIN_WIDTH = 100


def list_experiments(*, limit: int, as_json: bool, fields: str | None) -> None:
    """Prints the latest experiments."""
    with Client() as client:
        rows = list(islice(client.experiments(), limit))
    if as_json or fields is not None:
        print_json_list(rows, fields)
        return
    print_list(table(LIST_COLUMNS, [list_row(row) for row in rows]), len(rows), lesson=NO_EXPERIMENTS)


def list_row(row: Brief) -> Row:
    over = row.reused + sum(row.counts.get(status, 0) for status in ("succeeded", "failed", "cancelled"))
    return (
        row.id,
        row.name or "",
        row.design,
        format_status(row.status, row.request if row.status == "running" else None),
        f"{over}/{row.runs}",
        f"{row.dataset} {row.architecture}",
        row.metric.removeprefix("validation_"),
        row.created_at.replace("T", " ")[:16],
    )


def show_experiment(experiment_id: str, *, as_json: bool, fields: str | None) -> None:
    """Prints what an experiment asks, and how far its runs are."""
    with Client() as client:
        experiment = client.experiment(experiment_id)
        if as_json or fields is not None:
            print_json(experiment.record.model_dump(mode="json"), fields)
            return
        board = Board(experiment.record, experiment.results())
    print(block(list(facts(experiment.record))))
    print()
    print(grid_text(board, width=output_width() or PLAIN_WIDTH, height=EVERY_LINE).plain)
    print()
    print(sanitize(board.results.sentence if board.results else ""))


def facts(record: ExperimentState) -> Iterator[tuple[str, str]]:
    """Yields what an experiment asks, with names."""
    yield "name", record.name or "-"
    yield "status", format_status(record.status, record.request if record.status == "running" else None)
    yield "design", record.plain_document["design"]["type"]
    yield "data set", record.dataset
    yield "metric", record.metric
    yield "baseline", record.baseline or "-"
    folds = f", each with {count} folds" if (count := record.plain_document.get("folds")) else ""
    yield "seeds", listed([str(seed) for seed in record.seeds]) + folds
    counts = [f"{count:,} {status}" for status, count in record.counts.items() if count]
    reused = sum(run.reused for run in record.runs)
    yield "runs", ", ".join([*counts, *([f"{reused:,} trained before"] if reused else [])])
    if record.priority or record.max_running:
        limit = f", at most {record.max_running} at a time" if record.max_running else ""
        yield "priority", f"{record.priority}{limit}"
    yield "created", record.created_at.replace("T", " ")[:16]


def show_results(experiment_id: str, *, as_json: bool, as_csv: bool, fields: str | None) -> None:
    """Prints the answer of an experiment, or what there is so far."""
    with Client() as client:
        experiment = client.experiment(experiment_id)
        results = experiment.results()
    if as_csv:
        print_csv(experiment, results)
    elif as_json or fields is not None:
        print_json(results.model_dump(mode="json"), fields)
    else:
        print_answer(results)


def show_what_if(experiment_id: str, settings: Sequence[object], *, as_json: bool, fields: str | None) -> None:
    """Prints what other early stopping would have done to all runs."""
    with Client() as client:
        found = client.experiment(experiment_id).what_if(settings)
    if as_json or fields is not None:
        print_json(found.model_dump(mode="json"), fields)
        return
    print(what_if_table(found))
    if found.not_averaged:
        print(sanitize(f"LOST has no mean over all arms: {found.not_averaged}"), file=sys.stderr)
    print()
    print(sanitize(f"{found.sentence}."))


def what_if_table(found: ExperimentWhatIf) -> str:
    """Returns a row for each setting over the runs of all arms, and for each setting and arm."""
    columns = [
        Column("ARM", least=8),
        Column("EARLY STOPPING", least=12),
        Column("STOPS"),
        Column("STOP EPOCH", rank=3),
        Column(heading(found.metric), rank=4),
        Column("LOST"),
        Column("EPOCHS SAVED", rank=1),
        Column("TIME SAVED", rank=5),
    ]
    groups = [("all", found.answers), *((arm.name, arm.answers) for arm in found.arms)]
    rows = [what_if_row(name, answer, found.metric) for name, answers in groups for answer in answers]
    return table(columns, rows)


def what_if_row(arm: str, answer: PooledAnswer, metric: str) -> Row:
    if answer.undecided:
        undecided = f"undecided in {answer.undecided} of {count_of(answer.runs, 'run')}"
        return (arm, answer.name, undecided, *"-----")
    saved = "-" if answer.epochs_saved is None else f"{answer.epochs_saved:,} of {answer.epochs:,}"
    return (
        arm,
        answer.name,
        f"{answer.stops} of {answer.runs}",
        f"{answer.stop_epoch.mean:.1f}" if answer.stop_epoch else "-",
        format_metric(metric, answer.value.mean) if answer.value else "-",
        f"{answer.lost.mean:.2g}" if answer.lost else "-",
        saved,
        "-" if answer.seconds_saved is None else format_duration(answer.seconds_saved),
    )


def save_report(experiment_id: str, output: Path | None, *, format: ReportFormat) -> None:  # noqa: A002
    """Prints the report, or saves it to a file and prints the file's name."""
    with Client() as client:
        text = client.experiment(experiment_id).report(format)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")
        print(output)
