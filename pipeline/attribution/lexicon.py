"""The word lists of the attribution rules, read once from lexicon.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from pipeline.attribution.parties import known_parties
from pipeline.codebook import default_codebook
from pipeline.files import read_yaml

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Lexicon:
    """Lemma sets by their use, as lexicon.yaml explains; the party that each known name, demonym or metonym belongs to."""

    say: frozenset[str]
    think: frozenset[str]
    act: frozenset[str]
    phrasal: Mapping[str, frozenset[str]]
    states: frozenset[str]
    nouns: frozenset[str]
    people: frozenset[str]
    observers: frozenset[str]
    governments: frozenset[str]
    bodies: frozenset[str]
    outlets: frozenset[str]
    documents: frozenset[str]
    papers: frozenset[str]
    titles: frozenset[str]
    male: frozenset[str]
    female: frozenset[str]
    nicknames: Mapping[str, str]  # "bill" → "william"
    parties: Mapping[str, str]  # "Russian" → "Russia"

    @cached_property
    def verbs(self) -> frozenset[str]:
        """Every verb that can be a cue by itself."""
        return self.say | self.think | self.act

    @cached_property
    def cues(self) -> frozenset[str]:
        """Every lemma that a cue of one word, or of a verb and a particle, can have."""
        return self.verbs | self.phrasal.keys() | self.states | self.nouns

    @cached_property
    def sources(self) -> frozenset[str]:
        """Every noun for somebody or some body that can speak, and for what is written."""
        return self.people | self.bodies | self.governments | self.documents | self.outlets

    @cached_property
    def common(self) -> frozenset[str]:
        """Every word that may have a capital letter beside a name and is no part of it."""
        return self.sources | self.titles

    @cached_property
    def institutions(self) -> frozenset[str]:
        """Every noun for bodies, governments among them."""
        return self.bodies | self.governments

    @cached_property
    def nations(self) -> frozenset[str]:
        """The known parties in lower case."""
        return frozenset(p.lower() for p in self.parties.values())


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The word lists that ship with the package."""
    words = read_yaml(HERE / "lexicon.yaml")
    sets = {name: frozenset(words[name]) for name in Lexicon.__dataclass_fields__ if isinstance(words.get(name), list)}
    phrasal = {verb: frozenset(particles) for verb, particles in words["phrasal"].items()}
    observer = default_codebook().observer
    parties = {name: owners[0] for name, owners in known_parties().names.items() if owners[0] != observer}
    nicknames = {nick: name for name, nicks in words["nicknames"].items() for nick in nicks}
    return Lexicon(**sets, phrasal=phrasal, nicknames=nicknames, parties=parties)
