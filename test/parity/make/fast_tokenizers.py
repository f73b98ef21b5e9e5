"""Makes test/parity/fixtures/fast-tokenizers: small tokenizer.json files, and what the library `tokenizers` makes of texts with them.

One is byte-level with digits apart, as SmolLM2's; one merges characters behind a space mark and falls back to bytes, as LLaMA-2's. For
tokenizers that are too large to be kept, a folder can be named: then only ids are written.

    python3 -m venv VENV && VENV/bin/pip install tokenizers
    VENV/bin/python test/parity/make/fast_tokenizers.py test/parity/fixtures/fast-tokenizers [NAME=FOLDER ...]
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "[INST] <Img><ImageHere></Img> [refer] give me the location of the left red circle [/INST] {<12><34><56><100>}",
    "[caption] please describe this image. A brown dog sleeps beside two white cats on a green sofa.",
    "[vqa] How many apples are there? There are 3 apples, 14 pears and 159 cherries; it's a lot, isn't it?",
    "[identify] what is this {<10><20><30><40>} a small yellow star above the blue square",
    "Größe, naïve café, дом и кот, 猫と犬, \U0001f415‍\U0001f9ba and \U0001f469\U0001f3fd‍\U0001f680 go to the moon",
    "    four spaces, then\ttabs\t\tand\n\nlines; don't stop, we're not done and they'll say so\r\n",
]

TEXTS = [
    *CORPUS,
    "",
    " ",
    "   ",
    " " * 33,
    "a" + " " * 19 + "b",
    "two  spaces,   three,    four",
    "</Img> [refer] the dog {<0><9><10><99>}<delim>{<1><2><3><4>}",
    "<s>", "a</s>", "</s></s>b", " <unk> ", "x<s>y</s>z", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>",
    "1234567890", "3.14159", "x2y3", "２３ ٣٤ ½ Ⅷ",
    "don't DON'T we'll 'tis 'S",
    "\ufeffwith a mark of byte order", "in the\ufeffmiddle", "\u00a0no-break\u2003em\u3000ideographic",
    "\U0001f600\U0001f1e9\U0001f1ea\U0001f3f4\U000e0067\U000e0062\U000e007f❤️", "e\u0301 \u0301", "\x00\x01\x7f", "\u2028\u2029\x85", "ǅ ß ﬁ",
    "▁mark ▁▁ of space", "Ġ Ċ Ã©", "tab\there", "trailing   ", "\n\n\n  indented\n\tcode()\n", "<0x0A> <0xE2>",
]

ALPHABET = list("abcdefghijklmnopqrstuvwxyz      ABCDEF0123456789.,:;!?<>[]{}()/\"'-éßдж猫\U0001f415\n\t▁Ġ|")


def texts() -> list[str]:
    draw = random.Random(7)
    drawn = ["".join(draw.choices(ALPHABET, k=draw.randint(1, 40))) for _ in range(200)]
    return TEXTS + drawn


def cases(tokenizer: Tokenizer) -> list[dict]:
    rows = []
    for text in texts():
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        whole = tokenizer.encode(text, add_special_tokens=False).ids
        row = {"text": text, "ids": plain, "decoded": tokenizer.decode(plain, skip_special_tokens=True)}
        rows.append(row if whole == plain else row | {"parsed": whole})
    return rows


SPECIAL = {
    "byte-level": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama-like": ["<unk>", "<s>", "</s>"],
}


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL["byte-level"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    tokenizer.add_tokens([AddedToken("<delim>", normalized=False)])
    return tokenizer


def llama_like() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # Only for training: words do not join.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trainer = trainers.BpeTrainer(
        vocab_size=560,
        special_tokens=SPECIAL["llama-like"] + [f"<0x{byte:02X}>" for byte in range(256)],
        limit_alphabet=90,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    state = json.loads(tokenizer.to_str())
    state["pre_tokenizer"] = None
    state["added_tokens"] = state["added_tokens"][:3]
    state["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    return Tokenizer.from_str(json.dumps(state))


def config(name: str) -> dict:
    unk, bos, eos = SPECIAL[name]
    pad = {"pad_token": eos} if name == "byte-level" else {}
    return {"unk_token": unk, "bos_token": bos, "eos_token": {"content": eos}} | pad


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def main() -> None:
    target = Path(sys.argv[1])
    for name, make in (("byte-level", byte_level), ("llama-like", llama_like)):
        tokenizer = make()
        write(target / name / "tokenizer.json", json.loads(tokenizer.to_str()))
        write(target / name / "tokenizer_config.json", config(name))
        write(target / name / "cases.json", cases(tokenizer))
    for name, folder in (argument.split("=", 1) for argument in sys.argv[2:]):
        tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        write(target / f"{name}.cases.json", cases(tokenizer))


if __name__ == "__main__":
    main()
