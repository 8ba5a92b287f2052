"""Nets in files of the user's own, and the settings that import them."""

from largebatch.config.imports import placed, with_digest
from tests.conftest import SMALL, small_arm

# BatchNorm and dropout as functions in `forward`, and buffers that it changes itself.
FUNCTIONAL = """
import torch
import torch.nn.functional as F
from torch import nn


class MyNet(nn.Module):
    def __init__(self, width=6, classes=3, dropout=0.3):
        super().__init__()
        self.first, self.head = nn.Linear(16, width), nn.Linear(width, classes)
        self.dropout = dropout
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))

    def forward(self, x):
        x = self.first(x.flatten(1))
        x = F.batch_norm(x, self.mean, self.var, training=self.training, momentum=0.2)
        return self.head(F.dropout(torch.tanh(x), self.dropout, self.training))
"""
# The same layers as modules.
MODULES = """
from torch import nn


class MyNet(nn.Module):
    def __init__(self, width=6, classes=3):
        super().__init__()
        self.first, self.norm = nn.Linear(16, width), nn.BatchNorm1d(width)
        self.dropout, self.head = nn.Dropout(0.3), nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.dropout(self.norm(self.first(x.flatten(1))).tanh()))
"""
# One that is stacked.
SEQUENTIAL = """
from torch import nn


def net(shape, classes, width=6):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(shape[1] * shape[2], width), nn.BatchNorm1d(width),
        nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, classes),
    )
"""
# A loss of numbers, as a function and as a class.
HUBER = """
import torch.nn.functional as F
from torch import nn


def huber(outputs, targets, delta=1.0):
    return F.huber_loss(outputs, targets, reduction="none", delta=delta).sum(1)


class Huber(nn.Module):
    def __init__(self, delta=1.0):
        super().__init__()
        self.delta = delta

    def forward(self, outputs, targets):
        return huber(outputs, targets, self.delta)
"""


def write(folder, text, name="my_net.py"):
    """A file of the user's, with this text."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def imported(folder, what="my_net.py:MyNet", **options):
    """The settings that import something from a folder, as the check of a scale file completes them."""
    given = {"import": what} | ({"options": options} if options else {})
    return with_digest(placed(given, folder))


def own_arm(folder, what="my_net.py:MyNet", options=None, **settings):
    """A small arm with a net of the user's."""
    return small_arm(**SMALL | {"model": imported(folder, what, **options or {})} | settings)
