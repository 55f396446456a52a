#!/usr/bin/env bash
# transformers 5 gives an added token of a CLIP tokenizer another id than added_tokens.json says, and takes it for a match in any case.
#
# One file is read by CLIPTokenizer of 4.57.3 and of 5.24.0. It adds "<Toy>" with id 9 to a vocabulary of 6. Version 4 gives the id 9 and
# finds the token as it is written. Version 5 gives the next free id, 6, without a word, and finds "<toy>" too; tokenize() then shows "<toy>",
# which is no key of added_tokens_encoder. Code that looks the shown token up there, as textual inversion loaders of several vectors do, misses it.
#
# Exits non-zero if one of the versions behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/clip"
cat > "$folder/read.py" <<'PY'
import json, pathlib, sys, transformers
from transformers import CLIPTokenizer

folder = pathlib.Path(sys.argv[1])
start, end = "<|startoftext|>", "<|endoftext|>"
(folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(["a", "b", "a</w>", "b</w>", start, end])}))
(folder / "merges.txt").write_text("#version: 0.2\n")
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}))
(folder / "added_tokens.json").write_text(json.dumps({"<Toy>": 9}))
tokenizer = CLIPTokenizer.from_pretrained(folder)
found = {
    "id": tokenizer.convert_tokens_to_ids("<Toy>"),
    "shown": tokenizer.tokenize("<Toy>"),
    "other case": tokenizer.tokenize("<toy>") == tokenizer.tokenize("<Toy>"),
    "known": tokenizer.tokenize("<Toy>")[0] in tokenizer.added_tokens_encoder,
}
print(transformers.__version__, found)
expected = {
    "4": {"id": 9, "shown": ["<Toy>"], "other case": False, "known": True},
    "5": {"id": 6, "shown": ["<toy>"], "other case": True, "known": False},
}
sys.exit(found != expected[transformers.__version__[0]])
PY
for pinned in "transformers==4.57.3 tokenizers==0.22.2" "transformers==5.24.0 tokenizers==0.23.3"; do
  python3 -m venv "$folder/venv"
  # shellcheck disable=SC2086
  "$folder/venv/bin/pip" install -q $pinned 2> /dev/null
  "$folder/venv/bin/python" "$folder/read.py" "$folder/clip" 2> /dev/null
  rm -r "$folder/venv"
done
