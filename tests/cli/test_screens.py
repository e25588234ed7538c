"""Bars on a terminal."""

import io

import pytest
from rich.console import Console

from bakehouse.cli.screens import bars, plain_lines, screen
from bakehouse.cli.view import View
from bakehouse.client import RunEvent
from bakehouse.recipe.read import read_recipe

BEST = {"is_best": True, "epochs_since_best": 0}


def shown(console: Console) -> str:
    """All that was drawn."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def event(kind: str, seq: int, **data: object) -> RunEvent:
    return RunEvent(seq=seq, time=f"2026-01-01T00:00:{seq:02}.000Z", attempt=1, type=kind, data=data)


def a_view(run_id: str, label: str) -> View:
    recipe = read_recipe({"dataset": "digits", "architecture": "mlp", "epochs": 10, "early_stopping": 3})
    return View(run_id, label, recipe, steps=100)


@pytest.mark.parametrize("width", [40, 60, 110])
def test_a_bar_a_run(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    views = [a_view("run_1", "plain"), a_view("run_2", "[red]odd[/red]")]
    happened = [
        event("state", 1, status="running", reason="claimed", request=None),
        event("step", 2, step=1, train_loss=2.5),
        event("epoch", 3, epoch=1, step=10, validation_loss=0.5, validation_accuracy=0.9, **BEST),
        event("log", 4, code="x", message="a message"),
        event("state", 5, status="succeeded", reason="epochs_done", request=None),
    ]
    with bars(views, console) as show:
        for each in happened:
            views[0].observe(each)
            show(views[0], each)
    text = shown(console)
    assert "a message" in text
    assert "plain" in text
    assert "[red]odd" in text
    assert "1/10" in text
    assert "best e1  val 0.5  90.0%  done" in text or width < 60
    assert "waits for a" in text


def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    view = a_view("run_1", "plain")
    with screen([view], as_json=False) as show:
        for each in [
            event("epoch", 1, epoch=1, step=10, validation_loss=0.5, **BEST),
            event("step", 2, step=11, train_loss=1.0),
        ]:
            view.observe(each)
            show(view, each)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "plain  epoch 1/10  val 0.5  best e1\n"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_the_same_advice_for_many_seeds_is_said_once(capsys: pytest.CaptureFixture[str], on_terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    views = [a_view("run_1", "seed 0"), a_view("run_2", "seed 1")]
    with bars(views, console) if on_terminal else plain_lines() as show:
        for view in views:
            told = event("advice", 1, code="x", message="they fight")
            view.observe(told)
            show(view, told)
    text = shown(console) if on_terminal else capsys.readouterr().err
    assert text.count("they fight") == 1
