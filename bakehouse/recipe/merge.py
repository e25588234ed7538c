"""Merge patches of recipes: the form in which a fork, or an arm of an experiment, says what it changes."""

from typing import Any


def merge_patch(document: object, patch: object) -> Any:
    """Applies a JSON merge patch (RFC 7396), except that an object with another `type` replaces the old object: in
    another variant, the old fields have no meaning or a different one."""
    if not isinstance(patch, dict):
        return patch
    old = document if isinstance(document, dict) and patch.get("type") in (None, document.get("type")) else {}
    new = {name: merge_patch(old.get(name), value) for name, value in patch.items() if value is not None}
    return {**{name: value for name, value in old.items() if name not in patch}, **new}
