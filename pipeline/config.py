"""A run's YAML as validated models. Everything is checked here, once, before anything heavy is loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import ConfigError, nearest
from pipeline.files import read_yaml

Rate = Annotated[float, Field(gt=0, lt=1)]
SOFT = "soft"  # the name under which training.set_weights speaks of statements with a teacher's labels
STARTS = ("encoder", "shipped")  # what model.init may be beside a run folder
TAKEN = {  # what a task cannot be called: fields of a statement and of predictions, and what a module of torch has already
    "id", "text", "article", "content", "cue", "source", "cue_text", "source_text", "speaker", "kind", "role", "side", "type",
    "context", "paragraph", "model", "set", "split", "negotiation", "hard", "pair", "keys", "values", "items", "pop", "clear",
    "update", "train", "eval", "training", "forward", "float", "double", "half", "to", "cpu", "apply", "buffers", "children",
    "modules", "parameters", "compile", "share_memory", "register_buffer", "register_module",
}  # fmt: skip
StatementField = Literal["speaker", "role", "side", "kind", "source_text", "cue_text", "context", "type"]


class Section(BaseModel):
    """Base of all sections: an unknown key is an error, and a section never changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TableTask(Section):
    """One task of a table: the column with its labels, and its classes, as a list or as value → class."""

    column: str
    classes: dict[str | int, str] | list[str] | None = Field(default=None, description="none: those of the training table")


class TableSection(Section):
    """A user's own labelled statements: one row each, in .csv, .tsv, .jsonl or .parquet."""

    train: str
    development: str | Rate = Field(default=0.15, description="a file, or a share of the training table")
    test: str | Rate | None = Field(default=None, description="a file, or a share of the training table")
    split_seed: int = Field(default=13, ge=0, description="of the draw of shares; the same for every seed")
    name: str = Field(default="table", description="of the set, in scores and cards")
    text: str = Field(default="text", description="the column with the statement")
    id: str | None = Field(default=None, description="the column with ids; none: the rows are numbered")
    group: str | None = Field(default=None, description="a column whose equal values stay in one part, such as the article")
    fields: dict[StatementField, str] = Field(default={}, description="further fields of a statement → column")
    names: list[str] | None = Field(default=None, description="the columns of a table without a header")
    tasks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], TableTask]

    @field_validator("tasks")
    @classmethod
    def _some_task(cls, tasks: dict[str, TableTask]) -> dict[str, TableTask]:
        taken = sorted(set(tasks) & TAKEN)
        if not tasks or taken:
            raise ValueError(f"tasks needs one task or more, and these names are taken: {', '.join(taken or sorted(TAKEN))}")
        return tasks

    @field_validator("name")
    @classmethod
    def _a_name_of_its_own(cls, name: str) -> str:
        if name in ("development", SOFT):
            raise ValueError(f"the name {name!r} is taken")
        return name

    def files(self) -> dict[str, str]:
        """The files of the parts that have one."""
        parts = {"train": self.train, "development": self.development, "test": self.test}
        return {name: value for name, value in parts.items() if isinstance(value, str)}

    def shares(self) -> dict[str, float]:
        """The shares of the training table that become a part."""
        parts = {"development": self.development, "test": self.test}
        return {name: value for name, value in parts.items() if isinstance(value, float)}

    def columns(self) -> list[str]:
        """Every column that must be there."""
        single = [c for c in (self.text, self.id, self.group) if c]
        return [*single, *self.fields.values(), *(task.column for task in self.tasks.values())]


