#!/bin/sh
# Runs every check of the archive on this machine and writes results.json; see docs/gpu.md of tristage.
# PYTHON names the Python whose torch is used (default: python3). Options: --device cuda|cpu, --tiny, --output FILE.
exec "${PYTHON:-python3}" "$(dirname "$0")/launch.py" "$@"
