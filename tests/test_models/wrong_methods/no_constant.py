"""Wrong: the entry has another name than METHOD."""

from dataclasses import dataclass

from models.interfaces import DomainMethod, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


MODEL = MethodEntry(config=Config, build=lambda config, shape: DomainMethod(shape))
