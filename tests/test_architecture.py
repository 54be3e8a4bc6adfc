"""The house stands: who may import whom, what loads when, and what the manifest promises."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

import napari_utile

PACKAGE = Path(napari_utile.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MANIFEST = yaml.safe_load((PACKAGE / "napari.yaml").read_text())
CONTRIBUTIONS = MANIFEST["contributions"]
OFFERED = [
    item
    for kind in ("widgets", "sample_data", "readers", "writers")
    for item in CONTRIBUTIONS[kind]
]
COMMANDS = {command["id"]: command["python_name"] for command in CONTRIBUTIONS["commands"]}
PANELS = {panel["display_name"]: panel["command"] for panel in CONTRIBUTIONS["widgets"]}

# room -> the third-party libraries it may name
DATA = {"pydantic", "numpy", "scipy", "skimage", "numba"}
DISK = DATA | {
    "pycocotools",
    "tifffile",
    "zarr",
    "numcodecs",
    "PIL",
    "filelock",
    "platformdirs",
    "psutil",
    "yaml",
}
LIBRARIES = {
    "errors": set(),
    "json_files": set(),
    "refusals": set(),
    "settings": {"pydantic"},
    "events": {"pydantic"},
    "arrays": DATA | {"bioimage_cpp"},
    "networks": {"torch"},
    "io": DISK | {"aiohttp", "fsspec", "natsort", "rich"},
    "metrics": DATA | {"pycocotools"},
    "folders": DISK,
    "samples": DISK | {"pooch"},
    "evaluation": DISK | {"matplotlib", "jinja2", "markupsafe"},
    "results": DISK | {"bioimage_cpp"},
    "engine": DISK | {"torch", "matplotlib", "distributed"},
    "coco": DISK | {"torch", "matplotlib"},
    "cli": {"pydantic", "pydantic_settings", "numpy", "rich"},
    "widgets": DATA
    | {"yaml", "napari", "qtpy", "magicgui", "superqt", "psygnal", "pyqtgraph"}
    | {"platformdirs"},
}
ROOMS = list(LIBRARIES)
"""In the order of import: a room knows those before it."""

INSIDE = {
    "engine": ["devices", "models", "prediction", "training", "comparison", "live"],
    "widgets": ["process", "kit", "layers"],
}
"""The order of import inside a room; what is not named comes last, and knows no other such."""

CLOSED = {
    "widgets": {"networks", "engine", "cli", "coco.experiment"},
    "networks": {"arrays"},
    "io": {"networks"},
    "metrics": {"networks"},
    "folders": {"networks"},
    "samples": {"networks"},
    "evaluation": {"networks"},
    "results": {"networks"},
}
"""Earlier rooms that stay closed all the same."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def part_of(module: Path) -> str:
    """The second level: the file or folder of a room that a module is in."""
    return module.relative_to(PACKAGE).parts[1].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, at any depth, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_start(tree: ast.AST) -> Iterator[str]:
    """The modules imported when this one is: not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(ast.Module([node], []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_start(node)


def rooms_among(names: Iterator[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("napari_utile.")} & {*ROOMS}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_earlier_rooms(module: Path):
    room, tree = room_of(module), ast.parse(module.read_text())
    if room not in ROOMS:
        assert room in {"__init__", "__main__"}, f"a room that is in no plan: {room}"
        return
    open_rooms = {*ROOMS[: ROOMS.index(room) + 1]}
    assert rooms_among(imports(tree)) <= open_rooms
    for closed in CLOSED.get(room, ()):
        shut = f"napari_utile.{closed}."
        assert not [name for name in imports(tree) if f"{name}.".startswith(shut)]

    third_party = {name.split(".")[0] for name in imports(tree)} - {"napari_utile"}
    assert third_party - sys.stdlib_module_names <= LIBRARIES[room]


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if room_of(path) in INSIDE and path.name != "__init__.py"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_imports_inside_a_room_point_to_earlier_parts(module: Path):
    """Prediction knows no training, and no panel knows another."""
    room, part = room_of(module), part_of(module)
    order = INSIDE[room]
    known = {*order[: order.index(part) + 1]} if part in order else {*order, part}
    here = f"napari_utile.{room}."
    tree = ast.parse(module.read_text())
    named = {name.split(".")[2] for name in imports(tree) if name.startswith(here)}
    assert named <= known


def test_one_name_is_one_thing():
    """No function or class of a module, private ones too, is called like one of another."""
    modules = defaultdict(set)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                modules[node.name].add(str(path.relative_to(PACKAGE)))
    assert {name: sorted(found) for name, found in modules.items() if len(found) > 1} == {}


RUNS_CODE = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
RUNS_CODE |= {f"torch.{name}.load" for name in ("jit", "hub", "package", "export")}
RUNS_CODE |= {"np.lib.format.read_array", "yaml.unsafe_load", "yaml.full_load"}
PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy"}
ALLOWED = {
    "engine/models/archives.py": {"pickle"},  # to catch its error
    "folders/model.py": {"yaml.load"},  # with a loader that builds less than `safe_load`
    "__init__.py": {"importlib.import_module"},  # of its own modules
    "widgets/home/panel.py": {"importlib.import_module"},  # of the panels of its steps
}


def what_runs_code(tree: ast.AST) -> Iterator[str]:
    """Every import and call by which data could become code."""
    for name in imports(tree):
        if name.split(".")[0] in PICKLES or name == "importlib.import_module":
            yield name
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in RUNS_CODE or (called == "yaml.load"):
            yield called
        if called == "torch.load" and options.get("weights_only") != "True":
            yield "torch.load without weights_only"
        if options.get("allow_pickle", "False") != "False" or options.get("shell"):
            yield f"{called} with {options}"


def test_nothing_makes_code_of_data():
    for module in MODULES:
        name = module.relative_to(PACKAGE).as_posix()
        found = set(what_runs_code(ast.parse(module.read_text())))
        assert found <= ALLOWED.get(name, set()), name


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)", "torch.load(path)", "torch.load(path, weights_only=False)", "import dill",
        "np.load(path, allow_pickle=True)", "subprocess.run(line, shell=True)",
        "yaml.load(text, yaml.Loader)", "from pickle import loads", "os.system(line)",
    ],
)  # fmt: skip
def test_what_makes_code_of_data_is_noticed(line: str):
    assert list(what_runs_code(ast.parse(line)))


@pytest.mark.parametrize("module", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda p: p.name)
def test_the_command_line_loads_the_engine_only_inside_a_command(module: Path):
    loaded = rooms_among(at_start(ast.parse(module.read_text())))
    assert not loaded & {"networks", "engine", "coco"}


# other systems

ONLY_POSIX = {
    "os": """chown chroot fchmod fchown fdatasync fork forkpty getegid geteuid getgid getgroups
        getloadavg getpgid getpriority getresuid getsid getuid initgroups killpg lchown lockf
        mkfifo mknod nice openpty posix_fadvise posix_spawn pread preadv pwrite pwritev
        sched_getaffinity setegid seteuid setgid setpgid setpriority setsid setuid statvfs sync
        sysconf uname wait wait4 waitid waitpid O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK
        WNOHANG""",
    "signal": """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP
        SIGUSR1 SIGUSR2 alarm pthread_kill pthread_sigmask setitimer sigpending sigwait""",
    "socket": "AF_UNIX SO_PEERCRED",
}
"""What Windows lacks, by module."""
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_WORDS = {"preexec_fn", "process_group", "add_signal_handler"}
POSIX_PATHS = re.compile(r"^/(tmp|proc|dev|sys|etc|run|var|usr|home)(/|$)")
GUARDS = re.compile(r"sys\.platform|os\.name|hasattr\(|ImportError|AttributeError|OSError")


def posix_only(node: ast.AST) -> str | None:
    """What of a node exists on POSIX systems alone."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}" if name in ONLY_POSIX.get(module, "").split() else None
        case ast.Import() | ast.ImportFrom():
            return ", ".join(POSIX_MODULES & {name.split(".")[0] for name in imports(node)})
        case ast.keyword(arg=str(name)) if name in POSIX_WORDS:
            return name
        case ast.Constant(value=str(text)) if POSIX_PATHS.match(text):
            return text
    return None


