"""Prompt files of every kind and encoding, and what Python's json and csv modules read in them.

    python tools/reference/prompt_files.py test/fixtures/prompt-files
"""

import csv
import io
import json
import sys
from pathlib import Path

ENTRIES = [
    {"prompt": "a red ball", "weight": 2, "tag": "color", "answer": {"count": 1, "colors": ["red"]}},
    {"prompt": 'a sign that says "stop", twice', "tag": "text"},
    {"prompt": "#1 in the list", "weight": 0.5, "note": None},
    {"prompt": "ein blauer Würfel, 三つの球 🎈", "tag": "é"},
    {"prompt": "two lines\nof one prompt", "score": -1.25e-3, "flag": True},
]
ROWS = [
    ["prompt", "weight", "tag", ""],
    ["a red ball", "2", "color", "0"],
    ['a sign that says "stop", twice', "", "text", "1"],
    ["#1 in the list", ".5", "", "2"],
    ["ein blauer Würfel, 三つの球 🎈", "1e0", "é", "3"],
    ["two lines\nof one prompt", " 3 ", "x\ty", "4"],
]
# Quotes inside a cell that does not begin with one, as spreadsheets leave them.
BARE_QUOTES = 'prompt\tsize\na 5" nail\t5"\n"a ""tall"" tree"\t"10"\n'
LINES = ["a red ball", "# a comment", "", "  ein blauer Würfel, 三つの球 🎈  ", "a [rare] {red|blue} thing"]

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
expected = {}


def table(delimiter, line_end):
    text = io.StringIO(newline="")
    # Of a line end in a cell it knows that it needs quotes where it is its own.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(ROWS)
    return text.getvalue().replace("\r\n", line_end)


def weight_of(text):
    return float(text) if text.strip() else 1


def from_json(entries):
    for entry in entries:
        entry = {"prompt": entry} if isinstance(entry, str) else dict(entry)
        prompt, weight = entry.pop("prompt"), entry.pop("weight", 1)
        yield {"prompt": prompt.strip(), "weight": weight, **({"metadata": entry} if entry else {})}


def from_csv(text, delimiter):
    for row in csv.DictReader(io.StringIO(text), delimiter=delimiter):
        prompt, weight = row.pop("prompt"), row.pop("weight", "")
        yield {"prompt": prompt.strip(), "weight": weight_of(weight), **({"metadata": row} if row else {})}


def write(name, text, encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    # Read again as Python does: universal line ends.
    return (folder / name).read_text(encoding=encoding)


json_list = json.dumps(ENTRIES + ["a plain text"], ensure_ascii=False, indent=2)
expected["list.json"] = list(from_json(json.loads(write("list.json", json_list))))
expected["escaped.json"] = list(from_json(json.loads(write("escaped.json", json.dumps(ENTRIES)))))
lines = "\r\n".join(json.dumps(entry, ensure_ascii=False) for entry in ENTRIES)
for name, text, encoding in [
    ("lines.jsonl", lines, "utf-8"),
    ("lines-in-json.json", lines + "\n", "utf-8-sig"),
    ("lines.txt", lines, "utf-16"),
    ("lone-cr.ndjson", lines.replace("\r\n", "\r"), "utf-8"),
]:
    read = write(name, text, encoding)
    expected[name] = list(from_json(json.loads(line) for line in read.split("\n") if line))
for name, text, delimiter, encoding in [
    ("table.csv", table(",", "\r\n"), ",", "utf-8"),
    ("excel.csv", table(",", "\r\n"), ",", "utf-8-sig"),
    ("lone-cr.csv", table(",", "\r"), ",", "utf-8"),
    ("table.tsv", table("\t", "\n"), "\t", "utf-8"),
    ("unicode.tsv", table("\t", "\r\n"), "\t", "utf-16"),
    ("bare-quotes.tsv", BARE_QUOTES, "\t", "utf-8"),
]:
    expected[name] = list(from_csv(write(name, text, encoding), delimiter))
for name, line_end, encoding in [
    ("plain.txt", "\n", "utf-8"),
    ("lone-cr.txt", "\r", "utf-8-sig"),
    ("little-endian.txt", "\r\n", "utf-16"),
]:
    read = write(name, line_end.join(LINES), encoding)
    kept = [line.strip() for line in read.split("\n")]
    expected[name] = list(from_json(line for line in kept if line and not line.startswith("#")))
# Python writes the mark for the machine's byte order alone.
(folder / "big-endian.txt").write_bytes(b"\xfe\xff" + "\n".join(LINES).encode("utf-16-be"))
expected["big-endian.txt"] = expected["little-endian.txt"]

(folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
