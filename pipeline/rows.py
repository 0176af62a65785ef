"""Text and rows from bytes: decoding, .jsonl line by line, .csv row by row, each within a bound of memory.

What cannot be read of a table is told row by row, and reading goes on behind it.
"""

import csv
import io
import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from charset_normalizer import from_bytes

from pipeline.errors import DataError
from pipeline.sources import Failure

LONGEST = 5_000_000  # characters of an article; a newspaper page has 30,000
WHOLE_MOST = 4 * LONGEST + 3  # bytes: of UTF-8, at most four a character, and a byte order mark
LINE_MOST = 6 * LONGEST + 1_000_000  # bytes: JSON can write a character as \\uXXXX; the rest is for other fields
ROW_MOST = LONGEST + 1_000_000  # characters
PIECE = 2**20  # bytes or characters read at a time


def decode(path: Path) -> str:
    """A file's bytes as text: UTF-8, a byte order mark dropped, line ends kept.

    Raises:
        DataError: the bytes are not UTF-8; the message has the offset and a guess at the real encoding.
    """
    return decode_bytes(path.read_bytes(), str(path))


def decode_bytes(raw: bytes, origin: str, offset: int = 0, guess: bool = True) -> str:
    """As `decode`, for bytes that were read already from `offset` on; `origin` starts the message.

    `guess`: whether to guess at the encoding, which takes a while: one guess a file is enough.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        likely = from_bytes(raw[max(0, at - 50_000) : at + 50_000]).best() if guess else None
        hint = f"; it looks like {likely.encoding}: iconv -f {likely.encoding} -t utf-8" if likely else ""
        raise DataError(f"{origin}: not UTF-8: byte 0x{raw[at]:02x} at offset {offset + at}{hint}") from error


def read_bounded(stream: IO[bytes], most: int) -> bytes | None:
    """All bytes of a stream, or none where there are more than `most`; no more than one beyond it is read."""
    data = bytearray()
    while piece := stream.read(min(PIECE, most + 1 - len(data))):
        data += piece
        if len(data) > most:
            return None
    return bytes(data)


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a .jsonl file with their line numbers, counted from 1; blank lines are passed over.

    Raises:
        DataError: a line is not a JSON object (file:line).
    """
    yield from json_lines_of(decode(path), str(path))


