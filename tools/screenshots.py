# ruff: noqa: INP001
"""Takes a picture of every page into `docs/images/`: light and dark, on a wide and on a narrow screen. With `--whole`,
pages are taken from top to bottom. `make screenshots`."""

import io
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bakehouse.cli.home.home import home_running
from bakehouse.client import Client, ClientExperiment, ClientRun
from bakehouse.model import JsonObject
from bakehouse.settings import Settings

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = {"1280": (1280, 900), "360": (360, 740)}
SCHEMES = ("light", "dark")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
# As many colours as a PNG with a palette has; a picture of a page needs no more, and is a third of the size.
COLORS = 256
WAIT_MS = 20_000

DIGITS: JsonObject = {"dataset": "digits", "architecture": "mlp", "epochs": 60, "early_stopping": 6}
NORMALIZED: JsonObject = {**DIGITS, "norm": "batch_norm", "dropout": 0.3, "augmentation": "random_crop"}
DIAGNOSED: JsonObject = {
    **NORMALIZED,
    "name": "tanh, batch norm, dropout",
    "architecture": {"type": "mlp", "activation": "tanh"},
    "diagnostics": ["variance_shift", "saturation", "gradient_norms", "clean_gap"],
}
OVER: tuple[JsonObject, ...] = (
    {**DIGITS, "name": "plain"},
    DIAGNOSED,
    *({**NORMALIZED, "name": "batch norm, dropout", "seed": seed} for seed in range(3)),
    *({**DIGITS, "name": "group norm", "norm": "group_norm", "seed": seed} for seed in range(3)),
    {**DIGITS, "name": "far too fast", "optimizer": {"type": "sgd", "lr": 1000}},
    {**DIGITS, "name": "two of many names: <b>1</b> 🍞 خبز"},
)
HOUSES = "id,area,city,heated,pool,sold,price\n" + "".join(
    f"h{n},{'' if n % 17 == 0 else 40 + 37 * n % 90},{('Bern', 'Lyon', 'Graz')[n % 3]},{'yes' if n % 4 else 'no'},"
    f"{'' if n % 9 else n % 5},2{n % 24:03}-0{1 + n % 9}-1{n % 10},{90 + 2 * (37 * n % 90) + n % 13}.5\n"
    for n in range(400)
)
"""A table with what a user's own has: names of the rows, empty cells, dates, categories."""
QUESTION: JsonObject = {
    "name": "what do norm, dropout and crops buy together?",
    "recipe": {key: value for key, value in NORMALIZED.items() if key != "early_stopping"} | {"epochs": 12},
    "seeds": 5,
    "design": {"type": "factorial"},
    "metric": "validation_accuracy",
}
TOO_FAST: JsonObject = {
    "name": "learning rates, one far too fast",
    "recipe": {**DIGITS, "epochs": 6, "optimizer": {"type": "sgd", "lr": 0.1}},
    "seeds": 3,
    "design": {"type": "grid", "axes": {"/optimizer/lr": [0.1, 0.01, 1000]}},
}
ENDLESS: JsonObject = {**NORMALIZED, "name": "live", "epochs": 100_000, "early_stopping": "none"}


def main() -> None:
    """Trains what the pictures show, and takes them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    is_whole = "--whole" in sys.argv
    with TemporaryDirectory() as folder, browser_running() as browser:
        settings = Settings(home=Path(folder), port=0, redis_url=None, data=None, url=None, workers=2)
        with home_running(settings) as home, Client(home.url) as client:
            take(browser, home.url, {"runs-empty": "", "experiments-empty": "?page=experiments"}, is_whole=is_whole)
            runs = [client.submit(recipe) for recipe in OVER]
            table = Path(folder) / "houses.csv"
            table.write_text(HOUSES, encoding="utf-8")
            client.upload(table)
            for run in runs:
                run.wait(timeout=300)
            answered = [client.experiment(document) for document in (QUESTION, TOO_FAST)]
            for experiment in answered:
                experiment.wait(timeout=300)
            live = [client.submit({**ENDLESS, "seed": seed}) for seed in range(3)]
            take(browser, home.url, views_of(runs, live) | views_of_experiments(answered), is_whole=is_whole)
            for run in live:
                run.cancel()


def views_of(runs: list[ClientRun], live: list[ClientRun]) -> dict[str, str]:
    """Returns the address of each picture, by its name."""
    plain, diagnosed, *seeds = (run.id for run in runs)
    failed = seeds[6]
    return {
        "runs": "",
        "run": f"?page=run&id={diagnosed}",
        "run-layers": f"?page=run&id={diagnosed}&tab=layers",
        "run-data": f"?page=run&id={diagnosed}&tab=data",
        "run-what-if": f"?page=run&id={diagnosed}&tab=what_if",
        "run-recipe": f"?page=run&id={diagnosed}&tab=recipe",
        "run-events": f"?page=run&id={diagnosed}&tab=events",
        "run-live": f"?page=run&id={live[0].id}",
        "run-queued": f"?page=run&id={live[2].id}",
        "run-failed": f"?page=run&id={failed}",
        "compare": f"?page=compare&runs={','.join([plain, *seeds[:6]])}",
        "new": "?page=new",
        "new-advice": f"?page=new&from={diagnosed}",
        "cookbook": "?page=cookbook",
        "cookbook-study": "?page=cookbook&study=small_network",
        "data": "?page=data",
        "data-card": "?page=data&id=digits",
        "data-table": "?page=data&id=houses@1",
        "system": "?page=system",
    }


def views_of_experiments(answered: list[ClientExperiment]) -> dict[str, str]:
    factorial, failed = (f"?page=experiments&id={experiment.id}" for experiment in answered)
    return {
        "experiments": "?page=experiments",
        "experiment": factorial,
        "experiment-curves": f"{factorial}&tab=curves",
        "experiment-what-if": f"{factorial}&tab=what_if",
        "experiment-document": f"{factorial}&tab=document",
        "experiment-failed": failed,
    }


@contextmanager
def browser_running() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("Pictures need Chromium: apt install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=FLAGS)


def take(browser: Browser, url: str, views: Mapping[str, str], *, is_whole: bool) -> None:
    """Takes each view in each size and colour scheme."""
    for (size, (width, height)), scheme in product(SIZES.items(), SCHEMES):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="light" if scheme == "light" else "dark",
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        for name, query in views.items():
            page.goto(f"{url}/{query}")
            wait_until_drawn(page)
            save(page.screenshot(full_page=is_whole), IMAGES / f"{name}-{scheme}-{size}.png")
        context.close()


def wait_until_drawn(page: Page) -> None:
    """Waits until nothing on the page is being loaded."""
    page.wait_for_selector("h1")
    # The text that the service shows while the page is not built has a heading too, and no navigation.
    expect(page.get_by_role("navigation")).to_be_visible()
    # A function in the page would be evaluated again and again, which the page's content security policy forbids.
    expect(page.locator(".skeleton")).to_have_count(0, timeout=WAIT_MS)
    page.evaluate("Promise.all([...document.images].map((each) => each.decode()))")
    # A chart is drawn in the frame after its numbers have come.
    page.wait_for_timeout(700)


def save(picture: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLORS).save(path, optimize=True)


if __name__ == "__main__":
    main()
