"""Code that a configuration imports: where it lies, what its digest covers, what may be wrong with it."""

import subprocess
import sys

import pytest

from largebatch.config.groups import resolve_group
from largebatch.config.imports import bare, digest_of, placed, sources
from largebatch.config.spec import Arm
from largebatch.config.study import ConfigError, load_study
from tests.conftest import SMALL
from tests.shared.config_files import complaint, spoil

NET = """# A net.
from blocks import Block  # beside


class MyNet:
    def __init__(self, width=3):
        self.block = Block(width)
"""
BLOCKS = "class Block:\n    def __init__(self, width):\n        self.width = width\n"
IMPORTED = {"import": "nets/my_net.py:MyNet"}


@pytest.fixture
def written(folder):
    """config/ with a net of the user's below it, and the smoke scale with that net."""
    (folder / "nets").mkdir()
    (folder / "nets" / "my_net.py").write_text(NET, encoding="utf-8")
    (folder / "nets" / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    spoil(folder / "smoke.yaml", {"experiments": ["convex"], "numbers/convex/base/model": IMPORTED})
    return folder


def runs(folder, scale="smoke.yaml", **overrides):
    return sorted(load_study(folder / scale, overrides).arms)


def edit(folder, name, old, new):
    path = folder / "nets" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_run_is_called_after_the_net(written):
    assert all(run.startswith("MyNet-digits-b4-") for run in runs(written))


@pytest.mark.parametrize(("name", "old", "new"), [("my_net.py", "=3", "=4"), ("blocks.py", "= width", "= 2")])
def test_an_edit_makes_other_runs(written, name, old, new):
    before = runs(written)
    edit(written, name, old, new)
    assert not {*runs(written)} & {*before}
    edit(written, name, new, old)
    assert runs(written) == before


@pytest.mark.parametrize(("old", "new"), [("# A net.", "# The net."), ("  # beside", ""), ("\n\n\n", "\n\n")])
def test_comments_and_blank_lines_make_none(written, old, new):
    before = runs(written)
    edit(written, "my_net.py", old, new)
    assert runs(written) == before


def test_options_make_other_runs(written):
    before = runs(written)
    spoil(written / "smoke.yaml", {"numbers/convex/base/model": IMPORTED | {"options": {"width": 5}}})
    assert not {*runs(written)} & {*before}


def test_where_the_file_lies_makes_none(written):
    before = runs(written)
    (written / "nets").rename(written / "other")
    spoil(written / "smoke.yaml", {"numbers/convex/base/model": {"import": "other/my_net.py:MyNet"}})
    assert runs(written) == before


def test_an_arm_survives_its_settings_as_text(written):
    for arm in load_study(written / "smoke.yaml").arms.values():
        assert Arm.model_validate(arm.chosen()) == arm
        assert Arm.model_validate_json(arm.model_dump_json()).id == arm.id


def test_a_path_counts_from_the_file_that_says_it(written, tmp_path):
    """Also where another file extends it, and however the file itself is named."""
    above = tmp_path / "elsewhere" / "above.yaml"
    above.parent.mkdir()
    (above.parent / "mine.py").write_text("def net():\n    pass\n", encoding="utf-8")
    (above.parent / "experiments").symlink_to(written / "experiments")
    (above.parent / "smoke.yaml").symlink_to(written / "smoke.yaml")
    above.write_text("extends: smoke\nscale: above\n", encoding="utf-8")
    assert complaint(above.parent, "above.yaml").startswith("above.yaml: numbers.convex.base.model.import: ")
    above.write_text(
        "extends: smoke\nscale: above\nnumbers: {convex: {base: {model: {import: mine.py:net}}}}\n",
        encoding="utf-8",
    )
    assert all(run.startswith("net-digits") for run in runs(above.parent, "above.yaml"))
    below = {"numbers": {"convex": {"base": {"model": {"name": "mlp", "hidden": []}}}}}
    assert all(run.startswith("mlp-digits") for run in runs(written, **below))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"import": "nets/my_net.py"},
            "model.import: wanted a Python file and a name in it, such as my_net.py:MyNet",
        ),
        ({"import": "my_net.MyNet"}, "got 'my_net.MyNet'"),
        ({"import": "nets/my_net.py:MyNte"}, "defines, such as ['MyNet', 'Block']; got 'MyNte'"),
        ({"import": "nets/net.py:MyNet"}, "net.py: No such file or directory"),
        (IMPORTED | {"option": {}}, "option: wanted a key among ['import', 'name', 'options']; got 'option'"),
        (IMPORTED | {"name": "mlp"}, "wanted either name or import; got both, name: mlp"),
        (IMPORTED | {"options": 3}, "model.options: wanted keys and values; got 3"),
        ({"import": "$HOME/my_net.py:MyNet"}, "wanted a path without variables of the environment"),
        ({"import": 3}, "model.name: wanted a value; got none"),
    ],
    ids=str,
)
def test_mistakes_are_said_in_one_line(written, given, said):
    spoil(written / "smoke.yaml", {"numbers/convex/base/model": given})
    line = complaint(written)
    assert line.startswith("smoke.yaml: numbers.convex.base.model") and said in line


