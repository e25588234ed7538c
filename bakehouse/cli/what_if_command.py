"""`bakehouse what-if`: prints what other early stopping would have done to a run."""

from collections.abc import Sequence

from bakehouse.cli.changes import parse_value
from bakehouse.cli.comparing import heading
from bakehouse.cli.formats import format_duration, format_metric, sanitize
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import Column, Row, table
from bakehouse.client import Client
from bakehouse.what_if import WhatIf, WhatIfAnswer

USUAL_PATIENCES = (3, 5, 10, 20)


def settings_of(patiences: Sequence[int], texts: Sequence[str]) -> list[object]:
    """Returns the settings that a user asks about, or else usual ones."""
    return [*patiences, *map(parse_value, texts)] or [*USUAL_PATIENCES]


def print_answers(run_id: str, settings: Sequence[object], *, as_json: bool, fields: str | None) -> None:
    """Prints a row for each setting, and the answer in a sentence."""
    with Client() as client:
        found = client.run(run_id).what_if(settings)
    if as_json or fields is not None:
        print_json(found.model_dump(mode="json"), fields)
        return
    print(answers_table(found))
    print()
    print(sanitize(f"{found.sentence}."))


def answers_table(found: WhatIf) -> str:
    """Returns a row for each setting: where it stops, its best epoch, and what it saves and loses."""
    columns = [
        Column("EARLY STOPPING", least=12),
        Column("STOPS"),
        Column("BEST", rank=3),
        Column(heading(found.monitor), rank=2),
        Column("LOST"),
        Column("EPOCHS SAVED", rank=1),
        Column("TIME SAVED", rank=4),
    ]
    return table(columns, [answer_row(answer, found.monitor) for answer in found.answers])


def answer_row(answer: WhatIfAnswer, monitor: str) -> Row:
    if answer.stop_epoch is None:
        return (answer.name, answer.decision, *"-----")
    return (
        answer.name,
        f"e{answer.stop_epoch}" if answer.decision == "stops" else "never early",
        f"e{answer.best.epoch}" if answer.best else "-",
        format_metric(monitor, answer.best.value) if answer.best else "-",
        "-" if answer.lost is None else format_metric(monitor, answer.lost),
        str(answer.epochs_saved),
        format_duration(answer.seconds_saved or 0.0),
    )
