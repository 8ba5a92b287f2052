"""Prepared data sets, and the parts that each seed draws from them."""

from dataclasses import dataclass
from pathlib import Path

import torch

from largebatch.config.images import PARTS, Images, require_parts
from largebatch.data import ahead
from largebatch.data.randomness import generator
from largebatch.files import data_checksum, map_tensors

USED_TO = dict(zip(PARTS, ("to train on", "to validate on", "to test on"), strict=True))
MOST_LABELS = 10  # at most, in a message

# Training parts of up to this size, all seeds together, are kept standardised.
KEPT_BYTES = 64 << 20

# Memory for the pixels that are summed at a time, in double precision.
SUMMED_BYTES = 32 << 20
# The standardisation is fitted on at most so many images of each seed's training part.
FITTED_IMAGES = 100_000
# Images by which a checkpoint knows its data set again.
COMPARED_IMAGES = 10_000
# A channel varies only by rounding if its variance is a smaller share of its mean square.
LEAST_VARIANCE = 1e-12
# Share of a GPU's memory; larger data sets stay in their file, and batches are copied.
RESIDENT_SHARE = 0.5


@dataclass(frozen=True)
class Dataset:
    """images: (n, c, h, w), bytes or `dtype`; labels: (n,); the last `held_out` are the test part.

    Of arrays, images are examples (n, c, ...) of any shape, and labels may be numbers (n, k) in float64.
    standardise: whether each channel, and each of these numbers, is.

    dtype: the type for computing. Bytes, which take a quarter or an eighth of its memory, are converted when
    they are used. Labels are on the computing device, images there too if they fit. name: its name in
    messages.
    """

    images: torch.Tensor
    labels: torch.Tensor
    dtype: torch.dtype
    held_out: int = 0
    name: str = "the data"
    standardise: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape[1:])

    @property
    def device(self) -> torch.device:
        return self.labels.device

    @property
    def has_classes(self) -> bool:
        return not self.labels.is_floating_point()

    @property
    def outputs(self) -> int:
        """Classes, or numbers of a target."""
        return int(self.labels.max()) + 1 if self.has_classes else self.labels.shape[1]

    @property
    def bytes_each(self) -> int:
        """Bytes of one image in the type for computing."""
        return self.images[0].numel() * self.dtype.itemsize


def load(path: Path, dtype: torch.dtype, device: torch.device) -> Dataset:
    """A prepared data set on a device; on the CPU its bytes stay in the file until they are used.

    Damaged if it is not the file that was written.
    """
    data_checksum(path)
    arrays = map_tensors(path)
    if missing := {"images", "labels"} - arrays.keys():
        raise ValueError(f"{path}: wanted images and labels; got no {sorted(missing)}")
    images, held_out = arrays["images"], int(arrays["held_out"]) if "held_out" in arrays else 0
    if images.dtype != torch.uint8:
        images = images.to(dtype)
    if fits(images, device):
        images = images.to(device)
    return Dataset(
        images, arrays["labels"].to(device), dtype, held_out, path.stem, "as_they_are" not in arrays
    )


def fits(images: torch.Tensor, device: torch.device) -> bool:
    """Whether all images fit into a device's memory, with enough left for computing."""
    if device.type != "cuda":
        return True
    return images.nbytes <= RESIDENT_SHARE * torch.cuda.get_device_properties(device).total_memory


