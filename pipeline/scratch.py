"""What a process needs for its own time and may not fit memory: a database in a temporary file, which goes with it."""

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import InterruptedRunError

CACHE = 16_000  # KiB of a database that are in memory


class Scratch:
    """A database of this process alone.

    It is in memory while it is small, then in a file without a name in the folder for temporary files. Texts go in as bytes
    (`stored`): what a file's name or an article may hold is not always Unicode.
    """

    def __init__(self, *schema: str) -> None:
        """Make it, with these tables."""
        self.database = sqlite3.connect("", check_same_thread=False)  # one thread at a time, but any may end it
        weakref.finalize(self, self.database.close)
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", f"PRAGMA cache_size = -{CACHE}", *schema):
            self.database.execute(statement)

    @contextmanager
    def used(self) -> Iterator[sqlite3.Connection]:
        """The database.

        Raises:
            InterruptedRunError: there is no room for it.
        """
        try:
            yield self.database
        except sqlite3.OperationalError as error:
            raise InterruptedRunError(
                f"the folder for temporary files is full or cannot be written ({error}): make room, or name another one with "
                "SQLITE_TMPDIR, and give the same command again"
            ) from error


class Taken:
    """A set of texts whose memory does not grow."""

    def __init__(self) -> None:
        """It is empty."""
        self._scratch = Scratch("CREATE TABLE taken (name BLOB PRIMARY KEY) WITHOUT ROWID")

    def __contains__(self, name: str) -> bool:
        """Whether it was added."""
        with self._scratch.used() as database:
            return database.execute("SELECT 1 FROM taken WHERE name = ?", (stored(name),)).fetchone() is not None

    def add(self, name: str) -> bool:
        """Add it; whether it is new."""
        with self._scratch.used() as database:
            return database.execute("INSERT OR IGNORE INTO taken VALUES (?)", (stored(name),)).rowcount == 1


def stored(text: str) -> bytes:
    """A text as it is stored; `told` is the way back."""
    return text.encode("utf-8", "surrogatepass")


def told(raw: bytes) -> str:
    """The text that `stored` made bytes of."""
    return raw.decode("utf-8", "surrogatepass")
