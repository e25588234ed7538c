import os
import signal

from playwright.sync_api import Page, expect

from tests.running_home import RunningHome, redis_pid
from tests.web.accessibility import assert_accessible


def test_a_page_says_that_redis_is_away_and_comes_back_by_itself(home: RunningHome, page: Page) -> None:
    run_id = home.submit({"dataset": "iris", "architecture": "linear", "epochs": 1, "name": "before"})
    redis = redis_pid(home.redis_url)
    os.kill(redis, signal.SIGSTOP)
    try:
        page.goto(home.url)
        expect(page.get_by_role("alert")).to_contain_text("Redis")
        assert_accessible(page)
    finally:
        os.kill(redis, signal.SIGCONT)
    expect(page.get_by_role("link", name="before").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    home.wait_for(run_id, "succeeded")
