#!/usr/bin/env bash
# Kana and Hangul that are written as base letter and mark keep their marks apart in tokenizers 0.23.3, and become one letter
# in sentencepiece 0.2.3 and in @huggingface/tokenizers 0.2.0, though all three have the same normalization table of one model.
#
# Expected: tokenizer.json holds the table that sentencepiece compiled (precompiled_charsmap), so a text has the same
# normalization, and the same token ids, wherever the model is read.
#
# Seen, with nmt_nfkc, which T5 has, for letters as a macOS folder or a decomposing keyboard gives them:
#   e + acute, 3 bytes             one letter in all three
#   ka + voiced mark, 6 bytes      sentencepiece and the package for JavaScript: one letter; tokenizers: still two
#   Hangul ga of two letters, 6    the same
#
# For tokenizers looks up whole graphemes of less than 6 bytes, and longer ones a character at a time; sentencepiece takes the
# longest entry of its table at each place; and the package for JavaScript does not read the table, but applies NFKC. So what
# was trained with sentencepiece's ids reads other ids of such prompts through transformers' fast tokenizers.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sentencepiece==0.2.3 tokenizers==0.23.3 protobuf
npm install --silent --no-audit --no-fund @huggingface/tokenizers@0.2.0

cat > make.py <<'PYTHON'
import io
import json
from importlib.metadata import version

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

LETTERS = {"e + acute": "e\u0301", "ka + voiced mark": "\u304b\u3099", "Hangul ga of two letters": "\u1100\u1161"}

trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(["a red cat, \u00e9 \u304c \uac00", "a dog in \u00e9t\u00e9 \u304c \uac00"] * 50),
    model_writer=trained, vocab_size=60, hard_vocab_limit=False, model_type="unigram", num_threads=1, minloglevel=2,
    normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
)  # fmt: skip
whole = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
model = sentencepiece_model_pb2.ModelProto()
model.ParseFromString(trained.getvalue())
tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in model.pieces], unk_id=2))
tokenizer.normalizer = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
)
tokenizer.save("tokenizer.json")
seen = [
    {
        "letters": name,
        "text": text,
        "sentencepiece": whole.encode(text),
        "tokenizers": tokenizer.encode(text, add_special_tokens=False).ids,
    }
    for name, text in LETTERS.items()
]
print("sentencepiece", version("sentencepiece"), "tokenizers", version("tokenizers"))
json.dump(seen, open("seen.json", "w"))
PYTHON
venv/bin/python make.py

cat > read.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { Tokenizer } = createRequire(import.meta.url)('@huggingface/tokenizers');
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const tokenizer = new Tokenizer(read('tokenizer.json'), {});
const agreement = read('seen.json').map(({ letters, text, sentencepiece, tokenizers }) => {
  const ids = [...tokenizer.encode(text, { add_special_tokens: false }).ids];
  console.log(`  ${letters}: sentencepiece ${sentencepiece}, tokenizers ${tokenizers}, JavaScript ${ids}`);
  return [tokenizers, ids].map((other) => String(other) === String(sentencepiece));
});
const EXPECTED = [[true, true], [false, true], [false, true]];
if (JSON.stringify(agreement) !== JSON.stringify(EXPECTED)) {
  console.error('expected', EXPECTED, 'got', agreement);
  process.exit(1);
}
JS
node read.mjs
