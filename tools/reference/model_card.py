"""Writes test/fixtures/model-card/parsed.json: what huggingface_hub reads in test/fixtures/model-card/card.md.

    pip install huggingface_hub
    python tools/reference/model_card.py
"""

import json
import pathlib

import huggingface_hub
from huggingface_hub import ModelCard

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "test/fixtures/model-card"


def main():
    card = ModelCard.load(FOLDER / "card.md")
    # Raises for a name that the hub does not know.
    about = dict(data=card.data.to_dict(), text=card.text.strip(), version=huggingface_hub.__version__)
    (FOLDER / "parsed.json").write_text(json.dumps(about, indent=1) + "\n")
    print(f"{len(about['data'])} fields -> {FOLDER / 'parsed.json'}")


if __name__ == "__main__":
    main()
