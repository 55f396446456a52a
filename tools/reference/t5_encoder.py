"""Writes test/fixtures/t5: a T5 encoder and its tokenizer, as transformers has them.

The encoder is tiny; its weights follow from their shapes (`numbers` of network_variants.py), so that the fixture holds
shapes, token ids and outputs alone. The tokenizer is a unigram that sentencepiece trains on texts made here, with the
normalization of T5 (nmt_nfkc); beside it are 1,000 texts of many kinds and their ids. Needs PyTorch, transformers (5.24
was used) and sentencepiece (0.2.3):

    pip install "transformers==5.24.0" "sentencepiece==0.2.3" protobuf torch numpy
    python tools/reference/t5_encoder.py [output folder]
"""

import io
import json
import pathlib
import random
import sys

import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import T5Config, T5EncoderModel, T5TokenizerFast
from transformers.models.t5.modeling_t5 import T5Attention

from network_variants import made

WORDS = (
    "a the of in on with photo painting drawing picture small large red green blue bright dark wooden old young cat dog fox "
    "horse bird fish tree river mountain city street night morning rain snow light shadow portrait landscape detailed soft "
    "sharp running sleeping playing chess washing dishes riding bicycle under over between behind astronaut robot castle "
    "garden kitchen library ocean forest desert bridge window mirror glass stone metal paper cloth golden silver Paris Tokyo "
    "café naïve Zürich São Łódź 1920s 4k 35mm f/1.8 don't it's two-headed state-of-the-art masterpiece, cinematic; lighting."
).split()
OTHER_TEXTS = (
    "ein Bild von einer Katze auf dem Dach", "une peinture d'un château sous la pluie", "кошка сидит на окне",
    "猫が窓のそばで眠っている", "一只红色的狐狸在雪地里", "고양이가 창가에 앉아 있다", "قطة على النافذة", "एक बिल्ली खिड़की पर",
)
PIECES = (
    " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u0007", "\u007f", "\u2028",
    "ﬁ", "ﬀ", "½", "²", "Å", "ｆｕｌｌ", "～", "①", "㌔", "ﷺ", "é", "e\u0301", "\u1100\u1161", "ẞ", "İ", "ǆ", "…", "‘’", "“”",
    "—", "–", "▁", "▁cat", "😀", "👩\u200d🚀", "🇫🇷", "</s>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_99>", "<s>", "!!", "???",
    ",", ".", ":", "(", ")", "[x:1.2]", "#", "@", "&amp;", "\\n", "'", '"', "0", "12", "3.14", "1,000",
)  # fmt: skip


def sentence(random, count):
    return " ".join(random.choice(WORDS) for _ in range(count))


def unigram():
    draws = random.Random(5)
    texts = [sentence(draws, draws.randint(3, 12)) for _ in range(3000)] + list(OTHER_TEXTS) * 5
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=trained, vocab_size=220, model_type="unigram", num_threads=1,
        normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(trained.getvalue())
    return [(piece.piece, piece.score) for piece in model.pieces], model.normalizer_spec.precompiled_charsmap


def texts():
    draws = random.Random(6)
    yield ""
    yield " "
    yield from PIECES
    yield from OTHER_TEXTS
    while True:
        parts = [draws.choice((sentence(draws, draws.randint(1, 6)), *PIECES)) for _ in range(draws.randint(1, 5))]
        if draws.random() < 0.2:
            parts.append(chr(draws.choice((draws.randint(1, 0xD7FF), draws.randint(0xE000, 0x1FFFF)))))
        if draws.random() < 0.5:
            parts.append(sentence(draws, 4))
        draws.shuffle(parts)
        text = draws.choice(("", " ")).join(parts)
        yield draws.choice((text, text, text.upper()))


def tokenizer_fixture(folder):
    vocab, charsmap = unigram()
    extra = [(f"<extra_id_{index}>", 0.0) for index in range(99, -1, -1)]
    tokenizer = T5TokenizerFast(vocab=vocab + extra, _spm_precompiled_charsmap=charsmap, model_max_length=512)
    tokenizer.save_pretrained(folder)
    tokenizer = T5TokenizerFast.from_pretrained(folder)
    chosen = [text for text, _ in zip(texts(), range(1000))]
    return [{"text": text, "ids": tokenizer(text).input_ids} for text in chosen]


def encoder_fixture():
    config = T5Config(
        vocab_size=90, d_model=24, d_kv=6, d_ff=40, num_layers=3, num_heads=3, relative_attention_num_buckets=8,
        relative_attention_max_distance=20, feed_forward_proj="gated-gelu", layer_norm_epsilon=1e-5,
    )  # fmt: skip
    model = T5EncoderModel(config).double().eval()
    state = model.state_dict()
    state.pop("encoder.embed_tokens.weight", None)
    for seed, name in enumerate(sorted(state)):
        shape = tuple(state[name].shape)
        values = made(shape, seed, 0.4 if len(shape) == 1 else 3 / shape[1] ** 0.5)
        state[name].copy_(values + 1 if len(shape) == 1 else values)
    ids = [(7 * place * place + 3) % 90 for place in range(48)]
    with torch.no_grad():
        output = model(torch.tensor([ids])).last_hidden_state[0]
    return {
        "config": {"architectures": ["T5EncoderModel"], **config.to_diff_dict()},
        "weights": {name: list(state[name].shape) for name in sorted(state)},
        "ids": ids,
        "shape": list(output.shape),
        "output": [float(f"{value:.7g}") for value in output.flatten().tolist()],
    }


def bucket_fixture():
    distances = torch.arange(-300, 301)
    return [
        {
            "buckets": buckets,
            "distance": most,
            "of": T5Attention._relative_position_bucket(distances, True, buckets, most).tolist(),
        }
        for buckets, most in ((32, 128), (8, 20), (6, 100))
    ]


def main(folder="test/fixtures/t5"):
    path = pathlib.Path(folder)
    write = lambda name, content: (path / name).write_text(json.dumps(content, ensure_ascii=False) + "\n")
    (path / "tokenizer").mkdir(parents=True, exist_ok=True)
    cases = tokenizer_fixture(path / "tokenizer")
    write("tokens.json", cases)
    write("encoder.json", {**encoder_fixture(), "buckets": bucket_fixture()})
    print(f"{len(cases)} texts -> {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
