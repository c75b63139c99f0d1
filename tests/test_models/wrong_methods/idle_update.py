"""Wrong: the update takes gradients and never a step.

Paper: none.
"""

from dataclasses import dataclass

from torch.nn import functional

from models.interfaces import DomainMethod, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class IdleUpdate(DomainMethod):
    """Equation: theta := theta.

    Shapes: any.
    Deviation: none.
    """

    def __init__(self, config, shape):
        super().__init__(shape)

    def update(self, model, batch, optimizer):
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(model(batch), batch.label)
        loss.backward()
        return loss.item()


METHOD = MethodEntry(config=Config, build=IdleUpdate)
