"""Loss curves as SVG."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from bakehouse.client.curve import BEST_COLOUR, HEIGHT, STOP_COLOUR, WIDTH, Row, html, svg
from bakehouse.runs.run import Best, Progress, Run
from tests.runs.examples import a_run

LOSSES = st.one_of(st.none(), st.floats(-1e30, 1e30))


@given(st.lists(st.tuples(LOSSES, LOSSES), max_size=20), st.integers(1, 30))
def test_every_curve_is_a_picture_inside_its_frame(losses: list[tuple[float | None, float | None]], best: int) -> None:
    rows = [{"train_loss": train, "validation_loss": validation} for train, validation in losses]
    run = a_run().model_copy(update={"best": Best(epoch=best, monitor="validation_loss", value=1.0)})
    picture = ET.fromstring(svg(run, rows))  # noqa: S314 - the text was written by this program
    for line in picture.iter("polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


ROWS: list[Row] = [{"train_loss": 0.5, "validation_loss": loss} for loss in (0.9, 0.4, 0.6, 0.7)]


def a_stopped_run(name: str = "first", status: str = "succeeded") -> Run:
    """A run that stopped at epoch 4 of 8, after its best epoch 2."""
    metrics = {"validation_loss": 0.4, "test_loss": 0.45, "test_accuracy": None}
    best = Best(epoch=2, monitor="validation_loss", value=0.4, metrics=metrics)
    progress = Progress(epoch=4, epochs=8, steps=80)
    return a_run().model_copy(update={"best": best, "progress": progress, "status": status, "name": name})


def lines_at(picture: str) -> dict[str, float]:
    """The x of each vertical line, by its colour."""
    lines = ET.fromstring(picture).iter("line")  # noqa: S314 - the text was written by this program
    return {line.attrib["stroke"]: float(line.attrib["x1"]) for line in lines}


def test_the_best_epoch_and_the_stop_are_marked_and_named() -> None:
    picture = svg(a_stopped_run(), ROWS)
    assert lines_at(picture) == {BEST_COLOUR: WIDTH / 3, STOP_COLOUR: WIDTH}
    assert "best epoch 2" in picture
    assert "stopped at epoch 4" in picture


def test_a_run_that_is_not_over_has_no_mark_of_a_stop() -> None:
    assert lines_at(svg(a_stopped_run(status="running"), ROWS)) == {BEST_COLOUR: WIDTH / 3}


def test_the_page_has_the_metrics_of_the_best_epoch_with_those_of_the_test_split_last() -> None:
    page = ET.fromstring(html(a_stopped_run(), ROWS))  # noqa: S314 - the text was written by this program
    heading, values = [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]
    assert heading == ["", "validation_loss", "test_loss", "test_accuracy"]
    assert values == ["best epoch 2", "0.4", "0.45", "not finite"]


def test_a_name_and_a_note_are_escaped() -> None:
    shown = html(a_stopped_run(name="<script>alert(1)</script>"), [], note="<b>")
    ET.fromstring(shown)  # noqa: S314 - the text was written by this program
    assert "<script" not in shown
    assert "<b>" not in shown
