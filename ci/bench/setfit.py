"""Few labels: Emberline's `contrastive` beside SetFit, on the same rows.

    python ci/bench/setfit.py --binary target/dist/emberline --model models/all-MiniLM-L6-v2 --python venv/bin/python \
        --data FOLDER --sets trec,sst2,banking77 --per-class 8,64 [--splits 5] [--pairs 20] [--test 500] [--threads 2]

FOLDER has trec/raw_TREC.{train,test}, sst2/{train,test}.tsv and banking77/{train,test}.csv as they are published. A split draws
the training rows of every class and the test rows; both sides train on them (pairs of each kind per row, one epoch, batches of
16 pairs, rate 2e-5, a logistic regression as head) and classify the same test rows. `--python` has setfit. A frozen encoder
under the same head stands beside them. Printed for each set and number of rows: accuracies with their mean and the interval of
the mean difference over splits (Student's t, 95 %), and the seconds of training.
"""

import argparse
import csv
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}

SETFIT = """
import csv, json, sys, time
import torch
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments
model, train, test, out, pairs, threads, seed = sys.argv[1:]
torch.set_num_threads(int(threads))
rows = lambda path: list(csv.DictReader(open(path, encoding="utf-8", newline="")))
train, test = rows(train), rows(test)
names = sorted({row["label"] for row in train})
data = Dataset.from_dict({"text": [r["text"] for r in train], "label": [names.index(r["label"]) for r in train]})
model = SetFitModel.from_pretrained(model)
arguments = TrainingArguments(
    batch_size=16, num_epochs=1, num_iterations=int(pairs), seed=int(seed), report_to="none", save_strategy="no", output_dir=out)
trainer = Trainer(model=model, args=arguments, train_dataset=data)
start = time.perf_counter()
trainer.train()
seconds = time.perf_counter() - start
found = [names[int(at)] for at in model.predict([row["text"] for row in test])]
right = sum(row["label"] == label for row, label in zip(test, found))
print(json.dumps({"accuracy": right / len(test), "seconds": seconds}))
"""

PIPELINE = """
name = "few"
seed = {seed}
[data]
text = "text"
label = "label"
[data.train]
path = "train.csv"
[data.test]
path = "test.csv"
[data.split]
train = {rows}
[embedding.frozen.sentence_transformer]
path = "{model}"
[embedding.tuned.sentence_transformer]
path = "{model}"
trainable = true
[train]
optimizer = {{ lbfgs = {{ l2 = 1.0 }} }}
contrastive = {{ pairs = {pairs} }}
[decide]
keep_encoders = "none"
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--python", default=os.environ.get("EMBERLINE_SETFIT_PYTHON", sys.executable))
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", default="trec,sst2,banking77")
    parser.add_argument("--per-class", default="8,64")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    for name in arguments.sets.split(","):
        train, test = READERS[name](arguments.data / name)
        for per_class in map(int, arguments.per_class.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                splits = [one(arguments, Path(folder), seed, drawn(train, test, per_class, arguments.test, seed))
                          for seed in range(1, arguments.splits + 1)]
            show(f"{name}, {per_class} rows per class", splits)


def trec(folder):
    def rows(name):
        lines = (folder / name).read_text(encoding="latin-1").splitlines()
        return [(text, label.split(":")[0]) for label, text in (line.split(" ", 1) for line in lines)]
    return rows("raw_TREC.train"), rows("raw_TREC.test")


def sst2(folder):
    def rows(name):
        return [tuple(line.split("\t")) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    return rows("train.tsv"), rows("test.tsv")


def banking77(folder):
    def rows(name):
        with open(folder / name, encoding="utf-8", newline="") as file:
            return [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return rows("train.csv"), rows("test.csv")


READERS = {"trec": trec, "sst2": sst2, "banking77": banking77}


def drawn(train, test, per_class, count, seed):
    """Draws the training rows of each class, as far as there are so many different ones, and the test rows."""
    train, test = ([(" ".join(text.split()), label) for text, label in rows] for rows in (train, test))
    generator = random.Random(seed)
    held_out = generator.sample(test, min(count, len(test)))
    texts = {text for text, _ in held_out}
    by_class = {}
    for text, label in dict(reversed(train)).items():
        if text not in texts:
            by_class.setdefault(label, []).append((text, label))
    chosen = [row for label in sorted(by_class)
              for row in generator.sample(by_class[label], min(per_class, len(by_class[label])))]
    generator.shuffle(chosen)
    return chosen, held_out


def one(arguments, folder, seed, rows):
    for name, of in zip(("train.csv", "test.csv"), rows):
        with open(folder / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(of)
    scores = ours(arguments, folder, seed, len(rows[0]))
    command = [arguments.python, "-c", SETFIT, arguments.model, folder / "train.csv", folder / "test.csv", folder / "setfit",
               str(arguments.pairs), str(arguments.threads), str(seed)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout
    theirs = json.loads(said.splitlines()[-1])
    scores["SetFit"] = (theirs["accuracy"], theirs["seconds"])
    print(f"  split {seed}: " + ", ".join(f"{side} {score:.3f} in {seconds:.0f} s" for side, (score, seconds) in scores.items()),
          flush=True)
    return scores


def ours(arguments, folder, seed, rows):
    model = Path(arguments.model).absolute()
    (folder / "p.toml").write_text(PIPELINE.format(seed=seed, model=model, pairs=arguments.pairs, rows=rows), encoding="utf-8")
    environment = {**os.environ, "RAYON_NUM_THREADS": str(arguments.threads)}
    subprocess.run([arguments.binary, "run", folder / "p.toml", "--device", "cpu", "--jobs", "1", "--force", "--quiet"],
                   check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    summary = json.loads((folder / "runs/few/summary.json").read_text(encoding="utf-8"))
    names = {"frozen": "frozen", "tuned": "Emberline"}
    return {names[cell["embedding"]]: (cell["metrics"]["test_accuracy"], cell["seconds"]) for cell in summary["cells"]}


def show(what, splits):
    print(what)
    for side in splits[0]:
        scores, seconds = zip(*(split[side] for split in splits))
        spread = f" (standard deviation {statistics.stdev(scores):.4f})" if len(scores) > 1 else ""
        print(f"  {side:<10} accuracy {statistics.mean(scores):.4f}{spread}, {statistics.median(seconds):.0f} s")
    differences = [split["Emberline"][0] - split["SetFit"][0] for split in splits]
    interval = ""
    if len(differences) > 1:
        half = STUDENT[len(differences) - 1] * statistics.stdev(differences) / math.sqrt(len(differences))
        mean = statistics.mean(differences)
        interval = f" [{mean - half:+.4f}, {mean + half:+.4f}]"
    ratios = sorted(split["SetFit"][1] / split["Emberline"][1] for split in splits)
    print(f"  Emberline - SetFit: {statistics.mean(differences):+.4f}{interval}; {statistics.median(ratios):.2f} times as fast "
          f"({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


if __name__ == "__main__":
    main()
