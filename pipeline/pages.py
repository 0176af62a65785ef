"""The text of pages, found by trafilatura in processes of their own: a page that crashes or hangs its parser is lost alone.

While pages are parsed the next ones are read. Such a process is a new Python rather than a copy of this program, so that it
works from notebooks and threads too.
"""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Self, TypeVar

from pipeline.archives import why
from pipeline.errors import DataError

PATIENCE = 120  # seconds for one page; the largest take a few
SHARE = 4  # one parser of pages for so many cores: finding statements takes several times as long
SERVE = "import sys; sys.path = sys.argv[1:]; from pipeline.pages import serve; serve()"

Else = TypeVar("Else")
Of = TypeVar("Of")


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was read."""

    html: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a page of so many characters has."""

    length: int
    text: str
    title: str | None = None
    sitename: str | None = None
    date: str | None = None


def parsed(items: Iterable[tuple[Page | Else, Of]]) -> Iterator[tuple[Extracted | DataError | Else, Of]]:
    """The items in their order, with what each page has in its place, or why nothing of it can be had."""
    from pipeline.runtime import cores  # slow to import, and not needed by a parser

    waiting: deque[tuple[Parser, Of]] = deque()
    with ExitStack() as stack:
        idle = deque(stack.enter_context(Parser()) for _ in range(max(1, cores() // SHARE)))

        def first() -> tuple[Extracted | DataError, Of]:
            parser, of = waiting.popleft()
            idle.append(parser)
            return parser.end(), of

        for item, of in items:
            if isinstance(item, Page):
                if not idle:
                    yield first()
                waiting.append((parser := idle.popleft(), of))
                parser.begin(item)
            else:
                while waiting:
                    yield first()
                yield item, of
        while waiting:
            yield first()


class Parser:
    """A process that parses one page after the other; a context, which ends it. It is started with the first page."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._process: subprocess.Popen[str] | None = None
        self._asked = ""

    def __enter__(self) -> Self:
        """Return the parser."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process, whatever it does."""
        self._ended()

    def begin(self, page: Page) -> None:
        """Hand over a page; `end` gives what it has."""
        self._asked = json.dumps(page.html) + "\n"
        self._ask()

    def end(self) -> Extracted | DataError:
        """What the page has, or why nothing of it can be had."""
        answer, status = self._answer()
        if not answer and status != -signal.SIGALRM:  # it may have been killed for another reason than this page
            self._ask()
            answer, status = self._answer()
        if answer:
            found = json.loads(answer)
            return DataError(f"the page cannot be parsed: {found['error']}") if "error" in found else Extracted(**found)
        if status == -signal.SIGALRM:
            return DataError(f"the page takes its parser more than {PATIENCE} seconds; save its text as .txt")
        return DataError(
            "the process that parsed the page died: killed by the system, which may have run out of memory, or by a fault in a "
            "library; save its text as .txt"
        )

    def _ask(self) -> None:
        if self._process is None:
            command = [sys.executable, "-c", SERVE, *sys.path]
            # In a session of its own: Ctrl-C is for this process, which ends that one.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii", start_new_session=True
            )
        assert self._process.stdin
        with suppress(OSError):  # it died, as `end` will find
            self._process.stdin.write(self._asked)
            self._process.stdin.flush()

    def _answer(self) -> tuple[str, int]:
        """A line of the process, or, where it died, none and its exit status."""
        assert self._process and self._process.stdout
        line = self._process.stdout.readline()
        return (line, 0) if line.endswith("\n") else ("", self._ended())

    def _ended(self) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.kill()  # nothing to one that has ended, whose status stays
        status = process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # what was not sent
                stream.close()  # type: ignore[union-attr]
        return status


def serve() -> None:
    """Be such a process: a line with a page comes in, a line with what it has goes out. Too long a work ends it."""
    import trafilatura  # noqa: F401 - slow to load, which is not the page's time

    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever a library may print is no answer
    for line in iter(sys.stdin.readline, ""):
        signal.alarm(PATIENCE)
        try:
            answer = asdict(extract(json.loads(line)))
        except Exception as error:  # libraries raise any kind on pages that are broken
            answer = {"error": why(error)}
        signal.alarm(0)
        print(json.dumps(answer), file=answers, flush=True)


def extract(html: str) -> Extracted:
    """What trafilatura finds in a page."""
    from trafilatura import bare_extraction

    document = bare_extraction(html, with_metadata=True, include_comments=False, include_tables=False)
    if document is None:
        return Extracted(len(html), "")
    # trafilatura parts paragraphs by one line end, which would look like a hard wrap.
    text = (document.text or "").replace("\n", "\n\n")
    return Extracted(len(html), text, document.title, document.sitename, document.date)
