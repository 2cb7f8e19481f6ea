#!/usr/bin/env python3
"""From a CSV file to divided, embedded texts on one core, beside pandas, scikit-learn and TensorFlow.

    python3 ci/bench/competition.py FILE
    python3 ci/bench/loading.py FILE MODULE PYTHON [--rounds 3]

FILE has the columns question_text and target; MODULE is a text module (a SavedModel); PYTHON imports pandas, sklearn and
tensorflow. Both sides read the file, divide 80:10:10 by strata and make a vector of every text, in turn, round after round. Ours
keeps equal texts on one side and takes the digest of all splits besides; the other drops the texts that come again. Processor time: the median, with the extremes.
"""
import argparse, json, os, statistics

from step import bench_program, output

PEER = """
import json, resource, sys, time
import numpy as np, pandas, tensorflow as tf
from sklearn.model_selection import train_test_split
file, path = sys.argv[1:]
module = tf.saved_model.load(path)
call = module if callable(module) else (lambda x: module.signatures["default"](x)["default"])
call(tf.constant(["warm", "up"]))
begun = time.process_time()
rows = pandas.read_csv(file, usecols=["question_text", "target"]).dropna()
same = rows.question_text.str.lower().str.split().str.join(" ")
rows = rows[~same.duplicated()]
train, held = train_test_split(rows, test_size=0.2, stratify=rows.target, random_state=1)
valid, test = train_test_split(held, test_size=0.5, stratify=held.target, random_state=1)
for split in (train, valid, test):
    texts = split.question_text.to_numpy()
    np.concatenate([call(tf.constant(texts[i : i + 4096])).numpy() for i in range(0, len(texts), 4096)])
print(json.dumps([time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))
"""


def ours(program, file, module):
    """Seconds, and the peak in MB, of the line `all  1.180 s  95 MB/s  peak  284 MB`."""
    source = json.dumps({"tfhub": {"path": os.path.abspath(module)}})
    words = next(line for line in output([program, file, source]) if line.startswith("all ")).split()
    return float(words[1]), float(words[-2])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file")
    arguments.add_argument("module")
    arguments.add_argument("python")
    arguments.add_argument("--rounds", type=int, default=3)
    a = arguments.parse_args()
    program = bench_program("emberline-pipeline", "loading")
    rounds = [(ours(program, a.file, a.module), json.loads(output([a.python, "-c", PEER, a.file, a.module])[-1])) for _ in range(a.rounds)]
    megabytes = os.path.getsize(a.file) / 1e6
    for name, runs in zip(("emberline", "pandas, scikit-learn, tensorflow"), zip(*rounds)):
        seconds = [second for second, _ in runs]
        middle = statistics.median(seconds)
        print(f"{name:<34} {middle:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})  {megabytes / middle:5.1f} MB/s  peak {max(peak for _, peak in runs):5.0f} MB")
    ratios = [peer[0] / own[0] for own, peer in rounds]
    print(f"{statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
