import json
import re
from html.parser import HTMLParser

from bakehouse.experiments.answer import BetterTrial, SearchAnswer
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion
from bakehouse.experiments.report import ReportFacts, write_report
from bakehouse.experiments.report_formats import as_html, as_markdown
from bakehouse.experiments.results import compute_results
from bakehouse.experiments.words import field_text
from tests.experiments.measured_arms import an_ensemble, ask, runs_of

NAME = "what <b>buys</b> what | on `my` *digits* & # more\x07"
DOCUMENT = {"name": NAME, "recipe": {"dataset": "digits"}, "seeds": 3, "design": {"type": "ablation"}}
FACTS = ReportFacts(
    name=NAME,
    design="ablation",
    document=DOCUMENT,
    seeds=(0, 1, 2),
    created_at="2026-11-28T12:00:00.000Z",
    dataset="digits",
    fingerprints=("0a1b",),
    versions=("torch 2.12.0",),
    devices=("cpu",),
)
VALUES = {"recipe": (0.98, 0.97, 0.99), "without a|b": (0.95, 0.94, 0.955), "without norm": (None, None, None)}
RESULTS = compute_results(ask(VALUES, design="ablation"), runs_of(VALUES))
BLOCKS = write_report(FACTS, RESULTS)


class Page(HTMLParser):
    """Collects the tags, attributes and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_report_is_one_page_that_loads_and_runs_nothing() -> None:
    page = Page()
    page.feed(as_html(BLOCKS))
    assert {"h1", "table", "svg", "pre", "style"} <= set(page.tags)
    assert not {"script", "link", "img", "b", "iframe"} & set(page.tags)
    assert page.links == []
    assert "url(" not in as_html(BLOCKS)


def test_both_forms_answer_and_name_what_is_unsure() -> None:
    page = Page()
    page.feed(as_html(BLOCKS))
    html = " ".join(page.texts)
    markdown = as_markdown(BLOCKS).replace("\\", "")
    for text in (html, markdown):
        assert RESULTS.sentence in text
        assert "The GPU has too little memory." in text
        assert all(word in text for word in ("0a1b", "torch 2.12.0", "without a|b", "98.0 %", "90.0 %"))
        assert "bakehouse experiment run experiment.json" in text


def test_an_ensemble_is_listed_beside_the_arms() -> None:
    results = RESULTS.model_copy(update={"ensembles": (an_ensemble("recipe"),)})
    markdown = as_markdown(write_report(FACTS, results)).replace("\\", "")
    rows = [line for line in markdown.splitlines() if line.startswith("| 3 runs of recipe as one model")]
    assert rows == [
        "| 3 runs of recipe as one model, geometric mean | 1 | 99.4 % | its members: 98.0 % | - | ensemble |",
        "| 3 runs of recipe as one model, geometric mean | - | - | - | - | 95.0 % | 0.2000 |",
    ]
    assert "- It is one model." in markdown


def test_the_document_in_a_report_makes_the_experiment_again() -> None:
    fenced = re.findall(r"^(`{3,})json\n(.*?)\n\1$", as_markdown(BLOCKS), re.DOTALL | re.MULTILINE)
    assert json.loads(fenced[-1][1]) == DOCUMENT


def test_names_have_no_meaning_in_markdown() -> None:
    markdown = as_markdown(BLOCKS)
    assert markdown.startswith("# what \\<b\\>buys\\</b\\> what \\| on `my` \\*digits\\* \\& \\# more?\n")
    rows = [line for line in markdown.splitlines() if line.startswith("| without a")]
    assert len(rows) == 2
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 7


def test_a_code_fence_is_longer_than_any_in_the_document() -> None:
    facts = ReportFacts("n", "grid", {"recipe": {"dataset": "a ```` b"}}, (0,), "", "digits")
    assert "`````json" in as_markdown(write_report(facts, RESULTS))


def test_a_report_of_a_search_says_how_it_was_done_and_lists_first_what_is_compared() -> None:
    values = {"trial 0": [0.9], "trial 1": [0.8], "recipe": (0.8, 0.81, 0.79), "trial 0 confirmed": (0.9, 0.92, 0.89)}
    arms = tuple(ArmFacts(name, is_trial=name in ("trial 0", "trial 1")) for name in values)
    question = ComparisonQuestion("exp_1", "finished", "search", "validation_accuracy", "recipe", arms)
    found = SearchAnswer(
        best_so_far=(BetterTrial(trial=0, value=0.9),), importances={"/optimizer/lr": 0.75, "/norm": 0.25}
    )
    results = compute_results(question, runs_of(values)).model_copy(update={"search": found})
    space = {"/optimizer/lr": {"type": "log_uniform", "low": 0.001, "high": 0.1}}
    design = {"type": "search", "space": space, "trials": 2, "confirm": {"top": 1, "seeds": 3}}
    facts = ReportFacts("a search", "search", {"recipe": {}, "design": design}, (0,), "", "iris")
    markdown = as_markdown(write_report(facts, results)).replace("\\", "")
    assert (
        "- Design: a search of 2 trials by tpe; the best one is trained again with 3 new seeds, and so is the recipe."
    ) in markdown
    first = [line.split(" | ")[0] for line in markdown.splitlines() if line.startswith("| ")]
    assert first[:6] == ["| arm", "| ---", "| recipe", "| trial 0 confirmed", "| trial 0", "| trial 1"]
    assert "| trial 0 | 90.0 % |" in markdown
    assert "| /optimizer/lr | 75% |" in markdown
    assert "Only the confirmed trials are compared" in markdown


def test_values_of_recipes_are_short() -> None:
    assert field_text(0.01488841575122613) == "0.01489"
    assert field_text({"type": "sgd", "lr": 0.1, "nesterov": True}) == "sgd(lr=0.1, nesterov=true)"
    assert field_text([{"type": "random_crop"}, "flip"]) == "random_crop + flip"
    assert field_text({"teacher": {"arm": "big"}, "weight": None}) == "(teacher=the run of big, weight=null)"
