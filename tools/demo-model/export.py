#!/usr/bin/env python3
"""Writes a trained model as a folder in Hugging Face layout. usage: export.py DATA STATE.pt OUT

DATA is prepare.py's folder, STATE.pt what train.py wrote, at the end or in between. OUT gets config.json, generation_config.json,
model.safetensors (bfloat16), tokenizer.json, tokenizer_config.json and heldout.txt.
"""
import pathlib
import shutil
import sys

import torch

from model import Model, save_checkpoint


def main(data, state, out):
    model = Model()
    model.load_state_dict(torch.load(state)["model"])
    save_checkpoint(model, out)
    for name in ("tokenizer.json", "tokenizer_config.json", "heldout.txt"):
        shutil.copyfile(data / name, out / name)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
