#!/usr/bin/env python3
"""Texts per second of every source that is given, once loaded, on one core, beside its reference implementation.

    python3 ci/bench/sources.py --texts FILE SOURCE... [--tensorflow PYTHON] [--vectors PYTHON] [--rounds 3]

FILE holds a text a line. A SOURCE is KIND=PATH, such as tfhub=models/nnlm-en-dim50, word_vectors=glove.txt,
model2vec=models/potion-base-8M, hashing= or corpus=. PYTHON: one that imports tensorflow; one that imports gensim, fasttext
and model2vec. Both sides take the same texts, in turn, round after round; texts a second of processor time, of which the
best round counts, and what the process held at most. Loading isn't counted.
"""
import argparse, json, os, subprocess, sys

TENSORFLOW = """
import tensorflow as tf
module = tf.saved_model.load(path)
call = module if callable(module) else (lambda x: module.signatures["default"](x)["default"])
encode = lambda texts: [call(tf.constant(texts[i:i + 1024])).numpy() for i in range(0, len(texts), 1024)]
"""
WORD_VECTORS = """
import numpy as np
with open(path, "rb") as file:
    head = file.read(4)
if head == b"\\xba\\x16\\x4f\\x2f":
    import fasttext
    model = fasttext.load_model(path)
    encode = lambda texts: [model.get_sentence_vector(text) for text in texts]
else:
    from gensim.models import KeyedVectors
    binary = b"\\0" in open(path, "rb").read(1 << 16)
    first = open(path, "rb").readline().split()
    model = KeyedVectors.load_word2vec_format(path, binary=binary, no_header=len(first) != 2, unicode_errors="replace")
    zero = np.zeros(model.vector_size, np.float32)
    def encode(texts):
        known = ([model.key_to_index[w] for w in text.lower().split() if w in model.key_to_index] for text in texts)
        return [model.vectors[ids].mean(axis=0) if ids else zero for ids in known]
"""
MODEL2VEC = """
from model2vec import StaticModel
model = StaticModel.from_pretrained(path)
encode = lambda texts: model.encode(texts, use_multiprocessing=False)
"""
PEERS = {"tfhub": ("tensorflow", TENSORFLOW), "word_vectors": ("vectors", WORD_VECTORS), "model2vec": ("vectors", MODEL2VEC)}
TIMED = """
import json, resource, sys, time
path, texts = sys.argv[1], open(sys.argv[2], encoding="utf-8").read().splitlines()
{setup}
encode(texts[:1024])
begun = time.process_time()
encode(texts)
print(json.dumps({{"texts_per_second": len(texts) / (time.process_time() - begun),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}}))
"""
ONE_CORE = dict(os.environ, RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TOKENIZERS_PARALLELISM="false")


def last_line(command):
    ended = subprocess.run(["taskset", "-c", "0", *command], env=ONE_CORE, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{command[0]} failed:\n{ended.stderr}")
    return json.loads(ended.stdout.strip().splitlines()[-1])


def ours(bench, kind, path, texts):
    return last_line([bench, texts, json.dumps({kind: {"path": os.path.abspath(path)} if path else {}})])


def bench_program():
    built = subprocess.run(["cargo", "bench", "-p", "emberline-embedding", "--bench", "sources", "--no-run", "--message-format=json"], stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable")][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument("--texts", required=True)
    parser.add_argument("--tensorflow", metavar="PYTHON")
    parser.add_argument("--vectors", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    bench = bench_program()
    print(f"{'source':<44} {'texts/s':>10} {'MB':>7} {'load s':>7} | {'reference':>10} {'MB':>7} | {'ratio':>6}")
    for source in options.sources:
        kind, _, path = source.partition("=")
        python, setup = PEERS.get(kind, (None, None))
        python = python and getattr(options, python)
        runs, peers = [], []
        for _ in range(options.rounds):
            runs.append(ours(bench, kind, path, options.texts))
            if python:
                peers.append(last_line([python, "-c", TIMED.format(setup=setup), os.path.abspath(path), options.texts]))
        best = max(runs, key=lambda run: run["texts_per_second"])
        line = f"{kind + ' ' + os.path.basename(path.rstrip('/')):<44} {best['texts_per_second']:>10,.0f} {best['peak_mb']:>7,.0f} {best['load_seconds']:>7.2f} |"
        if peers:
            peer = max(peers, key=lambda run: run["texts_per_second"])
            line += f" {peer['texts_per_second']:>10,.0f} {peer['peak_mb']:>7,.0f} | {best['texts_per_second'] / peer['texts_per_second']:>6.1f}"
        print(line, flush=True)


main()
