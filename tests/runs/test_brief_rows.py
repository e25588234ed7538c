"""Runs as rows of a list."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs import wire
from bakehouse.runs.brief import BriefPage, BriefRun
from bakehouse.runs.brief_rows import MAX_BYTES, brief_json, cut
from bakehouse.runs.run import Best, Progress
from bakehouse.runs.shown import ShownPage, shown_run
from bakehouse.runs.transitions import submit
from tests.runs.examples import a_run

TIME = "2026-01-01T00:00:00.000Z"


def members_of(**changes: Any) -> dict[str, str]:
    """The members of a run with these fields, as they are joined from Redis."""
    record = submit(a_run(), idempotency=None, now=0)[0].model_copy(update=changes)
    return dict(shown_run(wire.encode(None, record), None).members)


def test_a_row_has_the_fields_of_the_run() -> None:
    best = Best(epoch=2, monitor="validation_loss", value=0.25, metrics={"validation_loss": 0.25})
    row = BriefRun.model_validate_json(brief_json(members_of(name="plain", best=best, started_at=TIME, seconds=1.5)))
    assert (row.name, row.status, row.reason, row.dataset, row.architecture) == (
        "plain", "queued", "submitted", "digits", "mlp",
    )  # fmt: skip
    assert row.best is not None
    assert (row.best.epoch, row.best.monitor, row.best.value) == (2, "validation_loss", 0.25)
    assert (row.progress.epoch, row.progress.epochs, row.started_at, row.seconds) == (0, 8, TIME, 1.5)


texts = st.sampled_from(["a", "é", "😀", '"', "\x01"]).map(lambda character: character * 300)


@given(texts, texts, texts)
def test_the_longest_row_has_600_bytes(name: str, dataset: str, monitor: str) -> None:
    run = a_run(dataset=dataset[:64])
    record = submit(run, idempotency=None, now=0)[0].model_copy(
        update={
            "name": name[:200],
            "status": "cancelled",
            "request": "cancel",
            "reason": "storage_unavailable",
            "best": Best(epoch=10**9, monitor=monitor, value=-1.2345678901234567e-300),
            "progress": Progress(epoch=10**9, epochs=10**9, steps=1),
            "started_at": TIME,
            "finished_at": TIME,
            "seconds": 1234567.1234567891,
        }
    )
    row = brief_json(shown_run(wire.encode(None, record), None).members)
    assert 500 < len(row) <= MAX_BYTES
    assert json.loads(BriefRun.model_validate_json(row).model_dump_json()) == json.loads(row)


def test_only_what_is_too_long_is_cut() -> None:
    assert cut("abc", 5) == "abc"
    assert cut("abcdef", 7) == "ab…"
    assert cut("ééé", 8) == "ééé"


def test_a_page_of_rows_is_the_json_of_its_model() -> None:
    shown = [shown_run(wire.encode(None, submit(a_run(), idempotency=None, now=0)[0]), None) for _ in range(3)]
    for runs in ([], shown):
        page = BriefPage.model_validate_json(ShownPage(runs, has_more=True).brief_json)
        assert [run.id for run in page.data] == [run.id for run in runs]
        assert (page.has_more, page.first_id) == (True, runs[0].id if runs else None)
