"""Names → letters, so that a statement is judged by what it says and not by who is named in it.

What a model has read of a country or a person before is left out of its sight, as swapping names in tests shows that it
otherwise counts (Prabhakaran et al. 2019, *Perturbation Sensitivity Analysis*). Capital letters alone decide, so that it is
fast and the same everywhere.
"""

from functools import lru_cache
from pathlib import Path

import regex

LETTERS = "XYZWVUTSRQPONMLKJHGFEDCB"  # neither A nor I, which are words
_WORD = r"(?:(?:\p{Lu}\.)+(?:\p{Lu}\b)?|[\p{Lu}\p{Lt}][\w’'-]*)"
_NAME = regex.compile(rf"(?<!\w){_WORD}(?:(?:\s+(?:of|the|of the|de|al|bin|van|von|der))?\s+{_WORD})*")
_START = regex.compile(r"(?:^|[.!?:;…|]\s+|[“”\"‘'(\[—–-]\s*)$")
_ENDING = regex.compile(r"(?:['’](?:s|re|ve|ll|d|m|t)|n['’]t)?\.?$")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_KEPT = frozenset(("I", "Mr", "Mrs", "Ms", *_DAYS, *_MONTHS))
_SHOUTED = 0.6  # of the words in capitals: letters tell nothing then


def masked(text: str, seen: dict[str, str]) -> str:
    """The text with a letter in the place of each name, the same for the same last word of a name.

    `seen` maps such words to their letters; give one mapping to all the texts that belong together. A text in capitals
    stays as it is.
    """
    words = [word for word in text.split() if word[:1].isalpha()]
    if sum(word.isupper() for word in words) > max(3, _SHOUTED * len(words)):
        return text
    return str(_NAME.sub(lambda found: _replaced(found, text, seen), text))


def _replaced(found: regex.Match[str], text: str, seen: dict[str, str]) -> str:
    """What stands for a run of capitalised words: a letter, behind a first word that is no name."""
    words = found.group().split()
    first = _ENDING.sub("", words[0])
    opens = _START.search(text, max(0, found.start() - 4), found.start()) is not None
    if first in _KEPT or (opens and first.lower() in common_words() and (len(first) == 1 or not first.isupper())):
        return found.group() if len(words) == 1 else f"{words[0]} {_letter(' '.join(words[1:]), seen)}"
    return _letter(found.group(), seen)


def _letter(name: str, seen: dict[str, str]) -> str:
    ending = regex.search(r"['’]s$", name)
    key = regex.sub(r"['’]s$", "", name).split()[-1].casefold()
    letter = seen.setdefault(key, LETTERS[min(len(seen), len(LETTERS) - 1)])
    return letter + (ending.group() if ending else "")


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Words that stand without a capital in the texts that were written for this project, and so are no names."""
    return frozenset(Path(__file__).with_name("common_words.txt").read_text("ascii").split())
