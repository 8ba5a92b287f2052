"""Which code counts for which stage, and for which of its jobs."""

import ast
import re
import shutil

import pytest

from largebatch.config import stages
from largebatch.config.measures import class_of
from largebatch.config.stages import STAGES, bare, code_digest, reached
from tests.conftest import small_arm


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return shutil.copytree(stages.PACKAGE, tmp_path_factory.mktemp("copy") / "largebatch")


@pytest.fixture
def package(copy, monkeypatch):
    """A copy of the package to edit: what its stages are made of is read from there."""
    monkeypatch.setattr(stages, "PACKAGE", copy)
    forget()
    yield copy
    shutil.rmtree(copy)
    shutil.copytree(REAL, copy)
    forget()


REAL = stages.PACKAGE


def forget():
    for known in (stages.digest_of, stages.reached):
        known.cache_clear()


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    forget()


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_digest(stage):
    assert re.fullmatch(r"[0-9a-f]{12}", code_digest(stage))


def test_a_stage_reaches_what_it_runs_and_no_more():
    def names(stage):
        return {path.stem for path in reached(stage)}

    assert {"train", "device", "engine", "schedules", "optimise", "stack", "models", "splits"} <= names(
        "train"
    )
    assert not {"engine", "train", "schedules", "optimise"} & names("measure")
    assert "curvature" in names("measure") and "curvature" not in names("train")
    assert {"exhibits", "worked", "descent", "surfaces"} <= names("exhibit")
    assert not {"worked", "descent"} & names("measure") and "files" not in names("exhibit")
    assert {"page", "page_line", "page_formula", "templates", "surfaces", "reading"} <= names("page")
    assert not {"report", "draw", "judge"} & names("page")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metrics.py", "training loss (nats)"),
        ("metrics.py", "batch size"),
        ("config/flatness.py", "Hessian trace"),
    ],
)
def test_a_changed_label_changes_what_shows_it_only(package, file, text):
    before = {stage: code_digest(stage) for stage in STAGES}
    edit(package / file, f'"{text}"', '"another text"')
    changed = {stage for stage in STAGES if code_digest(stage) != before[stage]}
    assert changed == {"draw", "animate", "tabulate", "report"}


# Arms by what they are made of, and jobs that measure one of them.
ARMS = {
    "plain": small_arm(),
    "cosine": small_arm(schedule={"name": "cosine"}),
    "cnn": small_arm(model={"name": "cnn", "channels": [4]}),
    "adam": small_arm(optimiser={"name": "adam"}),
    "shifted": small_arm(augment={"name": "shifts", "pixels": 1}),
    "squared": small_arm(loss="squared_error"),
}


def digests():
    train = {name: code_digest("train", arm.parts) for name, arm in ARMS.items()}
    of_measures = {
        f"{arm} {name}": code_digest("measure", ARMS[arm].parts | {class_of(name).module})
        for arm, name in (("plain", "curvature"), ("plain", "noise"), ("cnn", "curvature_by_epoch"))
    }
    data = {name: code_digest("data", [name]) for name in ("digits", "mnist")}
    return train | of_measures | data


# What is put into a module before a text of it, and the jobs for which that is other code.
COSINE = "def cosine(t: float, floor: float)"
ADDITIONS = {
    "schedule": (
        "training/schedules.py",
        "SCHEDULES: dict[",
        "def mine(t):\n    return helped(t)\n\n\ndef helped(t):\n    return np.exp(-t)\n\n\n",
        ('"cosine": cosine,', '"mine": mine,\n    "cosine": cosine,'),
    ),
    "model": (
        "nets/models.py",
        "MODELS: dict[",
        "from largebatch.measures.noise import measure_noise\n\n\n@of_images\ndef mine(shape, classes):\n"
        "    return measure_noise\n\n\n",
        ('"mlp": mlp,', '"mlp": mlp,\n    "mine": mine,'),
    ),
    "optimiser": (
        "training/optimise.py",
        "OPTIMISERS: dict[",
        "class Mine(Sgd):\n    pass\n\n\n",
        ('"adam": Adam', '"adam": Adam, "mine": Mine'),
    ),
    "augmentation": (
        "training/augment.py",
        "AUGMENTATIONS = {",
        "BLUR = 2\n\n\ndef draw_blurs(sides, count, streams):\n    return BLUR\n\n\n",
        ("AUGMENTATIONS = {", 'AUGMENTATIONS = {"blurs": Augmentation(draw_blurs, shifted),'),
    ),
    "loss": (
        "training/losses.py",
        "LOSSES = {",
        "def hinge(scores, labels):\n    return scores\n\n\n",
        ("LOSSES = {", 'LOSSES = {"hinge": Loss(hinge, hinge, hinge),'),
    ),
    "data set": (
        "data/datasets.py",
        "DATA: dict[",
        "def mine(sources):\n    return digits(sources)\n\n\n",
        ('"digits": digits,', '"mine": mine,\n    "digits": digits,'),
    ),
}


