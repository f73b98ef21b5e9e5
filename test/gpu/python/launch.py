"""Unpacks the archive, finds the libtorch of this Python and starts the program of the archive with it. Python 3.9 or later."""
import argparse
import glob
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def torch_libraries():
    """Folder of libtorch_cpu.so, without importing torch."""
    spec = importlib.util.find_spec("torch")
    for folder in (spec and spec.submodule_search_locations) or []:
        if os.path.exists(os.path.join(folder, "lib", "libtorch_cpu.so")):
            return os.path.join(folder, "lib")
    sys.exit(f"{sys.executable} has no torch; run the script with the Python that has it: PYTHON=... ./run.sh")


def search_path(lib):
    """What LD_LIBRARY_PATH has to name: torch, and the CUDA libraries that pip installed beside it."""
    site = os.path.dirname(os.path.dirname(lib))
    folders = [lib, *sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))]
    return os.pathsep.join(folders + [p for p in [os.environ.get("LD_LIBRARY_PATH")] if p])


def main():
    parser = argparse.ArgumentParser(prog="run.sh")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small models and few runs: shows that everything runs")
    parser.add_argument("--output", default="results.json")
    parser.add_argument("--torch-lib", help="folder of libtorch_cpu.so; default: that of this Python's torch")
    given = parser.parse_args()
    lib = given.torch_lib or torch_libraries()
    with tempfile.TemporaryDirectory(prefix="tristage-gpu-") as work:
        folder = HERE
        payload = os.path.join(HERE, "payload.tar.xz")
        if os.path.exists(payload):
            folder = work
            with tarfile.open(payload) as archive:
                archive.extractall(work)
        argv = [os.path.join(folder, "node"), os.path.join(folder, "main.mjs"), "--device", given.device]
        argv += ["--lib", lib, "--addon", os.path.join(folder, "tristage-torch.node")]
        argv += ["--fixtures", os.path.join(folder, "fixtures"), "--python", sys.executable]
        argv += ["--output", os.path.abspath(given.output)] + (["--tiny"] if given.tiny else [])
        env = {**os.environ, "LD_LIBRARY_PATH": search_path(lib)}
        if given.tiny:
            # Such a run measures nothing, and threads that wait for each other take minutes on a busy machine.
            env.setdefault("OMP_NUM_THREADS", "1")
        return subprocess.run(argv, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
