"""The work folder of a corpus run, `.labelled.parquet.work/`: its lock, its database, the settings it was begun with."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import ConfigError, DataError, InterruptedRunError

DATABASE, BLOCKS, LOCK, OWNER = "ledger.sqlite", "blocks", "lock", "lock.pid"
KNOWN = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", BLOCKS, LOCK, OWNER}
APPLICATION = 0x5061726C  # "Parl": what says that a database is a ledger of ours
VERSION = 1  # of the tables
CACHE = 16_000  # KiB of the database that are kept in memory

AFRESH = "start afresh with --fresh, or remove the folder"


def work_folder(output: str | Path) -> Path:
    """The work folder of a run with this output, beside it: `labelled.parquet` → `.labelled.parquet.work`.

    Its name is hidden, so that a folder of articles that the output is in is not read with it.
    """
    path = Path(output)
    return path.with_name(f".{path.name}.work")


def claim(folder: Path) -> FileLock:
    """Make the folder where it is not there, and lock it; the lock goes with the process that holds it, however that ends.

    Raises:
        ConfigError: another run has it, the folder is not one of ours, or it cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
        names = {path.name for path in folder.iterdir()}
        if names and (LOCK not in names or names - KNOWN):
            strange = min(names - KNOWN, default=min(names))
            raise ConfigError(f"{folder} is no work folder of a run: it has {strange!r}. Move it away, or name another output")
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"{folder}: another run with this output is going on{_owner(folder)}. Wait for its end or stop it; "
            "the same command goes on from there"
        ) from error
    except OSError as error:
        raise ConfigError(f"{folder}: cannot work in this folder: {error.strerror or error}") from error
    with contextlib.suppress(OSError):  # for messages alone
        (folder / OWNER).write_text(f"{os.getpid()}\n", encoding="ascii")
    return lock


def _owner(folder: Path) -> str:
    try:
        return f" (process {int((folder / OWNER).read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""


def clear(folder: Path) -> None:
    """Remove the database and the blocks of a folder that `claim` has locked."""
    for path in chain(files_in(folder / BLOCKS), folder.glob(f"{DATABASE}*")):
        path.unlink()


def files_in(folder: Path) -> Iterator[Path]:
    """What is in a folder, one by one: a corpus has millions of blocks. Each may be removed meanwhile."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                yield Path(entry.path)


def discard(folder: Path) -> None:
    """Remove a folder that is locked, by another name first: what is left of it where that is cut short is in nobody's way."""
    aside = folder.with_name(f"{folder.name}.ended-{os.getpid()}")
    try:
        folder.rename(aside)
    except OSError:  # a file system that holds on to the open lock
        aside = folder
    with contextlib.suppress(OSError):
        for path in files_in(aside / BLOCKS):
            path.unlink()
    shutil.rmtree(aside, ignore_errors=True)


def open_database(folder: Path, settings: Mapping[str, str], schema: Iterable[str]) -> sqlite3.Connection:
    """The database of a locked folder; one that is not there is made with the tables of `schema`.

    Raises:
        ConfigError: it was begun with other settings.
        DataError: it is damaged, not a ledger, or of another version of the package. Nothing of it is changed.
        sqlite3.DatabaseError: it cannot be read at all; `damage_named` says what that means.
    """
    path = folder / DATABASE
    database = sqlite3.connect(path)
    try:
        # With one process at a time no shared memory is needed, so that network folders serve too.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (kind,), (tables,) = (
            database.execute(query).fetchone() for query in ("PRAGMA application_id", "SELECT COUNT(*) FROM sqlite_master")
        )
        if kind != APPLICATION and tables:
            raise DataError(f"{path} is a database of another program. Move it away, or name another output")
        if not tables and any(files_in(folder / BLOCKS)):
            raise DataError(f"{path} is empty, but there are finished blocks beside it. Restore it, or {AFRESH}")
        if tables:
            _check(database, folder, settings)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", f"cache_size = -{CACHE}"):
            database.execute(f"PRAGMA {pragma}")
        if not tables:
            _create(database, settings, schema)
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection, settings: Mapping[str, str], schema: Iterable[str]) -> None:
    """All in one transaction: a database has everything or nothing."""
    database.execute("BEGIN")
    for statement in ("CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL)", *schema):
        database.execute(statement)
    database.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.commit()


def _check(database: sqlite3.Connection, folder: Path, settings: Mapping[str, str]) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise DataError(
            f"{folder / DATABASE}: tables of version {version}, not {VERSION}: of another Parley. To use this one, {AFRESH}"
        )
    (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise sqlite3.DatabaseError(sound)
    begun = dict(database.execute("SELECT key, value FROM settings"))
    changed = [
        f"{key}: {begun.get(key, 'not given')} then, {settings.get(key, 'not given')} now"
        for key in sorted(begun.keys() | settings.keys())
        if begun.get(key) != settings.get(key)
    ]
    if changed:
        raise ConfigError(
            f"{folder}: the run was begun with other settings ({'; '.join(changed)}). "
            f"Give those of then, and it goes on; to use those of now, {AFRESH}"
        )


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Turn what SQLite and the system say about reading and writing into our errors.

    Raises:
        DataError: the database is damaged.
        InterruptedRunError: the folder cannot be written, the disk is full, say; what was committed is kept.
    """
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):  # mistakes of ours, not of the disk
        raise
    except (sqlite3.OperationalError, OSError) as error:
        raise InterruptedRunError(
            f"{folder}: cannot be read or written: {error}. All complete blocks are kept. Make room on the disk or mend it, "
            "and give the same command again: it goes on behind them"
        ) from error
    except sqlite3.DatabaseError as error:
        raise DataError(f"{folder / DATABASE} is damaged: {error}. Restore it, or {AFRESH}") from error


def sync(folder: Path) -> None:
    """Make sure that the names of the files in the folder outlive a power cut."""
    with contextlib.suppress(PermissionError):  # Windows opens no folders, and needs none of this
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
