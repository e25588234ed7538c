"""Loss curves as SVG."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from bakehouse.client.curve import HEIGHT, WIDTH, svg
from bakehouse.runs.run import Best
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
