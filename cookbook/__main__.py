"""`python -m cookbook [NAME ...]`: trains the recipes of a question with several seeds and writes the table."""

import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from bakehouse.client import Client
from bakehouse.client.run import ClientRun
from bench.report import running_home

FOLDER = Path(__file__).parent
TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.DOTALL)

Document = dict[str, Any]
Numbers = dict[str, float]


def main(names: list[str]) -> None:
    """Measures each question on a new temporary service."""
    for name in names or sorted(path.parent.name for path in FOLDER.glob("*/study.json")):
        study = read(FOLDER / name / "study.json")
        print(f"{name}: {study['question']}", file=sys.stderr)
        with running_home(workers=os.cpu_count() or 1) as home, Client(home.url) as client:
            text = table(study, measure(client, FOLDER / name, study))
        replace_table(FOLDER / name / "README.md", text)
        print(text)


def replace_table(readme: Path, text: str) -> None:
    readme.write_text(TABLE.sub(lambda _: text, readme.read_text()))


def read(path: Path) -> Document:
    document: Document = json.loads(path.read_bytes())
    return document


def measure(client: Client, folder: Path, study: Document) -> dict[str, list[Numbers]]:
    """Trains each recipe with each seed; returns the results of each recipe, in order of the seeds."""
    runs: dict[tuple[str, int], ClientRun] = {}
    for name in study["recipes"]:
        for seed in range(study["seeds"]):
            same_seed = {other: run for (other, its_seed), run in runs.items() if its_seed == seed}
            document = with_runs(read(folder / f"{name}.json"), same_seed)
            runs[name, seed] = client.submit({**document, "seed": seed}, name=name)
    return {name: [outcome(runs[name, seed].wait()) for seed in range(study["seeds"])] for name in study["recipes"]}


def with_runs(value: Any, runs: Mapping[str, ClientRun]) -> Any:
    """Replaces `"teacher.json"` by the id of that recipe's run; waits until the run is over."""
    match value:
        case dict():
            return {key: with_runs(item, runs) for key, item in value.items()}
        case list():
            return [with_runs(item, runs) for item in value]
        case str() if value.endswith(".json"):
            return runs[value.removesuffix(".json")].wait().id
        case _:
            return value


def outcome(run: ClientRun) -> Numbers:
    """Returns all numbers of a run that succeeded."""
    record = run.record
    assert record.status == "succeeded", f"{record.name}: {record.failure}"
    assert record.best is not None
    diagnostics = {
        f"{name}.{key}": value for name, item in record.diagnostics.items() for key, value in item.values.items()
    }
    counts = {"epochs": record.progress.epoch, "best_epoch": record.best.epoch, "seconds": record.seconds}
    numbers = {**record.best.metrics, **diagnostics, **counts}
    return {name: value for name, value in numbers.items() if isinstance(value, int | float)}


def table(study: Document, measured: Mapping[str, list[Numbers]]) -> str:
    """Returns a table with a row for each recipe: mean and standard deviation of each column, and the difference of the
    first column from that of the recipe named by `against`."""
    reference = study["against"]
    columns = study["columns"]
    lines = [
        f"| recipe | {' | '.join(map(heading, columns))} | {heading(columns[0])} against `{reference}` |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, rows in measured.items():
        cells = [spread([row[column] * unit(column) for row in rows]) for column in columns]
        pairs = zip(rows, measured[reference], strict=True)
        gains = [(row[columns[0]] - base[columns[0]]) * unit(columns[0]) for row, base in pairs]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {'' if name == reference else interval(gains)} |")
    note = f"{study['seeds']} seeds: mean ± standard deviation; differences by seed: mean (95 % interval)."
    return "\n".join([*lines, "", f"{note} {datetime.now(UTC):%Y-%m-%d}, torch {version('torch')}.", ""])


def unit(column: str) -> float:
    # Accuracies are shown in percent.
    return 100 if column.endswith("accuracy") else 1


def heading(column: str) -> str:
    """Returns the heading of a column, with its unit."""
    return (column.partition(".")[2] or column).replace("_", " ") + (", %" if unit(column) == 100 else "")


def spread(values: list[float]) -> str:
    """Returns the mean and standard deviation over seeds as text."""
    return f"{fmean(values):.4g} ± {stdev(values):.2g}"


def interval(gains: list[float]) -> str:
    """Returns the mean and 95 % interval, by Student's t, of the differences between runs with the same seed."""
    mean = fmean(gains)
    half = t.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
    # Rounding and adding 0.0 turn -0.0 and rounding errors into +0.
    values = (round(value, 9) + 0.0 for value in (mean, mean - half, mean + half))
    return "{:+.3g} ({:+.3g} to {:+.3g})".format(*values)


if __name__ == "__main__":
    main(sys.argv[1:])
