"""Whether an article is English, which the rules of attribution and the model are made for.

Two witnesses must agree before an article is refused, because a refused article is lost: it has next to none of the small
words that English prose is full of, and py3langid (139 languages, offline) takes it for another language by a wide margin.
Neither alone will do: tables and wire copy in capitals lack small words, and lists of foreign names read like their language.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import Any

PIECES, LENGTH = 5, 300  # what is looked at: so many pieces of an article, of so many characters, spread over its length
FEWEST = 40  # letters; less than this tells nothing
SMALL_WORDS = frozenset(
    "the and of to that with from his by this which have has been were they who would its said but not will are it".split()  # noqa: SIM905
)
ENOUGH = 0.1  # share of small words: English news has two to four times as many, half an article of another language fewer
# How much likelier, in log probability for each letter, another language must be than English. Prose of 22 languages was at
# 1.7 or more; English lists of Polish and French names, tables, code, recipes and nonsense at 1.0 or less.
MARGIN = 1.3
WORD = re.compile(r"[^\W\d_]+")
NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "ms": "Malay", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sr": "Serbian",
    "sv": "Swedish", "sw": "Swahili", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip


def other_language(text: str) -> str | None:
    """The name of the language of `text` (its ISO 639 code where it is a rarer one); none for English or where it is unclear.

    An article that is English in part, such as one with a long quotation in the speaker's own language, counts as English.
    """
    pieces = _pieces(text)
    words = [w.lower() for piece in pieces for w in WORD.findall(piece)]
    if sum(w in SMALL_WORDS for w in words) >= ENOUGH * max(1, len(words)):
        return None
    judged = [_judge(piece) for piece in pieces if _letters(piece) >= FEWEST]
    others = Counter(code for code in judged if code)
    if not others or others.total() * 2 <= len(judged):
        return None
    code, _ = others.most_common(1)[0]
    return NAMES.get(code, code)


def _pieces(text: str) -> list[str]:
    step = max(LENGTH, len(text) // PIECES)
    return [text[at : at + LENGTH] for at in range(0, step * PIECES, step)]


def _letters(piece: str) -> int:
    return sum(map(len, WORD.findall(piece)))


def _judge(piece: str) -> str | None:
    """The code of the language of a piece, or none where it may be English or is no language at all."""
    scores = dict(_identifier().rank(piece))
    best = max(scores, key=lambda code: scores[code])
    return best if best != "zxx" and scores[best] - scores["en"] >= MARGIN * _letters(piece) else None


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """The identifier with the model that the package ships; loaded only when an article lacks English words."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
