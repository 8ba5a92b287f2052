"""The seeds that all arms of a claim have, where a study gives some arms more."""

from collections.abc import Mapping

import pandas as pd

from largebatch.config.uses import Reader


def of_shared_seeds(observations: pd.DataFrame, claim: Reader, last_seeds: Mapping[str, int]) -> pd.DataFrame:
    """The observations of these seeds; last_seeds: arm -> its last one, empty where all have the same."""
    last = last_of(claim, last_seeds)
    return observations[observations["seed"] <= min(last)] if last else observations


def unshared(claim: Reader, last_seeds: Mapping[str, int]) -> str:
    """A remark on the seeds that only some of them have."""
    last = last_of(claim, last_seeds)
    more = max(last) - min(last) if last else 0
    return f"{more} seeds that not every arm has are left out." if more else ""


def last_of(claim: Reader, last_seeds: Mapping[str, int]) -> list[int]:
    """The last seeds of the arms that a claim reads."""
    return [last_seeds[use.arm] for use in claim.uses() if use.arm in last_seeds]
