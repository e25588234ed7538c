"""`bakehouse explain`: describes families, ingredients and fields, as `docs/ingredients.md` does. Needs no service."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import typer

from bakehouse.cli.output import rows_as_json
from bakehouse.cli.tables import Column, block, table
from bakehouse.ingredients import Family, IngredientField, Variant, ingredients
from bakehouse.recipe.problems import nearest_names

MAX_SUGGESTIONS = 3
MEANING = Column("MEANING", least=20)
FIELD_COLUMNS = (Column("FIELD"), Column("DEFAULT", least=8), Column("TAKES", least=10, rank=1), MEANING)
Path = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A family, an ingredient or a field, with its place in a recipe: `("norm", "batch_norm", "momentum")`."""

    path: Path
    item: Family | Variant | IngredientField
    fields: Path = ()
    """The path without the types of ingredients, as `--set` takes it: `("norm", "momentum")`."""
    sources: tuple[str, ...] = ()
    """The papers that the ingredient with this field follows."""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def explanation(name: str | None, *, as_json: bool, fields: str | None = None) -> str:
    """Returns the descriptions of everything that a name can mean, or of all families without a name."""
    found = find(name) if name is not None else [entry for entry in all_entries() if len(entry.path) == 1]
    if name is not None and not found:
        raise typer.BadParameter(unknown_name(name), param_hint="NAME")
    if as_json or fields:
        return entries_as_json(found, fields)
    return overview(found) if name is None else "\n\n".join(map(entries_text, groups_of_equals(found)))


def find(name: str) -> list[Entry]:
    """Returns the entries with a name: the exact path, or else all paths that end alike and have the other parts of
    the name in the same order. JSON pointers such as `/dropout/0/rate` are names too."""
    parts = [part for part in name.strip("/").replace("/", ".").split(".") if part and not part.isdecimal()]
    # The field `type` names the ingredient, so it is explained where its family is.
    if len(parts) > 1 and parts[-1] == "type":
        parts.pop()
    entries = list(all_entries())
    exact = [entry for entry in entries if list(entry.path) == parts]
    return exact or [entry for entry in entries if parts and is_short_for(parts, entry.path)]


def is_short_for(parts: list[str], path: Path) -> bool:
    steps = iter(path)
    return parts[-1] == path[-1] and all(part in steps for part in parts)


def unknown_name(name: str) -> str:
    """Returns the message for a name that nothing has, with the nearest names."""
    entries = list(all_entries())
    # `norm.momentum` is how users write `norm.batch_norm.momentum`.
    names = dict.fromkeys(
        each for entry in entries for each in (entry.name, f"{entry.path[0]}.{entry.path[-1]}", entry.path[-1])
    )
    near = nearest_names(name, names, count=MAX_SUGGESTIONS)
    suggestion = f"; did you mean {' or '.join(near)}?" if near else ";"
    return f"no field or ingredient is called {name!r}{suggestion} `bakehouse explain` lists all families"


def all_entries() -> Iterator[Entry]:
    """Yields the families with all that is inside them, then the recipe's own fields."""
    made_of = ingredients()
    for family in made_of.families:
        yield Entry((family.name,), family)
        for kind in family.variants:
            yield from entries_of((family.name,), (family.name,), kind)
    for field in made_of.fields:
        yield Entry((field.name,), field, (field.name,))


def entries_of(path: Path, fields: Path, kind: Variant) -> Iterator[Entry]:
    """Yields an ingredient, its fields, and the ingredients inside them. One without a type has the path of its
    family."""
    if kind.type is not None:
        path = (*path, kind.type)
        yield Entry(path, kind, fields)
    for field in kind.fields:
        yield Entry((*path, field.name), field, (*fields, field.name), kind.sources)
        for inner in field.variants:
            yield from entries_of((*path, field.name), (*fields, field.name), inner)


def entries_as_json(entries: list[Entry], fields: str | None) -> str:
    data = [{"path": entry.name, **entry.item.model_dump(mode="json")} for entry in entries]
    return rows_as_json(data, fields)


