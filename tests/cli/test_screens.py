"""The displays of running runs, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from bakehouse.cli.screens import bar_text, bars, epochs_per_line, event_line, plain_lines, screen
from tests.cli.examples import a_state, a_view, an_epoch, an_event

BEST = {"is_best": True, "epochs_since_best": 0}


def output_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 110])
def test_each_run_gets_a_bar(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    views = [a_view("run_1", "plain", epochs=10), a_view("run_2", "[red]odd[/red]")]
    events = [
        a_state("running", "claimed"),
        an_event("step", 2, step=1, train_loss=2.5),
        an_event("epoch", 3, epoch=1, step=10, validation_loss=0.5, validation_accuracy=0.9, **BEST),
        an_event("log", 4, code="x", message="a message"),
        a_state("succeeded", "epochs_done"),
    ]
    with bars(views, console) as show:
        for event in events:
            views[0].observe(event)
            show(views[0], event)
    text = output_of(console)
    assert "a message" in text
    assert "plain" in text
    assert "[red]odd" in text
    assert "1/10" in text
    assert "best e1  val 0.5  90.0%  done" in text or width < 60
    assert "waiting" in text


def test_without_a_terminal_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    view = a_view(epochs=10)
    with screen([view], as_json=False) as show:
        for event in [
            an_event("epoch", 1, epoch=1, step=10, validation_loss=0.5, **BEST),
            an_event("step", 2, step=11, train_loss=1.0),
        ]:
            view.observe(event)
            show(view, event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "plain  epoch 1/10  val 0.5  best e1\n"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_advice_for_many_seeds_is_printed_once(capsys: pytest.CaptureFixture[str], on_terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    views = [a_view("run_1", "seed 0"), a_view("run_2", "seed 1")]
    with bars(views, console) if on_terminal else plain_lines() as show:
        for view in views:
            advice = an_event("advice", code="x", message="they fight")
            view.observe(advice)
            show(view, advice)
    text = output_of(console) if on_terminal else capsys.readouterr().err
    assert text.count("they fight") == 1


def test_a_long_run_prints_few_lines() -> None:
    assert [epochs_per_line(epoch) for epoch in (1, 20, 21, 40, 41, 80, 81)] == [1, 1, 2, 2, 4, 4, 8]
    assert sum(epoch % epochs_per_line(epoch) == 0 for epoch in range(1, 100_001)) < 200


def test_an_epoch_and_a_request_are_one_line_each() -> None:
    view = a_view(early_stopping="none")
    for event, text in [
        (an_epoch(1, 0.5), "epoch 1/40  val 0.5  best e1"),
        (a_state("running", "claimed"), "running (claimed)"),
        (a_state("running", "claimed", "cancel"), "running (cancel requested)"),
        (a_state("cancelled", "cancelled_by_user"), ""),
    ]:
        view.observe(event)
        assert event_line(view, event) == text


def test_before_the_first_epoch_the_bar_shows_steps() -> None:
    view = a_view()
    assert bar_text(view) == "waiting for a worker"
    view.observe(a_state("running", "claimed"))
    assert bar_text(view) == "starting"
    view.observe(an_event("step", 2, step=3, epoch=1, train_loss=2.30321, lr=0.001))
    assert bar_text(view) == "step 3  loss 2.303"


@pytest.mark.parametrize(
    ("early_stopping", "text"),
    [(3, "best e4  val 0.7  patience 1/3  ≤ 35 s left"), ("progress_quotient", "best e4  val 0.7  ≤ 35 s left")],
)
def test_the_bar_shows_the_best_epoch_the_patience_and_the_time_left(early_stopping: object, text: str) -> None:
    view = a_view(early_stopping=early_stopping)
    for event in [a_state("running", "claimed"), an_epoch(4, 0.7), an_epoch(5, 0.8, since_best=1)]:
        view.observe(event)
    assert bar_text(view) == text
    view.observe(a_state("succeeded", "early_stopped"))
    assert bar_text(view) == "best e4  val 0.7  done"
