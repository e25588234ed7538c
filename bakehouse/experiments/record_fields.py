"""Encodes the records of experiments for Redis and decodes them, and the places of their runs."""

import json
from collections.abc import Mapping, Sequence

from bakehouse.experiments.errors import ExperimentUnreadable
from bakehouse.experiments.experiment import ExperimentRecord, ExperimentRun, PlacedRun
from bakehouse.runs import wire
from bakehouse.runs.wire import Texts

Fields = Mapping[str, str]


def experiment_runs(record: ExperimentRecord, found: Sequence[tuple[PlacedRun, Fields]]) -> tuple[ExperimentRun, ...]:
    """Returns runs as clients see them, from their places and fields."""
    reused = set(record.reused)
    return tuple(
        ExperimentRun(
            run=each.run,
            arm=each.arm,
            seed=each.seed,
            fold=each.fold,
            status=json.loads(fields["status"]),
            reused=each in reused,
        )
        for each, fields in found
    )


def placed(run_id: str, fields: Fields) -> PlacedRun:
    """Returns the place of a run that an experiment has made."""
    place = json.loads(fields["experiment"])
    return PlacedRun(run=run_id, arm=place["arm"], seed=place["seed"], fold=place["fold"])


# These are read by commit.lua at each claim, so they are fields of their own.
OF_CLAIMS = ("request", "max_running")


def fields_of(record: ExperimentRecord) -> Texts:
    """Returns the fields of the hash, each as JSON."""
    own = {name: wire.to_json(getattr(record, name)) for name in OF_CLAIMS}
    return {"record": record.model_dump_json(exclude={"token", *OF_CLAIMS}), **own}


def record_in(experiment_id: str, stored: Mapping[wire.Text, wire.Text]) -> ExperimentRecord:
    """Returns the record in a hash. Raises ExperimentUnreadable if this version cannot read it."""
    try:
        fields = wire.decoded(stored)
        own = {name: json.loads(fields[name]) for name in (*OF_CLAIMS, "token")}
        return ExperimentRecord.model_validate_json(fields["record"]).model_copy(update=own)
    # A field is missing, or a text is no JSON, or not what the record has.
    except (KeyError, ValueError) as error:
        raise ExperimentUnreadable(experiment_id) from error
