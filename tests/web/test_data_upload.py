"""Files of one's own on the page: dropped, sent in parts, inspected, and used in a recipe."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.processes import wait_until
from tests.running_home import RunningHome
from tests.running_inspector import running_inspector
from tests.running_service import RunningService, start_service
from tests.web.accessibility import assert_accessible, assert_sound
from tests.web.views import tab_to

HOUSES = "id,area,zip,heated,pool,price\n" + "".join(
    f"h{n},{'' if n % 7 == 0 else 40 + n % 90},{1000 + n % 4},{'yes' if n % 3 else 'no'},{'' if n % 9 else n},{n}.5\n"
    for n in range(120)
)
DROP = """([name, text]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], name));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
}"""
PART = re.compile(r"/v1/datasets/data_\w+/parts/(\d+)$")
PART_BYTES = 1 << 20
"""The size of the parts that the page sends of a small file."""


def drop(page: Page, name: str, text: str) -> None:
    expect(page.get_by_role("region", name="Your own data")).to_be_visible()
    page.evaluate(DROP, [name, text])


def choose(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").set_input_files(files)


def arrays(path: Path, megabytes: int) -> Path:
    """Writes a data set of about so many megabytes that is read fast."""
    values = np.random.default_rng(0).random((1250 * megabytes, 100))
    np.savez(path, x=values, y=np.arange(len(values)) % 2)
    return path


def count_parts(page: Page) -> Counter[int]:
    """Counts how often each part is sent from now on."""
    sent: Counter[int] = Counter()

    def note(request: Request) -> None:
        if found := PART.search(request.url):
            sent[int(found[1])] += 1

    page.on("request", note)
    return sent


def lose_part(page: Page, number: int) -> None:
    """Lets each request with this part be lost."""
    page.route(re.compile(rf"/parts/{number}$"), lambda route: route.abort())


def test_a_dropped_table_is_ready_to_be_used_as_the_user_says_and_trains(home: RunningHome, page: Page) -> None:
    page.goto(f"{home.url}/?page=data")
    expect(page.get_by_role("article").first).to_be_visible()
    expect(page.get_by_text("bakehouse data add FILE")).to_be_visible()
    drop(page, "Houses 2026.csv", HOUSES)
    expect(page.get_by_role("textbox", name="Name in recipes")).to_have_value("houses_2026")
    expect(page.get_by_role("textbox", name="Name in recipes")).to_be_focused()
    assert_sound(page)
    page.get_by_role("button", name="Upload").click()
    card = page.get_by_role("article").filter(has=page.get_by_role("link", name="houses_2026@1", exact=True))
    expect(card).to_be_visible()
    expect(page.get_by_role("form", name="Houses 2026.csv")).to_have_count(0)
    card.get_by_role("link", name="houses_2026@1", exact=True).click()
    expect(page.get_by_role("combobox", name="Use of price")).to_have_value("target")
    expect(page.get_by_role("combobox", name="Use of id")).to_have_value("left out")
    page.get_by_role("combobox", name="Kind of zip").select_option("category")
    page.get_by_role("combobox", name="Use of heated").select_option("left out")
    finding = page.locator(".notice").filter(has_text="Mostly missing")
    expect(finding).to_contain_text("warning, pool")
    samples = page.get_by_role("region", name="Samples").get_by_role("row")
    expect(samples).to_have_count(17)
    before = samples.all_inner_texts()
    page.get_by_role("button", name="Draw others").click()
    expect(samples.nth(1)).not_to_have_text(before[1])
    assert_sound(page)
    finding.get_by_role("link", name="Apply to a new recipe").click()
    expect(page.get_by_text("Most cells are empty: pool in 88.3 % of the rows")).to_be_visible()
    expect(page.get_by_role("region", name="The recipe as text")).to_contain_text('"exclude": ["heated", "pool"]')
    page.go_back()
    page.get_by_role("combobox", name="Kind of zip").select_option("category")
    page.get_by_role("combobox", name="Use of heated").select_option("left out")
    page.get_by_role("link", name="Use it").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".run[data-status]")).to_be_visible()
    run = home.get(f"/v1/runs/{page.url.rpartition('id=')[2]}").json()
    assert (run["recipe"]["dataset"]["id"], run["recipe"]["dataset"]["target"]) == ("houses_2026@1", "price")
    columns = run["recipe"]["dataset"]["columns"]
    assert (columns["exclude"], columns["kinds"]) == (["heated"], {"zip": "category"})
    home.wait_for(run["id"], "running", "succeeded")


def test_by_keyboard_a_wrong_file_is_sent_refused_with_its_line_and_deleted(
    home: RunningHome, page: Page, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("area,price\n" + "1,2\n" * 20 + "1,<b>,3\n" + "1,2\n" * 20)
    # The browser must know that somebody waits for its dialog before a key opens it.
    page.on("filechooser", lambda _: None)
    page.goto(f"{home.url}/?page=data")
    tab_to(page, page.get_by_label("Choose a file"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(wrong)
    expect(page.get_by_role("textbox", name="Name in recipes")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("iris")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("iris is the name of a built-in data set")
    expect(page.get_by_role("textbox", name="Name in recipes")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Control+A")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    notice = page.locator(".notice").filter(has_text="wrong@1 cannot be used")
    expect(notice).to_contain_text("line 22")
    assert_sound(page)
    tab_to(page, notice.get_by_role("button", name="Delete wrong@1"))
    page.keyboard.press("Enter")
    expect(notice).to_have_count(0)
    assert "wrong" not in home.get("/v1/datasets").text


def test_a_data_set_is_deleted_after_a_question_and_one_that_is_gone_says_so(home: RunningHome, page: Page) -> None:
    for _ in range(2):
        httpx.post(f"{home.url}/v1/datasets?name=gone&filename=gone.csv", content=HOUSES, timeout=60, trust_env=False)
    wait_until(lambda: home.get("/v1/datasets/gone@2").json().get("status") == "ready")
    page.goto(f"{home.url}/?page=data&id=gone@2")
    page.get_by_role("button", name="Delete gone@2").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete gone@2").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("heading", name="This data set has been deleted")).to_be_visible()
    page.goto(f"{home.url}/?page=data&id=gone@1")
    expect(page.get_by_role("link", name="Use it")).to_be_visible()
    httpx.delete(f"{home.url}/v1/datasets/gone@1", timeout=60, trust_env=False)
    expect(page.get_by_role("heading", name="This data set has been deleted")).to_be_visible()
    expect(page.get_by_role("link", name="Use it")).to_have_count(0)
    assert_accessible(page)


def test_a_file_for_which_there_is_no_room_waits_and_says_what_to_do(
    redis_server: str, service: RunningService, page: Page
) -> None:
    small = start_service(redis_server, service.home, BAKEHOUSE_MAX_UPLOADED_BYTES="1024")
    try:
        page.goto(f"{small.url}/?page=data")
        drop(page, "houses.csv", HOUSES)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("alert")).to_contain_text("Delete data sets that are no longer needed.")
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        assert_accessible(page)
    finally:
        small.end()


def test_a_cancelled_upload_leaves_nothing_behind(home: RunningHome, page: Page, tmp_path: Path) -> None:
    page.goto(f"{home.url}/?page=data")
    choose(page, arrays(tmp_path / "cancelled.npz", 3))
    lose_part(page, 2)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("1 MiB of 2.9 MiB")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert_sound(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("form")).to_have_count(0)
    wait_until(lambda: "cancelled" not in home.get("/v1/datasets").text)


def test_after_a_reload_only_the_missing_parts_of_the_same_file_are_sent(
    home: RunningHome, page: Page, tmp_path: Path
) -> None:
    file = arrays(tmp_path / "reloaded.npz", 3)
    page.goto(f"{home.url}/?page=data")
    choose(page, file)
    lose_part(page, 2)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("1 MiB of 2.9 MiB")).to_be_visible()
    page.reload()
    page.unroute_all()
    expect(page.get_by_text("reloaded@1 is not complete")).to_be_visible()
    assert_accessible(page)
    sent = count_parts(page)
    choose(page, file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("article").get_by_role("link", name="reloaded@1", exact=True)).to_be_visible()
    assert sent == {2: 1, 3: 1}


@pytest.fixture
def lone_service(redis_server: str, service: RunningService, tmp_path: Path) -> Iterator[list[RunningService]]:
    """A service that the test may kill and start again: the last of the list is the present one."""
    started = [start_service(redis_server, service.home)]
    yield started
    started[-1].end()


def test_an_upload_goes_on_by_itself_after_the_service_was_killed(
    lone_service: list[RunningService], page: Page, tmp_path: Path
) -> None:
    [first] = lone_service
    port = str(httpx.URL(first.url).port)

    def kill_service(route: Route) -> None:
        first.process.kill()
        first.process.wait()
        route.continue_()

    page.goto(f"{first.url}/?page=data")
    file = arrays(tmp_path / "large.npz", 20)
    choose(page, file)
    sent = count_parts(page)
    page.route(re.compile("/parts/8$"), kill_service, times=1)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("form").get_by_role("alert")).to_contain_text("The service does not answer")
    expect(page.get_by_text("7 MiB of")).to_be_visible()
    lone_service.append(start_service(first.redis_url, first.home, BAKEHOUSE_PORT=port))
    with running_inspector(first):
        expect(page.get_by_role("article").get_by_role("link", name="large@1", exact=True)).to_be_visible()
    parts = -(-file.stat().st_size // PART_BYTES)
    assert sent == Counter(range(1, parts + 1)) + Counter([8])
