"""What is found of pictures that cannot be read."""

from pathlib import Path

from PIL import Image

from bakehouse.data.packing import pack
from bakehouse.recipe.patch import PatchStep
from tests.data.profile.packed import codes, the


def test_more_unreadable_pictures_than_a_recipe_takes_by_default_are_a_warning(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for number in range(104):
        path = source / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 10), number).save(path)
    (source / "a" / "000.png").write_text("")
    few = pack("set", source, tmp_path / "few")
    assert few.unreadable is not None
    assert "unreadable_pictures" not in codes(few)
    (source / "b" / "001.png").write_text("")
    finding = the(pack("set", source, tmp_path / "more"), "unreadable_pictures")
    assert finding.message.startswith("2 of 104 pictures cannot be read, and a recipe takes at most 1 % of them")
    assert "b/001.png cannot be read" in finding.message
    assert finding.patch == (PatchStep(op="replace", path="/dataset/max_unreadable", value=0.0193),)
    assert few.own_sizes is not None
    assert few.own_sizes.model_dump() == {"shortest": 8, "longest": 10, "elongation": 1.25, "pixels": 103 * 80}


def test_class_folders_without_pictures_are_a_warning(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for number in range(24):
        path = source / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    assert "empty_folders" not in codes(pack("set", source, tmp_path / "filled"))
    (source / "c").mkdir()
    card = pack("set", source, tmp_path / "empty")
    assert card.classes == ("a", "b")
    finding = the(card, "empty_folders")
    assert finding.message.startswith("no pictures are in c: a class without pictures is not learned")