class DataSection(Section):
    """Which labelled sets are read, and where the texts of standoff sets are looked for."""

    sets: list[str] = Field(default=["dispatches"], description="folders under labels/ to train on")
    report: list[str] = Field(default=["gold"], description="further sets that are only ever scored")
    labels: str = Field(default="labels", description="the folder of the labelled sets")
    articles: str = Field(default="../shared", description="where the texts of standoff sets are looked for")
    fraction: Annotated[float, Field(gt=0, le=1)] = Field(default=1.0, description="share of the training statements")
    choose: list[str] = Field(default=[], description="sets whose development part decides; none: all of them")
    soft: list[str] = Field(
        default=[], description="labelled statements of `parley label`, to learn models' labels from; of several files the mean"
    )
    table: TableSection | None = Field(default=None, description="a user's own labelled statements, instead of sets")
    brat: str | None = Field(default=None, description="attribution: a corpus in PolNeAR's layout, instead of sets")

    @field_validator("soft", mode="before")
    @classmethod
    def _one_file_is_a_list(cls, soft: Any) -> Any:
        return [soft] if isinstance(soft, str) else soft

    @model_validator(mode="after")
    def _scored_sets_are_not_trained_on(self) -> Self:
        whole = "brat" if self.brat is not None else "table" if self.table is not None else None
        if whole and (self.sets or self.report):
            raise ValueError(f"data.{whole} is a whole corpus by itself: give data.sets=[] and data.report=[] with it")
        if not whole and not self.sets:
            raise ValueError("data.sets is empty: there is nothing to train on")
        both = sorted(set(self.sets) & set(self.report))
        if both:
            raise ValueError(f"data.sets and data.report both name {both}: a set that is only scored is never trained on")
        if "gold" in self.sets:
            raise ValueError("data.sets names 'gold': the gold set is never trained on; list it under data.report")
        unread = sorted(set(self.choose) - set(self.sets))
        if unread:
            raise ValueError(f"data.choose names {unread}, which data.sets does not: {self.sets}")
        return self


class ModelSection(Section):
    """The encoder and how a statement becomes its input."""

    encoder: str = Field(default="embedded", description="'embedded', a hub id, or a folder")
    init: str = Field(
        default="encoder",
        description="'encoder': as it was published; 'shipped': the classifier that ships; a run folder: its changes go on",
    )
    rank: int | None = Field(default=None, ge=1, le=256, description="of low-rank updates; none: the whole encoder is trained")
    fields: list[StatementField] = Field(default=["cue_text"], description="what is put before the statement's text")
    names: Literal["kept", "masked"] = Field(default="kept", description="masked: a letter stands in the place of each name")
    pooling: Literal["mean", "cls"] = "mean"
    max_length: int = Field(default=128, ge=8, le=512, description="tokens a statement is cut to")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @field_validator("fields")
    @classmethod
    def _no_field_twice(cls, fields: list[str]) -> list[str]:
        if len(set(fields)) < len(fields):
            raise ValueError(f"{fields} names a field twice")
        return fields


class TaggerSection(Section):
    """The token tagger of attribution: its encoder, and how much of it is trained."""

    encoder: str = Field(default="embedded", description="'embedded', a hub id, or a folder")
    rank: int | None = Field(
        default=32, ge=1, le=256, description="of the low-rank updates; none: the whole encoder is trained"
    )
    max_length: int = Field(default=256, ge=16, le=512, description="tokens of a window")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


class TrainingSection(Section):
    """The optimisation."""

    epochs: int = Field(default=8, ge=1, le=1000)
    batch_size: int = Field(default=16, ge=1, le=4096)
    learning_rate: Rate = 2e-4
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.1, description="share of the steps")
    class_weights: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="each class weighs the inverse of its share to this power; 0: all weigh the same"
    )
    set_weights: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default={}, description="what a statement of a set weighs in the loss; 1 where nothing is said; soft: `soft`"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    focal: Annotated[float, Field(ge=0, le=5)] = Field(default=0.0, description="gamma of the focal loss; 0: cross-entropy")
    patience: int = Field(default=4, ge=1, description="evaluations without a better score before training stops")
    max_steps: int | None = Field(default=None, ge=1, description="stop after so many steps, whatever the epochs")
    save_steps: int | None = Field(default=None, ge=1, description="a checkpoint every so many steps; none: each epoch")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; none: as many as torch takes")


