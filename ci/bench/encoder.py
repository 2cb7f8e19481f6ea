"""Sentence vectors: Emberline against sentence-transformers with PyTorch, on the CPU and the same texts.

    python ci/bench/encoder.py --binary target/dist/emberline --model models/all-MiniLM-L6-v2 \
        --texts train.csv --python venv/bin/python [--count 2000] [--rounds 5] [--threads 2]

Rounds are interleaved. Each side is a process of its own, run with COUNT texts and with 16, and its rate is
(COUNT - 16) texts by the difference: what starting and loading take counts for neither (both are shown). `--python`
(or EMBERLINE_ST_PYTHON) is an interpreter that has sentence-transformers; its own timer around `encode` is shown too.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEW = 16
REFERENCE = """
import json, sys, time
import torch
from sentence_transformers import SentenceTransformer
model, texts, out, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
model = SentenceTransformer(model, device="cpu")
texts = open(texts, encoding="utf-8").read().split("\\n")[:-1]
start = time.perf_counter()
vectors = model.encode(texts, batch_size=32)
seconds = time.perf_counter() - start
import numpy
numpy.save(out, vectors)
print(json.dumps({"encode": seconds}))
"""


def main():
    arguments = parse()
    texts = list(dict.fromkeys(read(arguments.texts)))[: arguments.count]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, some in (("all", texts), ("few", texts[:FEW])):
            (folder / f"{name}.txt").write_text("".join(text + "\n" for text in some), encoding="utf-8")
        rounds = [one_round(arguments, folder, len(texts)) for _ in range(arguments.rounds)]
        difference = largest_difference(arguments.python, folder)
    show(rounds, len(texts), difference)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True, help="a .csv with a column question_text, or a text a line")
    parser.add_argument("--python", default=os.environ.get("EMBERLINE_ST_PYTHON", sys.executable))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        if path.endswith(".csv"):
            return [" ".join(row["question_text"].split()) for row in csv.DictReader(file)]
        return [line.strip() for line in file]


def one_round(arguments, folder, count):
    sides = {}
    for side, command in (("emberline", ours), ("sentence-transformers", theirs)):
        few, _, _ = timed(command(arguments, folder, "few"), arguments)
        whole, memory, said = timed(command(arguments, folder, "all"), arguments)
        sides[side] = {"rate": (count - FEW) / (whole - few), "start": few, "memory": memory, **said}
    return sides


def ours(arguments, folder, name):
    source = ["embed", "sentence_transformer", arguments.model, "--input", folder / f"{name}.txt"]
    return [arguments.binary, *source, "--device", "cpu", "--format", "npy", "--output", folder / f"ours-{name}.npy"]


def theirs(arguments, folder, name):
    files = [arguments.model, folder / f"{name}.txt", folder / f"theirs-{name}.npy"]
    return [arguments.python, "-c", REFERENCE, *files, str(arguments.threads)]


def timed(command, arguments):
    """Seconds, peak memory in MiB, and what the command printed, where that is JSON."""
    threads = {"RAYON_NUM_THREADS": str(arguments.threads), "OMP_NUM_THREADS": str(arguments.threads)}
    with tempfile.TemporaryDirectory() as cache:  # an empty one each time, or the second round would only read
        environment = os.environ | threads | {"EMBERLINE_CACHE_DIR": cache}
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{command[0]} failed with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024, json.loads(output) if output.startswith(b"{") else {}


def largest_difference(python, folder):
    program = "import numpy, sys; a, b = map(numpy.load, sys.argv[1:]); print(abs(a - b).max())"
    files = [str(folder / name) for name in ("ours-all.npy", "theirs-all.npy")]
    return float(subprocess.run([python, "-c", program, *files], capture_output=True, text=True, check=True).stdout)


def show(rounds, count, difference):
    ratios = [r["emberline"]["rate"] / r["sentence-transformers"]["rate"] for r in rounds]
    for side in rounds[0]:
        rates = [r[side]["rate"] for r in rounds]
        start, memory = (statistics.median(r[side][key] for r in rounds) for key in ("start", "memory"))
        print(f"{side:22} {statistics.median(rates):8.0f} texts/s  ({min(rates):.0f} to {max(rates):.0f})  "
              f"start and {FEW} texts {start:.2f} s  peak {memory:.0f} MiB")
    inner = [count / r["sentence-transformers"]["encode"] for r in rounds]
    print(f"{'  by its own timer':22} {statistics.median(inner):8.0f} texts/s")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), largest difference {difference:.1e}")


if __name__ == "__main__":
    main()
