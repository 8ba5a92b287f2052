"""The registry of exhibits: each has arms, metrics that are an exhibit's or a training's, and options."""

import json

import pytest
from pydantic import ValidationError

from largebatch import metrics
from largebatch.config.exhibits import EXHIBIT_OF, EXHIBITS, Exhibits, exhibit_stem, options_of
from largebatch.config.settings import Count, Settings
from largebatch.primer.exhibits import FUNCTIONS


def test_every_exhibit_has_a_function_and_settings():
    assert EXHIBITS.keys() == FUNCTIONS.keys() == Exhibits.model_fields.keys()
    assert Exhibits() == Exhibits(**dict.fromkeys(EXHIBITS))


@pytest.mark.parametrize("name", EXHIBITS)
def test_an_exhibit_says_each_arm_and_metric_once(name):
    arms, given, options = EXHIBITS[name]
    assert len(set(arms)) == len(arms) > 0 and len(set(given)) == len(given) > 0
    assert set(given) <= metrics.METRICS.keys()
    assert issubclass(options, Settings)


def test_every_metric_of_exhibits_is_given_by_one():
    assert {metric for exhibit in EXHIBITS.values() for metric in exhibit.metrics} >= metrics.EXHIBIT_METRICS


def test_arms_are_named_by_their_exhibit():
    assert EXHIBIT_OF["worked.online"] == "worked" and "online" not in EXHIBIT_OF
    assert len(EXHIBIT_OF) == sum(len(exhibit.arms) for exhibit in EXHIBITS.values())


class Options(Settings):
    """Of a made-up exhibit."""

    steps: Count = 10


def test_a_file_is_called_by_what_was_chosen():
    """A new option with a default makes nothing anew."""
    plain = exhibit_stem("e", Options())
    assert plain == exhibit_stem("e", Options(steps=10))
    assert plain not in (exhibit_stem("f", Options()), exhibit_stem("e", Options(steps=11)))


def test_options_come_from_json():
    assert options_of("worked", json.dumps({})) == EXHIBITS["worked"].options()
    with pytest.raises(ValidationError, match="Extra inputs"):
        options_of("worked", '{"colour": 1}')
    with pytest.raises(ValueError, match=r"exhibit must be one of \[.*'worked'.*\]; got 'wroked'"):
        options_of("wroked", "{}")
