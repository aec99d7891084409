"""The devices that a training runs on: the default one, or a mesh of several, of one process or of many.

    connect(Cluster("10.0.0.1:1234", processes=2, process_id=0))    # only where several processes share a training
    devices = Devices.all()
    images = devices.replicated(images)                     # on every device
    batch = devices.shard_batch(batch)                           # in a compiled function: a share of the rows on each

Programs are written as for one device. The compiler partitions them by the sharding of the arrays (`jax.sharding`), so
a mean over the batch is one over the whole batch: the loss, and the statistics of batch normalization. Every process
runs the same calls with the same arguments; decisions that depend on the clock or the disk are made by process 0.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from noisy_label_datasets.errors import NoisyLabelsError

MEMBERS, DATA = "members", "data"


class DevicesError(NoisyLabelsError, ValueError):
    """Devices that a training cannot be divided among, or processes that do not find each other."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How the processes of a training find each other; of what is None, JAX asks the cluster's scheduler.

    Attributes:
      coordinator: 'host:port' of process 0.
      processes: how many there are.
      process_id: which of them this is, from 0.
    """

    coordinator: str | None = None
    processes: int | None = None
    process_id: int | None = None

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        missing = [name for name, value in given.items() if value is None]
        if missing and len(missing) < len(given):
            raise DevicesError(f"of coordinator, processes and process_id all or none are given; {missing} are not")
        if self.process_id is not None and not 0 <= self.process_id < (self.processes or 0):
            allowed = f"0 to {(self.processes or 1) - 1} of {self.processes} processes"
            raise DevicesError(f"process_id is {self.process_id}; it has to be in {allowed}")


def connect(cluster: Cluster) -> None:
    """Joins this process to the others, before anything else is asked of JAX; returns when all have joined.

    Raises:
      DevicesError: they do not find each other.
    """
    try:
        jax.distributed.initialize(cluster.coordinator, cluster.processes, cluster.process_id)
    except (RuntimeError, ValueError) as error:
        raise DevicesError(f"the processes did not find each other ({cluster}): {error}") from error


@dataclasses.dataclass(frozen=True)
class Devices:
    """Where arrays lie. Hashable, so that a compiled function can be one for these devices.

    Attributes:
      mesh: devices with the axes "members" (vmapped runs) and "data" (a batch's rows); None: the
        default device, on which everything lies where JAX puts it.
    """

    mesh: Mesh | None = None

    @classmethod
    def all(cls) -> Devices:
        """Returns all devices of all processes."""
        return cls.of(jax.devices())

    @classmethod
    def of(cls, devices: Sequence[jax.Device]) -> Devices:
        """Returns some devices, which share a batch."""
        if len(devices) == 1 and jax.process_count() == 1 and devices[0] == jax.devices()[0]:
            return cls()
        return cls(Mesh(np.array(devices).reshape(1, -1), (MEMBERS, DATA)))

    def for_members(self, members: int) -> Devices:
        """Returns the same devices for vmapped runs: whole runs are divided among them first."""
        if self.mesh is None:
            return self
        rows = math.gcd(members, self.count)
        return Devices(Mesh(self.mesh.devices.reshape(rows, -1), (MEMBERS, DATA)))

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 if self.mesh is None else self.mesh.size

    @property
    def num_shards(self) -> int:
        """Into how many parts a batch is divided."""
        return 1 if self.mesh is None else self.mesh.shape[DATA]

    @property
    def is_primary(self) -> bool:
        """Whether this is process 0, the only one that writes files."""
        return jax.process_index() == 0

    @property
    def members_axis(self) -> str | None:
        """What `jax.vmap` over members takes as `spmd_axis_name`."""
        return None if self.mesh is None else MEMBERS

    def check_batch(self, batch_size: int, rater_id: str) -> None:
        """Raises DevicesError if a batch cannot be divided evenly."""
        if batch_size % self.num_shards:
            allowed = [n for n in range(1, self.count + 1) if batch_size % n == 0]
            raise DevicesError(
                f"rater {rater_id} has batches of {batch_size} images, which {self.num_shards} devices cannot share"
                f" evenly; of {self.count} devices, {', '.join(map(str, allowed))} can"
            )

    # Outside of compiled functions.

    def replicated(self, tree: Any) -> Any:
        """Returns arrays (the same in every process) replicated on every device."""
        return self._placed(tree, PartitionSpec())

    def by_members(self, tree: Any) -> Any:
        """Returns arrays [members, ...] (the same in every process) with each run on its devices."""
        return self._placed(tree, PartitionSpec(MEMBERS))

    def _placed(self, tree: Any, spec: PartitionSpec) -> Any:
        if self.mesh is None:
            # What `jnp.asarray` does, which compiles a program for each shape.
            return jax.tree.map(
                lambda leaf: leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf, may_alias=False), tree
            )
        sharding = NamedSharding(self.mesh, spec)

        def place(array: Any) -> jax.Array:
            if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
                return jax.random.wrap_key_data(place(jax.random.key_data(array)))
            # From the host: what lies on one process's device cannot be given to those of another.
            return jax.device_put(np.asarray(array), sharding)

        return jax.tree.map(place, tree)

    def copied(self, array: jax.Array) -> jax.Array:
        """Returns an array of these devices in memory of its own."""
        # `jnp.copy` compiles a program for each shape.
        return jax.device_put(array, may_alias=False) if self.mesh is None else jnp.copy(array)

    def rows_here(self, batch_size: int) -> slice:
        """Returns which rows of a batch lie on this process's devices."""
        if self.mesh is None:
            return slice(0, batch_size)
        shares = NamedSharding(self.mesh, PartitionSpec(DATA)).addressable_devices_indices_map((batch_size,)).values()
        bounds = [share[0].indices(batch_size)[:2] for share in shares if share is not None]
        return slice(min(start for start, _ in bounds), max(stop for _, stop in bounds))

    def batch(self, rows: np.ndarray, batch_size: int) -> jax.Array:
        """Returns a batch of which this process gives `rows_here`; the copy to the device is not waited for."""
        if self.mesh is None:
            return jnp.asarray(rows)
        sharding = NamedSharding(self.mesh, PartitionSpec(DATA))
        return jax.make_array_from_process_local_data(sharding, rows, (batch_size, *rows.shape[1:]))

    def host(self, tree: Any) -> Any:
        """Returns arrays as NumPy arrays, whole in every process."""
        if self.mesh is not None and jax.process_count() > 1:
            tree = jax.jit(lambda tree: tree, out_shardings=NamedSharding(self.mesh, PartitionSpec()))(tree)
        return jax.tree.map(np.asarray, tree)

    def broadcast(self, value: Any) -> Any:
        """Returns process 0's value, a tree of numbers or arrays, broadcast to every process."""
        if jax.process_count() == 1:
            return value
        host = jax.tree.map(np.asarray, value)
        sent = multihost_utils.broadcast_one_to_all(host)
        return jax.tree.map(lambda given, got: np.asarray(got).astype(given.dtype), host, sent)

    # In compiled functions. Under `jax.vmap` over runs each applies to the run's part.

    def shard_batch(self, tree: Any) -> Any:
        """Returns arrays [batch, ...] sharded along the batch."""
        return self._constrained(tree, PartitionSpec(DATA))

    def replicate(self, tree: Any) -> Any:
        """Returns arrays that are replicated on each device."""
        return self._constrained(tree, PartitionSpec())

    def _constrained(self, tree: Any, spec: PartitionSpec) -> Any:
        return tree if self.mesh is None else jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, spec))

    def memory_bytes(self) -> int:
        """Returns the memory of a device, that of the smallest where they differ; the same in every process.

        All of it and not what is free just now, so that what is decided by it is decided alike in the next run.
        """
        devices = [jax.devices()[0]] if self.mesh is None else self.mesh.local_devices
        reports = [device.memory_stats() for device in devices]
        limits = [report["bytes_limit"] for report in reports if report and "bytes_limit" in report]
        # The devices of a CPU share the machine's memory.
        limit = min(limits) if limits else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // len(devices)
        return int(self.broadcast(np.int32(limit >> 20))) << 20


DEFAULT_DEVICE = Devices()
