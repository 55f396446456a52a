"""Writes test/fixtures/wordpiece/: a small tokenizer of BERT's kind, and the ids that transformers gives some sentences.

The two files that name the pad token contradict each other, and neither token has the id 0: who reads the wrong file, or
none, pads otherwise. 5.24.0 and 4.57.3 agree.

    pip install transformers==5.24.0
    python tools/reference/reward_tokens.py [output folder]
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
WORDS = ["a", "red", "circle", "the", "picture", "show", "##s", "##ing", "un", "##like", "##ly", ",", ".", "e", "##e", "σ", "##α", "##σ", "##ς"]
SENTENCES = [
    "",
    "A red circle",
    "The picture shows a red circle, unlikely.",
    "  showing   the\tpicture ",
    "a purple circle é",
    "a a a a a a a a a a a a",
    "ΣΑΣ σας",
]


def tokenizer():
    vocab = {word: index for index, word in enumerate(SPECIAL + WORDS)}
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    made.add_special_tokens(SPECIAL)
    return made


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "test/fixtures/wordpiece")
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    made.save(str(folder / "tokenizer.json"))
    config = dict(tokenizer_class="BertTokenizer", model_max_length=1e30, pad_token="[UNK]")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}) + "\n")
    read = PreTrainedTokenizerFast.from_pretrained(folder)
    expected = {
        "ids": {sentence: made.encode(sentence).ids for sentence in SENTENCES},
        "padded": {sentence: read(sentence, padding="max_length", max_length=24).input_ids for sentence in SENTENCES},
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
