#!/usr/bin/env python3
"""Microseconds of a training step on one core, head 256-64-1 under Adam, beside Keras, PyTorch and scikit-learn.

    python3 ci/bench/step.py [--tensorflow PYTHON [--modules FOLDER]] [--torch PYTHON] [--sklearn PYTHON] [--large] [--rounds 2]
    python3 ci/bench/step.py --grow

PYTHON: one that imports tf_keras; torch; sklearn. All train on vectors (or bags of words over a table, `tuned`) of the same
sizes, in turn, round after round; the best round counts. `hub`: Keras on texts under a hub layer, as the course has it, with
the text modules quora-D of FOLDER, so that every vector is made anew in every epoch. Times are processor time a step of a
further epoch, so that other work on the machine weighs little; `floor` is what the step's products alone would take at the speed
of the best product by Burn's flex, which takes AVX2.
"""
import argparse, json, math, os, subprocess, sys

ROWS = 13061
DATA = """
import json, os, sys, time
import numpy as np
case = json.loads(sys.argv[1])
rows, dim, batch, table, steps = case["rows"], case["dim"], case["batch"], case["table"], case["steps"]
draw = np.random.default_rng(1)
y = (np.arange(rows) % 16 == 0).astype("float32")
if table:
    x = (draw.random((rows, 12)) ** 3 * table).astype("int32")
    start = draw.uniform(-0.3, 0.3, (table, dim)).astype("float32")
else:
    x = draw.uniform(-0.3, 0.3, (rows, dim)).astype("float32")
"""
KERAS = """
import tf_keras as keras, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
dense = keras.layers.Dense
below = [keras.layers.Input(x.shape[1:])]
if table:
    rows_of = keras.layers.Embedding(table, dim, embeddings_initializer=keras.initializers.Constant(start))
    below += [rows_of, keras.layers.Lambda(lambda words: tf.reduce_sum(words, 1) / 12 ** 0.5)]
model = keras.Sequential(below + [dense(256, activation="relu"), dense(64, activation="relu"), dense(1, activation="sigmoid")])
model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="binary_crossentropy", metrics=["accuracy"])
train = lambda epochs: model.fit(x, y, epochs=epochs, batch_size=batch, verbose=0)
"""
HUB = """
import glob
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tf_keras as keras, tensorflow as tf, tensorflow_hub as hub
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
module = case["module"]
with open(glob.glob(f"{module}/assets/*")[0], encoding="utf-8") as file:
    words = np.array(file.read().split())
x = np.array([" ".join(words[draw.integers(0, len(words), 13)]) for _ in range(rows)], object)
dense = keras.layers.Dense
below = hub.KerasLayer(module, output_shape=[dim], input_shape=[], dtype=tf.string, trainable=False)
model = keras.Sequential([below, dense(256, activation="relu"), dense(64, activation="relu"), dense(1, activation="sigmoid")])
model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="binary_crossentropy", metrics=["accuracy"])
train = lambda epochs: model.fit(x, y, epochs=epochs, batch_size=batch, verbose=0)
"""
TORCH = """
import torch
from torch import nn
torch.set_num_threads(1)
head = nn.Sequential(nn.Linear(dim, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1))
words = nn.EmbeddingBag.from_pretrained(torch.from_numpy(start), freeze=False, mode="sum") if table else nn.Identity()
model = nn.Sequential(words, head)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7)
loss = nn.BCEWithLogitsLoss()
x, y = torch.from_numpy(x), torch.from_numpy(y)
def train(epochs):
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(batch):
            optimizer.zero_grad()
            value = loss(model(x[rows]).squeeze(-1), y[rows])
            value.backward()
            optimizer.step()
"""
SKLEARN = """
import warnings
from sklearn.neural_network import MLPClassifier
warnings.filterwarnings("ignore")
def train(epochs):
    MLPClassifier((256, 64), alpha=0.0, batch_size=batch, learning_rate_init=1e-4, max_iter=epochs, tol=0.0, n_iter_no_change=10**6).fit(x, y)
"""
TIMED = """
x, y = x[:steps * batch], y[:steps * batch]
train(1)
begun = time.process_time()
train(2)
print(json.dumps({"us_step": (time.process_time() - begun) / 2 / -(-len(y) // batch) * 1e6}))
"""
ONE_CORE = dict(os.environ, RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")


def output(command):
    """The lines that a command prints on one core."""
    ended = subprocess.run(["taskset", "-c", "0", *command], env=ONE_CORE, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{command[0]} failed:\n{ended.stderr}")
    return ended.stdout.splitlines()


def lines(command):
    return [json.loads(line) for line in output(command) if line.startswith("{")]


def bench_program(package, bench):
    """The built program of a crate's bench."""
    built = subprocess.run(["cargo", "bench", "-p", package, "--bench", bench, "--no-run", "--message-format=json"], stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable")][-1]


def peer(python, setup, case):
    # A peer that moves a whole large table at every step is given fewer steps.
    steps = 20 if (case["table"] or 0) > 20_000 else 100 if case["table"] else 10**9
    wanted = dict(case, rows=ROWS, steps=steps)
    return lines([python, "-c", DATA + setup + TIMED, json.dumps(wanted)])[-1]["us_step"]


def slope(points):
    """The power that the second number grows with, by least squares of logarithms."""
    x, y = ([math.log(number) for number in numbers] for numbers in zip(*points))
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    return sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y)) / sum((a - x_mean) ** 2 for a in x)


def grow(bench):
    dims, tables = {}, {}
    for line in lines([bench, "frozen", "tuned", "large", "sizes"]):
        if line["batch"] == 32:
            kind, size = (tables, line["table"]) if line["table"] else (dims, line["dim"])
            kind[size] = line["us_step"]
    for name, points in (("numbers a vector", dims), ("rows of the table", tables)):
        print(f"{name}: " + ", ".join(f"{size:,}: {us:.0f} us" for size, us in sorted(points.items())))
        print(f"{'':>{len(name)}}  grows with the power {slope(points.items()):.2f}; between the largest two, {slope(sorted(points.items())[-2:]):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tensorflow", metavar="PYTHON")
    parser.add_argument("--modules", metavar="FOLDER", help="text modules quora-D, for Keras under a hub layer")
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--sklearn", metavar="PYTHON")
    parser.add_argument("--large", action="store_true", help="a table of 974,000 rows, too; ours alone")
    parser.add_argument("--grow", action="store_true", help="how cost grows; no peers")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    peers = {"hub": (options.modules and options.tensorflow, HUB), "keras": (options.tensorflow, KERAS), "torch": (options.torch, TORCH), "sklearn": (options.sklearn, SKLEARN)}
    bench = bench_program("emberline-train", "step")
    if options.grow:
        return grow(bench)
    best, peer_best = {}, {}
    for _ in range(options.rounds):
        for line in lines([bench, "frozen", "tuned", "burn", *(["large"] if options.large else [])]):
            key = (line["features"], line["dim"], line["batch"], line["table"])
            known = best.setdefault(key, {}).get(line["engine"])
            if known is None or line["us_step"] < known["us_step"]:
                best[key][line["engine"]] = line
        for key in best:
            case = dict(zip(("features", "dim", "batch", "table"), key))
            case["module"] = f"{os.path.abspath(options.modules or '.')}/quora-{case['dim']}"
            for name, (python, setup) in peers.items():
                if name == "hub" and not os.path.isdir(case["module"]):
                    continue
                if python and (case["table"] or 0) <= 200_000 and not (case["table"] and name in ("hub", "sklearn")):
                    us = peer(python, setup, case)
                    peer_best[key, name] = min(us, peer_best.get((key, name), us))
    print(f"{'case':<28} {'GFLOP/s':>7} {'floor':>6} {'us/step':>8} | {'burn':>8} {'hub':>8} {'keras':>8} {'torch':>8} {'sklearn':>8}")
    for key, engines in best.items():
        ours = engines["dense"]
        features, dim, batch, table = key
        name = f"{features} D={dim} batch {batch}" + (f" x {table:,}" if table else "")
        row = f"{name:<28} {ours['gflops']:>7.1f} {ours['floor_us']:>6.0f} {ours['us_step']:>8.0f} |"
        others = [engines.get("burn", {}).get("us_step"), *(peer_best.get((key, peer)) for peer in peers)]
        print(row, *(f"{us / ours['us_step']:>7.1f}x" if us else f"{'':>8}" for us in others))


if __name__ == "__main__":
    main()
