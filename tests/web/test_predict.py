"""What a model predicts for a row or a picture, asked on the page of its run."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.predicted_data import Row, write_people
from tests.processes import wait_until
from tests.running_home import RunningHome, run_home
from tests.web.accessibility import assert_accessible

SHORT = {"epochs": 2, "early_stopping": None}
PASTE = """([selector, text]) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", text);
    document.querySelector(selector).dispatchEvent(
        new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
}"""
DROP = """([name, type, content]) => {
    const dataTransfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    dataTransfer.items.add(new File([bytes], name, {type}));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def people(folder: Path) -> list[Row]:
    return write_people(folder)


@pytest.fixture(scope="module")
def own_home(folder: Path, people: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    with run_home(tmp_path_factory.mktemp("home"), data=folder) as home:
        yield home


def train(home: RunningHome, dataset: object, architecture: str, **fields: object) -> str:
    name = dataset["id"] if isinstance(dataset, dict) else dataset
    wait_until(lambda: home.get(f"/v1/datasets/{name}").json()["status"] == "ready")
    run_id = home.submit({"dataset": dataset, "architecture": architecture, **SHORT, **fields})
    home.wait_for(run_id, "succeeded")
    return run_id


def open_tab(page: Page, home: RunningHome, run_id: str) -> None:
    page.goto(f"{home.url}/?page=run&id={run_id}")
    page.get_by_role("tab", name="Predict").click()


def test_a_row_is_filled_in_pasted_and_predicted(own_home: RunningHome, people: list[Row], page: Page) -> None:
    run_id = train(own_home, {"id": "people", "target": "plan"}, "mlp", objective={"tasks": ["spent"]})
    open_tab(page, own_home, run_id)
    form = page.get_by_role("form", name="Your row")
    # It begins with a row of the data set.
    expect(form.get_by_label("income")).not_to_have_value("")
    expect(form.get_by_label("plan")).to_have_count(0)
    assert_accessible(page)
    row = people[7]
    page.evaluate(PASTE, [".predict-form input", "\t".join(row.values())])
    expect(form.get_by_label("age")).to_have_value(row["age"])
    expect(form.get_by_label("city")).to_have_value(row["city"])
    form.get_by_role("button", name="Predict").press("Enter")
    answer = page.get_by_role("region", name="Prediction", exact=True)
    found = own_home.post(f"/v1/runs/{run_id}/checkpoints/best/predict", {"rows": [row]})["predictions"][0]
    expect(answer.locator(".predict-label")).to_have_text(found["label"])
    expect(answer.get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("region", name="Prediction of spent", exact=True)).to_be_visible()
    assert_accessible(page)
    form.get_by_label("age").fill("old")
    form.get_by_role("button", name="Predict").click()
    expect(form.get_by_role("alert")).to_have_text('"old" is not a number')
    expect(form.get_by_label("age")).to_have_attribute("aria-invalid", "true")
    expect(answer).to_have_count(0)
    assert_accessible(page)
    form.get_by_label("age").fill("")
    form.get_by_role("button", name="Predict").click()
    expect(answer).to_be_visible()


def test_a_picture_is_dropped(own_home: RunningHome, page: Page) -> None:
    run_id = train(own_home, "digits", "cnn")
    open_tab(page, own_home, run_id)
    expect(page.get_by_text("Drop a PNG or JPEG of any size on this page.")).to_be_visible()
    assert_accessible(page)
    file = io.BytesIO()
    Image.new("L", (30, 40), 120).save(file, "PNG")
    page.evaluate(DROP, ["seven.png", "image/png", base64.b64encode(file.getvalue()).decode()])
    expect(page.get_by_role("region", name="Prediction", exact=True)).to_be_visible()
    expect(page.get_by_text("seven.png")).to_be_visible()
    assert_accessible(page)
    page.evaluate(DROP, ["notes.txt", "text/plain", "YQ=="])
    expect(page.get_by_role("alert")).to_have_text("notes.txt is not a PNG or JPEG.")
    page.evaluate(DROP, ["broken.png", "image/png", "YQ=="])
    expect(page.get_by_text("the body is not a PNG")).to_be_visible()


def test_numbers_are_typed(own_home: RunningHome, page: Page) -> None:
    run_id = train(own_home, "iris", "mlp")
    open_tab(page, own_home, run_id)
    page.get_by_label("4 numbers").fill("5.1, 3.5, 1.4, 0.2")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("region", name="Prediction", exact=True)).to_be_visible()
    page.get_by_label("4 numbers").fill("5.1")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("should be a list of 4 numbers, not a list of 1")).to_be_visible()
    assert_accessible(page)
