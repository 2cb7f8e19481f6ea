#!/usr/bin/env bash
# Makes the quickstart's pretrained table, pipelines/models/minilm-words, from all-MiniLM-L6-v2; on one kind of CPU these very bytes.
#
#   ci/pretrained.sh [EMBERLINE]     # writes target/minilm-words, and fails if it differs from the committed files
#
# EMBERLINE is a program that is built already; EMBERLINE_MINILM names the folder of the model, which is looked for if it isn't set.
#
# The words: the first WORDS tokens of MiniLM's own vocabulary that consist of the letters a to z and begin a word. That vocabulary
# (BERT's, uncased) was made of English Wikipedia and BookCorpus, and has the most frequent words first. No text of the quickstart has
# a part in it. The vectors: 256 principal components, no weights, 8 bits with a scale per word.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh
[ -n "${EMBERLINE_MINILM:-}" ] || source ci/tools.sh

WORDS=7000
program=("${1:-}")
[ -n "${program[0]}" ] || program=(cargo run --release --quiet --locked --)
if [ -z "${EMBERLINE_MINILM:-}" ]; then
  skip minilm "the quickstart's pretrained table: all-MiniLM-L6-v2 isn't there"
  exit 0
fi

mkdir -p target
python3 - "$EMBERLINE_MINILM/tokenizer.json" > target/minilm-words.txt << 'PYTHON'
import json, re, sys
with open(sys.argv[1], encoding="utf-8") as file:
    vocabulary = json.load(file)["model"]["vocab"]
for token in sorted(vocabulary, key=vocabulary.get):
    if re.fullmatch("[a-z]+", token):
        print(token)
PYTHON
"${program[@]}" distill sentence_transformer "$EMBERLINE_MINILM" --words target/minilm-words.txt --max-words "$WORDS" \
  --dim 256 --weights none --quantize i8 --device cpu --output target/minilm-words --force
for file in model.safetensors tokenizer.json config.json; do
  cmp "target/minilm-words/$file" "pipelines/models/minilm-words/$file"
  echo "$file: the committed bytes"
done
