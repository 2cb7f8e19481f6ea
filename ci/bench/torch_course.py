"""The course in PyTorch: words looked up in the module's table, 256-64-1, Adam 1e-4, TensorBoard. Run by course.py.

    torch_course.py MODULES EPOCHS      in a folder with train.csv and valid.csv

Each text is embedded once, before training: the quickest that one would write without a graph compiler.
"""
import csv, os, string, sys

import numpy as np
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

torch.set_num_threads(1)
modules, epochs = sys.argv[1], int(sys.argv[2])
UNPUNCTUATED = str.maketrans(string.punctuation, " " * len(string.punctuation))


def read(name):
    with open(name, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [r["question_text"].translate(UNPUNCTUATED).split() for r in rows], torch.tensor([float(r["target"]) for r in rows])


def module(dim):
    """The words' numbers, and the table, with the row of unknown words last."""
    with open(f"{modules}/quora-{dim}/assets/tokens.txt", encoding="utf-8") as file:
        words = {word.rstrip("\n"): number for number, word in enumerate(file)}
    values = np.fromfile(f"{modules}/quora-{dim}/variables/variables.data-00000-of-00001", "<f4")
    return words, torch.from_numpy(values[-(len(words) + 1) * dim :].reshape(-1, dim))


def embed(texts, words, table):
    ids = [[words.get(word, len(words)) for word in text] or [len(words)] for text in texts]
    lengths = torch.tensor([len(bag) for bag in ids])
    flat = torch.tensor([number for bag in ids for number in bag])
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)[:-1]])
    return nn.functional.embedding_bag(flat, table, offsets, mode="sum") / lengths.sqrt().unsqueeze(1)


(train_texts, train_y), (valid_texts, valid_y) = read("train.csv"), read("valid.csv")
loss_of = nn.BCEWithLogitsLoss()
for dim in (20, 50, 128):
    torch.manual_seed(1)
    words, table = module(dim)
    train_x, valid_x = embed(train_texts, words, table), embed(valid_texts, words, table)
    model = nn.Sequential(nn.Linear(dim, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7)
    writer = SummaryWriter(f"logs/quora-{dim}")
    for epoch in range(epochs):
        total, right = 0.0, 0
        for rows in torch.randperm(len(train_y)).split(32):
            optimizer.zero_grad()
            logits = model(train_x[rows]).squeeze(-1)
            loss = loss_of(logits, train_y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
            right += ((logits > 0) == (train_y[rows] > 0.5)).sum().item()
        with torch.no_grad():
            logits = model(valid_x).squeeze(-1)
            scores = {"epoch_loss": total / len(train_y), "epoch_accuracy": right / len(train_y)}
            scores |= {"val_loss": loss_of(logits, valid_y).item(), "val_accuracy": ((logits > 0) == (valid_y > 0.5)).float().mean().item()}
        for name, value in scores.items():
            writer.add_scalar(name, value, epoch)
    writer.close()
