"""`bakehouse experiment ensemble`."""

import sys
from pathlib import Path

from bakehouse.cli.formats import format_metric, sanitize
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import Column, table
from bakehouse.client import Client
from bakehouse.tasks.ensembles import Mean

COLUMNS = (Column("METRIC"), Column("ENSEMBLE"), Column("MEAN OF MEMBERS"))


def show_ensemble(
    experiment_id: str, arm: str, mean: Mean, output: Path | None, *, as_json: bool, fields: str | None
) -> None:
    """Measures the runs of an arm as one model, prints its metrics beside those of its members, and saves it."""
    with Client() as client:
        experiment = client.experiment(experiment_id)
        found = experiment.ensemble(arm, mean=mean)
        if output is not None:
            print(experiment.download_ensemble(found.name, output), file=sys.stderr)
    if as_json or fields is not None:
        print_json(found.model_dump(mode="json"), fields)
        return
    metrics = {**found.validation, **found.test}
    print(table(COLUMNS, [row(name, value, found.members.get(name)) for name, value in metrics.items()]))
    print()
    print(sanitize(found.sentence))


def row(name: str, value: float | None, members: float | None) -> tuple[str, str, str]:
    return name, format_metric(name, value), format_metric(name, members)
