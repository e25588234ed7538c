from bakehouse.data.summary import describe_sample, describe_splits, describe_task, summarize
from bakehouse.plan.card import Lengths, SplitCounts
from tests.plan.cards import columns_card, image_card, sequence_card, table_card


def test_a_sample_is_described_by_its_kind() -> None:
    assert describe_sample(image_card(channels=1, side=8)) == "8 × 8 pixels, grey"
    assert describe_sample(image_card(channels=4)) == "32 × 32 pixels, 4 channels"
    assert describe_sample(sequence_card(steps=8, numbers=1)) == "8 steps of 1 number"
    ragged = sequence_card(steps=8).model_copy(update={"lengths": Lengths(minimum=3, median=5, maximum=8)})
    assert describe_sample(ragged) == "3 to 8 steps of 5 numbers"
    assert describe_sample(table_card(features=1)) == "1 number"
    assert describe_sample(columns_card()) == f"{len(columns_card().columns or ())} columns"


def test_the_splits_that_a_recipe_cuts_are_named() -> None:
    card = table_card(rows=1797)
    assert describe_splits(card) == "one set of 1,797 rows; the recipe cuts validation and test from it"
    counts = SplitCounts(train=60_000, test=10_000)
    with_test = card.model_copy(update={"counts": counts})
    assert describe_splits(with_test) == "60,000 train, 10,000 test; the recipe cuts validation from it"
    complete = card.model_copy(update={"counts": SplitCounts(train=3, validation=2, test=1)})
    assert describe_splits(complete) == "3 train, 2 validation, 1 test"
    assert summarize(complete).rows == 6


def test_few_classes_are_named_and_many_are_counted() -> None:
    few = table_card(classes=2).model_copy(update={"classes": ("malignant", "benign")})
    assert describe_task(few, None) == "malignant or benign (classification)"
    assert describe_task(table_card(classes=4), None) == "4 classes"
    assert describe_task(table_card(classes=None), None) == "a number (regression)"


def test_a_table_says_which_column_is_proposed() -> None:
    summary = summarize(columns_card())
    assert summary.target is not None
    assert summary.task == f"{summary.target} or another column"
    assert describe_task(columns_card(), None) == "the column that the recipe names"
    assert len(summary.kinds) == len(columns_card().columns or ())
    assert all("text" in kinds for kinds in summary.kinds)
    assert (summarize(table_card()).target, summarize(table_card()).kinds) == (None, ())