def test_an_unreadable_file_beside_is_named(written):
    edit(written, "blocks.py", "class Block:", "class Block")
    assert "blocks.py, line 1: expected ':'" in complaint(written)
    (written / "nets" / "blocks.py").write_bytes(b"x = '\xff'\n")
    assert "wanted a Python file saved as UTF-8; got" in complaint(written)


def test_a_grid_of_nets_is_named_as_it_is_written(written):
    arm = {key: value for key, value in SMALL.items() if key != "model"}
    grid = placed({"model": [IMPORTED, IMPORTED | {"options": {"width": 1}}]}, written)
    members = resolve_group(
        "a", {"base": arm | {"grid": grid}}, written / "x.yaml", "base", {"digits": "classes"}, 2
    ).members
    assert members[0].name == f"a[model={IMPORTED}]" and len({m.arm.id for m in members}) == 2
    with pytest.raises(
        ConfigError, match=r"x\.yaml: base\.grid\.model\.import: wanted a readable Python file"
    ):
        grid = placed({"model": [{"import": "none.py:x"}]}, written)
        resolve_group(
            "a", {"base": arm | {"grid": grid}}, written / "x.yaml", "base", {"digits": "classes"}, 2
        )


# The layouts of files that Python itself imports from; the file that is asked for comes first.
LAYOUTS = {
    "beside": {"net.py": "import a\nfrom b import c", "a.py": "", "b.py": "import d\nc = 1", "d.py": ""},
    "package beside": {
        "net.py": "from lib.deep.er import x\nimport lib.other",
        "lib/__init__.py": "",
        "lib/deep/__init__.py": "",
        "lib/deep/er.py": "x = 1",
        "lib/other.py": "",
    },
    "module by from": {"net.py": "from lib import part", "lib/__init__.py": "", "lib/part.py": ""},
    "folder without __init__": {"net.py": "import lib.part", "lib/part.py": ""},
    "in a package": {
        "pack/sub/net.py": "from . import near\nfrom ..far import x\nfrom pack.third import y",
        "pack/__init__.py": "",
        "pack/sub/__init__.py": "",
        "pack/sub/near.py": "",
        "pack/far.py": "x = 1",
        "pack/third.py": "y = 1",
    },
    "in a function, in a circle": {"net.py": "def f():\n    import a", "a.py": "def g():\n    import net"},
}
CALL = """
import sys, importlib
sys.path.insert(0, sys.argv[1])
module = importlib.import_module(sys.argv[2])
getattr(module, "f", int)()
print("\\n".join(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)))
"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sources_are_the_files_that_python_loads(layout, tmp_path):
    files = LAYOUTS[layout]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "unused.py").touch()
    first = next(iter(files))
    module = first.removesuffix(".py").replace("/", ".")
    call = [sys.executable, "-c", CALL, str(tmp_path), module]
    said = subprocess.run(call, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    loaded = {line for line in said if line.startswith(str(tmp_path))}
    assert {str(path) for path in sources(tmp_path / first, tmp_path)} == loaded
    assert len(loaded) == len(files)


def test_what_lies_between_quotes_is_no_comment():
    assert bare('x = "# a"  # b\n\n# c\ny = """\n\n# d\n"""\n') == 'x = "# a"\ny = """\n\n# d\n"""'
    assert bare("f(\n    1,  # one\n\n    2,\n)\n") == "f(\n    1,\n    2,\n)"


def test_a_digest_is_of_the_name_too(tmp_path):
    (tmp_path / "two.py").write_text("a = b = dict\n", encoding="utf-8")
    assert digest_of(tmp_path / "two.py", "a") != digest_of(tmp_path / "two.py", "b")
