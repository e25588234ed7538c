"""How metrics, durations, statuses and names are written."""

import pytest

from bakehouse.cli.formats import format_duration, format_metric, format_status, sanitize


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_000, "25 h 0 min")]
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_an_accuracy_is_a_percentage_and_a_loss_has_four_digits() -> None:
    assert format_metric("validation_accuracy", 0.98765) == "98.8%"
    assert format_metric("validation_loss", 0.0419321) == "0.04193"
    assert format_metric("validation_loss", None) == "not finite"


def test_a_pending_request_replaces_the_reason() -> None:
    assert format_status("running", None) == "running"
    assert format_status("failed", None, "non_finite") == "failed (non finite)"
    assert format_status("running", "cancel", "claimed") == "running (cancel requested)"


def test_control_characters_in_a_name_are_replaced() -> None:
    assert sanitize("a\x1b[31mb\u202ec") == "a?[31mb?c"
