#!/usr/bin/env python3
"""What a grid costs beside its training steps, and what `--jobs` makes of it.

    cargo build --profile dist
    python3 ci/bench/grid.py [--emberline FILE] [--minilm FOLDER] [--rounds 5]

Data: 14,354 rows as `competition.py` writes them, 13,061 to train on, as many as the course's; vectors of 128 numbers, head
256-64-1, Adam. `start`: from the start of the process to the first step (a cell's `cell.toml` is written just before), and
to its end, less what the cell's record states as training; of a static source, and of FOLDER, a sentence-transformer,
whose vectors are cached by a run before. `records`: the part of the
time of twelve cells of 10 epochs that isn't training: data, vectors, records, TensorBoard logs, report. `jobs`: the same
cells one after another and two at a time, in turn.
Medians, with the extremes. Weights must be equal for every number of jobs, to the byte.
"""
import argparse, hashlib, json, os, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
PIPELINE = """name = "bench"
[data]
path = "questions.csv"
text = "question_text"
label = "target"
[data.split]
train = 13061
valid = 1293
{embedding}
[head]
layers = [{{ dense = 256, activation = "relu" }}, {{ dense = 64, activation = "relu" }}]
[train]
epochs = {epochs}
optimizer = {{ adam = {{ learning_rate = 1e-4 }} }}
[callbacks.tensorboard]
[grid]
seed = {seeds}
"""
STATIC = "[embedding.static.hashing]\ndim = 128"


def write(folder, name, embedding=STATIC, epochs=10, seeds=12):
    text = PIPELINE.format(embedding=embedding, epochs=epochs, seeds=list(range(1, seeds + 1)))
    with open(os.path.join(folder, name + ".toml"), "w", encoding="utf-8") as file:
        file.write(text)


def run(emberline, folder, name, *options):
    """Seconds of a run from nothing, those that its records state as training, and those before the first cell's training."""
    environment = dict(os.environ, EMBERLINE_CACHE_DIR=os.path.join(folder, "cache"))
    command = [emberline, "run", name + ".toml", "--device", "cpu", "--force", "--out", "run", *options]
    started = time.time()
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall = time.time() - started
    if ended.returncode:
        sys.exit(ended.stderr)
    with open(os.path.join(folder, "run/summary.json"), encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    begun = min(os.stat(os.path.join(folder, "run/cells", cell["id"], "cell.toml")).st_mtime for cell in cells)
    return wall, sum(cell["seconds"] for cell in cells), begun - started


def weights(folder):
    """A digest of all weights of the run."""
    cells = os.path.join(folder, "run/cells")
    digest = hashlib.sha256()
    for cell in sorted(os.listdir(cells)):
        with open(os.path.join(cells, cell, "model.safetensors"), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def spread(values, unit="", scale=1.0):
    low, middle, high = (scale * v for v in (min(values), statistics.median(values), max(values)))
    return f"{middle:.3g}{unit} ({low:.3g} to {high:.3g})"


def start(emberline, folder, rounds, name, embedding):
    write(folder, "start", embedding, epochs=1, seeds=1)
    run(emberline, folder, "start")
    runs = [run(emberline, folder, "start") for _ in range(rounds)]
    first, beside = [before for _, _, before in runs], [wall - training for wall, training, _ in runs]
    print(f"start   {name}: {spread(first, ' ms', 1e3)} to the first step, {spread(beside, ' ms', 1e3)} beside training", flush=True)


def records(emberline, folder, rounds):
    write(folder, "grid")
    parts = [1 - training / wall for wall, training, _ in (run(emberline, folder, "grid", "--jobs", "1") for _ in range(rounds))]
    print(f"records twelve cells of 10 epochs: {spread(parts, ' %', 100)} of the time isn't training", flush=True)


def jobs(emberline, folder, rounds):
    ratios, digests = [], set()
    for _ in range(rounds):
        one, *_ = run(emberline, folder, "grid", "--jobs", "1")
        digests.add(weights(folder))
        two, *_ = run(emberline, folder, "grid", "--jobs", "2")
        digests.add(weights(folder))
        ratios.append(one / two)
    equal = "weights equal" if len(digests) == 1 else "WEIGHTS DIFFER"
    print(f"jobs    two at a time: {spread(ratios)} times as fast; {equal}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--emberline", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "../../target")), "dist/emberline"))
    arguments.add_argument("--minilm", metavar="FOLDER")
    arguments.add_argument("--rounds", type=int, default=5)
    a = arguments.parse_args()
    emberline = os.path.abspath(a.emberline)
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "questions.csv")
        subprocess.run([sys.executable, os.path.join(HERE, "competition.py"), data, "--rows", "14600"], check=True, stdout=subprocess.DEVNULL)
        start(emberline, folder, a.rounds, "a static source", STATIC)
        if a.minilm:
            start(emberline, folder, a.rounds, "vectors from the cache", f"[embedding.minilm.sentence_transformer]\npath = {json.dumps(os.path.abspath(a.minilm))}")
        records(emberline, folder, a.rounds)
        jobs(emberline, folder, a.rounds)


if __name__ == "__main__":
    main()
