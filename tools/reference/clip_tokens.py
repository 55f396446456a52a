"""Writes test/fixtures/clip-tokens.json: what CLIPTokenizer makes of many texts, and of many tokenizer folders.

The vocabulary is that of test/fixtures/stable-diffusion/sd1/tokenizer. Of the texts over all scripts only a checksum of
the ids is kept. A folder's files contradict each other where one of them must win; every file that a case does not name
is absent, but vocab.json and merges.txt. With --check nothing is written: the agreement of the installed version with
the fixture is printed.

    pip install transformers==5.24.0
    python tools/reference/clip_tokens.py [--check]
"""

import json
import pathlib
import random
import sys
import tempfile
import unicodedata
import zlib

import tokenizers
import transformers
from transformers import CLIPTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "test/fixtures/stable-diffusion/sd1/tokenizer"
OUTPUT = ROOT / "test/fixtures/clip-tokens.json"
NUM_TEXTS = 1600

START, END = "<|startoftext|>", "<|endoftext|>"
# Blocks with letters and marks that are younger than Python's tables, or than those of tokenizers.
YOUNG = [0x88F, 0x897, 0xC5C, 0x1ACF, 0xA7CE, 0x105D2, 0x10940, 0x10D50, 0x11380, 0x113C9, 0x11DB0, 0x16120, 0x16D63, 0x16EA0, 0x187F8,
         0x1E6E3, 0x2CEA2, 0x323B0]
PIECES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u0085", "\u2028", "\u001f", "\u0000", "\u007f",
          "'s", "'T", "'ll", "\u2019s", "12", "½", "\u0301", "\u0323", "\u0307", "İ", "ẞ", "ΣΑΣ", "ς", "J\u030c", "</w>", "!", "</", "Ll", "cat",
          "A photo", START, END.upper(), "<|", "|>", "\ufffd", "\U000e0001", "👩\u200d🚀", "한글", "\u1112\u1161\u11ab", "東京"]


