"""An encoder that has had a step before it is fine-tuned: python benchmarks/pre_steps.py contrastive|masked FOLDER

contrastive: statements of one cell (stance and outlook) are drawn together, others apart, with the triplet loss over all
triplets of a batch (Hermans et al. 2017; the idea of SetFit, Tunstall et al. 2022). masked: masked words of the unlabelled
articles are guessed (Gururangan et al. 2020, *Don't Stop Pretraining*). Both start from the embedded encoder and see training
negotiations alone. FOLDER can then be named as the encoder: python train.py configs/scratch.yaml model.encoder=FOLDER
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import datasets
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import BatchAllTripletLoss
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling, Trainer, TrainingArguments

from pipeline.articles import json_lines
from pipeline.codebook import default_codebook
from pipeline.corpus import load_set
from pipeline.encoder import EMBEDDED, encoder_folder

ROOT = Path(__file__).parents[1]
SETS = ("dispatches", "contrast", "news", "archive")
SEED = 13


def arguments(kind: Any, work: str, rate: float) -> Any:
    """What both steps share."""
    return kind(
        output_dir=work,
        num_train_epochs=1,
        per_device_train_batch_size=32,
        learning_rate=rate,
        warmup_steps=20,
        seed=SEED,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_steps=50,
    )


def contrastive(output: Path) -> None:
    """Statements with their cues, by cell."""
    tasks = default_codebook().tasks
    examples = [e for name in SETS for e in load_set(name, ROOT / "labels", ROOT.parent / "shared").split("train")]
    found = [tuple(e.labels[task] for task in tasks) for e in examples]
    cells = sorted(set(found))
    rows = {
        "sentence": [" ".join(filter(None, (e.statement.cue_text, e.statement.text))) for e in examples],
        "label": [cells.index(cell) for cell in found],
    }
    model = SentenceTransformer(encoder_folder(EMBEDDED), device="cpu")
    with tempfile.TemporaryDirectory() as work:
        settings = arguments(SentenceTransformerTrainingArguments, work, 2e-5)
        data = datasets.Dataset.from_dict(rows)
        SentenceTransformerTrainer(model, settings, train_dataset=data, loss=BatchAllTripletLoss(model)).train()
    model[0].auto_model.save_pretrained(output)
    model.tokenizer.save_pretrained(output)


def masked(output: Path) -> None:
    """Articles that the archive lists, which are those of no held-out negotiation, in pieces of 128 tokens."""
    allowed = {row["id"] for _, row in json_lines(ROOT / "labels" / "archive" / "manifest.jsonl")}
    found = json_lines(ROOT.parent / "shared" / "news" / "unlabelled.jsonl")
    texts = [row["text"] for _, row in found if row["id"] in allowed]
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder(EMBEDDED))
    pieces = tokenizer(texts, truncation=True, max_length=128, return_overflowing_tokens=True)["input_ids"]
    model = AutoModelForMaskedLM.from_pretrained(encoder_folder(EMBEDDED))
    with tempfile.TemporaryDirectory() as work:
        settings = arguments(TrainingArguments, work, 1e-4)
        data = datasets.Dataset.from_dict({"input_ids": pieces})
        collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
        Trainer(model, settings, train_dataset=data, data_collator=collate).train()
    model.base_model.save_pretrained(output)
    tokenizer.save_pretrained(output)


if __name__ == "__main__":
    kinds = {"contrastive": contrastive, "masked": masked}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        sys.exit(f"usage: python benchmarks/pre_steps.py {'|'.join(kinds)} FOLDER")
    kinds[sys.argv[1]](Path(sys.argv[2]))
