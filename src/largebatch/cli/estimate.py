"""How much memory training and measuring take, by their settings; benchmarks/memory.py compares peaks."""

from dataclasses import dataclass

from torch import nn

from largebatch.config.spec import Arm
from largebatch.data.splits import KEPT_BYTES, Dataset
from largebatch.measures.curvature import BASIS_BYTES, MOST_VECTORS, SKETCH_BYTES
from largebatch.measures.landscape import CHUNK
from largebatch.measures.nets import TOGETHER_BYTES
from largebatch.nets.models import output_sizes, widest_activation
from largebatch.training.batches import GATHER_BYTES
from largebatch.training.engine import EVALUATED_AT_ONCE, EVALUATED_BYTES
from largebatch.training.train import seed_groups

# Of the weights of a seed that trains: themselves, their start, their gradients, and Adam's two moments.
COPIES_RUNNING = 5
# Of those of every seed, to the end: the last ones, and the array that is written.
COPIES_KEPT = 2
# Of a snapshot: it, and the array that is written.
COPIES_SNAPSHOT = 2
# Of the widest layer's values on the way back, where a convolution sorts them anew for itself; and forward.
COPIES_BACKWARD, COPIES_FORWARD = 6, 3
# Of the weights of a seed that is measured, beside Lanczos vectors and sketches.
COPIES_MEASURED = 12
# What libraries take at the first update; more for convolutions.
LIBRARIES = 48 << 20
# Of all layers' values, in a graph that is differentiated twice.
COPIES_GRAPH = 4


@dataclass(frozen=True)
class Estimate:
    """Of one arm on one data set; net: of one of its seeds."""

    arm: Arm
    net: nn.Module
    dataset: Dataset

    def trained(self, seeds: int) -> int:
        """Bytes that so many seeds take to train, beyond imports and data."""
        group = max(map(len, seed_groups(self.arm, list(range(seeds)), self.dataset, self.net)))
        put_out, widest = self.activations()
        parts = self.arm.data
        at_once = min(
            EVALUATED_AT_ONCE,
            max(1, EVALUATED_BYTES[self.dataset.device.type] // widest),
            group * max(parts.train, parts.validation, parts.test),
        )
        batch = min(self.arm.micro_batch_size or self.share(), self.share())
        passed = max(group * batch * (put_out + COPIES_BACKWARD * widest), at_once * COPIES_FORWARD * widest)
        snapshots = len(self.arm.snapshots_at_epochs) + 2 * (self.arm.snapshots_at_loss is not None)
        kept = (COPIES_KEPT + COPIES_SNAPSHOT * snapshots) * seeds
        return LIBRARIES + passed + self.images(group) + (COPIES_RUNNING * group + kept) * self.weights()

    def measured(self, seeds: int, settings: dict, snapshots: int = 1) -> int:
        """Bytes that so many seeds take to measure, with so many snapshots of each; settings: a measure's."""
        weights, examples = self.weights(), settings.get("examples") or self.arm.data.train
        group = min(seeds, max(1, TOGETHER_BYTES // weights))
        put_out, _ = self.activations()
        sketch = 4 * settings.get("probes", 0) * weights
        vectors = min(MOST_VECTORS * weights, BASIS_BYTES) + (sketch if sketch <= SKETCH_BYTES else 0)
        graph = min(CHUNK, examples) * COPIES_GRAPH * put_out
        images = examples * self.dataset.bytes_each
        each = COPIES_MEASURED * weights + vectors + graph + images
        return LIBRARIES + group * each + seeds * snapshots * weights

    def activations(self) -> tuple[int, int]:
        """Bytes that all layers put out for one example, and the widest of them."""
        layers = [part for part in self.net.modules() if not list(part.children())]
        with output_sizes(layers) as sizes:
            widest = widest_activation(self.net, self.dataset.shape)
        each = self.dataset.dtype.itemsize
        return sum(sizes) // 2 * each, widest * each  # two examples go through the net

    def images(self, group: int) -> int:
        """Bytes of standardised images: the training parts if they are small, and a block of batches."""
        all_of_them = group * self.arm.data.train * self.dataset.bytes_each
        batch = group * self.share() * self.dataset.bytes_each
        block = min(all_of_them, max(GATHER_BYTES, batch))
        return block + (all_of_them if all_of_them <= KEPT_BYTES else block)

    def share(self) -> int:
        """Examples of the largest batch that one worker has."""
        return -(-max(self.arm.batch_sizes()) // self.arm.workers)

    def weights(self) -> int:
        """Bytes of one seed's weights."""
        return sum(tensor.numel() for tensor in self.net.parameters()) * self.dataset.dtype.itemsize
