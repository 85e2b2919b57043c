"""The shape of the house: who may import whom."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import photochrom

PACKAGE = Path(photochrom.__file__).parent
# A module imports from its own level or below.
LEVELS = [
    "errors",
    "settings",
    "names",
    "disk",
    "folders",
    "records",
    "existing",
    "stopping",
    "photo",
    "networks",
    "inference",
]
LEVELS += ["pipeline", "web", "coloring", "rerun", "planning", "album", "watching", "training", "evaluation"]
LEVELS += ["archive", "video", "service", "server", "serve", "hub", "vapoursynth"]
LEVELS += ["doctor", "commands", "cli", "__main__"]
TORCH_FREE = (*(name for name in LEVELS if name not in ("networks", "training")), "__init__")
STANDARD_LIBRARY_ONLY = ("settings", "errors", "names", "folders", "existing")
HTTP_LIBRARIES = {"http", "starlette", "fastapi", "uvicorn", "asyncio"}
QUEUE_LIBRARIES = {"queue", "threading", "multiprocessing", "concurrent"}
TORCH_MODULES = {"inference.torch_backend", "evaluation.features", "evaluation.fid_lpips"}  # imported when needed


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports_of(path: Path, *, only_at_import: bool = False) -> set[str]:
    """Modules that a file imports, inside functions too unless only_at_import."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    if only_at_import:
        inner = {n for f in nodes if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
        nodes = [n for n in nodes if n not in inner]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def own_imports(path: Path, **options) -> set[str]:
    names = {name.removeprefix("photochrom.") for name in imports_of(path, **options) if name.startswith("photochrom.")}
    return {name for name in names if name in MODULES}


def level(module: str) -> int:
    return LEVELS.index(module.split(".")[0])


@pytest.mark.parametrize("module", sorted(m for m in MODULES if not m.endswith("__init__") and m != "__init__"))
def test_imports_go_down(module):
    for other in own_imports(MODULES[module]):
        assert level(other) <= level(module), f"{module} imports {other}, which is above it"
        assert other != "cli" or module == "__main__"


def test_the_architecture_page_is_true():
    """Its table has every module in order, with what it really imports."""
    page = PACKAGE.parents[1] / "docs" / "architecture.md"
    if not page.exists():
        pytest.skip("not in a source distribution")
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \| ?([^|]*)\|$", page.read_text(), re.MULTILINE)
    real: dict[str, set[str]] = {name: set() for name in LEVELS if name != "__main__"}
    for module, path in MODULES.items():
        top = module.split(".")[0]
        if top in real:
            real[top] |= {other.split(".")[0] for other in own_imports(path)} - {top}
    assert sorted(name for name, _ in table) == sorted(real)
    assert {name: set(re.findall(r"`(\w+)`", imports)) for name, imports in table} == real


@pytest.mark.parametrize("module", sorted(MODULES))
def test_private_names_stay_in_their_module(module):
    tree = ast.parse(MODULES[module].read_text())
    ours = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("photochrom")]
    names = {alias.asname or alias.name for node in ours for alias in node.names}
    used = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    found = {n.attr for n in used if n.value.id in names and re.match("_[^_]", n.attr)}
    assert not found | {name for name in names if re.match("_[^_]", name)}


def test_no_import_cycles():
    graph = {name: own_imports(path, only_at_import=True) for name, path in MODULES.items() if name != "__init__"}
    done: set[str] = set()

    def visit(module, above):
        assert module not in above, f"import cycle: {' -> '.join([*above, module])}"
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, [*above, module])
            done.add(module)

    for module in graph:
        visit(module, [])


@pytest.mark.parametrize(
    "module", sorted(m for m in MODULES if m.split(".")[0] in TORCH_FREE and m not in TORCH_MODULES)
)
def test_colorizing_never_imports_torch(module):
    heavy = {"torch", "lightning_fabric"} | ({"onnx"} if module.split(".")[0] != "pipeline" else set())
    assert not {name.split(".")[0] for name in imports_of(MODULES[module])} & heavy
    at_import = own_imports(MODULES[module], only_at_import=True)
    assert not any(name.startswith(("networks", "training")) or name in TORCH_MODULES for name in at_import)


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_names_and_defaults_wait_for_nothing(module):
    others = {name for name in imports_of(MODULES[module]) if not name.startswith("photochrom.")}
    assert {name.split(".")[0] for name in others} <= sys.stdlib_module_names
    assert {name.split(".")[0] for name in own_imports(MODULES[module])} <= set(STANDARD_LIBRARY_ONLY)