def test_what_only_posix_has_is_used_under_a_guard():
    """A function that uses it asks for the system, or for the thing, or catches its absence."""
    bare = []
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, DEFINITIONS[:2])]
        constants = [node for node in tree.body if isinstance(node, ast.Assign)]
        guarded_functions = [each for each in functions if GUARDS.search(ast.unparse(each))]
        places = guarded_functions + constants * bool(guarded_functions)
        guarded = {id(node) for place in places for node in ast.walk(place)}
        for node in ast.walk(tree):
            if id(node) not in guarded and (name := posix_only(node)):
                bare.append(f"{path.relative_to(PACKAGE)}: {name}")
    assert bare == []


def names_no_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in the encoding of whatever system it is on."""
    name = (
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    )
    given = {keyword.arg for keyword in call.keywords}
    if "encoding" in given or None in given:
        return False
    mode = call.args[1:2] if isinstance(call.func, ast.Name) else call.args[:1]
    match name, mode:
        case ("read_text", _) | ("write_text", _):
            return len(call.args) < 1 + (name == "write_text")
        case "open", [ast.Constant(value=str(mode_text))]:
            return mode_text in {"r", "w", "a", "x", "r+", "w+", "rt", "wt"}
        case "open", []:
            return isinstance(call.func, ast.Name) and "mode" not in given
        case (("run" | "Popen" | "check_output"), _):
            return "text" in given
    return False


def test_text_is_read_and_written_in_utf_8():
    """Not in the code page of a Windows machine."""
    bare = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and names_no_encoding(node)
    ]
    assert bare == []


def test_every_module_has_its_tests(project: Path):
    """The folders of tests mirror those of the package, file by file."""
    missing = []
    for module in MODULES:
        body = ast.parse(module.read_text()).body
        if module.name.startswith("__") or not any(isinstance(n, DEFINITIONS) for n in body):
            continue
        tests = project / "tests" / module.relative_to(PACKAGE).with_name(f"test_{module.name}")
        if not tests.exists():
            missing.append(str(tests.relative_to(project)))
    assert not missing


def declared(requirements: list[str]) -> set[str]:
    """The names alone, as they are compared: `napari[pyqt6]>=0.9` is napari."""
    return {re.split(r"[^\w.-]", line)[0].lower() for line in requirements}


def libraries(rooms: set[str]) -> set[str]:
    """Distributions that the modules of `rooms` import."""
    providers = packages_distributions()
    trees = [ast.parse(module.read_text()) for module in MODULES if room_of(module) in rooms]
    tops = {name.split(".")[0] for tree in trees for name in imports(tree)}
    tops -= {"napari_utile", *sys.stdlib_module_names}
    return {providers[top][0].lower() for top in tops}


def test_what_is_imported_is_declared_and_nothing_else(project: Path):
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    base = declared(metadata["dependencies"])
    extras = {name: declared(of) for name, of in metadata["optional-dependencies"].items()}

    # napari's plugin menu installs no extras: what its own install lacks is in the base.
    assert libraries({"widgets"}) - base <= extras["napari"]
    asked_for = extras["cloud"] | extras["cluster"]  # of whom the user names an address
    assert libraries({*ROOMS} - {"widgets"}) - asked_for == base - {"pyqtgraph"}


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter in `folder`; what it asserts must hold."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_importing_the_package_costs_nothing_and_leaves_nothing(tmp_path: Path):
    code = """
