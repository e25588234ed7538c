"""Measures in Chromium how long the page takes to list 1,000 runs: until the last answer that it needs is there."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from bakehouse.cli.home.redis_server import redis_server
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.record import new_run
from bakehouse.runs.store import Store, connect
from bench.http import free_port, running_server
from bench.report import spread

RUNS = 1000
ROUNDS = 7
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def store_runs(redis_url: str) -> None:
    recipe = read_recipe({"dataset": "digits", "architecture": "mlp"})
    store = Store(connect(redis_url, patient=True))
    for seed in range(RUNS):
        store.create(new_run(recipe.model_copy(update={"seed": seed}), advice=(), steps=1))


def measure_list(browser: Browser, url: str) -> float:
    """Returns the milliseconds from the beginning of the navigation until all rows have come, in a new browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(url)
    expect(page.locator(".count")).to_have_text(f"{RUNS:,} runs")
    # Waiting in Python would add its own time; the browser has noted when the answers came.
    answered = page.evaluate(
        "Math.max(...performance.getEntriesByType('resource').filter((each) => each.name.includes('/v1/runs?'))"
        ".map((each) => each.responseEnd))"
    )
    context.close()
    return float(answered)


def main() -> None:
    """Prints a row of a table."""
    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder, redis_server(Path(folder)) as redis_url:
        store_runs(redis_url)
        port = free_port()
        environment = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": folder, "BAKEHOUSE_PORT": str(port)}
        url = f"http://127.0.0.1:{port}"
        program = [sys.executable, "-m", "service"]
        with running_server(program, environment, f"{url}/healthz/ready"), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            times = [measure_list(browser, url) for _ in range(ROUNDS)]
            browser.close()
    print(f"| the page until {RUNS:,} runs are listed | {spread(times, ' ms')} |", flush=True)


if __name__ == "__main__":
    main()