def test_libvips_is_made_quiet_before_anything_else_imports_it():
    for name, path in MODULES.items():
        assert name == "photo.vips" or "pyvips" not in imports_of(path), name


@pytest.mark.parametrize(
    "part, unknown", [("service", HTTP_LIBRARIES), ("server", QUEUE_LIBRARIES), ("coloring", HTTP_LIBRARIES)]
)
def test_queues_know_no_http_and_http_no_queues(part, unknown):
    for module in (m for m in MODULES if m.split(".")[0] == part):
        assert not {name.split(".")[0] for name in imports_of(MODULES[module])} & unknown, module


@pytest.mark.parametrize(
    "module", ["album", "archive.worker", "service.service", "commands.colorize", "commands.in_place"]
)
def test_one_road(module):
    """Whoever has a photograph colored asks coloring.py, and neither decodes nor encodes by itself."""
    assert "coloring" in own_imports(MODULES[module])
    own = imports_of(MODULES[module])
    assert "photochrom.photo.decoding.decode_photograph" not in own and "photochrom.photo.encoding.encode" not in own


def test_colorizing_in_a_process_leaves_torch_out():
    code = (
        "import sys, numpy, photochrom; photochrom.Colorizer().colorize(numpy.zeros((64, 64), 'uint8'));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@cache
def numbers_in(module: str) -> dict[str, float]:
    """The names that stand for a number in a whole module of ours."""
    return numbers_of(ast.parse(MODULES[module].read_text())) if module in MODULES else {}


def numbers_of(tree: ast.Module) -> dict[str, float]:
    found: dict[str, float] = {}
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, (int, float)):
            found |= {target.id: value.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def scalings(source: str) -> set[str]:
    """The products and quotients in a module with one of the numbers of networks/units.py, literal or by a name."""
    tree = ast.parse(source)
    units = numbers_in("networks.units")
    numbers = units | numbers_of(tree)  # so that units.CHROMA_RANGE is known too
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            theirs = numbers_in(node.module.removeprefix("photochrom."))
            numbers |= {alias.asname or alias.name: theirs[alias.name] for alias in node.names if alias.name in theirs}

    def is_of_units(node: ast.expr) -> bool:
        name = str(getattr(node, "attr", getattr(node, "id", "")))
        return (node.value if isinstance(node, ast.Constant) else numbers.get(name)) in [*units.values()]

    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, (ast.Mult, ast.Div)):
            factors = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.value]
            found |= {ast.unparse(node)} if any(map(is_of_units, factors)) else set()
    return found


def test_only_one_place_scales_lab():
    """Network units are made in networks/units.py alone."""
    found = {name: scalings(path.read_text()) for name, path in MODULES.items()}
    assert found.pop("networks.units") == {
        "(luminance - LUMINANCE_MIDDLE) / LUMINANCE_RANGE",
        "chroma / CHROMA_RANGE",
        "chroma * CHROMA_RANGE",
    }
    assert found.pop("networks.palette") == {"2 * EXTENT"}  # the palette's grid, which is in Lab units
    assert found.pop("networks.tilt") == {"palette / AXIS"}  # how noise favors the palette's colors
    assert {name for name, places in found.items() if places} == set()


@pytest.mark.parametrize(
    "source",
    [
        "x = ab / 110",
        "x = 110.0 * ab",
        "L /= 50",
        "RANGE = 110\nx = ab / RANGE",
        "from photochrom.networks.units import CHROMA_RANGE as R\nx = ab / R",
        "from photochrom.networks import units\nx = ab / units.CHROMA_RANGE",
    ],
)
def test_scaling_lab_elsewhere_would_be_found(source):
    assert len(scalings(source)) == 1


def test_public_names_exist():
    for name in photochrom.__all__:
        assert getattr(photochrom, name) is not None
    with pytest.raises(AttributeError):
        photochrom.nonsense  # noqa: B018


def test_modules_are_short():
    """Those of tests and benchmarks too, where they are there."""
    tests = Path(__file__).parent
    others = [*tests.rglob("*.py"), *(tests.parent / "benchmarks").rglob("*.py")]
    for path in [*MODULES.values(), *others]:
        assert len(path.read_text().splitlines()) <= 400, path