class CrossValidation(Section):
    """Scores from the training and development parts alone: each negotiation is scored by a model that never saw it."""

    folds: int | None = Field(default=None, ge=2, le=50, description="how many parts; a negotiation stands in one")
    fold: int | None = Field(default=None, ge=1, description="one of them alone, counted from 1; none: all, one by one")

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Self:
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"cv.fold={self.fold} is not one of cv.folds={self.folds}")
        return self


class Range(Section):
    """What `parley tune` may choose from; whole numbers where both ends are whole."""

    low: int | float
    high: int | float
    log: bool = Field(default=False, description="small values are tried as often as great ones")

    @model_validator(mode="after")
    def _low_is_low(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"the range {self.low} to {self.high} is empty{', or log with a low of 0' if self.log else ''}")
        return self


class EvaluationSection(Section):
    """How a run is scored."""

    bootstrap: int = Field(default=1000, ge=100, le=100_000, description="resamples of whole articles")
    confidence: Rate = 0.95
    baselines: bool = True
    test: bool = Field(default=True, description="score the test parts too; false while something is being chosen")
    batch_size: int = Field(default=64, ge=1, le=4096)


class RunConfig(Section):
    """One run: everything that decides its result."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    task: Literal["classification", "attribution"] = Field(
        default="classification", description="stance and outlook of statements, or the tagger that finds statements"
    )
    runs: str = Field(default="runs", description="the folder that holds the run folders")
    seed: int = Field(default=13, ge=0, lt=2**32)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(default=[], description="a run for each, and their spread")
    resume: bool = Field(default=False, description="go on from the last complete checkpoint of this run")
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    tagger: TaggerSection = TaggerSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    cv: CrossValidation = CrossValidation()
    tune: dict[str, Range | list[int | float | str | bool | None]] = Field(
        default={}, description="keys such as training.learning_rate, each with a range or a list, for `parley tune`"
    )

    @model_validator(mode="after")
    def _steps_agree(self) -> Self:
        limit, every = self.training.max_steps, self.training.save_steps
        if limit is not None and every is not None and every > limit:
            raise ValueError(f"training.save_steps={every} is above training.max_steps={limit}: nothing would be saved")
        return self

    @model_validator(mode="after")
    def _runs_are_told_apart(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds} names a seed twice")
        if self.cv.folds and self.data.soft:
            raise ValueError("cv.folds with data.soft: the teacher has seen every fold, so the scores would flatter")
        if self.cv.folds and self.model.init != "encoder":
            raise ValueError(
                f"cv.folds with model.init={self.model.init}: the start has seen every fold; take configs/scratch.yaml"
            )
        if self.task == "attribution" and (self.seeds or self.cv.folds or self.tune):
            raise ValueError("seeds, cv.folds and tune are for task=classification; give a tagger one seed at a time")
        unknown = sorted(set(self.training.set_weights) - {*self.data.sets, SOFT})
        if unknown:
            raise ValueError(f"training.set_weights names {unknown}, which data.sets does not: {[*self.data.sets, SOFT]}")
        return self

    @model_validator(mode="after")
    def _sections_fit_the_task(self) -> Self:
        other, own = ("tagger", "model") if self.task == "classification" else ("model", "tagger")
        if other in self.model_fields_set and getattr(self, other) != type(getattr(self, other))():
            raise ValueError(
                f"{other} has no part in task={self.task}, whose encoder is set under {own}; or is the task wrong?"
            )
        if self.task == "classification" and self.data.brat is not None:
            raise ValueError("data.brat is for task=attribution: it marks who said what, and has no labels of stance")
        idle = [("data", key) for key in ("table", "soft", "choose", "fraction")]
        idle += [("training", key) for key in ("class_weights", "set_weights", "label_smoothing", "focal")]
        for section, key in (*idle, ("evaluation", "baselines")):
            part = getattr(self, section)
            if self.task == "attribution" and getattr(part, key) != type(part).model_fields[key].default:
                raise ValueError(f"{section}.{key} is for task=classification; a tagger has no part in it")
        return self

    @property
    def folder(self) -> Path:
        """The run folder, runs/NAME."""
        return Path(self.runs) / self.name

    def to_yaml(self) -> str:
        """The resolved configuration, every default written out, as `train.py` would read it again."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's YAML and apply `key=value` overrides, where a key may be dotted: `training.epochs=3`.

    Raises:
        ConfigError: the file is missing or no YAML mapping, an override is no `key=value`, a key is unknown (the nearest
            known key is named), a value has the wrong type or range, a path that it names is missing, or two values
            contradict each other.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such configuration.{_other_configs(path)}")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of keys to values, not {type(raw).__name__}")
    raw.setdefault("name", path.stem)
    for override in overrides:
        _apply(raw, override)
    try:
        config = RunConfig.model_validate(_scientific(raw))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from error
    _check_paths(path, config)
    return config


