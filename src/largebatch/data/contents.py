"""Copies among the images of a data set, and channels that never vary, found while the images are written."""

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np


class Contents:
    """Copies and constant channels among the images that were seen so far.

    digests: 64 bits of each image's pixels; two of a million different images share one with a
    probability of 3e-8. constant: channels in which all pixels of all images are equal.
    """

    def __init__(self):
        self.digests = array("Q")
        self.constant: list[int] = []
        self.first = np.empty(0)

    def watch(self, name: str, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same images (c, ...), one after another; an error at their end if nothing in them varies."""
        for image in images:
            if not self.digests:
                self.first, self.constant = rows_of(image)[:, :1].copy(), list(range(len(image)))
            self.digests.append(int.from_bytes(blake2b(image.tobytes(), digest_size=8).digest(), "little"))
            if self.constant:
                alike = (rows_of(image) == self.first).all(1)
                self.constant = [c for c in self.constant if alike[c]]
            yield image
        if len(self.constant) == len(self.first):
            raise ValueError(
                f"{name}: wanted pixels that vary; got one colour in all of {len(self.digests)} images"
            )

    def copies(self, labels: np.ndarray, held_out: int) -> dict[str, int]:
        """How many images are exact copies, by kind; labels: (n,), the last `held_out` are the test part.

        images: images that repeat an earlier one; held_out: images of the test part that also occur outside
        it; other_label: images that have a copy with another label.
        """
        _, alike = np.unique(np.frombuffer(self.digests, dtype=np.uint64), return_inverse=True)
        how_many = np.bincount(alike)
        labelled = np.unique(np.stack([alike, labels], axis=1), axis=0)
        contradicted = np.bincount(labelled[:, 0]) > 1
        seen, tested = np.split(alike, [len(alike) - held_out])
        return {
            "images": len(alike) - len(how_many),
            "held_out": int(np.isin(tested, seen).sum()),
            "other_label": int(how_many[contradicted].sum()),
        }


def rows_of(image: np.ndarray) -> np.ndarray:
    """(c, ...) -> (c, values of a channel)"""
    return image.reshape(len(image), -1)
