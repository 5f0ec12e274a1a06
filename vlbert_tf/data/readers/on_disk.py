"""Tables that are sorted and joined on disk, however long they are.

Official files come in an order of their own, and records want all texts of an
image together. Those of three million images are gigabytes as Python's objects;
SQLite sorts and joins them in a file without a name, which goes with the
process that has opened it.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

# Of what a database holds in memory.
_CACHE_KIB = 64 * 1024


@contextlib.contextmanager
def database() -> Iterator[sqlite3.Connection]:
  """An empty database in the folder for temporary files (`TMPDIR`).

  Yields:
    A connection. Rows that are written to it are read by it, and are gone when
    the block ends.
  """
  with contextlib.closing(sqlite3.connect('')) as tables:
    tables.execute(f'PRAGMA cache_size = -{_CACHE_KIB}')
    tables.execute('PRAGMA temp_store = FILE')
    # Nothing is ever taken back.
    tables.execute('PRAGMA journal_mode = OFF')
    tables.execute('PRAGMA synchronous = OFF')
    yield tables


def insert(tables: sqlite3.Connection, table: str, *row) -> bool:
  """Writes a row unless its primary key is there.

  Returns:
    Whether it was written.
  """
  marks = ', '.join('?' * len(row))
  written = tables.execute(
    f'INSERT OR IGNORE INTO {table} VALUES ({marks})', row
  )
  return written.rowcount > 0
