"""The names of keys."""

from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs.keys import Keys

words = st.text(alphabet="a:=%/ü", max_size=4)


@given(words, words, words, words)
def test_different_labels_have_different_keys(name: str, value: str, other_name: str, other_value: str) -> None:
    same = Keys().labelled(name, value) == Keys().labelled(other_name, other_value)
    assert same == ((name, value) == (other_name, other_value))


def test_every_key_begins_with_the_tenant() -> None:
    keys = Keys("ann")
    every = [keys.run("r"), keys.log("r"), keys.changes(), keys.runs(), keys.claimable(), keys.leases(), keys.workers(),
             keys.worker("w"), keys.process("w"), keys.marker(), keys.never_written()]  # fmt: skip
    assert all(key.startswith("ann:") for key in every)