def _other_configs(path: Path) -> str:
    found = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f" That folder holds: {', '.join(found)}" if found else ""


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"override {override!r} is not key=value; for example training.epochs=3")
    *sections, last = key.strip().split(".")
    place = raw
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is not YAML: {error}") from error
    place[last] = value


def _scientific(value: Any) -> Any:
    """YAML 1.1 reads 5e-5 as a string, which no user means."""
    if isinstance(value, dict):
        return {key: _scientific(inner) for key, inner in value.items()}
    if isinstance(value, str) and "e" in value.lower():
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _explain(error: ValidationError) -> str:
    return "; ".join(_explain_one(e) for e in error.errors())


def _explain_one(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        siblings = _keys_of(problem["loc"][:-1])
        return f"unknown key {where!r}.{nearest(str(problem['loc'][-1]), siblings)} Known keys: {', '.join(siblings)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}, not {problem['input']!r}" if where and problem["type"] != "value_error" else message


def _keys_of(location: Sequence[Any]) -> list[str]:
    """The keys of the section at a place; where a mapping or a choice of types lies on the way, of the section inside it."""
    model: type[BaseModel] = RunConfig
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:  # a user's own key of a mapping, or the name of a choice
            continue
        found = next((c for c in _parts(field.annotation) if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _parts(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [annotation, *(part for choice in inner for part in _parts(choice))] if inner else [annotation]


def _check_paths(path: Path, config: RunConfig) -> None:
    labels = Path(config.data.labels)
    if not labels.is_dir():
        raise ConfigError(f"{path}: data.labels: {str(labels)!r} is not a folder; run from the top of the project")
    have = sorted(p.parent.name for p in labels.glob("*/manifest.jsonl"))
    for name in (*config.data.sets, *config.data.report):
        if name not in have:
            raise ConfigError(
                f"{path}: no labelled set {name!r} under {labels} (looked for {labels / name / 'manifest.jsonl'})."
                f"{nearest(name, have)} Sets there: {', '.join(have) or 'none'}"
            )
    if config.data.brat is not None and not Path(config.data.brat).is_dir():
        raise ConfigError(f"{path}: data.brat: the folder {config.data.brat!r} does not exist")
    for part, table in (config.data.table.files() if config.data.table else {}).items():
        if not Path(table).is_file():
            raise ConfigError(f"{path}: data.table.{part}: the file {table!r} does not exist")
    for section, encoder in (("model", config.model.encoder), ("tagger", config.tagger.encoder)):
        if encoder.startswith((".", "/", "~")) and not Path(encoder).expanduser().is_dir():
            raise ConfigError(f"{path}: {section}.encoder: the folder {encoder!r} does not exist")
    init = config.model.init
    if init not in STARTS and not Path(init).is_dir():
        raise ConfigError(
            f"{path}: model.init: {init!r} is no run folder, nor one of {', '.join(STARTS)}.{nearest(init, STARTS)}"
        )
