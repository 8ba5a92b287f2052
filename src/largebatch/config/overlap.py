"""Where the seeds of an experiment share images, so that their results are not independent."""

from collections.abc import Iterator

from largebatch.config.claims import Claim
from largebatch.config.experiment import Experiment
from largebatch.config.images import IMAGES
from largebatch.config.spec import Data


def overlaps(e: Experiment) -> dict[str, float]:
    """Claim -> test over training images, of the claims whose seeds each draw both from one data set.

    The largest of the claim's runs. Nothing is said of a data set with a test part of its own: there the
    seeds' test images are the same, not drawn anew. Of a folder of images it is not known before it is read.
    """
    found = {claim.id: [*ratios_of(claim, e)] for claim in e.question.claims}
    return {claim: max(ratios) for claim, ratios in found.items() if ratios}


def ratios_of(claim: Claim, e: Experiment) -> Iterator[float]:
    """Test over training images of each run that a claim reads and whose seeds draw both."""
    for use in claim.uses():
        path = e.question.paths.get(use.arm)
        for arm in (path.start, path.end) if path else (use.arm,):
            members = e.groups[arm].members if arm in e.groups else ()
            yield from (m.arm.data.test / m.arm.data.train for m in members if draws_its_test(m.arm.data))


def draws_its_test(data: Data) -> bool:
    """Whether every seed draws its own test part from the images that it also trains on."""
    return data.name in IMAGES and not IMAGES[data.name].held_out
