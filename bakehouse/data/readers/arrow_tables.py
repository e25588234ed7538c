"""Reads the rows of Arrow files that `save_to_disk` of Hugging Face's library `datasets` has written as a table."""

from dataclasses import replace
from pathlib import Path

import duckdb

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Table
from bakehouse.data.readers.arrow_folders import arrow_errors, find_files, import_pyarrow, named, read_file
from bakehouse.data.readers.cell_store import store_arrow
from bakehouse.data.readers.tables import make_table


def read_arrow_table(source: Path) -> Table:
    """Reads the rows of all splits as one table."""
    notes: list[str] = []
    folder = find_files(source, notes)
    pyarrow = import_pyarrow()
    tables = [read_file(source, path) for files in folder.files.values() for path in files]
    with arrow_errors(source.name):
        rows = pyarrow.concat_tables(tables)
        names = rows.column_names
        columns = [named(rows[index], folder.features.get(name, {})) for index, name in enumerate(names)]
    try:
        store = store_arrow(pyarrow.table(columns, names=[f"column{index}" for index in range(len(names))]), names)
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    except duckdb.Error as error:
        raise UnusableSource(f"its Arrow files cannot be read: {str(error).splitlines()[0][:200]}") from error
    return replace(make_table(store, names, notes), format="arrow")
