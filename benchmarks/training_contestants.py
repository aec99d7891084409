"""One contestant of `training_speed.py`, in a process of its own: prepares, then trains a turn for each line it gets.

    python benchmarks/training_contestants.py engine '{"network": "mobilenet_v1", ...}'

Every contestant trains the same network on the same arrays, by stochastic gradient descent with Nesterov momentum 0.9
and a cosine decay, with a random crop after padding by 4 pixels and a random flip. A line is "total", with that
input, or "step", with one prepared batch in every step; the answer is JSON: steps, wall seconds and CPU seconds.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

CLASSES = 10
PADDING = 4
LEARNING_RATE = 0.01
TOTAL_STEPS = 100_000  # of the cosine


@dataclasses.dataclass(frozen=True)
class Task:
    """What is trained, and how many steps a turn has beside the one that is not counted."""

    network: str
    form: str
    width: float
    batch_size: int
    dtype: str
    steps: int
    num_vmapped: int = 1
    images: int = 20_000

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns images [n, 32, 32, 3] uint8 and labels [n] int32: noise, as what is in them costs nothing."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (self.images, 32, 32, 3), np.uint8)
        return images, np.arange(self.images, dtype=np.int32) % CLASSES


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def answer(self, steps: int) -> dict[str, float]:
        return {
            "steps": steps,
            "wall": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
        }


# Runs a turn: with the input pipeline (True), or every step on the same batch, ready for use.
Turn = Callable[[bool], dict[str, float]]


def engine(task: Task) -> Turn:
    """`rater_training.engine.raters.train`, or vmapped raters, the first call (which may compile) not counted."""
    from rater_training import architectures
    from rater_training.config import Augmentation, RaterConfig
    from rater_training.engine import calls, compiled
    from rater_training.engine import raters as training
    from rater_training.engine.examples import Examples

    in_form = functools.partial(architectures.ARCHITECTURES[task.network], form=task.form)
    architectures.ARCHITECTURES["contestant"] = in_form
    images, labels = task.arrays()
    rater = RaterConfig(
        id="contestant",
        architecture="contestant",
        steps=1 + task.steps,
        batch_size=task.batch_size,
        learning_rate=LEARNING_RATE,
        width=task.width,
        dtype=task.dtype,
    )
    ready = dataclasses.replace(rater, augmentation=Augmentation(crop_padding=0, flip=False))
    draw = compiled.draw

    def draw_or_first(images: Any, chosen: Any, key: Any, augmentation: Augmentation) -> Any:
        return images[: len(chosen)] if augmentation == ready.augmentation else draw(images, chosen, key, augmentation)

    def turn(with_input: bool) -> dict[str, float]:
        calls: list[dict[str, float]] = []
        clock = Clock()

        def on_progress(step: int, loss: float) -> None:
            calls.append(clock.answer(step))

        chosen = rater if with_input else ready
        if task.num_vmapped == 1:
            training.train(chosen, images, labels, num_classes=CLASSES, on_progress=on_progress)
        else:
            group = [dataclasses.replace(chosen, id=str(seed), seed=seed) for seed in range(task.num_vmapped)]

            def on_group(rater: RaterConfig, step: int, loss: float) -> None:
                if rater is group[0]:
                    on_progress(step, loss)

            list(training.train_vmapped(group, images, labels, num_classes=CLASSES, on_progress=on_group))
        taken = {name: calls[-1][name] - calls[0][name] for name in calls[0]}
        return {**taken, "steps": taken["steps"] * task.num_vmapped}

    # One step is warm-up, and the others follow in as few calls as the engine makes. Every turn starts from one state.
    mock.patch.object(calls, "FIRST_STEPS", 1).start()
    mock.patch.object(compiled, "draw", draw_or_first).start()
    start = training.initial_state(rater, Examples({}, images), num_classes=CLASSES)
    mock.patch.object(training, "initial_state", return_value=start).start()
    return turn


def host_batches(task: Task) -> Any:
    """Returns endless batches from the host, a tf.data pipeline: shuffled, augmented in its threads, prefetched."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    images, labels = task.arrays()
    mean = images.mean((0, 1, 2), dtype=np.float64).astype(np.float32)
    std = images.std((0, 1, 2), dtype=np.float64).astype(np.float32)
    count, side = task.batch_size, images.shape[1]

    def augment(pixels: Any, labels: Any) -> tuple[Any, Any]:
        padded = tf.pad(pixels, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)))
        offsets = tf.random.uniform((2, count, 1), 0, 2 * PADDING + 1, tf.int32)
        padded = tf.gather(padded, offsets[0] + tf.range(side)[None], axis=1, batch_dims=1)
        mirrored = tf.random.uniform((count, 1)) < 0.5
        columns = offsets[1] + tf.where(mirrored, tf.range(side - 1, -1, -1)[None], tf.range(side)[None])
        cropped = tf.gather(tf.transpose(padded, (0, 2, 1, 3)), columns, axis=1, batch_dims=1)
        cropped = tf.transpose(cropped, (0, 2, 1, 3))
        return (tf.cast(cropped, tf.float32) - mean) / std, labels

    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images)).repeat()
    data = data.batch(count, drop_remainder=True).map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE)


