#!/usr/bin/env python3
"""What a grid far larger than today's would take: a simulation fed with measured constants, and the measurement of some of them.

    python3 ci/bench/scale.py simulate                            the tables of docs/scale.md; needs nothing but Python
    cargo build --profile dist
    python3 ci/bench/scale.py measure [--emberline FILE] [--cells 100000] [--train 200] [--shape seeds]

`measure` trains a grid of tiny cells (one step each) and times what is done with all of them: planning, listing, the summary, the
answer and the reports, the lock; processor and wall time, peak memory, and the sizes of what is written. With `--train` only some cells are
trained, and the others get copies of their records: ids, identities, settings and checksums are their own, results are not.

`simulate` moves one event at a time: each GPU takes the next pack of cells, and makes a pass over all shards of the matrix per
epoch; a shard is read beside the computation on the one before (at most one ahead), from the node's own disk once it lies there,
else from storage that all nodes share. GPUs are taken away at random and given back; a pack then resumes from the last shard at which it
left a checkpoint. What is measured and what is assumed is said at each constant.
"""
import argparse, hashlib, heapq, json, os, random, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SHARD = 1 << 20  # texts

# Microseconds of an H100 per step and head, frozen, 32 texts a batch (docs/performance.md, "Training on a GPU"), by the heads of a pack.
STEP_US = {128: {1: 27.0, 64: 1.8}, 512: {1: 40.0, 64: 3.6}}
BATCH = 32
# Microseconds of the same at 1,024 texts a batch, one head and 64.
STEP_US_1024 = {512: {1: 175.0, 64: 54.2}}


class Machine:
    """Assumptions, none of them measured here: what a cluster of today offers."""

    gpus_per_node = 8
    gpu_memory = 80e9  # bytes
    node_memory = 1e12  # bytes
    network = 25e9 / 8 * 4  # bytes/s of a node: 100 Gbit/s
    disk = 6e9  # bytes/s of a node's NVMe
    disk_size = 7e12  # bytes
    storage = 100e9  # bytes/s of the object storage to all nodes together
    requests = 5_500  # objects per second that can be written below one prefix
    metadata = 20_000  # small files per second that a shared file system creates, for all clients together
    preemptions = 0.02  # per GPU and hour
    away = 600.0  # seconds until a GPU that was taken away comes back


def step_us(dim, pack, batch):
    """Microseconds of a step of a whole pack. Between the measured sizes of packs the time per head is interpolated; for longer
    vectors than 128 the measured 512 is taken for what lies between."""
    table = STEP_US_1024[512] if batch >= 1_024 else STEP_US[128 if dim <= 128 else 512]
    few, many = table[1], table[64]
    share = min(1.0, (pack - 1) / 63)
    return pack * (few + (many - few) * share)


