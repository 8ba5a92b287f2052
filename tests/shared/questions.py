"""The questions of keskar and goyal at the smoke scale, and parts to put into them."""

import yaml

from largebatch.config.measures import Measures
from largebatch.config.study import load_study
from tests.conftest import REPOSITORY
from tests.shared.claims import written

CONFIG = REPOSITORY / "config"
STUDY = load_study(CONFIG / "smoke.yaml")
MEASURED = {key: {"examples": 64} for key in ("curvature", "keskar", "curvature_by_epoch")}
MEASURES = STUDY.experiment("keskar").measures
GIVEN = Measures.model_validate(MEASURED | {"path": {}})
TEXT = {
    name: (CONFIG / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
    for name in ("keskar", "goyal")
}
PARSED = {name: yaml.safe_load(text) for name, text in TEXT.items()}
# Of keskar what needs neither paths nor more than curvature: the tests put in what they are about.
WHOLE = dict(PARSED["keskar"])
KEPT = {"batch_sweep", "convergence", "sharpness"}
PARSED["keskar"] = {key: value for key, value in WHOLE.items() if key != "paths"} | {
    "measures": {"curvature": WHOLE["measures"]["curvature"]},
    "claims": [c for c in WHOLE["claims"] if c["id"] in ("K1", "K6", "K9", "K9.sharpness", "K12")],
    "figures": [f for f in WHOLE["figures"] if f["name"] in KEPT],
    "tables": [t for t in WHOLE["tables"] if t["name"] == "convergence"],
}
TEST_ERROR = {"metric": "test_error_percent", "expect": {"below": 0.0}}
SHARP = {"metric": "hessian_top_eigenvalue", "expect": {"above": 1.0}}


def claim(kind, **parts):
    return {"claims": [written(kind, id="X1", **parts)]}


def figure(kind, arm, **parts):
    return {"figures": [{"name": "f", "caption": "c", "kind": kind, "lines": {"line": arm}} | parts]}


def table(**parts):
    row = {"name": "t", "caption": "c", "rows": {"row": "adam.small"}, "metrics": ["updates"]}
    return {"tables": [row | parts]}
