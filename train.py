"""The training job: python train.py CONFIG [key=value ...]

Reads the labelled sets, trains, evaluates, and leaves a sealed run folder (docs/data_format.md). Exit status: 0 done,
2 the call, the configuration or the data is wrong, 3 stopped by a signal with a complete checkpoint.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import RunConfig, load_config
from pipeline.errors import InterruptedRunError, PipelineError
from pipeline.files import write_json, write_text

USAGE = "usage: python train.py CONFIG [key=value ...]   for example: python train.py configs/default.yaml seed=7"


def main(arguments: Sequence[str]) -> int:
    """Run the job; returns the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        config = load_config(Path(arguments[0]), arguments[1:])
        folder = run_attribution(config) if config.task == "attribution" else run(config)
    except InterruptedRunError as error:
        say(str(error))
        return 3
    except PipelineError as error:
        say(f"error: {error}")
        return 2
    say(f"done: {folder}")
    return 0


def run(config: RunConfig) -> Path:
    """The whole job of a classifier, in order; returns the sealed run folder."""
    from pipeline import training  # heavy imports wait until the configuration is known to be good
    from pipeline.card import write_card
    from pipeline.codebook import default_codebook
    from pipeline.corpus import guard_against_leaks, read_sets, sample
    from pipeline.encoder import quiet
    from pipeline.evaluation import environment, score_sets, versions
    from pipeline.inference import Labeller
    from pipeline.model import save
    from pipeline.runfolder import MODEL, WORK, begin, seal
    from pipeline.statements import to_json

    quiet()
    began = time.monotonic()
    codebook = default_codebook()
    sets = read_sets(config.data, codebook)
    for labelled in sets:
        if labelled.missing:
            say(f"{labelled.lacking} (looked for under {config.data.articles})")
    examples = [e for s in sets if s.name in config.data.sets for e in s.examples]
    train = sample([e for e in examples if e.split == "train"], config.data.fraction, config.seed)
    development = [e for e in examples if e.split == "development"]
    held_out = {s.name: s.split("test") for s in sets if s.split("test")}
    guard_against_leaks(train, [*development, *(e for part in held_out.values() for e in part)])
    say(
        f"{len(train)} training and {len(development)} development statements; test: "
        + (", ".join(f"{name} {len(part)}" for name, part in held_out.items()) or "none")
    )

    folder = begin(config, {s.name: s.fingerprint for s in sets})
    trained = training.fit(config, train, development, codebook, folder / WORK, say)
    seconds = {"training": round(time.monotonic() - began, 1)}
    save(trained.model, trained.tokenizer, folder / MODEL)

    labeller = Labeller.from_pretrained(folder / MODEL, config.evaluation.batch_size)
    scores, predictions = score_sets(labeller, {"development": development, **held_out}, train, config, codebook)
    seconds["total"] = round(time.monotonic() - began, 1)
    metrics = {
        "name": config.name,
        "model": labeller.name,
        "sets": {s.name: {"fingerprint": s.fingerprint, "missing": list(s.missing)} for s in sets},
        "training": {
            "statements": len(train),
            "steps": trained.steps,
            "development_score": trained.best_score,
            "temperatures": trained.model.config.temperatures,
            "history": trained.history,
        },
        "confidence": config.evaluation.confidence,
        "scores": scores,
        "versions": versions(),
        "environment": environment(),
        "seconds": seconds,
    }
    write_json(folder / "metrics.json", metrics)
    write_text(folder / "predictions.jsonl", "".join(to_json(row) + "\n" for row in predictions))
    write_card(folder, config, metrics)
    seal(folder)
    for name, by_model in scores.items():
        for model, values in by_model.items():
            say(
                f"{name:>12} {model:<15}"
                + "  ".join(
                    f"{task} macro-F1 {t['macro_f1']['value']:.3f} [{t['macro_f1']['low']:.3f}, {t['macro_f1']['high']:.3f}]"
                    for task, t in values["tasks"].items()
                )
            )
    return folder


def run_attribution(config: RunConfig) -> Path:
    """The whole job of a tagger, in order; returns the sealed run folder."""
    from pipeline import tagging
    from pipeline.attribution import tagger
    from pipeline.card import write_card
    from pipeline.documents import read_parts, require_apart
    from pipeline.encoder import quiet
    from pipeline.evaluation import environment, versions
    from pipeline.metrics import Bootstrap
    from pipeline.runfolder import MODEL, WORK, begin, seal

    quiet()
    began = time.monotonic()
    parts = read_parts(config.data)
    for line in parts.lacking:
        say(f"{line} (looked for under {config.data.articles})")
    require_apart(parts.train, [*parts.development, *(d for part in parts.held_out.values() for d in part)])
    say(
        f"{len(parts.train)} training and {len(parts.development)} development documents; test: "
        + (", ".join(f"{name} {len(part)}" for name, part in parts.held_out.items()) or "none")
    )

    folder = begin(config, parts.fingerprints)
    trained = tagging.fit(config, parts.train, parts.development, folder / WORK, say)
    seconds = {"training": round(time.monotonic() - began, 1)}
    (folder / MODEL).mkdir(exist_ok=True)
    tagger.save(trained.model, folder / MODEL)

    reader = tagger.Tagger.from_folder(folder / MODEL)
    section = config.evaluation
    bootstrap = Bootstrap(section.bootstrap, section.confidence, config.seed)
    scored = {"development": parts.development, **parts.held_out}
    scores = {name: tagging.score_roles(reader, part, bootstrap) for name, part in scored.items()}
    seconds["total"] = round(time.monotonic() - began, 1)
    metrics = {
        "name": config.name,
        "sets": parts.fingerprints,
        "training": {
            "documents": len(parts.train),
            "steps": trained.steps,
            "development_score": trained.best_score,
            "history": trained.history,
        },
        "confidence": section.confidence,
        "scores": {n: {r: {k: e._asdict() for k, e in v.items()} for r, v in by.items()} for n, by in scores.items()},
        "versions": versions(),
        "environment": environment(),
        "seconds": seconds,
    }
    write_json(folder / "metrics.json", metrics)
    write_card(folder, config, metrics)
    seal(folder)
    for name, by_role in scores.items():
        for role, values in by_role.items():
            say(f"{name:>12} {role:<8}" + "  ".join(f"{k} {values[k]}" for k in ("exact F1", "begin F1", "Jaccard")))
    return folder


def say(line: str) -> None:
    """One line of progress, on standard error, at once."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
