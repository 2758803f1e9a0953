#!/usr/bin/env python3
"""Makes the training text, the held-out text and the tokenizer of the demo model.

usage: prepare.py SOURCES OUT        SOURCES is the folder that fetch.sh filled

Writes OUT/train/SOURCE.jsonl and OUT/heldout/SOURCE.jsonl (one document a line), OUT/heldout/SOURCE.txt, OUT/heldout.txt (all
sources), OUT/tokenizer.json, OUT/tokenizer_config.json, and OUT/{train,heldout-SOURCE}.npy: token ids, each document ended by the
end-of-sentence id.

A document is a chapter, a dictionary letter or a country. Held out are whole chapters, books, letters and countries; a training
paragraph that shares 13 consecutive words with the held-out text is dropped.
"""
import collections
import gzip
import json
import pathlib
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCAB = 4096
OVERLAP = 13
FIRST = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
LAST = ["<think>", "</think>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>", "<|EOT|>",
        "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
        "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>"]
# the three splits of DeepSeek-V3's pre-tokenizer
SPLITS = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
          "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
          "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
HELD_OUT_CHAPTERS = 1  # of each novel, at 60 % of its length
HELD_OUT_BOOKS = {"Ruth", "Jonah", "Malachi", "Philippians"}
HELD_OUT_LETTERS = {"O", "Q"}
HELD_OUT_REGION = "central-asia"
# a base model knows no roles: a conversation is text to go on with
CHAT_TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{{ '\n\n' }}{% endfor %}"
SLURS = re.compile(r"\bnigger|\bdarky|\bdarkies|\bkike", re.I)


def r_strings(data):
    """The lines of one novel: a character vector in R's XDR serialisation, version 3."""
    (encoding,) = struct.unpack(">I", data[14:18])
    at = 18 + encoding + 4
    (count,) = struct.unpack(">I", data[at:at + 4])
    at += 4
    lines = []
    for _ in range(count):
        (length,) = struct.unpack(">I", data[at + 4:at + 8])
        lines.append(data[at + 8:at + 8 + length].decode("utf-8"))
        at += 8 + length
    return lines


def paragraphs(lines):
    """Unwraps lines: a blank line ends a paragraph."""
    out, current = [], []
    for line in list(lines) + [""]:
        if line.strip():
            current.append(line.strip())
        elif current:
            out.append(" ".join(current))
            current = []
    return out


def austen(sources):
    path = sources / "debian/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
    data, novels = path.read_bytes(), []
    while data:
        unpack = zlib.decompressobj()
        novels.append(r_strings(unpack.decompress(data[4:])))
        data = unpack.unused_data
    train, held = [], []
    for lines in novels:
        chapters = []
        for line in lines:
            if re.match(r"\s*chapter\s+\w+\.?\s*$", line, re.I):
                chapters.append([])
            elif chapters and not re.match(r"\s*(volume\s+\w+|finis|the end)\.?\s*$", line, re.I):
                chapters[-1].append(line.replace("_", ""))
        chapters = ["\n\n".join(paragraphs(c)) for c in chapters]
        first = round(len(chapters) * 0.6)
        held += chapters[first:first + HELD_OUT_CHAPTERS]
        train += chapters[:first] + chapters[first + HELD_OUT_CHAPTERS:]
    return train, held


