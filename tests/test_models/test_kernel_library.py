"""Building and loading the native kernels, and what is said where that cannot be done."""

import shutil

import pytest
import torch

from models.layers.kernels import build
from models.layers.kernels.build import KernelError, library_path, main
from models.layers.kernels.library import Library, library_for, use, used


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A source of two lines in a folder of its own, in place of ours."""
    path = tmp_path / "rows.cpp"
    path.write_text('extern "C" int one() { return 1; }\n')
    monkeypatch.setattr(build, "SOURCE", path)
    monkeypatch.delenv("CXX", raising=False)
    return path


needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, build.COMPILERS)), reason="there is no C++ compiler"
)


@needs_compiler
def test_building_replaces_former_libraries(source):
    former = source.with_name(f"{build._kind()}-0.so")
    former.touch()

    path = build.build()

    assert path == library_path()
    assert sorted(source.parent.iterdir()) == sorted([source, path])


@needs_compiler
def test_a_library_that_is_there_is_not_built_again(source, capsys):
    assert main() == 0
    first = library_path().stat().st_mtime_ns
    said = capsys.readouterr().out

    assert main() == 0

    assert "native kernels: rows-" in said
    assert not capsys.readouterr().out
    assert library_path().stat().st_mtime_ns == first


@needs_compiler
def test_a_library_that_cannot_be_loaded_is_built_again(source):
    library_path().write_bytes(b"of another machine")

    assert main() == 0

    assert build.can_be_loaded(library_path())


def test_without_the_source_torch_does_the_work(source):
    source.unlink()

    use(None)

    assert used() == "torch"
    with pytest.raises(KernelError, match=r"rows\.cpp is not there"):
        use("native")


def test_the_name_of_the_library_changes_with_its_source(source):
    before = library_path()

    source.write_text("\n")

    assert library_path() != before


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("false", "the compiler 'false' failed: no message"),
        ("no-such-compiler", "the compiler 'no-such-compiler' cannot be run"),
    ],
)
def test_a_bad_compiler_is_named(source, monkeypatch, capsys, compiler, said):
    monkeypatch.setenv("CXX", compiler)

    with pytest.raises(KernelError, match=said):
        build.build()

    assert main() == 1
    assert f"not built, so torch does their work, slower: {said}" in capsys.readouterr().out


@needs_compiler
def test_the_first_error_of_a_compiler_is_told(source):
    source.write_text("int one() { return two; }\n")

    with pytest.raises(KernelError, match=r"error: .*two"):
        build.build()


def test_no_compiler_is_said(source, monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(KernelError, match=r"no C\+\+ compiler found; install g\+\+"):
        build.build()


@pytest.mark.parametrize("content", [None, b"of another machine"])
def test_a_library_that_is_not_there_or_of_another_machine(source, content):
    if content:
        library_path().write_bytes(content)

    with pytest.raises(KernelError, match="run make setup"):
        Library(library_path(), torch.float32)
    with pytest.raises(KernelError):
        use("native")
    use(None)

    assert used() == "torch"


@pytest.mark.native
def test_native_kernels_take_what_they_know():
    use(None)
    rows = torch.ones(4, 2)

    assert used() == "native"
    assert library_for(rows) is not None
    assert library_for(rows, rows.t()) is None  # columns lie apart
    assert library_for(rows.half()) is None
    assert library_for(rows.to("meta")) is None
    assert library_for(rows.clone().requires_grad_()) is None


def test_native_kernels_that_are_not_built_are_one_line(source, front_door, tmp_path):
    called = front_door("--preset", "smoke", "--kernels", "native", "--out", tmp_path / "out")

    assert called.returncode == 2
    assert "error: --kernels native: rows-" in called.stderr
    assert "is not there; run make setup" in called.stderr


def test_native_kernels_are_those_of_a_cpu(front_door, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    called = front_door("--device", "cuda", "--kernels", "native", "--out", tmp_path / "out")

    assert called.returncode == 2
    assert "--kernels native: the kernels are those of a CPU" in called.stderr
