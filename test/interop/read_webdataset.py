"""Reads shards with Python's webdataset and prints each sample as a line of JSON: its key and shard, and what each part is.

    python read_webdataset.py PATTERN

Parts are given as the SHA-256 of their bytes; images also with their size and the JSON also as it decodes, both by webdataset.
"""

import hashlib
import json
import os
import sys

import webdataset


def raw(pattern):
    return webdataset.WebDataset(pattern, shardshuffle=False, empty_check=True)


def main(pattern):
    for sample, decoded in zip(raw(pattern), raw(pattern).decode("pil")):
        parts = {k: hashlib.sha256(v).hexdigest() for k, v in sample.items() if not k.startswith("__")}
        images = [k for k in ("jpg", "png", "webp") if k in decoded]
        print(
            json.dumps(
                {
                    "key": sample["__key__"],
                    "shard": os.path.basename(sample["__url__"]),
                    "parts": parts,
                    "sizes": [list(decoded[k].size) for k in images],
                    "record": decoded.get("json"),
                }
            )
        )


main(sys.argv[1])
