"""Fine-tuning all layers of a sentence encoder: Emberline beside PyTorch, on one device, in 32 bits and in mixed precision.

    python ci/bench/fine_tune.py --binary target/release/emberline --model models/all-MiniLM-L6-v2 \
        --texts pipelines/data/questions.csv --python venv/bin/python [--device cpu|cuda] [--precisions f32,bf16] \
        [--count 1000] [--batch 32] [--epochs 2] [--rounds 3] [--threads 2]

Each side is a process of its own and trains with a linear head and Adam, without dropout, on batches of texts of similar length;
rounds are interleaved. The seconds of an epoch are those of a fit of EPOCHS + 1 less those of a fit of one, by EPOCHS, so that
loading, tokenising and compiling kernels count for neither side; Emberline's include its scores of 16 validation rows. `--python` is
an interpreter that has sentence-transformers 6. Printed are the seconds of an epoch, texts per second, and the ratio of every round.
The GPU needs a binary that was built with `--features gpu`.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

VALID = 16
PIPELINE = """
name = "p"
[data]
path = "texts.csv"
text = "text"
label = "label"
[data.split]
valid = {valid}
[embedding.tuned.sentence_transformer]
path = {model}
trainable = true
precision = "{precision}"
[head]
layers = []
[train]
epochs = {epochs}
batch_size = {batch}
optimizer = {{ adam = {{ learning_rate = 2e-5 }} }}
encoder_learning_rate = 2e-5
encoder_weight_decay = 0.0
[decide]
keep_encoders = "none"
"""
REFERENCE = """
import json, sys, time
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
model, texts, batch, epochs, device, precision, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
model = SentenceTransformer(model, device=device)
model.eval()
texts = open(texts, encoding="utf-8").read().split("\\n")[:-1]
size, epochs = int(batch), int(epochs)
starts = range(0, len(texts), size)
moved = lambda value: value.to(device) if isinstance(value, torch.Tensor) else value
batches = [{name: moved(value) for name, value in model.preprocess(texts[i : i + size]).items()} for i in starts]
labels = [(torch.arange(i, min(i + size, len(texts))) % 2).float().to(device) for i in starts]
head = nn.Linear(model.encode(["a"]).shape[1], 1).to(device)
optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=2e-5, fused=True)
seconds = []
for _ in range(1 + epochs):
    started = time.perf_counter()
    for features, label in zip(batches, labels):
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            vectors = model(dict(features))["sentence_embedding"].float()
        loss = nn.functional.binary_cross_entropy_with_logits(head(vectors).squeeze(1), label)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds.append(time.perf_counter() - started)
print(json.dumps(sum(seconds[1:]) / epochs))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--texts", required=True, help="a .csv with a column question_text")
    parser.add_argument("--python", default=os.environ.get("EMBERLINE_ST_PYTHON", sys.executable))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precisions", default="f32,bf16")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with open(arguments.texts, encoding="utf-8", newline="") as file:
        texts = [" ".join(row["question_text"].split()) for row in csv.DictReader(file)]
    texts = list(dict.fromkeys(texts))[: arguments.count + VALID]
    for precision in arguments.precisions.split(","):
        rounds = [(own(arguments, precision, texts), reference(arguments, precision, texts)) for _ in range(arguments.rounds)]
        for name, side in (("Emberline", 0), ("PyTorch", 1)):
            seconds = [one[side] for one in rounds]
            median = statistics.median(seconds)
            print(f"{precision}, {name}: {median:.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {arguments.count / median:.0f} texts/s")
        ratios = [pytorch / emberline for emberline, pytorch in rounds]
        print(f"{precision}: {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def own(arguments, precision, texts):
    return (fitted(arguments, precision, texts, 1 + arguments.epochs) - fitted(arguments, precision, texts, 1)) / arguments.epochs


def fitted(arguments, precision, texts, epochs):
    """Returns the seconds of a fit."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "texts.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *((text, "ab"[at % 2]) for at, text in enumerate(texts))])
        pipeline = PIPELINE.format(valid=VALID, model=json.dumps(str(arguments.model.resolve())), precision=precision, epochs=epochs,
                                   batch=arguments.batch)
        (folder / "p.toml").write_text(pipeline, encoding="utf-8")
        command = [arguments.binary.resolve(), "run", "p.toml", "--device", arguments.device, "--jobs", "1", "--quiet"]
        variables = {"RAYON_NUM_THREADS": str(arguments.threads), "EMBERLINE_CACHE_DIR": str(folder / "cache")}
        ended = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(ended.stderr)
        summary = json.loads((folder / "runs/p/summary.json").read_text(encoding="utf-8"))
    return summary["cells"][0]["seconds"]


def reference(arguments, precision, texts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.txt"
        path.write_text("".join(text + "\n" for text in sorted(texts[VALID:], key=len)), encoding="utf-8")
        parts = [arguments.model, path, arguments.batch, arguments.epochs, arguments.device, precision, arguments.threads]
        command = [arguments.python, "-c", REFERENCE, *(str(part) for part in parts)]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(ended.stderr)
        return json.loads(ended.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
