"""One run on one page."""

from bakehouse.cli.show import numbers_of
from bakehouse.runs.run import Diagnostic


def test_a_diagnostic_is_shown_by_its_numbers_of_the_whole_model() -> None:
    values = {
        "layers": ["norm"],
        "ratio": [1.25],
        "worst_ratio": 1.25,
        "eval_mode_accuracy": 0.5,
        "first_to_last": None,
    }
    shown = numbers_of(Diagnostic(epoch=1, step=3, values=values))
    assert shown == "worst_ratio 1.25  eval_mode_accuracy 50.0%  first_to_last not finite"
