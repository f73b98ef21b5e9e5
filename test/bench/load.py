"""The other side of `tristage bench load`: a plain read loop into freshly allocated memory; standard library only.

Usage: load.py FILE, then JSON commands on stdin. {"do": "load"} answers the seconds and the processor time of reading the whole file
in pieces of 8 MiB into memory that no one has touched. {"do": "cache", "keep": true or false} reads the file once, so that the system
has all of it in its page cache, or makes the system forget it.
"""
import json
import mmap
import os
import resource
import sys
import time

PIECE = 8 << 20


def load(path):
    size = os.path.getsize(path)
    before, start = time.process_time(), time.perf_counter()
    # Anonymous pages, as a large allocation gets them: the system fills them with zeros when they are first written.
    with mmap.mmap(-1, size) as memory, open(path, "rb", buffering=0) as file, memoryview(memory) as target:
        done = 0
        while done < size:
            done += file.readinto(target[done : done + PIECE])
        seconds = time.perf_counter() - start
        cpu = time.process_time() - before
    return {"seconds": seconds, "cpu": cpu}


def cache(path, keep):
    with open(path, "rb", buffering=0) as file:
        if keep:
            piece = bytearray(PIECE)
            while file.readinto(piece):
                pass
        else:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return {}


def main():
    path = sys.argv[1]
    handlers = {
        "load": lambda: load(path),
        "cache": lambda keep: cache(path, keep),
        "describe": lambda: {"python": sys.version.split()[0]},
        "peak": lambda: {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024},
    }
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(handlers[command.pop("do")](**command)), flush=True)


if __name__ == "__main__":
    main()
