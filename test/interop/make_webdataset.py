"""Writes the shards under fixtures/webdataset with Python's webdataset, and expected.json with what they hold.

    python3 -m venv VENV && VENV/bin/pip install webdataset pillow
    VENV/bin/python make_webdataset.py FOLDER

pax-000000.tar and pax-000001.tar come from ShardWriter, gnu.tar and packed.tar.gz from TarWriter. Keys have folders, dots in folders, more
than 255 bytes and letters outside ASCII.
"""

import hashlib
import io
import json
import os
import sys
import tarfile

import webdataset
from PIL import Image

LONG = "/".join(["a rather long folder"] * 13)
KEYS = ["plain", "folder/one", "v1.5/two", f"{LONG}/three", f"{LONG}/vier-äöü", "six"]


def picture(seed, kind):
    image = Image.new("RGB", (16, 12))
    image.putdata([((x * 9 + seed * 40) % 256, (y * 13) % 256, (x * y) % 256) for y in range(12) for x in range(16)])
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def samples():
    """Samples as a user hands them over: bytes, texts and values that webdataset encodes."""
    record = {"task": "vqa", "turns": [{"question": "what is it?", "answer": "a ramp"}]}
    boxed = {
        "task": "refer",
        "turns": [{"question": "the left half", "answer": "<box:left>"}],
        "boxes": {"left": [0, 0, 8, 12]},
        "unit": "pixels",
    }
    contents = [
        {"jpg": picture(0, "JPEG"), "txt": "A ramp of colours."},
        {"png": picture(1, "PNG"), "json": record},
        {"jpg": picture(2, "JPEG"), "seg.png": picture(3, "PNG"), "json": boxed},
        {"webp": picture(4, "WEBP"), "json": {"caption": "Ein Verlauf: größer → heller."}},
        {"jpg": picture(5, "JPEG"), "json": [record, {"caption": "the same again"}], "cls": 7},
        {"json": {"task": "text", "turns": [{"question": "2 + 2?", "answer": "4"}]}},
    ]
    return [{"__key__": key, **content} for key, content in zip(KEYS, contents)]


def write(folder):
    with webdataset.ShardWriter(os.path.join(folder, "pax-%06d.tar"), maxcount=4, mtime=0, verbose=0) as sink:
        for sample in samples():
            sink.write(sample)
    tarfile.TarFile.format = tarfile.GNU_FORMAT
    for name, options in [("gnu.tar", {}), ("packed.tar.gz", {"compress": "gz"})]:
        with webdataset.TarWriter(os.path.join(folder, name), mtime=0, **options) as sink:
            for sample in samples():
                sink.write(sample)


def members(path):
    """What Python's own tar module finds: {name: SHA-256 of the content}, in order."""
    with tarfile.open(path) as archive:
        return {m.name: hashlib.sha256(archive.extractfile(m).read()).hexdigest() for m in archive}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    write(folder)
    names = sorted(name for name in os.listdir(folder) if name.endswith((".tar", ".gz")))
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({name: members(os.path.join(folder, name)) for name in names}, file, indent=2, ensure_ascii=False)
        file.write("\n")


main(sys.argv[1])
