"""Masks: whether domains that are alike prune the same neurons, beyond what inputs alone give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pandas as pd

from reports.analysis.masks import (
    ALL_LAYERS,
    LEAST_DOMAINS,
    LEAST_ROWS,
    MOST_DOMAINS,
    NULLS,
    STUDY,
    TITLES,
    compare_masks,
)
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Table, TableLayout, number
from reports.reading.keys import DATA
from reports.reading.names import FORMS
from reports.statistics.permutation import DRAWS

_NOTES = [
    "trained, untrained, labels permuted: rank correlation, over pairs of domains, of how similar"
    " two domains are with how many pruned neurons they share; mean ± sample standard deviation"
    " over the runs. Shared neurons count above what is expected by chance from the two numbers of"
    " pruned neurons, as a part of the most there can be (Cole's coefficient, Loevinger's H). Ranks"
    " are taken among pairs that share as many domain column values, since those share inputs. From"
    " every correlation that of relabelled masks (below) is subtracted: 0 is no association.",
    "untrained: the same pruner before training; in each domain and layer as many neurons are"
    " pruned, those of the lowest weighting factor. labels permuted: the same model, trained on"
    " labels that were shuffled within each domain; it can learn each domain's click rate, but not"
    " what is clicked there. Δ is trained minus that, run by run, with the 95% t interval over"
    " the seeds of a log that was drawn once, which holds the noise of training alone, or over the"
    " draws.",
    f"p: permutation test of Δ, two-sided, mean over the runs, {DRAWS} permutations, after Holm's"
    " correction over all comparisons of this table. A neuron's scores are split into a sum of one"
    " effect per value of each domain column, and a rest. A draw permutes the values of each"
    " column, for both kinds of masks alike, and the rests over the domains, and each domain prunes"
    " as many neurons as before: domains that share values go on to share effects. A plain"
    " permutation of domains (Mantel's test) would take pairs with a value in common as"
    " independent; with one domain column the two tests are the same. Assumed is that similarity"
    " has nothing to do with which value has which effect, and for labels permuted that those parts"
    " of the two masks which differ have nothing to do with it; where their numbers of pruned"
    " neurons differ too the test is somewhat too eager. It speaks of these logs alone.",
    "D_a is the domain with the most test rows; the most and the least similar one are chosen by"
    " similarity, never by masks. Jaccard of their pruned neurons after training, mean over the"
    " seeds; in brackets that expected of as many neurons drawn independently. A neuron is pruned"
    " in a domain where its gate is shut for more than half of the test rows."
    " layer0 is x_0, the input of the backbone.",
    "The file masks.csv has the same of every seed, of every stratum of pairs, the correlations"
    " before the subtraction (`_raw`), and uncorrected p values, those of each kind alone among"
    " them.",
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone, the rows of all seeds."""
    pooled = table[table["seed"].isna()]
    first = pooled.drop_duplicates(DATA).to_dict("records")
    notes = [_domains_note(cast("Mapping[str, Any]", row)) for row in first]
    if (pooled["permuted_runs"] == 0).all():
        notes.append(
            "labels permuted: no run, so that nothing here tells what is learned from labels from"
            f" what inputs and click rates give; run_all.py --only {STUDY} makes it."
        )
    return columns.laid_out(pooled, _COLUMNS, [*notes, *draws_note(pooled), *_NOTES])


def _domains_note(row: Mapping[str, Any]) -> str:
    """A note on the numbers of domains and pairs, and on their similarity."""
    several = f" of {row['draws']} draws" if row["draws"] > 1 else ""
    judged = (
        f"{row['dataset']}: {row['domains']} domains{several}, those with at least {LEAST_ROWS}"
        f" test rows, at most {MOST_DOMAINS}{' of each' if several else ''}."
    )
    sizes = {
        name.removeprefix("pairs_shared_"): size
        for name, size in row.items()
        if name.startswith("pairs_shared_") and not pd.isna(size)
    }
    if not sizes:
        return f"{judged} Too few for a correlation, which takes {LEAST_DOMAINS}."
    pairs = ", ".join(f"{size:,.0f} share {shared}" for shared, size in sizes.items())
    source = {
        "planted": "in this world similarity is known: that of how domains click",
        "observed": "similarity is that of the domains' inputs, not of how they click",
    }[row["similarity"]]
    contrast = (
        f"{'In the first draw ' if several else ''}D_a {row['domain_a']}, similar"
        f" {row['domain_similar']}, different {row['domain_different']}"
    )
    return f"{judged} Pairs by the domain column values they share: {pairs}; {source}. {contrast}."


def _jaccard(title: str, name: str) -> columns.TableColumn:
    return columns.blank_where(
        lambda row: row["layer"] == ALL_LAYERS,
        columns.text(
            title, lambda row: f"{number(row[name], 2)} ({number(row[f'{name}_chance'], 2)})"
        ),
    )


_COLUMNS = [
    columns.text("Factors", lambda row: FORMS.get(row["form"], str(row["form"]))),
    columns.text("Layer", lambda row: row["layer"]),
    *(columns.spread(title, kind, 3) for kind, title in TITLES.items()),
    *(
        one
        for kind in NULLS
        for one in (
            columns.interval(f"Δ {TITLES[kind]}", f"delta_{kind}", 3),
            columns.p_value("p (Holm)", f"delta_{kind}_p_holm"),
        )
    ),
    _jaccard("Jaccard D_a, similar (chance)", "jaccard_similar"),
    _jaccard("Jaccard D_a, different (chance)", "jaccard_different"),
    columns.RUNS,
]
TABLE = Table(
    title="Masks: do similar domains prune the same neurons?",
    section="methods",
    position=30,
    is_folded=True,
    study="masks",
    tabulate=compare_masks,
    arrange=arrange,
)
