"""Reads the six labelled sets that `real_sets.py` compares on, as they are published, into rows of one shape.

What enters: a folder with a folder for each set. What leaves: (text, label) rows, each text once. A label of a set with several
labels per row is their names with commas between.

| set | files | from |
|---|---|---|
| quora | labelled.csv: qid, question_text, target | Quora Insincere Questions, train.csv of the Kaggle competition or a part of it |
| sst2 | train.tsv, dev.tsv, test.tsv: sentence, 0 or 1 | clairett/pytorch-sentiment-classification |
| trec | raw_TREC.train, raw_TREC.test: COARSE:fine question | harvardnlp/sent-conv-torch |
| banking77 | train.csv, test.csv: text, category | PolyAI-LDN/task-specific-datasets |
| goemotions | train.tsv, dev.tsv, test.tsv, labels.txt: text, label numbers, id | google-research/goemotions, monologg/GoEmotions-pytorch |
| davidson | labeled_data.csv: class, tweet | t-davidson/hate-speech-and-offensive-language |
"""
import csv
import pathlib
import random
import re
import unicodedata


def read_csv(path, text, label):
    with open(path, encoding="utf-8", newline="") as file:
        return [(row[text], row[label]) for row in csv.DictReader(file)]


def read_tsv(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip()]


def quora(folder):
    return read_csv(folder / "labelled.csv", "question_text", "target")


def sst2(folder):
    return [(fields[0], fields[1]) for part in ("train", "dev", "test") for fields in read_tsv(folder / f"{part}.tsv")]


def trec(folder):
    rows = []
    for part in ("train", "test"):
        with open(folder / f"raw_TREC.{part}", encoding="latin-1") as file:
            for line in file:
                label, text = line.strip().split(" ", 1)
                rows.append((text, label.split(":")[0]))
    return rows


def banking77(folder):
    return [row for part in ("train", "test") for row in read_csv(folder / f"{part}.csv", "text", "category")]


def goemotions(folder):
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    rows = [fields for part in ("train", "dev", "test") for fields in read_tsv(folder / f"{part}.tsv")]
    return [(text, ",".join(names[int(number)] for number in numbers.split(","))) for text, numbers, _ in rows]


def davidson(folder):
    names = {"0": "hate", "1": "offensive", "2": "neither"}
    return [(text, names[label]) for text, label in read_csv(folder / "labeled_data.csv", "tweet", "class")]


READERS = {reader.__name__: reader for reader in (quora, sst2, trec, banking77, goemotions, davidson)}


def key(text):
    """What two texts have in common that differ by case, spaces, punctuation or accents' composition only."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def rows_of(name, folder, most):
    """At most `most` rows of a set, drawn with a fixed seed, each text once, white space of a text as single spaces."""
    rows, seen = [], set()
    for text, label in READERS[name](pathlib.Path(folder) / name):
        text = " ".join(text.split())
        if key(text) and key(text) not in seen:
            seen.add(key(text))
            rows.append((text, label))
    random.Random(1).shuffle(rows)
    return rows[:most]


def write_rows(path, rows):
    """Row i stands in line i + 2, by which a run's record of its splits names it."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])
