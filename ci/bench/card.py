#!/usr/bin/env python3
"""Microseconds of a training step on a card, head 256-64-1 under Adam, in packs of 1, 8 and 64 heads, beside PyTorch.

    cargo bench -p emberline-train --features gpu --bench step --no-run
    python3 ci/bench/card.py STEP [--device cuda] [--torch PYTHON] [--compile]

STEP: the bench's program, as cargo names it. PYTHON: one that imports torch, with CUDA. PyTorch trains the same head on as
many vectors of the same lengths in four ways: eager with Adam as it comes; eager with fused Adam; the whole step captured in
a CUDA graph; and, with --compile, the model through torch.compile, with fused Adam. Everything stays on the card; its loss is read once an epoch. The
best of a few epochs counts, here as there. PyTorch has no packs: a head is a head.
"""
import argparse, json, subprocess, sys

CASES = [("dense", dim, batch) for dim in (20, 128, 512) for batch in (32, 256, 1024)] + [("dropout", 128, 32), ("launches", 1, 1)]
PACKS = (1, 8, 64)
TORCH = """
import json, sys, time
import torch
from torch import nn

device, ways = sys.argv[1], sys.argv[2].split(",")
ROWS = 13061
torch.backends.cuda.matmul.allow_tf32 = False
synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None


def trainer(way, dim, batch):
    draw = torch.Generator().manual_seed(1)
    x = (torch.rand(ROWS, dim, generator=draw) * 0.6 - 0.3).to(device)
    y = (torch.arange(ROWS) % 16 == 0).float().to(device)
    model = nn.Sequential(nn.Linear(dim, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1)).to(device)
    if way == "compile":
        torch._dynamo.reset()
        model = torch.compile(model)
    fused = {} if way == "eager" else {"fused": True, "capturable": way == "graph"}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7, **fused)
    loss_of = nn.BCEWithLogitsLoss()
    total = torch.zeros((), device=device)
    rows = torch.arange(batch, device=device)

    def step(rows):
        optimizer.zero_grad(set_to_none=way != "graph")
        loss = loss_of(model(x[rows]).squeeze(-1), y[rows])
        loss.backward()
        optimizer.step()
        total.add_(loss.detach())

    if way == "graph":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(rows)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step(rows)
        into, whole = rows, step

        def step(rows, kept=whole):  # What the graph works on must outlive it.
            into.copy_(rows)
            graph.replay()

    def epoch():
        total.zero_()
        batches = torch.randperm(ROWS, device=device).split(batch)[:-1]
        for rows in batches:
            step(rows)
        return len(batches), total.item()

    return epoch


for dim in (20, 128, 512):
    for batch in (32, 256, 1024):
        for way in ways:
            epoch = trainer(way, dim, batch)
            epoch()
            times = []
            for _ in range(3):
                synchronize()
                begun = time.perf_counter()
                steps, _ = epoch()
                times.append((time.perf_counter() - begun) / steps * 1e6)
            print(json.dumps({"way": way, "dim": dim, "batch": batch, "us_step": min(times)}), flush=True)
"""


def lines(command):
    """The lines of JSON that a command prints, told as they come."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found = []
    for line in process.stdout:
        if line.startswith("{"):
            found.append(json.loads(line))
            print(line, end="", file=sys.stderr, flush=True)
    if process.wait():
        sys.exit(f"{command[0]} failed")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", metavar="STEP")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--burn", action="store_true", help="our heads on Burn's tensors, too")
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    ways = ["eager", "fused", "graph"] + ["compile"] * options.compile
    ours = lines([options.step, "--bench", options.device] + ["burn"] * options.burn)
    theirs = lines([options.torch, "-c", TORCH, options.device, ",".join(ways)]) if options.torch else []
    of_us = {(line["engine"], line["head"], line["dim"], line["batch"], line["pack"]): line["us_step_wall"] for line in ours}
    of_them = {(line["way"], "dense", line["dim"], line["batch"]): line["us_step"] for line in theirs}
    engines = ["own"] + ["burn"] * options.burn
    print(f"{'':<26}" + "".join(f"{f'{engine} x {pack}':>12}" for engine in engines for pack in PACKS) + "".join(f"{way:>12}" for way in ways))
    for case in CASES:
        numbers = [of_us.get((engine, *case, pack)) for engine in engines for pack in PACKS] + [of_them.get((way, *case)) for way in ways]
        print("{} D={} batch {}".format(*case).ljust(26) + "".join(f"{number:>12.2f}" if number else f"{'':>12}" for number in numbers))


if __name__ == "__main__":
    main()
