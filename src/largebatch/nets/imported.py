"""Nets of the user's own: `model: {import: path/my_net.py:MyNet, options: {...}}`."""

from inspect import isclass
from typing import Any

from torch import nn

from largebatch.config.imports import ImportedModel
from largebatch.data.code import call


def imported(shape: tuple[int, ...], classes: int, **settings: Any) -> nn.Module:
    """The user's net; settings: those of ImportedModel, its name aside."""
    given = ImportedModel(name="imported", **settings)
    net = call(given, shape=shape, classes=classes, outputs=classes)
    if not isinstance(net, nn.Module):
        got = f"the class {net.__name__}" if isclass(net) else f"an object of class {type(net).__name__}"
        raise TypeError(f"{given.file}: wanted a torch.nn.Module; got {got}")
    return net