def bible(sources):
    folder = (sources / "debian").resolve()
    text = subprocess.run([folder / "usr/bin/bible", "-p", folder / "usr/lib", "-l100000", "Gen1:1-Rev22:21"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True).stdout
    train, held, chapter, book = [], [], [], None

    def close():
        if chapter:
            (held if book in HELD_OUT_BOOKS else train).append("\n".join(chapter))

    for line in text.splitlines():
        verse = re.match(r"\s+\d+ (.*\S)", line)
        heading = re.match(r"(\S.*) \d+$", line)
        if verse:
            chapter.append(verse[1])
        elif heading:
            close()
            chapter, book = [], heading[1]
    close()
    return train, held


def devil(sources):
    text = gzip.decompress((sources / "debian/usr/share/dictd/devil.dict.dz").read_bytes()).decode("latin-1")
    entries = re.split(r"\n(?=[A-Z][A-Z' -]+, (?:n|v|adj|adv|pp|p|pron|interj|x|abbrev)[a-z.&/ ]*\.)", text)
    letters = collections.defaultdict(list)
    for entry in entries[1:]:
        kept = [re.sub(r"\s+\n", "\n", re.sub(r" {2,}", " ", p.replace("_", ""))).strip()
                if p.startswith("    ") and p.count("\n") else " ".join(p.replace("_", "").split())
                for p in re.split(r"\n\s*\n", entry)]
        if not SLURS.search(entry):
            letters[entry[0]].append("\n\n".join(p for p in kept if p))
    documents = {letter: "\n\n".join(e) for letter, e in sorted(letters.items())}
    return ([d for l, d in documents.items() if l not in HELD_OUT_LETTERS],
            [d for l, d in documents.items() if l in HELD_OUT_LETTERS])


def factbook(sources):
    """The prose of each country: texts of two sentences or 200 characters, few figures; tables are left out."""
    train, held = [], []

    def prose(node, out):
        for key, value in node.items():
            if isinstance(value, dict):
                prose(value, out)
            elif isinstance(value, str):
                value = " ".join(value.replace("++", " ").split())
                letters = sum(c.isalpha() or c in " ,.'" for c in value)
                if len(value) >= 160 and letters >= 0.95 * len(value) and re.search(r"[a-z]{3}\. [A-Z]", value):
                    out.append(value)
        return out

    for path in sorted((sources / "package").glob("*/*.json")):
        texts = prose(json.loads(path.read_text("utf-8")), [])
        if texts:
            (held if path.parent.name == HELD_OUT_REGION else train).append("\n\n".join(texts))
    return train, held


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def shingles(text):
    w = words(text)
    return {tuple(w[i:i + OVERLAP]) for i in range(len(w) - OVERLAP + 1)}


def tokenizer_of(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(s), "isolated") for s in SPLITS]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCAB - len(LAST), special_tokens=FIRST, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False))
    tokenizer.add_tokens([AddedToken(t, special=t == "<|EOT|>", normalized=True) for t in LAST])
    assert tokenizer.get_vocab_size() == VOCAB
    return tokenizer


def tokenizer_config():
    def token(content):
        return {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": True, "rstrip": False,
                "single_word": False}

    return {"add_bos_token": True, "add_eos_token": False, "bos_token": token(FIRST[0]), "clean_up_tokenization_spaces": False,
            "eos_token": token(FIRST[1]), "legacy": True, "model_max_length": 1024, "pad_token": token(FIRST[1]),
            "sp_model_kwargs": {}, "unk_token": None, "tokenizer_class": "LlamaTokenizerFast",
            "chat_template": CHAT_TEMPLATE}


def main(sources, out):
    parts = {read.__name__: read(sources) for read in (austen, bible, devil, factbook)}
    forbidden = set().union(*(shingles(d) for _, held in parts.values() for d in held))
    for folder in ("train", "heldout"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    dropped, train_texts = 0, []
    for name, (train, held) in parts.items():
        separator = "\n" if name == "bible" else "\n\n"
        clean = []
        for document in train:
            pieces = document.split(separator)
            kept = [p for p in pieces if not shingles(p) & forbidden]
            dropped += len(pieces) - len(kept)
            clean.append(separator.join(kept))
        for folder, documents in (("train", clean), ("heldout", held)):
            (out / folder / f"{name}.jsonl").write_text(
                "".join(json.dumps(d, ensure_ascii=False) + "\n" for d in documents), "utf-8")
        parts[name] = clean, held
        train_texts += clean
        print(f"{name}: train {len(clean)} documents, {sum(map(len, clean))} characters; "
              f"held out {len(held)}, {sum(map(len, held))}")
    print(f"{dropped} training paragraphs dropped for {OVERLAP} words in common with the held-out text")
    texts = {name: "\n\n".join(held) + "\n" for name, (_, held) in parts.items()}
    for name, text in texts.items():
        (out / "heldout" / f"{name}.txt").write_text(text, "utf-8")
    (out / "heldout.txt").write_text("\n".join(texts.values()), "utf-8")
    tokenizer = tokenizer_of(train_texts)
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    (out / "tokenizer_config.json").write_text(json.dumps(tokenizer_config(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    eos = tokenizer.token_to_id(FIRST[1])

    def ids(documents):
        return np.concatenate([np.array(e.ids + [eos], np.uint16)
                               for e in tokenizer.encode_batch(documents, add_special_tokens=False)])

    np.save(out / "train.npy", ids(train_texts))
    print(f"train: {len(np.load(out / 'train.npy'))} tokens")
    for name, (_, held) in parts.items():
        np.save(out / f"heldout-{name}.npy", ids(held))
        print(f"heldout-{name}: {len(np.load(out / f'heldout-{name}.npy'))} tokens")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