def simulate(texts, dim, cells, epochs, gpus, pack, batch=BATCH, bytes_per_number=2, machine=Machine, seed=1, shares_pass=True):
    """Returns what a grid of frozen cells takes on so many GPUs, whose packs share a pass over the matrix if `shares_pass`."""
    rng = random.Random(seed)
    shards = max(1, -(-texts // SHARD))
    shard_bytes = min(texts, SHARD) * dim * bytes_per_number
    matrix = shard_bytes * shards
    # What fits into the GPU's memory (half of it) is read once per pack, not once per epoch.
    is_resident = matrix <= machine.gpu_memory / 2
    passes = 1 if is_resident else epochs
    # A node keeps what its disk holds.
    kept = min(1.0, machine.disk_size / matrix)
    nodes = -(-gpus // machine.gpus_per_node)
    heads = pack if shares_pass else 1
    compute = min(texts, SHARD) / batch * step_us(dim, heads, batch) * 1e-6  # seconds of a shard and a pass
    # The GPUs of a node begin together and follow one stream of shards, which stays on the disk; after that each reads for itself.
    stream = shard_bytes / min(machine.network, machine.storage / nodes)
    near = shard_bytes / (machine.disk / machine.gpus_per_node)
    far = shard_bytes / min(machine.network / machine.gpus_per_node, machine.storage / gpus)
    packs = -(-cells // heads)
    # The heap holds when each GPU is free. A pack is one event, and the time of its shards a sum: none waits for another's.
    free = [(0.0, gpu) for gpu in range(gpus)]
    heapq.heapify(free)
    has_begun = [False] * gpus
    lost = busy = active = 0.0
    read = matrix * nodes
    end = 0.0
    for _ in range(packs):
        now, gpu = heapq.heappop(free)
        later = kept * max(compute, near) + (1 - kept) * max(compute, far)
        once = shards * (later if has_begun[gpu] else max(compute, stream))
        further = (epochs - 1) * shards * (compute if is_resident else later)
        took = once + further
        busy += shards * epochs * compute
        active += took
        read += matrix * (1 - kept) * (passes - (0 if has_begun[gpu] else 1))
        has_begun[gpu] = True
        # Preemptions: the shard under way is lost, for a checkpoint follows each.
        taken_away = poisson(rng, took / 3600 * machine.preemptions)
        shard_time = took / (shards * epochs)
        lost += taken_away * shard_time * 0.5
        took += taken_away * (machine.away + shard_time * 0.5)
        end = max(end, now + took)
        heapq.heappush(free, (now + took, gpu))
    small_files = 6 * cells
    return {
        "matrix": matrix, "busy": busy / 3600, "hours": end / 3600, "gpu_hours": gpus * end / 3600, "read": read,
        "bound": "computation" if busy > 0.9 * active else "reading",
        "lost_hours": lost / 3600, "files_s": small_files / machine.metadata, "segments_s": small_files / 4096 / machine.requests,
    }


def poisson(rng, mean):
    """A Poisson number; by a normal approximation above 50."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    count, level, product = 0, 2.718281828459045**-mean, rng.random()
    while product > level:
        product *= rng.random()
        count += 1
    return count


def size(number):
    for unit in ("B", "kB", "MB", "GB", "TB", "PB", "EB"):
        if number < 1000 or unit == "EB":
            return f"{number:.3g} {unit}"
        number /= 1000


def duration(hours):
    if hours * 60 < 2:
        return f"{hours * 3600:.0f} s"
    if hours < 2:
        return f"{hours * 60:.0f} min"
    return f"{hours:,.1f} h" if hours < 72 else f"{hours / 24:,.0f} d"


def tables():
    print("| texts | cells | epochs | GPUs | cells share a pass | batch | matrix, f16 | time | GPU-hours | of these computing | read from storage | bound by |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    scenarios = [
        # texts, dim, cells, epochs, gpus, pack, batch, shares a pass
        (13_061, 128, 100_000, 5, 1, 64, 32, False),
        (13_061, 128, 100_000, 5, 1, 64, 32, True),
        (1_306_122, 512, 100_000, 5, 8, 64, 32, True),
        (10**9, 512, 64, 1, 64, 64, 32, False),
        (10**9, 512, 64, 1, 1, 64, 32, True),
        (10**9, 512, 64, 1, 1, 64, 1_024, True),
        (10**9, 512, 100_000, 1, 1_024, 64, 1_024, False),
        (10**9, 512, 100_000, 1, 1_024, 64, 1_024, True),
        (10**9, 512, 100_000, 5, 1_024, 64, 1_024, True),
    ]
    for texts, dim, cells, epochs, gpus, pack, batch, shares in scenarios:
        r = simulate(texts, dim, cells, epochs, gpus, pack, batch, shares_pass=shares)
        print(f"| {texts:,} x {dim} | {cells:,} | {epochs} | {gpus:,} | {pack if shares else 1} | {batch:,} | {size(r['matrix'])} | {duration(r['hours'])} | {r['gpu_hours']:,.1f} | {r['busy']:,.1f} | {size(r['read'])} | {r['bound']} |")
    r = simulate(10**9, 512, 100_000, 1, 1_024, 64, 1_024)
    print(f"\n10^5 cells, six files a cell: {duration(r['files_s'] / 3600)} of a shared file system's time to create 600,000 files; {1e3 * r['segments_s']:.0f} ms of requests for segments of 4,096 records.")
    print("\n| preemptions per GPU and hour | time | GPU-hours | lost to preemption, GPU-hours |\n|---|---|---|---|")
    for rate in (0.0, 0.02, 0.2, 1.0):
        machine = type("M", (Machine,), {"preemptions": rate})
        r = simulate(10**9, 512, 100_000, 1, 1_024, 64, 1_024, machine=machine)
        print(f"| {rate:g} | {duration(r['hours'])} | {r['gpu_hours']:,.0f} | {r['lost_hours']:,.1f} |")


PIPELINE = """name = "scale"
[data]
path = "texts.csv"
text = "text"
label = "label"
[data.split]
train = 32
valid = 16
[embedding.e.hashing]
dim = 2
buckets = 16
[head]
layers = []
[train]
epochs = 1
batch_size = 32
[grid]
seed = {seeds}
"train.optimizer.adam.learning_rate" = {rates}
"""
RATES = [0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003, 0.00001, 0.000003]


def measured(command, folder):
    """Processor seconds, wall seconds and peak MB of a command, which must succeed, and what it printed."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        out.seek(0), err.seek(0)
        if status:
            sys.exit(f"{command}: {err.read().decode(errors='replace')[-2000:]}")
        printed = out.read()
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, printed


def show(what, seconds, wall, memory):
    print(f"| {what} | {seconds:.1f} | {wall:.1f} | {memory:,.0f} |", flush=True)


def copy_records(run):
    """Gives every cell that is pending in the summary a copy of a trained cell's files, with the id, identity, settings and
    checksums of its own. Returns how many."""
    with open(os.path.join(run, "summary.json"), encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    trained = [cell["id"] for cell in cells if cell["status"] == "done"]
    models = []
    for cell in trained:
        folder = os.path.join(run, "cells", cell)
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
            record = json.load(file)
        source = os.path.join(folder, "attempts", str(record["attempt"]))
        files = {name: open(os.path.join(source, name), "rb").read() for name in os.listdir(source) if name != "SHA256SUMS"}
        models.append((record, files, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}))
    pending = [cell for cell in cells if cell["status"] == "pending"]
    for number, cell in enumerate(pending):
        record, files, sums = models[number % len(models)]
        record = {**record, "id": cell["id"], "identity": cell["identity"], "settings": cell["settings"], "seed": cell["seed"], "attempt": 1}
        folder = os.path.join(run, "cells", cell["id"])
        attempt = os.path.join(folder, "attempts", "1")
        os.makedirs(attempt)
        result = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
        sums = {**sums, "result.json": hashlib.sha256(result).hexdigest()}
        listed = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
        for name, data in [*files.items(), ("SHA256SUMS", listed)]:
            with open(os.path.join(attempt, name), "wb") as file:
                file.write(data)
            os.link(os.path.join(attempt, name), os.path.join(folder, name))
        with open(os.path.join(folder, "result.json"), "wb") as file:
            file.write(result)
    return len(pending)


def measure(emberline, cells, train, shape, folder):
    with open(os.path.join(folder, "texts.csv"), "w", encoding="utf-8") as file:
        file.write("text,label\n" + "".join(f"{('good', 'bad')[row % 2]} {row},{row % 2}\n" for row in range(64)))
    settings = len(RATES) if shape == "seeds" else min(cells, 1_000)
    rates = RATES if shape == "seeds" else [0.001 * (1 + number) / settings for number in range(settings)]
    with open(os.path.join(folder, "p.toml"), "w", encoding="utf-8") as file:
        file.write(PIPELINE.format(seeds=list(range(1, cells // settings + 1)), rates=rates))
    print("| command | processor, s | wall, s | peak MB |\n|---|---|---|---|")
    show("plan, no run folder", *measured([emberline, "plan", "p.toml"], folder)[:3])
    *cost, lines = measured([emberline, "cells", "p.toml"], folder)
    show("cells", *cost)
    ids = lines.decode().split()
    run = os.path.join(folder, "runs", "scale")
    if train:
        only = [arg for cell in ids[:: max(1, len(ids) // train)][:train] for arg in ("--only", cell)]
        show(f"run, {train:,} cells trained", *measured([emberline, "run", "p.toml", "--quiet", *only], folder)[:3])
        print(f"({copy_records(run):,} records are copied)")
    else:
        show("run: trains all, then summary, answer, reports", *measured([emberline, "run", "p.toml", "--quiet"], folder)[:3])
    for what, args in [
        ("plan, all done", ["plan", "p.toml"]),
        ("cells --missing, none", ["cells", "p.toml", "--missing"]),
        ("run, nothing to train: summary, answer, reports", ["run", "p.toml", "--quiet"]),
        ("report", ["report", "runs/scale"]),
        ("lock", ["lock", "p.toml"]),
        ("lock --check", ["lock", "p.toml", "--check"]),
        ("run --only, one cell", ["run", "p.toml", "--quiet", "--force", "--only", ids[0]]),
        ("run --only, one cell, --records-only", ["run", "p.toml", "--quiet", "--force", "--only", ids[0], "--records-only"]),
        ("run --only, 1,000 cells, --records-only", ["run", "p.toml", "--quiet", "--force", "--records-only", *(arg for cell in ids[:1000] for arg in ("--only", cell))]),
    ]:
        show(what, *measured([emberline, *args], folder)[:3])
    print()
    for name in ("summary.json", "report.html", "report.md", "summary.csv"):
        print(f"{name}: {size(os.path.getsize(os.path.join(run, name)))}")
    print(f"p.lock: {size(os.path.getsize(os.path.join(folder, 'p.lock')))}")
    files = sum(len(names) for _, _, names in os.walk(run))
    print(f"files in the run folder: {files:,}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=("simulate", "measure"))
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "../../target"))
    arguments.add_argument("--emberline", default=os.path.join(target, "dist/emberline"))
    arguments.add_argument("--cells", type=int, default=100_000)
    arguments.add_argument("--train", type=int, default=0, help="cells to train, whose records the others get as copies; 0 trains all")
    arguments.add_argument("--shape", choices=("seeds", "settings"), default="seeds", help="10 settings and as many seeds as it takes, or 1,000 settings")
    arguments.add_argument("--folder", help="an empty folder to work in, which is kept")
    a = arguments.parse_args()
    if a.what == "simulate":
        tables()
    elif a.folder:
        os.makedirs(a.folder, exist_ok=True)
        measure(os.path.abspath(a.emberline), a.cells, a.train, a.shape, os.path.abspath(a.folder))
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(os.path.abspath(a.emberline), a.cells, a.train, a.shape, folder)


if __name__ == "__main__":
    main()
