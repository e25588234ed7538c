"""The page of a run, and the phrase for how it ended."""

from typing import Any

import pytest

from bakehouse.cli.show import diagnostic_row, ending, failure_rows, metrics_table, summary, verdict_rows
from bakehouse.recipe.patch import PatchStep
from bakehouse.runs.run import Best, Diagnostic, Failure, Last
from bakehouse.verdict.verdict import Verdict
from tests.cli.examples import a_state, a_view, an_epoch
from tests.runs.examples import a_run


def test_a_diagnostic_is_a_mark_a_sentence_and_a_value_for_each_layer() -> None:
    values: dict[str, Any] = {"layers": ["hidden1.activation", "hidden2.activation"], "saturated": [0.1, 0.625]}
    name, shown = diagnostic_row("saturation", Diagnostic(epoch=1, step=3, values=values))
    sentence, layers = shown.splitlines()
    assert (name, sentence[:4]) == ("saturation", "!   ")
    assert sentence[4:].startswith(
        "62.5% of the outputs of hidden2.activation are where the function is flat (up to 30.0%"
    )
    assert layers.strip() == "saturated: hidden1.activation 0.1, hidden2.activation 0.625"


def test_the_lists_of_sparsity_are_those_of_weights_and_those_of_activations() -> None:
    values: dict[str, Any] = {
        "layers": ["hidden1.linear", "head"], "zero_weights": [0.5, None], "zero_weights_in_all": 0.4,
        "activations": ["hidden1.activation"], "zero_activations": [0.75], "dead_units": [0.125],
    }  # fmt: skip
    shown = diagnostic_row("sparsity", Diagnostic(epoch=1, step=3, values=values))[1].splitlines()
    assert shown[0].startswith("ok  40.0% of the weights are exactly 0, and 12.5% of the units of hidden1.activation")
    assert [line.strip() for line in shown[1:]] == [
        "zero_weights: hidden1.linear 0.5, head not finite",
        "zero_activations: hidden1.activation 0.75",
        "dead_units: hidden1.activation 0.125",
    ]


def test_a_verdict_is_shown_with_the_changes_to_try() -> None:
    patch = [
        PatchStep(op="replace", path="/architecture/activation", value="relu"),
        PatchStep(op="replace", path="/norm", value={"type": "layer_norm"}),
        PatchStep(op="add", path="/regularizer/-", value={"type": "l2"}),
        PatchStep(op="remove", path="/dropout/0"),
    ]
    verdict = Verdict(code="overfits", severity="warning", message="It overfits", source="a book", patch=tuple(patch))
    plain = Verdict(code="learned", severity="info", message="It learned", source="a book")
    run = a_run().model_copy(update={"verdict": verdict, "further_verdicts": (plain,)})
    [(label, shown), also] = verdict_rows(run)
    assert (label, also) == ("verdict", ("also", "It learned (learned)"))
    assert shown.splitlines() == [
        "It overfits (overfits)",
        f"try bakehouse rerun {run.id} --set architecture.activation=relu",
        f'try bakehouse rerun {run.id} --set norm=\'{{"type": "layer_norm"}}\'',
        """try regularizer with {"type": "l2"} added""",
        "try without dropout.0",
    ]
    assert "It overfits" in summary(run, a_view(), file=None, next_command="bakehouse show")


def test_the_best_and_the_last_epoch_have_a_column_each() -> None:
    best = Best(
        epoch=4, monitor="validation_loss", value=0.7, metrics={"validation_loss": 0.7, "test_accuracy": 0.9375}
    )
    shown = metrics_table(best, Last(epoch=5, metrics={"validation_loss": 0.8}))
    assert [line.split() for line in shown.splitlines()] == [
        ["METRIC", "BEST,", "EPOCH", "4", "LAST,", "EPOCH", "5"],
        ["validation_loss", "0.7", "0.8"],
        ["test_accuracy", "93.8%", "-"],
    ]


@pytest.mark.parametrize(
    ("early_stopping", "status", "reason", "text"),
    [
        (1, "succeeded", "early_stopped", "stopped early at epoch 5: no better than 0.7 for 1 epoch; best epoch 4"),
        (
            "progress_quotient",
            "succeeded",
            "early_stopped",
            "stopped early at epoch 5 by progress_quotient; best epoch 4",
        ),
        (3, "succeeded", "epochs_done", "completed 5 epochs; best epoch 4"),
        (3, "succeeded", "time_budget", "the time budget was spent at epoch 5; best epoch 4"),
        (
            3,
            "succeeded",
            "pruned",
            "ended early at epoch 5, as others were better at the same epoch; best epoch 4",
        ),
        (3, "succeeded", "stopped_by_user", "a user stopped it at epoch 5; best epoch 4"),
        (3, "cancelled", "cancelled_by_user", "a user cancelled it at epoch 5; best epoch 4"),
        (3, "failed", "non_finite", "non finite"),
    ],
)
def test_the_text_for_an_ending_depends_on_its_reason(
    early_stopping: object, status: str, reason: str, text: str
) -> None:
    view = a_view(early_stopping=early_stopping)
    for event in [an_epoch(4, 0.7), an_epoch(5, 0.8, since_best=1), a_state(status, reason)]:
        view.observe(event)
    assert ending(view) == text


def test_a_run_that_ended_before_its_first_epoch_has_no_best() -> None:
    view = a_view()
    view.observe(a_state("cancelled", "cancelled_by_user"))
    assert ending(view) == "a user cancelled it at epoch 0; no epoch was completed"


def test_a_failure_is_shown_with_its_pointer_and_whether_a_retry_may_help() -> None:
    lost = Failure(code="worker_lost", message="The worker ended.", retryable=True)
    assert failure_rows(lost) == [("failure", "The worker ended. (worker_lost; retryable)")]
    repeated = Failure(code="internal", message="It broke.", retryable=False)
    assert failure_rows(repeated) == [("failure", "It broke. (internal; a retry would fail too)")]
    diverged = Failure(code="non_finite", message="It diverged.", pointer="/optimizer/lr", retryable=False)
    assert failure_rows(diverged) == [
        ("failure", "It diverged. (non_finite; change the recipe first)"),
        ("where", "/optimizer/lr"),
    ]