def overview(entries: list[Entry]) -> str:
    """Returns a table of the families and the recipe's own fields."""
    rows = []
    for entry in entries:
        match entry.item:
            case Family() as family:
                rows.append((entry.name, number_of(family), contents_of(family)))
            case IngredientField() as field:
                rows.append((entry.name, field.takes, field.description))
            case Variant():
                pass
    return table((Column("NAME"), Column("TAKES", least=8, rank=1), Column("INGREDIENTS OR MEANING", least=20)), rows)


def number_of(family: Family) -> str:
    number = "a list" if family.several else "one"
    return f"{number}, required" if family.required else number


def contents_of(family: Family) -> str:
    """Returns the types of a family, or the names of its fields if it has no types."""
    names = [kind.type for kind in family.variants if kind.type] or [
        field.name for kind in family.variants for field in kind.fields
    ]
    return ", ".join(names)


def groups_of_equals(entries: list[Entry]) -> list[list[Entry]]:
    """Puts fields together that are the same in several ingredients of a family, such as the `eps` of all norms."""
    groups: list[list[Entry]] = []
    for entry in entries:
        same = (group for group in groups if (group[0].fields, group[0].item) == (entry.fields, entry.item))
        if (group := next(same, None)) is None:
            groups.append([entry])
        else:
            group.append(entry)
    return groups


def entries_text(entries: list[Entry]) -> str:
    """Returns the description of equal entries."""
    match entries[0].item:
        case Family() as family:
            return family_text(family)
        case Variant() as kind:
            return variant_text(entries[0], kind)
        case IngredientField() as field:
            return field_text(entries, field)


def family_text(family: Family) -> str:
    """Returns the default of a family, and its ingredients with a sentence each. If it has a single ingredient, without
    a type, returns the text of that."""
    single = family.variants[0]
    if len(family.variants) == 1 and single.type is None:
        return variant_text(Entry((family.name,), single), single)
    rows = [("name", family.name), ("takes", number_of(family)), ("default", default_text(family.default))]
    table_of_types = table(
        (Column("INGREDIENT"), MEANING), [(f"{family.name}.{kind.type}", kind.sentence) for kind in family.variants]
    )
    return f"{block(rows)}\n\n{table_of_types}"


def variant_text(entry: Entry, kind: Variant) -> str:
    """Returns the description, the fields and the sources of an ingredient."""
    rows = [("name", entry.name), ("meaning", kind.sentence)]
    rows += [("", paragraph) for paragraph in kind.description.split("\n\n") if paragraph]
    rows += [("defaults", kind.default_reason)] if kind.default_reason else []
    rows += [("trap", trap) for trap in kind.traps]
    rows += [("advice", f"{rule.code}: {rule.about}") for rule in kind.advice]
    rows += [("source", source) for source in kind.sources]
    if kind.type is not None:
        rows.append(("usage", f"--set {'.'.join(entry.fields)}={kind.type}"))
    if not kind.fields:
        return block(rows)
    fields = [(field.name, default_text(field), field.takes, field.description) for field in kind.fields]
    return f"{block(rows)}\n\n{table(FIELD_COLUMNS, fields)}"


def field_text(entries: list[Entry], field: IngredientField) -> str:
    """Returns the meaning, the type, the range, the default and the sources of a field of one or more ingredients."""
    sources = dict.fromkeys(source for entry in entries for source in entry.sources)
    rows = [
        ("name", "\n".join(entry.name for entry in entries)),
        ("meaning", field.description),
        ("takes", field.takes),
        ("default", default_text(field)),
        *(("source", source) for source in sources),
        ("usage", f"--set {'.'.join(entries[0].fields)}=VALUE"),
    ]
    return block(rows)


def default_text(item: object) -> str:
    """Returns a default as JSON, an ingredient by its type."""
    match item:
        case IngredientField(required=True):
            return "required"
        case IngredientField():
            return default_text(item.default)
        case {"type": str(name)}:
            return name
        case _:
            return json.dumps(item, ensure_ascii=False)
