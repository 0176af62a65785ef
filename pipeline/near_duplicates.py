"""Articles that are nearly the same, such as wire copy in several papers: MinHash (Broder 1997) over word 5-grams.

Signatures and their index (LSH: bands of a signature, one of which must be equal) are tables of a database, so that
memory does not grow.
"""

import re
import sqlite3
from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasketch import MinHash

THRESHOLD = 0.7  # estimated Jaccard similarity of the sets of 5-grams from which on two articles are nearly the same
SHINGLE = 5  # words
PERMUTATIONS = 128  # the estimate's standard deviation at the threshold is then 0.04
BANDS, ROWS = 16, 4  # finds 98.8% of the pairs at the threshold, 99.95% at 0.8, and hardly any below 0.2
FULL = (
    20  # articles that a bucket of the index holds: a text that comes a thousand times costs no more than one that comes twice
)
BATCH = 10_000  # 5-grams hashed at once, so that a very long article needs no more memory than a long one

SCHEMA = (
    "CREATE TABLE signatures (number INTEGER PRIMARY KEY, family INTEGER NOT NULL, signature BLOB NOT NULL)",
    "CREATE TABLE bands (key INTEGER, number INTEGER, PRIMARY KEY (key, number)) WITHOUT ROWID",
    "CREATE TABLE lone (number INTEGER PRIMARY KEY, text BLOB NOT NULL)",  # an article that there is no other beside yet
)


class NearDuplicates:
    """Families of articles that are nearly the same; they depend on the articles and their order alone."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Use the tables of `SCHEMA` in `database`, whose transactions are the caller's."""
        self._database = database
        self._is_lone = not database.execute("SELECT EXISTS (SELECT 1 FROM signatures)").fetchone()[0]

    @cached_property
    def _empty(self) -> "MinHash":
        from datasketch import MinHash  # loads scipy: half a second, which a run of one article need not wait

        return MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32")  # what is stored depends on all three

    def place(self, number: int, text: str) -> int | None:
        """Keep the article and say to which family it belongs.

        Args:
            number: of the article; larger than every one before.
            text: its text; one without a word is like no other.

        Returns:
            The number of the family's first article, where an earlier article is nearly the same: the likest one decides, of
            equal ones the first. None where the article is the first of its kind.
        """
        if self._is_lone and not self._has_company():
            self._database.execute("INSERT INTO lone VALUES (?, ?)", (number, text.encode("utf-8", "surrogatepass")))
            return None
        return self._place(number, text)

    def _has_company(self) -> bool:
        """Whether the article that comes now is not the first. The one that was is given its signature."""
        lone = self._database.execute("SELECT number, text FROM lone").fetchone()
        if lone is None:
            return False
        self._database.execute("DELETE FROM lone")
        self._place(lone[0], lone[1].decode("utf-8", "surrogatepass"))
        self._is_lone = False
        return True

    def _place(self, number: int, text: str) -> int | None:
        signature = self._signature(text)
        if signature is None:
            return None
        keys = _keys(signature)
        buckets = self._buckets(keys)
        family = self._likest(signature, {n for numbers in buckets.values() for n in numbers})
        self._database.execute(
            "INSERT INTO signatures VALUES (?, ?, ?)", (number, number if family is None else family, signature.tobytes())
        )
        open_buckets = [(key, number) for key in keys if len(buckets.get(key, ())) < FULL]
        self._database.executemany("INSERT INTO bands VALUES (?, ?)", open_buckets)
        return family

    def _signature(self, text: str) -> np.ndarray | None:
        minhash, shingles = self._empty.copy(), _shingles(text)
        while batch := list(islice(shingles, BATCH)):
            minhash.update_batch(batch)
        return None if minhash.is_empty() else minhash.hashvalues.astype("<u4")

    def _buckets(self, keys: list[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for key, number in self._database.execute(f"SELECT key, number FROM bands WHERE key IN ({_marks(keys)})", keys):
            found.setdefault(key, []).append(number)
        return found

    def _likest(self, signature: np.ndarray, candidates: set[int]) -> int | None:
        """The family of the candidate that is most like `signature`, where one is like enough."""
        best, family = THRESHOLD, None
        rows = self._database.execute(
            f"SELECT family, signature FROM signatures WHERE number IN ({_marks(candidates)}) ORDER BY number", [*candidates]
        )
        for of, stored in rows:
            similarity = np.count_nonzero(signature == np.frombuffer(stored, "<u4")) / PERMUTATIONS
            if similarity > best or (similarity == best and family is None):
                best, family = similarity, of
        return family


def _shingles(text: str) -> Iterator[bytes]:
    """Every run of five words; the whole text where it has fewer. Case, punctuation and line ends do not count."""
    words = re.findall(r"\w+", text.casefold())
    for i in range(max(len(words) - SHINGLE + 1, min(len(words), 1))):
        yield " ".join(words[i : i + SHINGLE]).encode("utf-8", "surrogatepass")


def _keys(signature: np.ndarray) -> list[int]:
    """The buckets of a signature: one a band, as SQLite's signed 64-bit integers."""
    bands = signature.reshape(BANDS, -1)[:, :ROWS]
    return [
        int.from_bytes(blake2b(bytes([i]) + band.tobytes(), digest_size=8).digest(), "little", signed=True)
        for i, band in enumerate(bands)
    ]


def _marks(values: list[int] | set[int]) -> str:
    return ", ".join("?" * len(values))
