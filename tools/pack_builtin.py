# ruff: noqa: INP001
"""Makes the built-in data sets from scikit-learn's: `python tools/pack_builtin.py`."""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from bakehouse.data.contents import About, Samples
from bakehouse.data.known import BUILTIN
from bakehouse.data.packed import write_packed

UCI = "UCI Machine Learning Repository, CC BY 4.0"
MAKERS: dict[str, tuple[Callable[[], Any], About]] = {
    "digits": (
        datasets.load_digits,
        About(
            id="digits",
            title="1,797 handwritten digits, 8 x 8, grey levels 0 to 16",
            origin=f"E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (the test part); {UCI}",
            mirror_safe=False,
        ),
    ),
    "breast_cancer": (
        datasets.load_breast_cancer,
        About(
            id="breast_cancer",
            title="569 tumours by 30 measures of their cell nuclei: malignant or benign",
            origin=f"W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin (Diagnostic); {UCI}",
        ),
    ),
    "wine": (
        datasets.load_wine,
        About(
            id="wine",
            title="178 wines of three growers by 13 chemical measures",
            origin=f"S. Aeberhard and M. Forina, Wine; {UCI}",
        ),
    ),
    "iris": (
        datasets.load_iris,
        About(
            id="iris",
            title="150 irises of three species by 4 lengths in cm",
            origin=f"R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936; {UCI}",
        ),
    ),
    "diabetes": (
        lambda: datasets.load_diabetes(scaled=False),
        About(
            id="diabetes",
            title="442 patients by 10 measures: how far diabetes has gone a year later, 25 to 346",
            origin="B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, Least Angle Regression, 2004; "
            "as given out with scikit-learn, BSD-3-Clause",
        ),
    ),
}


def samples(name: str) -> Samples:
    """Digits as pictures of bytes, all else as rows of float32."""
    bunch = MAKERS[name][0]()
    image = name == "digits"
    classes = None if name == "diabetes" else tuple(str(label) for label in bunch.target_names)
    x = bunch.images[:, None].astype(np.uint8) if image else bunch.data.astype(np.float32)
    y = bunch.target.astype(np.float32 if classes is None else np.int64)
    return Samples(kind="image" if image else "table", arrays={"x": x, "y": y}, classes=classes)


def main() -> None:
    """Replaces what is there."""
    for name, (_, about) in MAKERS.items():
        shutil.rmtree(BUILTIN / name, ignore_errors=True)
        print(write_packed(samples(name), about, BUILTIN / name).model_dump_json(exclude={"class_counts"}))


if __name__ == "__main__":
    main()
