"""`python -m cookbook [NAME ...]`: trains a question's recipes over several seeds and writes its table."""

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
    """Each question by itself, on a service of its own."""
    for name in names or sorted(path.parent.name for path in FOLDER.glob("*/study.json")):
        study = read(FOLDER / name / "study.json")
        print(f"{name}: {study['question']}", file=sys.stderr)
        with running_home(workers=os.cpu_count() or 1) as home, Client(home.url) as client:
            text = table(study, measure(client, FOLDER / name, study))
        write(FOLDER / name / "README.md", text)
        print(text)


def write(readme: Path, text: str) -> None:
    """The page with this table in place of the old one."""
    readme.write_text(TABLE.sub(lambda _: text, readme.read_text()))


def read(path: Path) -> Document:
    """A JSON object."""
    document: Document = json.loads(path.read_bytes())
    return document


def measure(client: Client, folder: Path, study: Document) -> dict[str, list[Numbers]]:
    """What each recipe reaches, seed by seed."""
    runs: dict[tuple[str, int], ClientRun] = {}
    for name in study["recipes"]:
        for seed in range(study["seeds"]):
            document = with_runs(
                read(folder / f"{name}.json"), {other: run for (other, at), run in runs.items() if at == seed}
            )
            runs[name, seed] = client.submit({**document, "seed": seed}, name=name)
    return {name: [outcome(runs[name, seed].wait()) for seed in range(study["seeds"])] for name in study["recipes"]}


def with_runs(value: Any, runs: Mapping[str, ClientRun]) -> Any:
    """`"teacher.json"` becomes the run of that recipe with the same seed, once it is over."""
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
    """Every number of a run that succeeded."""
    record = run.record
    assert record.status == "succeeded", f"{record.name}: {record.failure}"
    assert record.best is not None
    found = {f"{name}.{key}": value for name, each in record.diagnostics.items() for key, value in each.values.items()}
    counts = {"epochs": record.progress.epoch, "best_epoch": record.best.epoch, "seconds": record.seconds}
    return {
        name: value for name, value in {**record.metrics, **found, **counts}.items() if isinstance(value, int | float)
    }


def table(study: Document, measured: Mapping[str, list[Numbers]]) -> str:
    """A row a recipe: mean and standard deviation of each column, and the first column beside that of the recipe that
    all are held `against`."""
    plain, columns = study["against"], study["columns"]
    lines = [
        f"| recipe | {' | '.join(map(heading, columns))} | {heading(columns[0])} against `{plain}` |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, rows in measured.items():
        cells = [spread([row[column] * unit(column) for row in rows]) for column in columns]
        pairs = zip(rows, measured[plain], strict=True)
        gains = [(row[columns[0]] - base[columns[0]]) * unit(columns[0]) for row, base in pairs]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {'' if name == plain else interval(gains)} |")
    told = f"{study['seeds']} seeds: mean ± standard deviation; differences by seed: mean (95 % interval)."
    return "\n".join([*lines, "", f"{told} {datetime.now(UTC):%Y-%m-%d}, torch {version('torch')}.", ""])


def unit(column: str) -> float:
    """Accuracies are told in percent."""
    return 100 if column.endswith("accuracy") else 1


def heading(column: str) -> str:
    """The name of a number, with its unit."""
    return (column.partition(".")[2] or column).replace("_", " ") + (", %" if unit(column) == 100 else "")


def spread(values: list[float]) -> str:
    """Mean ± standard deviation over seeds."""
    return f"{fmean(values):.4g} ± {stdev(values):.2g}"


def interval(gains: list[float]) -> str:
    """Mean and 95 % interval of differences between runs of the same seed, by Student's t."""
    mean, half = fmean(gains), t.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
    return "{:+.3g} ({:+.3g} to {:+.3g})".format(*(round(value, 9) + 0.0 for value in (mean, mean - half, mean + half)))


if __name__ == "__main__":
    main(sys.argv[1:])
