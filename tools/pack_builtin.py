# ruff: noqa: INP001
"""Packs the built-in data sets, from scikit-learn and from formulas: `python tools/pack_builtin.py`."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packing import write_packed
from bakehouse.data.parsed import Description, Samples
from bakehouse.data.readers.further_targets import describe_target

UCI = "UCI Machine Learning Repository, CC BY 4.0"
DIGITS = f"E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (the test part); {UCI}"
Maker = Callable[[], Samples]
Points = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Coordinates (N, 2), and whether each point is of the positive class."""

POINTS = 1000
NOISE = 0.1
"""The value of the playground's noise slider at 10."""
PLAYGROUND = (
    f"the formula of the TensorFlow Playground (github.com/tensorflow/playground, dataset.ts) with noise {NOISE}, "
    f"{POINTS} points by numpy.random.default_rng(0): "
)


@dataclass(frozen=True)
class Bunch:
    """Loads a data set of scikit-learn: pictures and sequences as bytes, tables as float32."""

    load: Callable[[], Any]
    kind: str = "table"

    def __call__(self) -> Samples:
        bunch = self.load()
        y = bunch.target
        is_classes = "target_names" in bunch
        x = bunch.data.astype(np.float32) if self.kind == "table" else bunch.images.astype(np.uint8)
        return Samples(
            kind=self.kind,  # type: ignore[arg-type]
            format="npy",
            arrays={
                "x": x[:, None] if self.kind == "image" else x,
                "y": y.astype(np.int64 if is_classes else np.float32),
            },
            classes=tuple(str(label) for label in bunch.target_names) if is_classes else None,
        )


@dataclass(frozen=True)
class WithParity:
    """Adds a further target to digits: whether they are even or odd."""

    make: Maker

    def __call__(self) -> Samples:
        digits = self.make()
        parity = digits.arrays["y"] % 2
        target = describe_target("parity", parity, ("even", "odd"))
        return replace(digits, arrays={**digits.arrays, "target1": parity}, targets=(target,))


@dataclass(frozen=True)
class Playground:
    """Draws points of two classes in a plane."""

    draw: Callable[[np.random.Generator], Points]

    def __call__(self) -> Samples:
        x, is_positive = self.draw(np.random.default_rng(0))
        arrays = {"x": x.astype(np.float32), "y": is_positive.astype(np.int64)}
        return Samples(kind="table", format="npy", arrays=arrays, classes=("-1", "1"))


def circle(random: np.random.Generator) -> Points:
    """Draws half of the points within radius 2.5 and half between 3.5 and 5; labels them after a shift by noise."""
    radius = np.concatenate([random.uniform(0, 2.5, POINTS // 2), random.uniform(3.5, 5, POINTS // 2)])
    x = polar(radius, random.uniform(0, 2 * np.pi, POINTS))
    shifted = x + NOISE * random.uniform(-5, 5, x.shape)
    return x, np.hypot(*shifted.T) < 2.5


def xor(random: np.random.Generator) -> Points:
    """Draws points in a square of side 10 with a gap of 0.6 along the axes; labels them by the sign of x y after a
    shift."""
    x = random.uniform(-5, 5, (POINTS, 2))
    x += np.where(x > 0, 0.3, -0.3)
    shifted = x + NOISE * random.uniform(-5, 5, x.shape)
    return x, shifted.prod(1) >= 0


def gauss(random: np.random.Generator) -> Points:
    """Draws normal points around (2, 2) and (-2, -2), with variance 0.5 + 7 noise."""
    is_positive = np.arange(POINTS) < POINTS // 2
    centre = np.where(is_positive, 2.0, -2.0)[:, None]
    return centre + np.sqrt(0.5 + 7 * NOISE) * random.standard_normal((POINTS, 2)), is_positive


def spiral(random: np.random.Generator) -> Points:
    """Draws two arms of 1.75 turns out to radius 5, half a turn apart, with noise on both coordinates."""
    share = np.tile(np.arange(POINTS // 2) / (POINTS // 2), 2)
    is_positive = np.arange(POINTS) < POINTS // 2
    x = polar(5 * share, 3.5 * np.pi * share + np.where(is_positive, 0, np.pi))
    return x + NOISE * random.uniform(-1, 1, x.shape), is_positive


def polar(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the points (r sin t, r cos t)."""
    return radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)


MAKERS: tuple[tuple[Maker, Description], ...] = (
    (
        WithParity(Bunch(datasets.load_digits, "image")),
        Description(
            id="digits",
            title="1,797 handwritten digits, 8 x 8, grey levels 0 to 16",
            origin=DIGITS,
            mirror_safe=False,
        ),
    ),
    (
        Bunch(datasets.load_digits, "sequence"),
        Description(
            id="digits_sequence",
            title="1,797 handwritten digits as sequences: 8 rows of pixels, one a step, grey levels 0 to 16",
            origin=DIGITS,
            mirror_safe=False,
        ),
    ),
    (
        Bunch(datasets.load_breast_cancer),
        Description(
            id="breast_cancer",
            title="569 tumours by 30 measures of their cell nuclei: malignant or benign",
            origin=f"W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin (Diagnostic); {UCI}",
        ),
    ),
    (
        Bunch(datasets.load_wine),
        Description(
            id="wine",
            title="178 wines of three growers by 13 chemical measures",
            origin=f"S. Aeberhard and M. Forina, Wine; {UCI}",
        ),
    ),
    (
        Bunch(datasets.load_iris),
        Description(
            id="iris",
            title="150 irises of three species by 4 lengths in cm",
            origin=f"R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936; {UCI}",
        ),
    ),
    (
        Bunch(lambda: datasets.load_diabetes(scaled=False)),
        Description(
            id="diabetes",
            title="442 patients by 10 measures: how far diabetes has gone a year later, 25 to 346",
            origin="B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, Least Angle Regression, 2004; "
            "as given out with scikit-learn, BSD-3-Clause",
        ),
    ),
    (
        Playground(circle),
        Description(
            id="circle",
            title="1,000 points of the plane: a disk in a ring",
            origin=PLAYGROUND + "radius U(0, 2.5) or U(3.5, 5), angle U(0, 2 pi); 1 where (x + 5 noise U(-1, 1), "
            "y + 5 noise U(-1, 1)) is within 2.5 of the centre",
        ),
    ),
    (
        Playground(xor),
        Description(
            id="xor",
            title="1,000 points of the plane: opposite quadrants of a square share a class",
            origin=PLAYGROUND + "x and y U(-5, 5), moved by 0.3 away from 0; 1 where (x + 5 noise U(-1, 1)) "
            "(y + 5 noise U(-1, 1)) >= 0",
        ),
    ),
    (
        Playground(gauss),
        Description(
            id="gauss",
            title="1,000 points of the plane: two normal distributions",
            origin=PLAYGROUND + "x and y N(2, 0.5 + 7 noise) for 1, N(-2, 0.5 + 7 noise) for -1",
        ),
    ),
    (
        Playground(spiral),
        Description(
            id="spiral",
            title="1,000 points of the plane: two arms of a spiral",
            origin=PLAYGROUND + "for i of n = 500 points of a class, r = 5 i / n, t = 3.5 pi i / n, half a turn more "
            "for -1; (r sin t + noise U(-1, 1), r cos t + noise U(-1, 1))",
        ),
    ),
)


def main() -> None:
    """Packs all built-in data sets again."""
    for make, description in MAKERS:
        shutil.rmtree(BUILTIN / description.id, ignore_errors=True)
        print(write_packed(make(), description, BUILTIN / description.id).model_dump_json(exclude={"class_counts"}))


if __name__ == "__main__":
    main()
