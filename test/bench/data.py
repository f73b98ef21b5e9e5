"""The other side of `tristage bench data`: webdataset and Pillow, one process for each core.

Each process reads its own tars, decodes and resizes with Pillow, normalises with numpy into an array that every batch uses again, cuts the
captions into tokens with sentencepiece, and packs the examples into rows, longest first. Nothing travels between the
processes but counts, which is less than a training loop would need.
"""
import hashlib
import itertools
import json
import multiprocessing
import resource
import sys
import time

import numpy as np
import PIL
import sentencepiece
import webdataset
from PIL import Image

INSTRUCTION = "[caption] Describe this photo in one short sentence."
IGNORE = -1
IMAGE_SLOT = -200


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Pipeline:
    """One process: its tars, from bytes to packed batches."""

    def __init__(self, config, rank):
        self.config = config
        self.shards = config["shards"][rank :: config["threads"]]
        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=config["vocabulary"])
        std = np.array(config["std"], np.float32)
        self.scale = (1 / (255 * std))[:, None, None].astype(np.float32)
        self.shift = (np.array(config["mean"], np.float32) / std)[:, None, None]
        slots = [IMAGE_SLOT] * config["imageTokens"]
        encode = self.tokenizer.encode
        self.prompt = [self.tokenizer.bos_id(), *encode("[INST] <Img>"), *slots]
        self.prompt += encode(f"</Img> {INSTRUCTION} [/INST]")

    def samples(self):
        return webdataset.WebDataset(self.shards, shardshuffle=False, empty_check=False).decode("pil")

    def resize(self, image):
        side = self.config["size"]
        return np.asarray(image.resize((side, side), Image.BICUBIC))

    def example(self, caption):
        answer = [*self.tokenizer.encode(caption), self.tokenizer.eos_id()]
        tokens = np.array(self.prompt + answer, np.int32)
        labels = np.full(len(tokens), IGNORE, np.int32)
        labels[len(self.prompt) :] = answer
        return tokens, labels

    def pack(self, examples):
        """Rows with tokens, labels, positions and groups; the padding is masked by group -1."""
        length = self.config["maxTokens"]
        rows = []
        for example in sorted(examples, key=lambda e: -len(e[0])):
            fitting = [row for row in rows if row[1] >= len(example[0])]
            row = min(fitting, key=lambda r: r[1], default=None)
            if row is None:
                row = [[], length]
                rows.append(row)
            row[0].append(example)
            row[1] -= len(example[0])
        packed = np.zeros((4, len(rows), length), np.int32)
        packed[1] = IGNORE
        packed[3] = -1
        for place, (members, _) in enumerate(rows):
            start = 0
            for group, (tokens, labels) in enumerate(members):
                end = start + len(tokens)
                packed[:, place, start:end] = tokens, labels, np.arange(len(tokens)), np.full(len(tokens), group)
                start = end
        return packed

    def run(self, images):
        side, size = self.config["size"], self.config["batch"]
        done, tokens, examples = 0, 0, []
        pixels = np.empty((size, 3, side, side), np.float32)
        for sample in itertools.islice(self.samples(), images):
            place = pixels[len(examples)]
            np.multiply(self.resize(sample["jpg"]).transpose(2, 0, 1), self.scale, out=place)
            place -= self.shift
            examples.append(self.example(sample["txt"]))
            done += 1
            if len(examples) == size or done == images:
                tokens += int((self.pack(examples)[3] >= 0).sum())
                examples = []
        return {"images": done, "tokens": tokens}

    def look(self, count):
        found = {}
        for sample in itertools.islice(self.samples(), count):
            found[sample["__key__"].split("/")[-1]] = {
                "pixels": hashlib.sha256(self.resize(sample["jpg"]).tobytes()).hexdigest(),
                "tokens": self.tokenizer.encode(sample["txt"]),
            }
        return found


def serve_process(config, rank, connection):
    pipeline = Pipeline(config, rank)
    while True:
        try:
            name, value = connection.recv()
        except EOFError:
            return
        before = cpu_seconds()
        result = getattr(pipeline, name)(value)
        connection.send((result, cpu_seconds() - before))


def main():
    with open(sys.argv[1]) as file:
        config = json.load(file)
    threads = config["threads"]
    context = multiprocessing.get_context("fork")
    links = []
    for rank in range(threads):
        ours, theirs = context.Pipe()
        context.Process(target=serve_process, args=(config, rank, theirs), daemon=True).start()
        links.append(ours)

    def run_pass(images):
        start = time.perf_counter()
        for rank, link in enumerate(links):
            own = len(config["shards"][rank::threads])
            link.send(("run", images * own // len(config["shards"])))
        answers = [link.recv() for link in links]
        seconds = time.perf_counter() - start
        total = {key: sum(result[key] for result, _ in answers) for key in ("images", "tokens")}
        return {**total, "seconds": seconds, "cpu": sum(cpu for _, cpu in answers)}

    def look(count):
        links[0].send(("look", count))
        return links[0].recv()[0]

    def describe():
        versions = {"Pillow": PIL.__version__, "webdataset": webdataset.__version__, "numpy": np.__version__}
        return {"python": sys.version.split()[0], "versions": versions}

    handlers = {"pass": run_pass, "look": look, "describe": describe}
    for line in sys.stdin:
        command = json.loads(line)
        result = handlers[command.pop("do")](**command)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