def json_lines_of(text: str, origin: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `json_lines`, for a text that was read already; `origin` starts the message."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = _json_object(line, f"{origin}:{number}")
            if isinstance(row, Failure):
                raise DataError(row.reason)
            yield number, row


def stream_json_lines(stream: IO[bytes], origin: str) -> Iterator[tuple[int, dict[str, Any] | Failure]]:
    """The objects of a .jsonl stream with their line numbers; a line that is none, or is too long, is a `Failure`."""
    offset, number, guessed = 0, 0, False
    while raw := stream.readline(LINE_MOST):
        number += 1
        place = f"{origin}:{number}"
        start, offset = offset, offset + len(raw)
        if len(raw) == LINE_MOST and not raw.endswith(b"\n"):
            more = _rest_of_line(stream)
            offset += more
            if more:
                yield (
                    number,
                    _failure(place, f"a line of {offset - start:,} bytes; an article has at most {LONGEST:,} characters"),
                )
                continue
        raw = raw.removesuffix(b"\n")
        try:
            line = decode_bytes(raw, place, start, guess=not guessed)
        except DataError as error:
            guessed = True
            yield number, Failure(place, "read", str(error))
        else:
            if line.strip():
                yield number, _json_object(line, place)


def _rest_of_line(stream: IO[bytes]) -> int:
    count = 0
    while piece := stream.readline(PIECE):
        count += len(piece)
        if piece.endswith(b"\n"):
            break
    return count


def _failure(place: str, reason: str) -> Failure:
    return Failure(place, "read", f"{place}: {reason}")


def _json_object(line: str, place: str) -> dict[str, Any] | Failure:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return _failure(place, f"not JSON: {error.msg} at column {error.colno}; is the line cut off?")
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, brackets 100,000 deep
        return _failure(place, f"not JSON that can be read: {error}")
    return row if isinstance(row, dict) else _failure(place, f"a JSON object is needed, not {type(row).__name__}")


class _TooLong(Exception):  # noqa: N818 - a signal between this module's two halves
    """A row has more characters than the bound."""


class _CsvLines:
    """The lines of a .csv, as the csv module asks for them, that can be given again from the second of a row on."""

    def __init__(self, stream: IO[bytes]) -> None:
        # Bad bytes stay in their place as lone surrogates, which no UTF-8 has: so each row can be judged by itself.
        self.text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="")
        self.waiting: deque[str] = deque()
        self.row: list[str] = []
        self.length = 0  # characters of the row
        self.number = 0  # of the last line that was given out
        self.offset = 0  # bytes before the row

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        line = self._next_line(ROW_MOST)
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1 and line.startswith("\ufeff"):
            line, self.offset = line[1:], 3
        self.row.append(line)
        self.length += len(line)
        if self.length >= ROW_MOST:
            raise _TooLong
        return line

    def _next_line(self, most: int) -> str:
        return self.waiting.popleft() if self.waiting else self.text.readline(most)

    def bytes_of_row(self) -> bytes:
        return "".join(self.row).encode("utf-8", "surrogateescape")

    def begin_row(self) -> None:
        """What was given out is done with."""
        self.offset += len(self.bytes_of_row())
        self.row, self.length = [], 0

    def give_again(self) -> None:
        """Let the lines of this row behind its first be read anew."""
        self.waiting.extendleft(reversed(self.row[1:]))
        self.number -= len(self.row[1:])
        del self.row[1:]

    def skip_row(self) -> tuple[int, bool]:
        """Pass over the rest of a row that is too long: its characters, and whether its quotation mark closes."""
        line, marks = self.row[-1], sum(line.count('"') for line in self.row)
        ended = line.endswith(("\n", "\r"))
        while not ended or marks % 2:
            line = self._next_line(PIECE)
            if not line:
                break
            self.number += ended  # the line before was whole, so this is another
            ended = line.endswith(("\n", "\r"))
            marks += line.count('"')
            self.length += len(line)
            self.offset += len(line.encode("utf-8", "surrogateescape"))
        return self.length, marks % 2 == 0


def stream_csv_rows(stream: IO[bytes], origin: str) -> Iterator[tuple[int, list[str] | Failure]]:
    """The rows of a .csv stream, the column names first, each with the number of the line on which it ends.

    A row that breaks the rules of quoting fails alone: its first line is passed over, and reading goes on with the second.
    """
    csv.field_size_limit(2**31 - 1)  # `_CsvLines` has the bound
    lines = _CsvLines(stream)
    try:
        yield from _csv_rows(lines, origin)
    finally:
        if not stream.closed:
            lines.text.detach()  # whoever opened the stream closes it


def _csv_rows(lines: _CsvLines, origin: str) -> Iterator[tuple[int, list[str] | Failure]]:
    reader, guessed = csv.reader(lines, strict=True), False
    while True:
        lines.begin_row()
        first = lines.number + 1
        place = f"{origin}:{first}"
        try:
            row = next(reader)
            decode_bytes(lines.bytes_of_row(), f"{origin}:{lines.number}", lines.offset, guess=not guessed)
        except StopIteration:
            return
        except DataError as error:
            guessed = True
            yield lines.number, Failure(f"{origin}:{lines.number}", "read", str(error))
        except _TooLong:
            length, closed = lines.skip_row()
            what = "a row" if closed else "a quotation mark opens that never closes, in a row"
            reason = f"{what} of {length:,} characters, up to line {lines.number}; an article has at most {LONGEST:,}: split it"
            yield first, _failure(place, reason)
        except csv.Error as error:
            last = lines.number
            lines.give_again()
            behind = f" in line {last}; reading goes on with line {first + 1}" if last > first else ""
            hint = "does a quotation mark not close, or stand in a cell without being doubled?"
            yield first, _failure(place, f"not a .csv row: {error}{behind}; {hint}")
        else:
            if row:
                yield lines.number, row
