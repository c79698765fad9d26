"""Reading a file from outside as a stream of rows: CSV of any dialect, JSON lines, a JSON list, xlsx; plain, gz or zip.

Here lives everything about the *file* (packing, encoding, separators, header, line numbers, limits). What the columns mean
is not decided here: see ``retainstream.services.imports``.
"""

from retainstream.lib.tabular.contracts import Chunk, LeftOutRow, RaggedRow, TableError, TableLimits
from retainstream.lib.tabular.table import Table, open_table

__all__ = ["Chunk", "LeftOutRow", "RaggedRow", "Table", "TableError", "TableLimits", "open_table"]