def keras(task: Task) -> Turn:
    """`keras.applications` and `fit`, on Keras' JAX backend."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    if task.form != "imagenet":
        raise SystemExit("keras.applications has the ImageNet form only")
    if task.dtype == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    arguments: dict[str, Any] = {"weights": None, "input_shape": (32, 32, 3), "classes": CLASSES}
    if task.network == "mobilenet_v1":
        constructor = functools.partial(keras.applications.MobileNet, alpha=task.width, dropout=0.0)
    elif task.width == 1:
        constructor = keras.applications.ResNet50
    else:
        raise SystemExit("keras.applications.ResNet50 has no width")
    model = constructor(classifier_activation=None, **arguments)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, TOTAL_STEPS)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    batches = host_batches(task)
    ready = batches.take(1).cache().repeat()

    class Timer(keras.callbacks.Callback):
        clock: Clock | None = None

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                float(logs["loss"])  # the step is done, and not only sent off
                self.clock = Clock()

        def on_train_end(self, logs: Any = None) -> None:
            float(logs["loss"])

    def turn(with_input: bool) -> dict[str, float]:
        timer = Timer()
        model.fit(batches if with_input else ready, steps_per_epoch=1 + task.steps, verbose=0, callbacks=[timer])
        assert timer.clock is not None
        return timer.clock.answer(task.steps)

    return turn


def flax(task: Task) -> Turn:
    """A Flax NNX loop of its own: `nnx.Conv`, `nnx.BatchNorm`, a jitted step, batches from the host."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from plain_flax import PlainNetwork

    network = PlainNetwork(task.network, task.form, task.width, CLASSES, jnp.dtype(task.dtype), nnx.Rngs(0))
    schedule = optax.cosine_decay_schedule(LEARNING_RATE, TOTAL_STEPS)
    optimizer = nnx.Optimizer(network, optax.sgd(schedule, momentum=0.9, nesterov=True), wrt=nnx.Param)

    @nnx.jit(donate_argnums=(0, 1))
    def step(network: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        def loss_of(network: Any) -> Any:
            logits = network(images).astype(jnp.float32)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        loss, gradients = nnx.value_and_grad(loss_of)(network)
        optimizer.update(network, gradients)
        return loss

    batches = host_batches(task).as_numpy_iterator()
    ready = itertools.repeat(next(batches))
    network.train()

    def turn(with_input: bool) -> dict[str, float]:
        source = batches if with_input else ready
        jax.block_until_ready(step(network, optimizer, *next(source)))
        clock = Clock()
        for _ in range(task.steps):
            loss = step(network, optimizer, *next(source))
        float(loss)
        return clock.answer(task.steps)

    return turn


def torch(task: Task) -> Turn:
    """A PyTorch loop: channels last, images and augmentation on the device, on a GPU compiled."""
    import torch
    from plain_torch import PlainNetwork

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    network = PlainNetwork(task.network, task.form, task.width, CLASSES)
    network = network.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), LEARNING_RATE, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, TOTAL_STEPS)
    loss_of = torch.nn.CrossEntropyLoss()
    pixels, classes = (torch.from_numpy(array) for array in task.arrays())
    floats = pixels.double()
    mean, std = (of((0, 1, 2)).float()[:, None, None].to(device) for of in (floats.mean, floats.std))
    padded = torch.nn.functional.pad(pixels.permute(0, 3, 1, 2), [PADDING] * 4).to(device)
    classes = classes.long().to(device)

    def forward(images: Any, labels: Any) -> Any:
        with torch.autocast(device.type, torch.bfloat16, enabled=task.dtype == "bfloat16"):
            logits = network(((images - mean) / std).contiguous(memory_format=torch.channels_last))
        return loss_of(logits.float(), labels)

    compiled = torch.compile(forward) if device.type == "cuda" else forward

    def batches() -> Iterator[tuple[Any, Any]]:
        count, side = task.batch_size, pixels.shape[1]
        along, channels = torch.arange(side, device=device), torch.arange(3, device=device)[:, None, None]
        while True:
            order = torch.randperm(len(classes), device=device)
            for chosen in order.split(count)[: len(order) // count]:
                offsets = torch.randint(2 * PADDING + 1, (2, count, 1), device=device)
                mirrored = torch.rand(count, 1, device=device) < 0.5
                rows, columns = along + offsets[0], torch.where(mirrored, along.flip(0), along) + offsets[1]
                images = padded[chosen[:, None, None, None], channels, rows[:, None, :, None], columns[:, None, None]]
                yield images, classes[chosen]

    source = batches()
    ready = itertools.repeat(next(source))

    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = compiled(images, labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    def turn(with_input: bool) -> dict[str, float]:
        given = source if with_input else ready
        float(step(*next(given)))
        clock = Clock()
        for _ in range(task.steps):
            loss = step(*next(given))
        float(loss)
        return clock.answer(task.steps)

    return turn


CONTESTANTS: dict[str, Callable[[Task], Turn]] = {"engine": engine, "keras": keras, "flax": flax, "torch": torch}


def main() -> None:
    name, task = sys.argv[1], Task(**json.loads(sys.argv[2]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    turn = CONTESTANTS[name](task)
    for with_input in (True, False):
        turn(with_input)  # compiles
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(turn(line.strip() == "total")), file=answers, flush=True)


if __name__ == "__main__":
    main()
