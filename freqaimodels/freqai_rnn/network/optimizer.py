"""The optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from .settings import Settings


class AdamW:
    """``torch.optim.AdamW``, which is Adam while ``weight_decay`` is 0.

    Made of torch's function, because making torch's object imports torch._dynamo: 800 modules and
    two seconds in each process that trains.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], settings: Settings) -> None:
        self.parameters = list(parameters)
        self._settings = settings
        self._means = [torch.zeros_like(one) for one in self.parameters]
        self._squares = [torch.zeros_like(one) for one in self.parameters]
        # tensors, as the fused kernel counts on the parameters' device
        self._steps = [torch.zeros((), device=one.device) for one in self.parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            # not 0: backward then writes the gradient in place of adding it
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradients, clipped to ``gradient_clip_norm``."""
        gradients = [cast(Tensor, parameter.grad) for parameter in self.parameters]
        adamw(
            cast(list[Tensor], self.parameters),
            gradients,
            self._means,
            self._squares,
            # of AMSGrad
            [],
            self._steps,
            fused=True,
            # meant for torch's GradScaler: what gradients are divided by
            grad_scale=self._divisor(gradients),
            amsgrad=False,
            # beta1, beta2 and eps are torch's defaults
            beta1=0.9,
            beta2=0.999,
            lr=self._settings.learning_rate,
            weight_decay=self._settings.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def _divisor(self, gradients: list[Tensor]) -> Tensor | None:
        """Return by what the gradients are to be divided, so that their norm is not too large.

        AdamW's kernel divides while it reads them; ``clip_grad_norm_`` first multiplies each in a
        call of its own, and took 9 % of a fit.
        """
        limit = self._settings.gradient_clip_norm
        if limit is None:
            return None
        # the norm of the norms is the norm of all numbers
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        # at least 1: a small gradient stays as it is
        return (norm / limit).clamp_(min=1.0).float()  # as the kernel wants it
