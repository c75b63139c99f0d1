"""Facts of a method, a backbone or a reference that readers need; each is told by its own file.

Nothing here needs torch: plans of output folders keep these facts, and reports read them there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Family = Literal["none", "adapted", "individual", "generated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The name of a model in reports, its paper, its kind, and how figures draw it.

    `title` is the file's name where it is empty. `published` is the year and month of the paper,
    such as `2022-06`; tables list what is in Table 1 of the AdaSparse paper first, then by that.
    `family` says where the parameters of a domain come from: there are `none`, they are `adapted`
    from shared ones, `individual`, or `generated`. `colour` and `marker` are those of matplotlib;
    without them figures choose. `pin_titles` are words for a hyper-parameter that a study fixes, by
    its name and value, such as `penalty l1`.
    """

    title: str = ""
    paper: str = ""
    published: str = ""
    family: Family = "none"
    in_table_1: bool = False
    colour: str = ""
    marker: str = ""
    pin_titles: Mapping[str, str] = field(default_factory=dict)