class Splits:
    """The parts of several seeds, and the images of each standardised by its own training part.

    Every seed draws its own training and validation part, so that intervals over seeds cover that choice.
    It also draws its own test part, unless the data set has one.
    """

    def __init__(self, dataset: Dataset, seeds: list[int], train: int, validation: int, test: int):
        self.dataset = dataset
        self.rows = parts_of(dataset, seeds, train, validation, test)
        self.scale, self.shift = self._standardisation(seeds)
        self.spread, self.middle = self._of_targets() if not dataset.has_classes else (None, None)
        self.kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def _standardisation(self, seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """1 / deviation and -mean / deviation of each seed's training pixels by channel; (s, 1, c, 1, ...).

        For a channel that is constant there, both are 0, and so is the standardised channel.
        """
        images = self.dataset.images
        if not self.dataset.standardise:
            unit = torch.ones((len(seeds), 1) + (1,) * (images.ndim - 1)).to(
                self.dataset.labels.device, self.dataset.dtype
            )
            return unit, torch.zeros_like(unit)
        rows = self.rows["train"][:, :FITTED_IMAGES].to(images.device)
        if len(images) > FITTED_IMAGES:
            used, rows = rows.unique(return_inverse=True)
            first, second = moments(images, used)
        else:
            first, second = moments(images, None)
        mean, square = (m[rows].mean(1) for m in (first, second))  # (s, c)
        variance = square - mean.square()
        varies = variance > LEAST_VARIANCE * square
        if without := [seed for seed, some in zip(seeds, varies.any(1).tolist(), strict=True) if not some]:
            raise ValueError(
                f"{self.dataset.name}: wanted pixels that vary among each seed's {rows.shape[1]} images to "
                f"train on; got one colour for seeds {without}"
            )
        std = variance.where(varies, 1.0).sqrt()
        both = (varies / std, -mean * varies / std)
        by_channel = (len(seeds), 1, -1) + (1,) * (images.ndim - 2)
        return tuple(m.view(by_channel).to(self.dataset.device, self.dataset.dtype) for m in both)

    def _of_targets(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Deviation, or 1 if that is 0, and mean of each seed's training targets; (s, 1, k) in float64."""
        targets = self.dataset.labels[self.rows["train"]]
        middle, spread = targets.mean(1, keepdim=True), targets.std(1, correction=0, keepdim=True)
        if not self.dataset.standardise:
            return torch.ones_like(spread), torch.zeros_like(middle)
        varies = targets.amax(1, keepdim=True) > targets.amin(1, keepdim=True)
        return spread.where(varies, 1.0), middle

    def targets(self, rows: torch.Tensor) -> torch.Tensor:
        """rows: (s, m) of the data set -> labels (s, m), or standardised numbers (s, m, k)."""
        found = self.dataset.labels[rows]
        if self.spread is None:
            return found
        return ((found - self.middle) / self.spread).to(self.dataset.dtype)

    def examples(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """rows: (s, m) of the data set -> standardised images (s, m, c, h, w), their targets."""
        images = self.dataset.images
        ahead.read(images, rows)
        picked = images.index_select(0, rows.flatten().to(images.device)).unflatten(0, rows.shape)
        picked = picked.to(self.dataset.device).to(self.dataset.dtype)
        return torch.addcmul(self.shift, picked, self.scale), self.targets(rows)

    def read_ahead(self, order: torch.Tensor) -> None:
        """Ask for training examples that shuffled() will be asked for; order: as there."""
        if ahead.helps(self.dataset.images):
            ahead.read(self.dataset.images, self.rows["train"].gather(1, order))

    def shuffled(self, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Training examples by their places in each seed's training part; order: (s, m).

        Small parts are standardised once and kept, not again in every epoch.
        """
        train = self.rows["train"]
        if train.numel() * self.dataset.bytes_each > KEPT_BYTES:
            return self.examples(train.gather(1, order))
        if self.kept is None:
            self.kept = self.examples(train)
        starts = torch.arange(len(train), device=train.device)[:, None] * train.shape[1]
        places = (order + starts).flatten()
        images, targets = (
            kept.flatten(0, 1).index_select(0, places).unflatten(0, order.shape) for kept in self.kept
        )
        return images, targets

    def keep(self, index: torch.Tensor) -> None:
        """Keep only these seeds' splits; index: (s,) of their places."""
        self.kept = None
        self.rows = {part: rows[index] for part, rows in self.rows.items()}
        self.scale, self.shift = self.scale[index], self.shift[index]
        if self.spread is not None:
            self.spread, self.middle = self.spread[index], self.middle[index]


def parts_of(
    dataset: Dataset, seeds: list[int], train: int, validation: int, test: int
) -> dict[str, torch.Tensor]:
    """Part -> rows (s, m) of each seed's examples, on the data set's device."""
    images = Images(len(dataset.labels) - dataset.held_out, dataset.held_out)
    require_parts(dataset.name, images, train, validation, test)
    drawn = [draw(images, train + validation, test, generator(seed, "split")) for seed in seeds]
    parts = torch.stack(drawn).to(dataset.device).split([train, validation, test], 1)
    return dict(zip(PARTS, parts, strict=True))


def absent(
    dataset: Dataset, seeds: list[int], train: int, validation: int, test: int
) -> dict[str, dict[int, list[int]]]:
    """Part -> label -> the seeds whose part has no image with it; complete parts are left out.

    Of targets that are numbers none is absent.
    """
    found: dict[str, dict[int, list[int]]] = {}
    if not dataset.has_classes:
        return found
    for part, rows in parts_of(dataset, seeds, train, validation, test).items():
        for seed, of_seed in zip(seeds, rows if rows.shape[1] else (), strict=False):
            counts = dataset.labels[of_seed].bincount(minlength=dataset.outputs)
            for label in (counts == 0).nonzero().flatten().tolist():
                found.setdefault(part, {}).setdefault(label, []).append(seed)
    return {part: dict(sorted(labels.items())) for part, labels in found.items()}


def absent_in_words(absent: dict[str, dict[int, list[int]]], seeds: list[int]) -> str:
    """'13 of 14 seeds have no image labelled 0, 2 or 7 to train on', one line; empty if none is absent."""
    said = []
    for part, labels in absent.items():
        without = len(set().union(*labels.values()))
        *others, last = [str(label) for label in labels]
        which = f"{', '.join(others)} or {last}" if others else last
        which = which if len(labels) <= MOST_LABELS else f"by one of {len(labels)} labels"
        said.append(f"{without} of {len(seeds)} seeds have no image labelled {which} {USED_TO[part]}")
    return "; ".join(said)


def moments(images: torch.Tensor, rows: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and mean square of the pixels of these images (of all if None), by channel; (m, c) each."""
    count, within = len(images) if rows is None else len(rows), tuple(range(2, images.ndim))
    # Made before the large blocks: small tensors that stay would come to lie where one of these was freed,
    # and the next one would then not fit there.
    first, second = (images.new_empty(count, images.shape[1], dtype=torch.float64) for _ in range(2))
    at_once = max(1, SUMMED_BYTES // (8 * images[0].numel()))
    for start in range(0, count, at_once):
        some = slice(start, start + at_once)
        if rows is not None:
            ahead.read(images, rows[some])
        block = images[some if rows is None else rows[some]].double()
        for moment, values in ((first, block), (second, block.square())):
            moment[some] = values.mean(within) if within else values  # else a value is a channel
    return first, second


def sum_of_some(images: torch.Tensor) -> float:
    """The sum of the pixels of images spread over the whole data set."""
    wide = torch.int64 if images.dtype == torch.uint8 else torch.float64
    rows = torch.arange(0, len(images), max(1, len(images) // COMPARED_IMAGES), device=images.device)
    total = 0
    for some in rows.split(
        max(1, SUMMED_BYTES // (8 * images[0].numel()))
    ):  # each is copied in the wider type
        ahead.read(images, some)
        total += images[some].sum(dtype=wide).item()
    return total


def draw(images: Images, most: int, test: int, stream: torch.Generator) -> torch.Tensor:
    """Rows of one seed's examples: `most` to train and validate on, then those of its test part."""
    order = torch.randperm(images.open, generator=stream)
    if not images.held_out:
        return order[: most + test]
    held_out = images.open + torch.randperm(images.held_out, generator=stream)
    return torch.cat([order[:most], held_out[:test]])
