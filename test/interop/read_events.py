"""Reads an event folder with TensorBoard's own reader and prints its scalars as JSON: {tag: [[step, value], ...]}."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

reader = EventAccumulator(sys.argv[1], size_guidance={SCALARS: 0})
reader.Reload()
print(json.dumps({tag: [[event.step, event.value] for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}))
