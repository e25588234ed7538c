"""Views, runs and events for the tests of the command line."""

from typing import Any

from bakehouse.cli.view import View
from bakehouse.client import RunEvent
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.record import new_run
from bakehouse.runs.run import Best, Run
from bakehouse.runs.status import Status


def a_view(run_id: str = "run_1", label: str = "plain", **recipe: Any) -> View:
    posted = {"dataset": "digits", "architecture": "mlp", "epochs": 40, **recipe}
    return View(run_id, label, read_recipe(posted).canonical(), steps=920)


def a_run(
    run_id: str = "run_1", *, status: Status = "succeeded", best: dict[str, float | None] | None = None, **recipe: Any
) -> Run:
    """A run whose best epoch, the second, has these metrics."""
    read = read_recipe({"dataset": "digits", "architecture": "mlp", "epochs": 8, **recipe})
    monitor = read.evaluation.monitor
    epoch = Best(epoch=2, monitor=monitor, value=(best or {}).get(monitor) or 0.0, metrics=best or {})
    changes = {"id": run_id, "status": status, "best": epoch if best else None}
    return new_run(read, advice=(), steps=80).model_copy(update=changes)


def an_event(kind: str, seq: int = 1, *, attempt: int = 1, **data: object) -> RunEvent:
    return RunEvent(seq=seq, time=f"2026-01-01T00:00:{seq:02}.000Z", attempt=attempt, type=kind, data=data)


def a_state(status: str, reason: str, request: str | None = None) -> RunEvent:
    return an_event("state", status=status, reason=reason, request=request)


def an_epoch(epoch: int, loss: float | None, *, attempt: int = 1, since_best: int = 0) -> RunEvent:
    """An epoch that ends `epoch` seconds after the start."""
    return an_event(
        "epoch",
        epoch,
        attempt=attempt,
        epoch=epoch,
        step=epoch * 23,
        validation_loss=loss,
        is_best=since_best == 0,
        epochs_since_best=since_best,
        non_finite=[] if loss else ["validation_loss"],
    )
