"""Lists the texts that people and programs write where a value is missing."""

MARKS = (
    "", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NaT", "null", "NULL", "(null)", "\\N",
    "?", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!",
)  # fmt: skip
"""Texts for a missing value in any column, as R, pandas, SQL, the sets of UCI and Excel write them."""
LOOSE_MARKS = {
    *(mark.lower() for mark in MARKS), "none", "nil", "-", "--", "---", ".", "..", "...", "*", "na.", "n.a.", "nd",
    "n.d.", "missing", "unknown", "not available", "not applicable", "–", "—", "#", "inf", "+inf", "-inf", "infinity",
    "-infinity",
}  # fmt: skip
"""Texts, in lower case, for a missing value in a column whose other cells are numbers or dates."""