def test_registries_are_where_parts_are_looked_up():
    files = [*stages.PACKAGE.glob("*/*.py")]
    found = {name for file in files for s in stages.module_in(file) if s.registry for name in s.defines}
    assert found == stages.REGISTRIES


@pytest.mark.parametrize("addition", ADDITIONS)
def test_what_is_registered_is_new_code_for_nobody_else(addition, package):
    file, place, code, entry = ADDITIONS[addition]
    before, whole = digests(), {stage: code_digest(stage) for stage in STAGES}
    edit(package / file, place, code + place)
    edit(package / file, *entry)
    assert digests() == before
    assert {stage: code_digest(stage) for stage in STAGES} != whole


def test_a_new_measure_is_new_code_for_nobody_else(package):
    before, whole = digests(), code_digest("measure")
    (package / "measures" / "mine.py").write_text(
        "def measure_mine(nets, settings):\n    yield\n", encoding="utf-8"
    )
    forget()
    assert digests() == before and code_digest("measure") != whole


@pytest.mark.parametrize(
    ("file", "old", "new", "jobs"),
    [
        ("training/schedules.py", "math.cos(math.pi * t)", "math.cos(3 * t)", {"cosine"}),
        ("training/schedules.py", "if epoch >= epochs", "if epoch > epochs", {*ARMS}),
        ("training/optimise.py", "class Adam", "class Adam:\n    x = 1\n\n\nclass Adam", {"adam"}),
        ("training/augment.py", "-pixels, pixels + 1", "-pixels, pixels", {"shifted"}),
        ("nets/models.py", "nn.MaxPool2d(2)]", "nn.MaxPool2d(3)]", {"cnn", "cnn curvature_by_epoch"}),
        ("nets/models.py", "len(shape) != 3", "len(shape) < 3", {"cnn", "cnn curvature_by_epoch"}),
        (
            "nets/stack.py",
            "POPULATION_BATCH = 512",
            "POPULATION_BATCH = 256",
            {*digests()} - {"digits", "mnist"},
        ),
        ("measures/noise.py", "yield", "return\n    yield", {"plain noise"}),
        ("data/datasets.py", '"MNIST")', '"KMNIST")', {"mnist"}),
    ],
)
def test_an_edit_is_new_code_for_those_who_use_it(package, file, old, new, jobs):
    before = digests()
    edit(package / file, old, new)
    after = digests()
    assert {job for job in before if before[job] != after[job]} == jobs


def test_what_another_module_takes_is_needed_whatever_the_parts(package):
    """The loss that all are judged by, whatever they are trained on."""
    before = digests()
    edit(package / "training/losses.py", "def cross_entropy(", "def cross_entropy(\n    *,\n    ")
    changed = {job for job in before if before[job] != digests()[job]}
    assert "squared" in changed


def test_code_is_followed_through_folders_but_not_into_declarations(monkeypatch, tmp_path):
    package = tmp_path / "largebatch"
    for name, text in {
        "primer/show.py": "from largebatch.primer import part\nfrom largebatch.measures import noise\n",
        "primer/part.py": "from largebatch import files\nfrom largebatch.config import spec\n",
        "measures/noise.py": "",
        "files.py": "",
        "config/spec.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(stages, "PACKAGE", package)
    monkeypatch.setitem(STAGES, "show", ("primer/show.py",))
    forget()
    assert {path.stem for path in reached("show")} == {"show", "part", "noise"}
    forget()


def test_comments_docstrings_and_layout_are_not_code():
    def code(text):
        return ast.dump(bare(ast.parse(text)))

    one = "def f(x):\n    return x + 1\n"
    two = '"""About."""\n\n\ndef f(x):\n    """Adds."""\n    # why\n    return (x +\n        1)\n'
    three = "def f(x):\n    return x + 2\n"
    assert code(one) == code(two) != code(three)
