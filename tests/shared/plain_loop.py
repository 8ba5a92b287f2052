"""Training as anybody would write it: one seed after another, autograd, torch.optim."""

import copy
import itertools

import torch
import torch.nn.functional as F

from largebatch.data.randomness import generator
from largebatch.data.splits import Splits
from largebatch.nets import models


def shifted(image, by, blank):
    """One image (c, h, w) moved down and right, pixel by pixel."""
    moved = torch.full_like(image, blank)
    height, width = image.shape[1:]
    for row, column in itertools.product(range(height), range(width)):
        source_row, source_column = row - int(by[0]), column - int(by[1])
        if 0 <= source_row < height and 0 <= source_column < width:
            moved[:, row, column] = image[:, source_row, source_column]
    return moved


def plain_loss(arm, model, images, labels):
    """Mean loss by autograd, adversarial examples included."""

    def loss(x):
        outputs = model(x)
        if arm.loss == "squared_error":
            targets = labels if labels.is_floating_point() else F.one_hot(labels, outputs.shape[1])
            return (outputs - targets).square().sum(1).mean() / 2
        if arm.loss == "binary_cross_entropy":
            return F.binary_cross_entropy_with_logits(outputs[:, 0], labels.to(outputs))
        if not isinstance(arm.loss, str):  # that of tests/shared/numbers.py
            return F.huber_loss(outputs, labels, reduction="none", **arm.loss.options).sum(1).mean()
        return F.cross_entropy(outputs, labels, label_smoothing=arm.label_smoothing)

    if arm.adversarial is None:
        return loss(images)
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x), x)
    moved = images + arm.adversarial.size * gradient.sign()
    return (1 - arm.adversarial.share) * loss(images) + arm.adversarial.share * loss(moved)


def plain_gradient(arm, model, images, labels):
    """.grad of the loss of a batch, a short one by its share; SAM by a copy of the model."""
    share = len(images) / arm.batch_size
    model.zero_grad()
    loss = plain_loss(arm, model, images, labels)
    if arm.gradient_penalty:
        gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        loss = loss + arm.gradient_penalty.strength / 2 * sum(g.square().sum() for g in gradients)
    (share * loss).backward()
    if arm.sharpness_aware is None:
        return
    uphill = copy.deepcopy(model)
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    with torch.no_grad():
        for p, q in zip(uphill.parameters(), model.parameters(), strict=True):
            p.add_(arm.sharpness_aware.rho * q.grad / norm)
    uphill.zero_grad()
    (share * plain_loss(arm, uphill, images, labels)).backward()
    for p, q in zip(uphill.parameters(), model.parameters(), strict=True):
        q.grad = p.grad


class PlainLars:
    """LARS of one net, tensor by tensor; vectors (biases, BatchNorm) take the plain rate."""

    def __init__(self, arm, parameters):
        self.arm, self.parameters = arm, list(parameters)
        self.buffers = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self):
        decay, options = self.arm.weight_decay, self.arm.optimiser
        for p, v in zip(self.parameters, self.buffers, strict=True):
            local = 1.0
            if p.ndim > 1:
                local = options.trust * p.norm() / (p.grad.norm() + decay * p.norm())
            v.mul_(options.momentum).add_(local * (p.grad + decay * p))
            p.sub_(self.arm.lr * v)


def plain_update(arm, model, optimiser, images, labels):
    """All updates of one batch."""
    start = [p.detach().clone() for p in model.parameters()]
    for _ in range(arm.proximal.steps if arm.proximal else 1):
        plain_gradient(arm, model, images, labels)
        if arm.proximal:
            distances = sum((p - s).square().sum() for p, s in zip(model.parameters(), start, strict=True))
            (arm.proximal.strength / 2 * distances).backward()
        if arm.clip_norm:
            # torch's clip_grad_norm_ adds 1e-6 to the norm, which proximal steps would amplify.
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            norm = torch.cat([g.flatten() for g in gradients]).norm()
            for g in gradients:
                g *= min(1.0, arm.clip_norm / norm)
        optimiser.step()


def plain_optimiser(arm, model):
    options = {"lr": arm.lr, "weight_decay": arm.weight_decay}
    if arm.optimiser.name == "lars":
        return PlainLars(arm, model.parameters())
    if arm.optimiser.name == "adam":
        o = arm.optimiser
        return torch.optim.Adam(model.parameters(), betas=(o.beta1, o.beta2), eps=o.epsilon, **options)
    o = arm.optimiser
    return torch.optim.SGD(model.parameters(), momentum=o.momentum, nesterov=o.nesterov, **options)


def plain_loop(arm, seed, dataset, calls_train=False):
    """What anybody would write: one seed, torch.optim, a batch at a time.

    The global generator stands where the seed's own stream does: PyTorch's dropout layers draw from it.
    """
    model = models.initial(arm, seed, dataset).double()
    splits = Splits(dataset, [seed], arm.data.train, arm.data.validation, arm.data.test)
    images, labels = (part[0] for part in splits.examples(splits.rows["train"]))
    pixels = dataset.images[splits.rows["train"][0]]
    blank = -pixels.mean() / pixels.std(correction=0)
    optimiser = plain_optimiser(arm, model)
    order, augment = generator(seed, "order"), generator(seed, "augment")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator(seed, "dropout").get_state())
        for _ in range(arm.epochs):
            if calls_train:
                model.train()
            for batch in torch.randperm(len(images), generator=order).split(arm.batch_size):
                if len(batch) < arm.batch_size and arm.last_batch == "drop":
                    continue
                x = images[batch]
                if arm.augment:
                    most = arm.augment.pixels
                    shifts = torch.randint(-most, most + 1, (len(batch), 2), generator=augment)
                    moved = zip(x, shifts, strict=True)
                    x = torch.stack([shifted(image, by, blank) for image, by in moved])
                plain_update(arm, model, optimiser, x, labels[batch])
    return model