def texts():
    """Texts of up to a dozen characters, most of them of one block of 128 code points."""
    draw = random.Random(20_261_129)
    assigned = {}
    for code in range(0x110000):
        if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co"):
            assigned.setdefault(code // 128, []).append(code)
    ideographs = range(0x3400 // 128, 0xD7B0 // 128), range(0x20000 // 128, 0x40000 // 128)
    blocks = [block for block in assigned if not any(block in ids for ids in ideographs)] + [0x4E00 // 128, 0xAC00 // 128, 0x20000 // 128]
    for code in YOUNG:
        assigned[code // 128] = assigned.get(code // 128, []) + list(range(code, code + 8)) * 4
        blocks += [code // 128] * 3
    found = []
    while len(found) < NUM_TEXTS:
        codes = assigned[draw.choice(blocks)]
        parts = [draw.choice(PIECES) if draw.random() < 0.3 else chr(draw.choice(codes)) for _ in range(draw.randint(1, 12))]
        text = "".join(parts)
        found.append(text.upper() if draw.random() < 0.1 else text)
    return found


def flagged(content, **flags):
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **flags}


def cases():
    """(name, files, texts). tokenizer.json is made of its added tokens, and of the base vocabulary with two ids exchanged."""
    free = len(json.loads((BASE / "vocab.json").read_text()))
    added = lambda *tokens: {str(free + index): {**token, "special": token.get("special", False)} for index, token in enumerate(tokens)}
    listed = lambda *tokens: [{"id": free + index, "special": False, **token} for index, token in enumerate(tokens)]
    toy = ["a photo of <toy>", "<toy>", "<TOY> on canvas", "un<toy>ish <toy>!", "a <toy>\n<toy>  <Toy>,"]
    bangs = ["a red cat!", "wow!!! ... --- !", "", "a! \u00a0 ! b"]
    return [
        ("pad: the map wins", {"config": {"pad_token": END}, "special_tokens_map.json": {"pad_token": "!"}}, bangs),
        ("pad: the map wins, the other way round", {"config": {"pad_token": "!"}, "special_tokens_map.json": {"pad_token": END}}, bangs),
        ("pad: the config alone", {"config": {"pad_token": "!"}}, bangs),
        ("pad: neither", {"config": {}}, bangs),
        ("pad: added_tokens_decoder shuts the map out", {"config": {"pad_token": "!", "added_tokens_decoder": {}},
         "special_tokens_map.json": {"pad_token": END}}, bangs),
        ("pad: an object of old files", {"config": {"pad_token": {"__type": "AddedToken", **flagged("!")}}}, bangs),
        ("pad: flags of the map", {"config": {"pad_token": END}, "special_tokens_map.json": {"pad_token": flagged("!", lstrip=True, rstrip=True)}}, bangs),
        ("pad: flags of the added token", {"config": {"pad_token": "!", "added_tokens_decoder": {"33": flagged("!", normalized=False, rstrip=True, special=True)}}}, bangs),
        ("bos, eos and unk: the map wins", {"config": {"bos_token": "a", "eos_token": "b", "unk_token": "c", "pad_token": "d"},
         "special_tokens_map.json": {"bos_token": "w", "eos_token": "x", "unk_token": "y", "pad_token": "z"}}, ["a b c d", "w x y z", "no"]),
        ("flags of the first three as published", {"config": {}, "special_tokens_map.json": {
         "bos_token": flagged(START), "eos_token": flagged(END), "unk_token": flagged(END), "pad_token": END}},
         [f"a {START} b", f"a {START.upper()} b", f"a {END} b", f"a {END.upper()} b"]),
        ("added_tokens.json", {"config": {}, "added_tokens.json": {"<toy>": free, "<Style>": free + 1}}, [*toy, "<style> <STYLE> <Style>"]),
        ("added_tokens_decoder", {"config": {"added_tokens_decoder": added(flagged("<toy>", normalized=False), flagged("<Style>"))}},
         [*toy, "<style> <STYLE> <Style>"]),
        ("added_tokens_decoder shuts added_tokens.json out", {"config": {"added_tokens_decoder": added(flagged("<toy>"))},
         "added_tokens.json": {"<style>": free}}, [*toy, "<style>"]),
        ("strips and single words", {"config": {"added_tokens_decoder": added(
         flagged("<l>", lstrip=True), flagged("<r>", rstrip=True), flagged("<b>", lstrip=True, rstrip=True, normalized=False),
         flagged("toy", single_word=True), flagged("Boy", single_word=True, normalized=False))}},
         ["a <l> b <r>  c <b>\u00a0\u3000d", "<l><r>", "  <b>\ufeff<b>  ", "toy toys atoy toy! to\u0301y TOY, _toy toy_ 1toy",
          "Boy boy Boys Boy's", "toytoy toy", "\u00a0toy\u0301 ⓣtoy toy²"]),
        ("the longest wins", {"config": {"added_tokens_decoder": added(flagged("ab"), flagged("abc", single_word=True), flagged("bcd", normalized=False))}},
         ["abcd abc abx bcd", "xabc ab", "aabbcdd"]),
        ("normalized contents", {"config": {"added_tokens_decoder": added(flagged("two  Words"), flagged("ΣΑΣ"), flagged("caf\u0065\u0301"))}},
         ["a two\nwords TWO words!", "ΣΑΣ σας σασ", "Café CAFE\u0301"]),
        ("regular expressions in contents", {"config": {"added_tokens_decoder": added(flagged("(a|b)+"), flagged("[x].*"), flagged("\\d{2}/$"))}},
         ["(a|b)+ aab", "[x].* x.", "\\d{2}/$ 12"]),
        ("additional special tokens", {"config": {"additional_special_tokens": ["<x>"]}, "special_tokens_map.json": {"additional_special_tokens": ["<y>"]}},
         ["<x> <X> <y>"]),
        ("additional special tokens of the map", {"config": {}, "special_tokens_map.json": {"additional_special_tokens": ["<y>", "<z>"]}}, ["<x> <y> <z>"]),
        ("other named tokens", {"config": {"cls_token": "<c>", "mask_token": "<m>"}, "special_tokens_map.json": {"mask_token": "<n>"}}, ["<c> <m> <n>"]),
        ("tokenizer.json wins over vocab.json", {"config": {}, "tokenizer.json": {"swap": ["a</w>", "of</w>"], "added_tokens": []}}, ["a photo of a"]),
        ("tokens of tokenizer.json", {"config": {"pad_token": END}, "special_tokens_map.json": {"pad_token": "!"},
         "added_tokens.json": {"<other>": free}, "tokenizer.json": {"swap": ["a</w>", "of</w>"], "added_tokens": listed(flagged("<toy>", rstrip=True))}},
         [*toy, "<other>", "a!"]),
        ("added_tokens_decoder shuts those of tokenizer.json out", {"config": {"added_tokens_decoder": added(flagged("<style>"))},
         "tokenizer.json": {"swap": ["a</w>", "of</w>"], "added_tokens": listed(flagged("<toy>"))}}, [*toy, "<style>"]),
    ]


def folder_of(path, files):
    path.mkdir()
    for name in ("vocab.json", "merges.txt"):
        (path / name).write_text((BASE / name).read_text())
    for name, content in files.items():
        if name == "config":
            name, content = "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **content}
        if name == "tokenizer.json":
            vocab = json.loads((BASE / "vocab.json").read_text())
            one, other = content["swap"]
            vocab[one], vocab[other] = vocab[other], vocab[one]
            merges = (BASE / "merges.txt").read_text().strip().split("\n")[1:]
            content = {"version": "1.0", "added_tokens": content["added_tokens"], "model": {"type": "BPE", "vocab": vocab, "merges": merges}}
        (path / name).write_text(json.dumps(content))
    return CLIPTokenizer.from_pretrained(path)


def checksum(ids):
    return zlib.crc32(",".join(map(str, ids)).encode())


def answers():
    plain = CLIPTokenizer.from_pretrained(BASE)
    found = {
        "versions": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__},
        "texts": [[text, checksum(plain(text).input_ids)] for text in texts()],
        "folders": [],
    }
    with tempfile.TemporaryDirectory() as root:
        for index, (name, files, wanted) in enumerate(cases()):
            tokenizer = folder_of(pathlib.Path(root) / str(index), files)
            found["folders"].append({
                "name": name,
                "files": files,
                "pad": tokenizer.pad_token_id,
                "ids": {text: tokenizer(text).input_ids for text in wanted},
            })
    return found


def main():
    transformers.logging.set_verbosity_error()
    found = answers()
    if "--check" not in sys.argv:
        OUTPUT.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")
        print(f"{len(found['texts'])} texts, {len(found['folders'])} folders, {OUTPUT.stat().st_size} bytes")
        return
    kept = json.loads(OUTPUT.read_text())
    same = sum(one == other for one, other in zip(kept["texts"], found["texts"]))
    print(f"{found['versions']}: {same} of {len(kept['texts'])} texts as with {kept['versions']}")
    for one, other in zip(kept["folders"], found["folders"]):
        if one != other:
            texts_off = [text for text in one["ids"] if one["ids"][text] != other["ids"][text]]
            print(f"{one['name']}: pad {one['pad']} {other['pad']}, {texts_off}")


if __name__ == "__main__":
    main()
