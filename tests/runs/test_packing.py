"""Packed records: every record comes back as it was, and a text that was not packed is refused."""

import hashlib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs import wire
from bakehouse.runs.packing import pack, unpack

# JSON without line breaks and tabs, which `wire.to_json` escapes.
TEXTS = st.text().map(wire.to_json)
NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1)


@given(st.dictionaries(NAMES, TEXTS, min_size=1))
def test_unpacking_gives_what_was_packed(fields: dict[str, str]) -> None:
    assert unpack(pack(fields)) == fields


@pytest.mark.parametrize(
    "text", ["", "2:abc", "1:", "1:not base85 \x00", pack({"a": "1"})[:-3], pack({"a": "1"}) + "00000"]
)
def test_a_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="packed"):
        unpack(text)


def test_the_dictionary_never_changes_because_packed_records_need_it() -> None:
    content = files("bakehouse.runs").joinpath("typical_record_1.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "38d4ff9dee1cdc16eb02dd532327660443c564d642f20a860ba1028006c66537"
