"""The data sets there are, folders of anyone's own images, and the parts that an arm takes of one."""

from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from largebatch.config.losses import Targets
from largebatch.config.settings import Count, PathText, Settings

# Of the images that an arm takes.
PARTS = ("train", "validation", "test")
GOAL_PARTS = ("validation", "test")


class Images(NamedTuple):
    """How many images a data set has: to train and validate on, and held out by its makers for the test.

    Where none are held out, every seed draws its own test part from the others.
    """

    open: int
    held_out: int = 0


# The data sets that come with a number of images; folders of images are counted when they are read.
IMAGES = {
    "digits": Images(1797),
    "mnist": Images(60_000, 10_000),
    "cifar10": Images(50_000, 10_000),
    "cifar100": Images(50_000, 10_000),
}

MOST_IMAGES = 1_000_000_000
DataName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]


class Folder(Settings):
    """Images in a folder or an archive: train/ and test/ (or val/) with a folder a class, or these alone.

    path: from `sources`, absolute, or from a home folder (~). size: the side of the central square that is
    cut out after the shorter side became `resize` (by default `size`); null where all images have one size
    already.
    """

    path: PathText
    size: Count | None = None
    resize: Count | None = None
    targets: ClassVar[Targets] = "classes"

    @model_validator(mode="after")
    def square_fits(self):
        if self.resize is not None and (self.size is None or self.resize < self.size):
            raise ValueError(f"resize of at least size = {self.size}; got {self.resize}")
        return self


class Data(Settings):
    """A data set and the sizes of the three parts; every seed draws its own from what is open to it.

    targets: added where the file is read, from the settings of arrays.
    """

    name: DataName
    train: Annotated[int, Field(ge=1, le=MOST_IMAGES)]
    validation: Annotated[int, Field(ge=0, le=MOST_IMAGES)] = 0
    test: Annotated[int, Field(ge=1, le=MOST_IMAGES)]
    targets: SkipJsonSchema[Targets] = "classes"

    @model_validator(mode="after")
    def parts_fit(self):
        if self.name in IMAGES:
            require_parts(self.name, IMAGES[self.name], self.train, self.validation, self.test)
        return self


def require_parts(name: str, images: Images, train: int, validation: int, test: int) -> None:
    """Refuse parts that a data set has too few images for."""
    if images.held_out and test > images.held_out:
        raise ValueError(f"test of at most the {images.held_out} images held out by {name}; got {test}")
    drawn = train + validation + (0 if images.held_out else test)
    if drawn > images.open:
        parts = "train + validation" + ("" if images.held_out else " + test")
        raise ValueError(f"{parts} of at most the {images.open} images of {name}; got {drawn}")
