"""Keeps what the verdict on a run needs: the metrics of all epochs, and the latest values of the diagnostics."""

from collections.abc import Iterable

import torch

from bakehouse.model import JsonObject
from worker.evaluation.evaluate import Metrics
from worker.training.events import DiagnosticLog, EpochLog
from worker.types import State


class History:
    """The metrics of each epoch, the latest values of each diagnostic, and the gradients after the first epoch."""

    def __init__(self) -> None:
        self.epochs: dict[int, Metrics] = {}
        self.diagnostics: dict[str, JsonObject] = {}
        self.first_gradients: JsonObject = {}

    def add(self, epoch: EpochLog, diagnosed: Iterable[DiagnosticLog]) -> None:
        """Takes a complete epoch."""
        self.epochs[epoch.epoch] = epoch.metrics
        self.diagnostics = {**self.diagnostics, **{item.name: item.values for item in diagnosed}}

    def state_dict(self) -> State:
        """Returns the state; its tensor is small even after thousands of epochs."""
        state: State = {"diagnostics": self.diagnostics, "first_gradients": self.first_gradients}
        if self.epochs:
            rows = list(self.epochs.values())
            state["first"] = min(self.epochs)
            state["names"] = list(rows[0])
            state["metrics"] = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64)
        return state

    def load_state_dict(self, state: State) -> None:
        """Restores a state."""
        self.diagnostics = state["diagnostics"]
        # A state of an earlier version has none.
        self.first_gradients = state.get("first_gradients", {})
        if "metrics" in state:
            rows = enumerate(state["metrics"].tolist(), start=state["first"])
            self.epochs = {epoch: dict(zip(state["names"], row, strict=True)) for epoch, row in rows}