import sys
before = set(sys.modules)
import napari_utile
loaded = {name.split(".")[0] for name in set(sys.modules) - before}
assert loaded - sys.stdlib_module_names == {"napari_utile"}, loaded
"""
    python(code, tmp_path, HOME=str(tmp_path), XDG_CACHE_HOME="", XDG_CONFIG_HOME="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", napari_utile.__all__)
def test_every_public_name_is_there(name: str):
    assert getattr(napari_utile, name) is not None


WITHOUT_A_WINDOW = """
import sys
from importlib import import_module

class NoWindow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"napari", "qtpy", "PyQt6", "PySide6", "magicgui", "superqt"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, NoWindow())
for name in NAMES:
    import_module(name)
"""


def test_everything_but_the_window_runs_without_napari_and_qt(tmp_path: Path):
    names = [
        ".".join(("napari_utile", *module.relative_to(PACKAGE).with_suffix("").parts))
        for module in MODULES
        if room_of(module) not in {"widgets", "__init__", "__main__"}
    ]
    python(WITHOUT_A_WINDOW.replace("NAMES", repr(names)), tmp_path)


# the manifest


def test_the_manifest_is_the_file_at_the_top(project: Path):
    assert (PACKAGE / "napari.yaml").read_bytes() == (project / "napari.yaml").read_bytes()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_resolves(command: str):
    module, name = COMMANDS[command].split(":")
    assert callable(getattr(import_module(module), name))


def test_every_contribution_names_a_command_that_exists():
    placed = [item for items in CONTRIBUTIONS["menus"].values() for item in items]
    for item in [*OFFERED, *placed]:
        assert item["command"] in COMMANDS


def test_every_command_is_offered_somewhere():
    assert {item["command"] for item in OFFERED} == set(COMMANDS)


def test_every_menu_is_one_that_napari_opens_to_plugins():
    from napari._app_model.constants import MenuId

    assert set(CONTRIBUTIONS["menus"]) <= {str(menu) for menu in MenuId.contributables()}


def test_importing_a_panel_loads_no_torch(tmp_path: Path):
    lines = ["import sys"]
    for command in sorted(set(PANELS.values())):
        module, name = COMMANDS[command].split(":")
        lines += [f"from {module} import {name}", f"assert 'torch' not in sys.modules, {name}"]
    python("\n".join(lines), tmp_path)


@pytest.fixture
def viewer(make_napari_viewer_proxy, npe2pm):
    """A real window that has only this plugin."""
    with npe2pm.tmp_plugin(package="napari-utile"):
        yield make_napari_viewer_proxy()


def test_every_panel_opens_by_plugin_name(viewer):
    for panel in PANELS:
        dock, widget = viewer.window.add_plugin_dock_widget("napari-utile", panel)
        assert widget is not None, panel
        assert panel in dock.windowTitle()


OPEN_ALL_PANELS = """
import sys
import napari
viewer = napari.Viewer(show=False)
for panel in PANELS:
    viewer.window.add_plugin_dock_widget("napari-utile", panel)
assert "torch" not in sys.modules
viewer.close()
"""


def test_opening_every_panel_loads_no_torch(viewer, tmp_path: Path):
    """In a process of its own: here, other tests may have loaded torch."""
    python(OPEN_ALL_PANELS.replace("PANELS", repr(list(PANELS))), tmp_path)


def test_the_synthetic_sample_opens_by_plugin_name(viewer):
    layers = viewer.open_sample("napari-utile", "synthetic")
    assert len(layers) >= 2
