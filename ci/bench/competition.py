#!/usr/bin/env python3
"""Writes a CSV file of the size and shape of the Quora competition's train.csv, which is not the project's to give.

    python3 ci/bench/competition.py OUT [--rows 1306122] [--questions pipelines/data/questions.csv] [--seed 1]

1,306,122 rows of qid (20 hex digits), question_text and target, 6.2 % of them 1; 112 MB. A text is the beginning of
one question and the end of another of the same class, so that commas, quotes, accents and lengths are those of real ones
and most texts differ: one in 250 repeats an earlier one, half of these in upper case, and
some 4 in 100 are short ones that come again by chance. The same seed writes the same bytes.
"""
import argparse, csv, os, random

HERE = os.path.dirname(os.path.abspath(__file__))
POSITIVE = 0.062
REPEATED = 0.004


def questions(path):
    """The words of the questions of each class."""
    classes = {"0": [], "1": []}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            words = row["question_text"].split()
            if len(words) > 1:
                classes[row["target"]].append(words)
    return classes


def text(rng, of_class):
    """The beginning of one question, the end of another."""
    first, second = rng.choice(of_class), rng.choice(of_class)
    return " ".join(first[: rng.randint(1, len(first))] + second[rng.randint(0, len(second) - 1) :])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out")
    arguments.add_argument("--rows", type=int, default=1_306_122)
    arguments.add_argument("--questions", default=os.path.join(HERE, "../../pipelines/data/questions.csv"))
    arguments.add_argument("--seed", type=int, default=1)
    a = arguments.parse_args()
    rng, classes, recent = random.Random(a.seed), questions(a.questions), []
    with open(a.out, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("qid", "question_text", "target"))
        for _ in range(a.rows):
            if recent and rng.random() < REPEATED:
                question, target = rng.choice(recent)
                question = question.upper() if rng.random() < 0.5 else question
            else:
                target = "1" if rng.random() < POSITIVE else "0"
                question = text(rng, classes[target])
                if len(recent) < 10_000:
                    recent.append((question, target))
            out.writerow((f"{rng.getrandbits(80):020x}", question, target))


if __name__ == "__main__":
    main()
