"""Fine-tuning all layers of a sentence encoder: Emberline against PyTorch, on the CPU and the same batches.

    cargo test --release -p emberline-encoder --lib --no-run      (prints the path of the program)
    python ci/bench/fine_tune.py --program target/release/deps/emberline_encoder-... --model models/all-MiniLM-L6-v2 \
        --texts pipelines/data/questions.csv --python venv/bin/python [--count 1000] [--batch 32] [--rounds 3] [--threads 2]

Each side is a process of its own and trains one epoch with a linear head and Adam, without dropout; rounds are interleaved.
The texts are sorted by length, so that a batch holds texts of similar length, which both sides are given alike. Loading and
tokenising count for neither. `--python` is an interpreter that has sentence-transformers. Printed are the seconds of an epoch,
what of them the optimiser takes, the mean loss, and the ratio of every round.
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

REFERENCE = """
import json, sys, time
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
model, texts, batch, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
model = SentenceTransformer(model, device="cpu")
model.eval()
texts = open(texts, encoding="utf-8").read().split("\\n")[:-1]
size = int(batch)
batches = [model.preprocess(texts[i : i + size]) for i in range(0, len(texts), size)]
labels = [torch.arange(i, min(i + size, len(texts))) % 2 for i in range(0, len(texts), size)]
head = nn.Linear(model.encode(["a"]).shape[1], 2)
with torch.no_grad():
    head.weight.copy_((torch.arange(head.weight.numel(), dtype=torch.float64).sin() * 0.3).reshape(head.weight.shape))
    head.bias.zero_()
optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=2e-5, fused=True)
start, updates, losses = time.perf_counter(), 0.0, 0.0
for features, label in zip(batches, labels):
    loss = nn.functional.cross_entropy(head(model(features)["sentence_embedding"]), label)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    update = time.perf_counter()
    optimizer.step()
    updates += time.perf_counter() - update
    losses += loss.item() * len(label)
print(json.dumps({"seconds": time.perf_counter() - start, "updates": updates, "loss": losses / len(texts)}))
"""
MEASURE = ["fine_tune::tests::speed", "--ignored", "--nocapture", "--test-threads", "1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True, help="a .csv with a column question_text")
    parser.add_argument("--python", default=os.environ.get("EMBERLINE_ST_PYTHON", sys.executable))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with open(arguments.texts, encoding="utf-8", newline="") as file:
        texts = [row["question_text"].replace("\n", " ") for row in csv.DictReader(file)][: arguments.count]
    texts.sort(key=len)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.txt"
        path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        rounds = [(own(arguments, path), reference(arguments, path)) for _ in range(arguments.rounds)]
    for name, side in (("Emberline", 0), ("PyTorch", 1)):
        seconds = [one[side]["seconds"] for one in rounds]
        updates = statistics.median(one[side]["updates"] for one in rounds)
        spread = f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        print(f"{name}: {spread}, of which the optimiser {updates:.2f}; loss {rounds[0][side]['loss']:.5f}")
    ratios = [pytorch["seconds"] / emberline["seconds"] for emberline, pytorch in rounds]
    print(f"as fast: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def own(arguments, texts):
    variables = {"EMBERLINE_MINILM": arguments.model, "EMBERLINE_TEXTS": str(texts), "EMBERLINE_BATCH": str(arguments.batch),
                 "RAYON_NUM_THREADS": str(arguments.threads)}
    printed = subprocess.run([arguments.program, *MEASURE], env=os.environ | variables, check=True, capture_output=True, text=True)
    return json.loads(next(line[line.index("{") :] for line in printed.stdout.splitlines() if '"seconds"' in line))


def reference(arguments, texts):
    command = [arguments.python, "-c", REFERENCE, arguments.model, str(texts), str(arguments.batch), str(arguments.threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
