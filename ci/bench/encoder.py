"""Sentence vectors: Emberline, in its precisions, against other programs on the same texts and device.

    python ci/bench/encoder.py --binary target/dist/emberline --model models/all-MiniLM-L6-v2 --texts train.csv \
        [--python venv/bin/python] [--onnx-python venv/bin/python] [--device cpu|cuda] [--count 2000] [--rounds 5] \
        [--threads 2]

Rounds are interleaved. Each side is a process of its own, run with COUNT texts and with 16, and its rate is
(COUNT - 16) texts by the difference: what starting and loading take counts for no one (both are shown). Peers: `--python`
(or EMBERLINE_ST_PYTHON) has sentence-transformers, with PyTorch; `--onnx-python` (or EMBERLINE_EXPORT_PYTHON) has what
`onnxruntime_encoder.py` needs, which runs in two settings. At least one is needed; their own timers around encoding are shown too.
With one thread, pin it: `taskset -c 1 python ci/bench/encoder.py --threads 1 ...`. On a GPU (a binary that was built with `--features
gpu`), sentence-transformers runs in both precisions; take more texts, such as 20,000.
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
OURS = "emberline"
REFERENCE = """
import json, sys, time
import torch
from sentence_transformers import SentenceTransformer
model, texts, out, threads, device, precision = sys.argv[1:]
torch.set_num_threads(int(threads))
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
model = SentenceTransformer(model, device=device, model_kwargs={"dtype": dtype})
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
        difference = {side: differences(arguments, folder, side) for side in rounds[0] if side != OURS}
    show(rounds, len(texts), difference)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True, help="a .csv with a column question_text, or a text a line")
    parser.add_argument("--python", default=os.environ.get("EMBERLINE_ST_PYTHON"))
    parser.add_argument("--onnx-python", default=os.environ.get("EMBERLINE_EXPORT_PYTHON"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if not (arguments.python or arguments.onnx_python):
        parser.error("a peer is needed: --python or --onnx-python")
    return arguments


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        if path.endswith(".csv"):
            return [" ".join(row["question_text"].split()) for row in csv.DictReader(file)]
        return [line.strip() for line in file]


def one_round(arguments, folder, count):
    sides = {}
    for side, command in commands(arguments).items():
        few, _, _ = timed(command(folder, side, "few"), arguments)
        whole, memory, said = timed(command(folder, side, "all"), arguments)
        sides[side] = {"rate": (count - FEW) / (whole - few), "start": few, "memory": memory, **said}
    return sides


def commands(arguments):
    """The command of each side, of a folder, the side's name and that of a file of texts."""

    def ours(*options):
        source = [arguments.binary, "embed", "sentence_transformer", arguments.model, "--device", arguments.device, "--format", "npy", *options]
        return lambda folder, side, name: [*source, "--input", folder / f"{name}.txt", "--output", vectors(folder, side, name)]

    def theirs(python, *program, options=()):
        return lambda folder, side, name: [
            python, *program, arguments.model, folder / f"{name}.txt", vectors(folder, side, name), arguments.threads, *options
        ]

    fast = "i8" if arguments.device == "cpu" else "bf16"
    sides = {OURS: ours(), f"{OURS}, {fast}": ours("--set", f"precision={fast}")}
    if arguments.python:
        precisions = {"sentence-transformers": "f32"} | ({} if fast == "i8" else {"sentence-transformers, bf16": "bf16"})
        for side, precision in precisions.items():
            sides[side] = theirs(arguments.python, "-c", REFERENCE, options=[arguments.device, precision])
    if arguments.onnx_python:
        program = Path(__file__).parent / "onnxruntime_encoder.py"
        sides["ONNX Runtime, sorted"] = theirs(arguments.onnx_python, program)
        sides["ONNX Runtime, fastembed"] = theirs(arguments.onnx_python, program, options=["fastembed"])
    return sides


def vectors(folder, side, name):
    return folder / f"{side}-{name}.npy"


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


def differences(arguments, folder, side):
    """The largest difference of a number from ours, and the lowest cosine."""
    program = """
import numpy, sys
a, b = map(numpy.load, sys.argv[1:])
lengths = numpy.linalg.norm(a, axis=1) * numpy.linalg.norm(b, axis=1)
print(abs(a - b).max(), ((a * b).sum(axis=1) / lengths).min())
"""
    files = [str(vectors(folder, name, "all")) for name in (OURS, side)]
    python = arguments.python or arguments.onnx_python
    output = subprocess.run([python, "-c", program, *files], capture_output=True, text=True, check=True).stdout
    return [float(number) for number in output.split()]


def show(rounds, count, difference):
    for side in rounds[0]:
        rates = [r[side]["rate"] for r in rounds]
        start, memory = (statistics.median(r[side][key] for r in rounds) for key in ("start", "memory"))
        print(f"{side:24} {statistics.median(rates):8.0f} texts/s  ({min(rates):.0f} to {max(rates):.0f})  "
              f"start and {FEW} texts {start:.2f} s  peak {memory:.0f} MiB")
        if "encode" in rounds[0][side]:
            inner = statistics.median(count / r[side]["encode"] for r in rounds)
            print(f"{'  by its own timer':24} {inner:8.0f} texts/s")
        if side != OURS:
            ratios = [r[OURS]["rate"] / r[side]["rate"] for r in rounds]
            number, cosine = difference[side]
            print(f"  {OURS} / {side}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); "
                  f"largest difference {number:.1e}, lowest cosine {cosine:.4f}")


if __name__ == "__main__":
    main()
