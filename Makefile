# make run: set up, train the default, evaluate, label the examples, write the report.  make test: set up, run every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUN := runs/default

.PHONY: run test check bench tagger model clean
.DELETE_ON_ERROR:

run: $(READY)
	$(BIN)/python train.py configs/default.yaml
	$(BIN)/python -m pipeline label examples --model $(RUN) --output $(RUN)/examples.jsonl
	$(BIN)/python -m pipeline report --model $(RUN) --statements $(RUN)/examples.jsonl --articles examples --output $(RUN)/report.html

test: $(READY)
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/attribution.py
	$(BIN)/python benchmarks/phenomena.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/runtime.py
	$(BIN)/python benchmarks/peak.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/corpus_run.py
	$(BIN)/python benchmarks/cost.py
	$(BIN)/python benchmarks/cost.py --short --rules-only
	$(BIN)/python benchmarks/admission.py
	$(BIN)/python benchmarks/killed.py
	$(BIN)/python benchmarks/poisons.py

# The tagger that ships, trained anew from the labelled sets (docs/attribution.md): needs the texts of news.
tagger: $(READY)
	$(BIN)/python train.py configs/attribution.yaml
	cp runs/attribution/model/config.json runs/attribution/model/model.safetensors pipeline/attribution/weights/

# The classifier that ships, made anew (docs/classifier.md): its teachers, what they say of statements and of all sentences of
# the unlabelled articles and of made-up inputs, and the classifier. Reckoned, not run as a whole: more than a day on two cores.
TEACHERS := 13 14 15
INPUTS := unlabelled sentences made
model: $(READY)
	$(BIN)/python train.py configs/large.yaml name=teachers 'seeds=[13,14,15]' model.names=masked model.rank=null \
		training.batch_size=32 training.learning_rate=3e-5
	$(BIN)/python -m pipeline extract ../shared/news/unlabelled.jsonl --output runs/unlabelled.jsonl
	$(BIN)/python benchmarks/sentences.py runs/sentences.jsonl
	$(BIN)/python benchmarks/made_up.py runs/made.jsonl runs/unlabelled.jsonl runs/sentences.jsonl
	for teacher in $(TEACHERS); do for of in $(INPUTS); do $(BIN)/python -m pipeline label \
		--statements runs/$$of.jsonl --model runs/teachers/seed-$$teacher --output runs/soft-$$of-$$teacher.jsonl || exit 1; done; done
	$(BIN)/python train.py configs/shipped.yaml
	cp runs/shipped/changes/config.json runs/shipped/changes/model.safetensors pipeline/shipped/

clean:
	rm -rf $(VENV) runs

# torch first and pinned: a plain `torch` may bring gigabytes of CUDA packages.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[notebook,dev,tune,ray]'
	touch $(READY)
