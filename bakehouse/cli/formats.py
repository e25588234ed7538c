"""Formats metrics, durations, statuses and names for a terminal."""

import math
import unicodedata
from typing import Any

METRIC_LABELS = {
    "train_loss": "train", "validation_loss": "val", "train_accuracy": "train acc", "validation_accuracy": "val acc",
    "validation_balanced_accuracy": "val bal acc", "validation_f1": "val f1", "validation_auroc": "val auroc",
    "validation_r2": "val r2", "test_loss": "test", "test_accuracy": "test acc",
    "test_balanced_accuracy": "test bal acc", "test_f1": "test f1", "test_auroc": "test auroc", "test_r2": "test r2",
}  # fmt: skip


def format_metric(name: str, value: Any) -> str:
    """Formats an accuracy as a percentage and any other metric with four digits."""
    if value is None:
        return "not finite"
    return f"{100 * value:.1f}%" if name.endswith("accuracy") else f"{value:.4g}"


def format_metrics(metrics: dict[str, float | None]) -> str:
    """Formats the losses and scores of an epoch: `train 0.0748  val 0.0912  val acc 97.9%`."""
    return "  ".join(
        f"{label} {format_metric(name, metrics[name])}" for name, label in METRIC_LABELS.items() if name in metrics
    )


def format_duration(seconds: float) -> str:
    """Formats a duration as `4 s`, `12 min 30 s` or `3 h 5 min`."""
    # Rounded up, so that the time left is never 0 s while there is work to do.
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_status(status: str, request: str | None, reason: str = "") -> str:
    """Formats a status with the pending request, or else with the reason: `running (cancel requested)`."""
    note = f"{request} requested" if request else reason.replace("_", " ")
    return f"{status} ({note})" if note else status


def shorten(text: str, width: int) -> str:
    """Cuts a text that is wider on a terminal, and marks the cut."""
    if cell_width(text) <= width:
        return text
    beginning = text[: max(width - 1, 0)]
    while cell_width(beginning) > width - 1:
        beginning = beginning[:-1]
    return f"{beginning}…"


def cell_width(text: str) -> int:
    """Returns the columns of a terminal that a text takes: Chinese characters and emoji take two, accents none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def sanitize(text: str) -> str:
    """Replaces control characters: names and messages of other users must not steer the terminal."""
    # Category C also contains the invisible characters that reverse the direction of text.
    return "".join("?" if unicodedata.category(character).startswith("C") else character for character in text)
