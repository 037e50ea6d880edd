"""No module of the package imports itself, directly or through others."""

import ast
import graphlib
from pathlib import Path

import pytest
import telemetry

ROOT = Path(telemetry.__file__).parent


def modules(root: Path) -> dict[str, Path]:
    """Return the modules of a package by their dotted names."""
    names = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imported(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules that a module imports or that Python loads first: the packages around each of them.

    Imports within functions and under TYPE_CHECKING count.
    """
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    targets = set(prefixes(name)[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            targets.add(source)
            targets.update(f"{source}.{alias.name}" for alias in node.names)
    return {outer for target in targets for outer in prefixes(target) if outer in known}


def prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def cycle(root: Path) -> list[str] | None:
    """Return the modules of an import cycle in a package, or None."""
    known = modules(root)
    graph = {name: imported(name, path, known) for name, path in known.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return None


def test_no_import_cycle() -> None:
    assert len(modules(ROOT)) > 50
    assert cycle(ROOT) is None


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "package"
    (root / "inner").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "b.py", "inner/__init__.py", "inner/c.py"):
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "import package.a"},
        {"a.py": "from package import b", "b.py": "def later():\n    from package.a import x"},
        {"a.py": "from .b import x", "b.py": "from . import a"},
        {"a.py": "from package.inner import c", "inner/c.py": "from ..a import x"},
        {"inner/__init__.py": "from package.inner.c import x"},
        {"a.py": "if TYPE_CHECKING:\n    import package.b", "b.py": "import package.a"},
    ],
)
def test_a_cycle_is_found(package: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (package / name).write_text(text)
    assert cycle(package)


def test_a_chain_is_no_cycle(package: Path) -> None:
    (package / "a.py").write_text("from package import b\nimport json")
    (package / "b.py").write_text("from package.inner import c")
    assert cycle(package) is None
