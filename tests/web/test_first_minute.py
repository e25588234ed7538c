import hashlib
import re

import httpx
from playwright.sync_api import Page, expect

from tests.processes import LIMIT_SECONDS, wait_until
from tests.running_home import RunningHome
from tests.web.accessibility import assert_sound
from tests.web.views import chart, expect_rows, expect_status


def delete_all_runs(home: RunningHome) -> None:
    # A run of an experiment is deleted with it.
    for row in home.get("/v1/experiments?limit=100").json()["data"]:
        experiment = f"{home.url}/v1/experiments/{row['id']}"
        httpx.post(f"{experiment}/cancel", timeout=LIMIT_SECONDS, trust_env=False)
        wait_until(lambda: httpx.delete(experiment, timeout=LIMIT_SECONDS, trust_env=False).is_success)  # noqa: B023
    for row in home.get("/v1/runs?view=brief&limit=100").json()["data"]:
        httpx.delete(f"{home.url}/v1/runs/{row['id']}", timeout=LIMIT_SECONDS, trust_env=False).raise_for_status()


def test_a_new_user_trains_a_model_with_one_button_and_downloads_the_best_with_one_click(
    home: RunningHome, page: Page
) -> None:
    delete_all_runs(home)
    page.goto(home.url)
    expect(page.get_by_role("heading", name="Train a first model")).to_be_visible()
    assert_sound(page)
    page.get_by_role("button", name="Train it now").click()
    expect(page.get_by_role("tab", name="Curves")).to_be_visible()
    run_id = page.url.partition("id=")[2]
    expect_rows(chart(page, "Loss"), 2)
    expect_status(page, "succeeded")
    run = home.get(f"/v1/runs/{run_id}").json()
    assert run["reason"] == "early_stopped"
    epoch, epochs, best = run["progress"]["epoch"], run["progress"]["epochs"], run["best"]["epoch"]
    sentence = f"Stopped early at epoch {epoch}: the best was epoch {best}; {epochs - epoch} of {epochs} epochs"
    expect(page.get_by_text(sentence)).to_be_visible()
    assert_sound(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download best").click()
    digest = hashlib.sha256(download.value.path().read_bytes()).hexdigest()
    checkpoints = home.get(f"/v1/runs/{run_id}/checkpoints").json()["data"]
    assert [each["sha256"] for each in checkpoints if "best" in each["roles"]] == [digest]
    assert re.search(r"\.safetensors$", download.value.suggested_filename)
    page.get_by_role("link", name="Runs", exact=True).click()
    row = page.locator("tbody tr")
    expect(row.locator(".status")).to_have_text("succeeded")
    expect(row.locator(".col-epoch")).to_have_text(f"{epoch} of {epochs}")
