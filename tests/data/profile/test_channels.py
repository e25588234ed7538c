"""Ranges and means of channels."""

from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.profile import channels
from tests.data.profile.packed import codes, noise, pack_csv, pack_npz, the

LABELS = np.arange(100) % 2
SHAPES = {"image": ((100, 3, 4, 4), (0, 2, 3)), "sequence": ((100, 5, 3), (0, 1)), "table": ((100, 3), (0,))}


@pytest.mark.parametrize("kind", SHAPES)
def test_ranges_and_means_are_those_of_all_training_rows(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "BLOCK_BYTES", 1000)
    shape, others = SHAPES[kind]
    x = noise(*shape).astype(np.float32)
    card = pack_npz(tmp_path, x=x, y=LABELS, kind=kind)
    assert card.channels is not None
    assert [each.minimum for each in card.channels] == x.min(axis=others).tolist()
    assert [each.maximum for each in card.channels] == x.max(axis=others).tolist()
    assert [each.mean for each in card.channels] == pytest.approx(x.mean(axis=others, dtype=np.float64))


def test_a_channel_that_is_the_same_everywhere_is_found(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (100, 4, 5, 5), dtype=np.uint8)
    x[:, 3] = 255
    card = pack_npz(tmp_path, x=x, y=LABELS)
    assert the(card, "near_constant").message.startswith("channel 3 is 255 everywhere")
    assert the(card, "near_constant").where == "/channels/3"


def test_channels_that_vary_are_no_finding(tmp_path: Path) -> None:
    assert "near_constant" not in codes(pack_npz(tmp_path, x=noise(100, 3, 5, 5), y=LABELS))


def test_a_table_with_named_columns_has_their_ranges_instead(tmp_path: Path) -> None:
    assert pack_csv(tmp_path, a=noise(20), label=LABELS[:20]).channels is None
