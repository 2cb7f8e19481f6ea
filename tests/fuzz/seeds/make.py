"""Writes the seeds of formats that no fixture has. `pip install pyarrow`; `python make.py`, in this folder."""

import gzip
import hashlib
import io
import json
import math
import struct
import tarfile
import zipfile

import pyarrow
import pyarrow.parquet

ROWS = [("how are you", 0), ("why do they lie", 1), ("what is a fjord", 0), ("are all of them thieves", 1), ("how are you", 1)]


def write(name, content):
    with open(name, "wb") as file:
        file.write(content)


def rows():
    lines = [json.dumps({"question_text": text, "target": label, "toxic": label, "tags": ["a", "b"]}) for text, label in ROWS]
    write("rows.jsonl", ("\n".join(lines) + "\n").encode())
    table = pyarrow.table({"question_text": [text for text, _ in ROWS], "target": [label for _, label in ROWS]})
    pyarrow.parquet.write_table(table, "rows.parquet", compression="snappy", row_group_size=3, store_schema=False)


def vectors():
    words = {"the": [0.5, -1.0], "hello": [2.0, 0.25], "world": [-3.0, 1e-3]}
    text = f"{len(words)} 2\n" + "".join(f"{word} {a} {b}\n" for word, (a, b) in words.items())
    write("vectors.vec", text.encode())
    write("vectors.vec.gz", gzip.compress(text.encode(), mtime=0))
    binary = b"".join(word.encode() + b" " + struct.pack("<2f", *vector) + b"\n" for word, vector in words.items())
    write("vectors.bin", f"{len(words)} 2\n".encode() + binary)


def archives():
    members = {"model/config.json": b"{}", "model/words.txt": b"a 1 2\n", "model/deep/er.txt": b"x" * 99}
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    write("archive.tar", tar.getvalue())
    write("archive.tar.gz", gzip.compress(tar.getvalue(), mtime=0))
    write("archive.zip", packed.getvalue())
    write("archive.txt.gz", gzip.compress(b"words", mtime=0))


def checkpoint():
    scores = {"loss": 0.5, "accuracy": 0.75}
    epochs = [{"epoch": 1, "learning_rate": 1e-4, "seconds": 0.25, "train": scores, "valid": scores}]
    facts = json.dumps({"identity": "seed", "steps": 7, "seconds": 0.5, "history": epochs})
    header, at = {"__metadata__": {"facts": facts, "checksum": "passed by"}}, 0
    for part in ["values", "first", "second", "best"]:
        for name, shape in [("head.output.kernel", [3, 1]), ("head.output.bias", [1])]:
            size = 4 * shape[0]
            header[f"{part}/{name}"] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
            at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write("checkpoint.safetensors", struct.pack("<Q", len(text)) + text + struct.pack(f"<{at // 4}f", *range(at // 4)))


def model():
    zeros = "0" * 64
    entries = {"classes": '["no","yes"]', "data_digest": zeros, "dim": "2", "embedding": "a", "embedding_digest": zeros}
    entries |= {"embedding_kind": "hashing", "format": "emberline model", "layers": '[{"dense":3,"activation":"gelu"}]'}
    entries |= {"positive_class": "yes", "sha256": zeros, "task": "binary", "thresholds": "[0.5]", "version": "1"}
    header, at = {"__metadata__": entries}, 0
    arrays = {"embedding.rows": [2], "embedding.table": [2, 2], "head.0.bias": [3], "head.0.kernel": [2, 3]}
    for name, shape in (arrays | {"head.output.bias": [1], "head.output.kernel": [3, 1]}).items():
        size = 4 * math.prod(shape)
        dtype = "U32" if name == "embedding.rows" else "F32"
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write("model.safetensors", struct.pack("<Q", len(text)) + text + bytes(at))


def bundle():
    with open("model.safetensors", "rb") as file:
        model = file.read()
    entries = {"format": "emberline bundle", "version": "1", "sha256": "0" * 64, "cell": "a", "embedding": "a", "text": '"text"'}
    entries["source"] = '{"word_vectors":{"path":"source/vectors.vec"}}'
    header, content = {"__metadata__": entries}, b""
    for name, part in {"model.safetensors": model, "source/vectors.vec": b"1 2\nhello 2 0.25\n"}.items():
        span = [len(content), len(content) + len(part)]
        header[name], content = {"dtype": "U8", "shape": [len(part)], "data_offsets": span}, content + part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write("small.bundle", struct.pack("<Q", len(text)) + text + content)


def digest_of(part):
    """`Digest::of`: SHA-256 over the part's length and the part."""
    return hashlib.sha256(struct.pack("<Q", len(part)) + part).hexdigest()


def segment():
    header = {
        "__metadata__": {
            "format": "emberline-embeddings/2", "dim": "3", "about": "a seed", "computation": "1", "device": "cpu",
            "arithmetic": "x86_64 avx2", "source": digest_of(b"model"),
        },
        "keys": {"dtype": "U8", "shape": [2, 32], "data_offsets": [0, 64]},
        "vectors": {"dtype": "F32", "shape": [2, 3], "data_offsets": [64, 88]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write("segment.safetensors", struct.pack("<Q", len(text)) + text + bytes(range(64)) + struct.pack("<6f", *range(6)))


def records():
    split = {"rows": 4, "classes": {"0": 3, "1": 1}}
    splits = {"train": split, "valid": split}
    data = {
        "task": "binary", "classes": ["0", "1"], "splits": splits, "majority_accuracy": {"train": 0.75, "valid": 0.75},
        "rows_read": 9, "empty_texts": 1, "missing_labels": 0, "duplicate_texts": 1, "conflicting_labels": 0,
    }
    digest = "0" * 64
    cell = {
        "id": "cell", "status": "done", "settings": {"embedding": "small", "seed": 1}, "embedding": "small",
        "source": "hashing", "trainable": True, "seed": 1, "dim": 8, "epochs": 2, "best_epoch": 1, "stopped": "epochs",
        "seconds": 0.5, "parameters": {"total": 99, "trainable": 9},
        "metrics": {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.6, "val_accuracy": 0.5, "val_pr_auc": None},
        "digests": {"data": digest, "embedding": digest, "weights": digest}, "device": "cpu",
    }
    other = {"id": "other", "status": "failed", "error": "no memory", "settings": {"embedding": "small", "seed": 2}}
    others = [{**{key: cell[key] for key in ("embedding", "source", "trainable", "seed")}, **other}]
    summary = {"version": 1, "name": "seed", "axes": {"seed": [1, 2]}, "data": data, "cells": [cell, *others]}
    write("summary.json", json.dumps(summary, indent=1).encode())
    history = "epoch,learning_rate,seconds,loss,accuracy,val_loss,val_accuracy\n1,0.001,0.2,0.5,0.75,0.6,0.5\n2,0.001,0.3,0.4,0.75,NaN,\n"
    write("history.csv", history.encode())


for make in (rows, vectors, archives, checkpoint, model, bundle, segment, records):
    make()
