"""Splits: the rule that divides the rows of a data set among training, validation and test."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, one

ColumnName = Annotated[str, Field(min_length=1, max_length=256)]


class Random(Ingredient):
    """Draws the rows of each split at random, and from all classes in proportion.

    Trap: rows that belong together (photographs of one patient, measurements of one day) are in several splits, so the
    metrics promise more than new patients or days will give: see `group` and `time`.

    Kohavi 1995, A Study of Cross-Validation and Bootstrap for Accuracy Estimation and Model Selection.
    """

    type: Literal["random"] = "random"


class Group(Ingredient):
    """Keeps rows with the same value of a column together: no value occurs in two splits.

    The column is no input unless `columns.include` names it, because the values of the validation and test rows never
    occur in training. A row whose cell is empty is a group of its own. Groups of each size are shared in proportion, so
    that the splits have about the asked number of rows; classes are not balanced.

    Trap: with few groups, a metric depends much on which of them are tested: compare several `split_seed`.

    Roberts et al. 2017, Cross-Validation Strategies for Data with Temporal, Spatial, Hierarchical, or Phylogenetic
    Structure.
    """

    main: ClassVar[str | None] = "column"

    type: Literal["group"] = "group"
    column: ColumnName
    """Column whose values are the groups, such as the number of a patient."""


class Time(Ingredient):
    """Trains on the earliest rows, validates on later ones and tests on the latest, as the model will be used.

    Rows of equal time keep the order of the file. Sequences of a long table have the time of their latest step.

    Trap: an input that only grows, such as the date itself, has values in the test split that training never saw.

    Tashman 2000, Out-of-Sample Tests of Forecasting Accuracy.
    """

    main: ClassVar[str | None] = "column"

    type: Literal["time"] = "time"
    column: ColumnName
    """Column of dates or numbers by which the rows are ordered; no cell may be empty."""


AnySplit = Random | Group | Time
SplitRule = Annotated[AnySplit, Field(discriminator="type"), one(AnySplit)]
