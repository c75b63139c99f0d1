"""Plug-ins are found by their file names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.interfaces import BackboneEntry, MethodEntry
from models.registry import available, load_backbone, load_method


def test_names_are_those_of_the_files():
    assert {"dnn", "dcnv2"} <= set(available("backbones"))
    assert {"plain", "adasparse"} <= set(available("methods"))


def test_every_name_loads():
    assert all(isinstance(load_backbone(name), BackboneEntry) for name in available("backbones"))
    assert all(isinstance(load_method(name), MethodEntry) for name in available("methods"))


@pytest.mark.parametrize(("load", "kind"), [(load_backbone, "backbone"), (load_method, "method")])
def test_unknown_name_lists_what_exists(load, kind):
    names = ", ".join(available(f"{kind}s"))

    with pytest.raises(ValueError, match=f"Unknown {kind} 'no_such'. Available: {names}. A new"):
        load("no_such")


def test_listing_does_not_import_torch():
    code = (
        "import sys; from models.registry import available;"
        "available('methods'); sys.exit('torch' in sys.modules)"
    )

    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
