"""An update recorded once and replayed for every batch of its shape: on a GPU as a CUDA graph.

A small net's update is some fifty short kernels, and starting each from Python takes longer than most run.
A replayed graph starts them all at once. Nothing of it depends on numbers that the CPU knows: the
batch and the rate lie in tensors that stay where they are.
"""

from collections.abc import Callable

import torch

Tensor = torch.Tensor
Work = Callable[[Tensor, Tensor, Tensor], None]


class Replay:
    """Runs the updates of batches: as they are, or where it is `on`, recorded once for each shape of batch.

    generators: whose numbers the updates draw.
    """

    def __init__(self, generators: list[torch.Generator], on: bool):
        self.generators, self.on = generators, on
        self.recorded: dict[tuple, Recorded] = {}

    def run(
        self,
        learn: Callable[[Tensor, Tensor, int, float | Tensor], None],
        images: Tensor,
        labels: Tensor,
        size: int,
        rate: float,
    ) -> None:
        """learn(images, labels, size, rate), where it must read and write the same tensors always."""
        if not self.on:
            learn(images, labels, size, rate)
            return
        shape = (*images.shape, size)
        if shape not in self.recorded:
            self.recorded[shape] = Recorded(
                lambda images, labels, rate: learn(images, labels, size, rate),
                *(images, labels, self.generators),
            )
        self.recorded[shape](images, labels, rate)

    def forget(self) -> None:
        """Free what was recorded: it refers to whose updates these are, and holds memory of a GPU."""
        if any(isinstance(each.graph, torch.cuda.CUDAGraph) for each in self.recorded.values()):
            torch.cuda.synchronize()  # a graph that still runs reads what would be freed
        self.recorded = {}


class Recorded:
    """work(images, labels, rate) for batches of one shape.

    On a GPU the first EAGER calls run as they are, while libraries set themselves up; the next one is
    captured. Elsewhere every call just runs.
    """

    EAGER = 3

    def __init__(
        self, work: Work, images: torch.Tensor, labels: torch.Tensor, generators: list[torch.Generator]
    ):
        self.work, self.generators = work, generators
        self.images = torch.empty(images.shape, dtype=images.dtype, device=images.device)
        self.labels = torch.empty(labels.shape, dtype=labels.dtype, device=labels.device)
        # single precision: PyTorch's fused optimisers read it as such
        self.rate = torch.zeros((), dtype=torch.float32, device=images.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.calls = 0

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> None:
        """One update."""
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.rate.fill_(rate)
        if self.images.is_cuda and self.calls == self.EAGER:
            self._capture()
        if self.graph is not None:
            self.graph.replay()
        elif self.images.is_cuda:
            self._run_aside()
        else:
            self._run()
        self.calls += 1

    def _run(self) -> None:
        self.work(self.images, self.labels, self.rate)

    def _run_aside(self) -> None:
        """On a stream of its own, as capture will: what is set up there can be captured."""
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            self._run()
        here.wait_stream(aside)

    def _capture(self) -> None:
        """Record the work; nothing is computed meanwhile."""
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            self._run()
        self.graph = graph
