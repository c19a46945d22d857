"""The build system's own tool accepts each layout, and the layout compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cores import on_cores
from support import Run, quickly

from sernet_edge.firmware_export.bundle import bundle_files
from sernet_edge.firmware_export.cores import CORES, Core
from sernet_edge.firmware_export.layout import COMPILED, LAYOUTS, arrange
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.modelfile import ModelFile

Lay = Callable[[str], Path]


@pytest.fixture(scope="module")
def bundle(shipped_model: Path) -> dict[str, str]:
    return bundle_files(PlannedModel.read(ModelFile("model.tflite", shipped_model.read_bytes())))


@pytest.fixture(scope="module")
def lay(bundle: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Lay:
    """Write the bundle in a layout; return the folder."""
    written: dict[str, Path] = {}

    def write(layout: str) -> Path:
        if layout not in written:
            folder = written[layout] = tmp_path_factory.mktemp("layouts") / "sernet"
            for path, text in arrange(layout, bundle, "1.2.3").items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
        return written[layout]

    return write


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def tool(name: str, package: str) -> str:
    """Return the path of a Python package's program, from this environment or from PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: pip install {package}")
    return found


def compiled_files(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "src").iterdir() if p.suffix in COMPILED)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_all_sources_and_no_unfilled_placeholder(layout: str, lay: Lay) -> None:
    folder = lay(layout)
    assert compiled_files(folder) == compiled_files(lay("plain"))
    for path in folder.rglob("*"):
        if path.is_file():
            assert not re.search(r"@[A-Z]+@", path.read_text()), path
    readme = (folder / "README.md").read_text()
    assert "## Use it in firmware" in readme
    assert (folder / "Makefile").exists() == (layout == "plain")
    assert bool(re.search(r"^ *make |`make ", readme, re.M)) == (layout == "plain")


@pytest.mark.parametrize("layout", ["arduino", "platformio", "esp-idf", "zephyr"])
def test_the_readme_of_a_layout_says_what_was_not_tested(layout: str, lay: Lay) -> None:
    assert "Not tested" in (lay(layout) / "README.md").read_text()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_layouts_of_one_bundle_are_equal(layout: str, bundle: dict[str, str]) -> None:
    assert arrange(layout, bundle) == arrange(layout, dict(reversed(bundle.items())))


def test_the_command_line_writes_the_layout(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    result = in_process("export", shipped_model, "--out", tmp_path / "a", "--layout", "arduino")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a" / "library.properties").is_file()
    result = in_process("export", shipped_model, "--out", tmp_path / "b", "--layout", "nuttx")
    assert result.returncode == 2 and "zephyr" in result.stderr
    result = in_process("export", shipped_model, "--header", tmp_path / "m.h", "--layout", "cmake")
    assert result.returncode == 2 and "--out" in result.stderr
    assert not (tmp_path / "m.h").exists()


# The Arduino, PlatformIO and plain layouts compile all of src/; the others list their files.


def configure(folder: Path, build: Path, core: Core | None, *options: str) -> None:
    """Configure with CMake, for a core or for this computer, with the project's strict warnings."""
    strict = "-O2 " + " ".join(flag for flag in cross.STRICT if not flag.startswith("-std"))
    command = ["cmake", "-S", folder, "-B", build, f"-DCMAKE_C_FLAGS={strict}", *options]
    if core is not None:
        flags = " ".join([*core.compiler[1:], *core.flags])
        command[-1:] = [
            *command[-1:],
            "-DCMAKE_SYSTEM_NAME=Generic",
            "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
            f"-DCMAKE_C_COMPILER={core.compiler[0]}",
            f"-DCMAKE_ASM_COMPILER={core.compiler[0]}",
            f"-DCMAKE_C_FLAGS={flags} {strict}",
            f"-DCMAKE_ASM_FLAGS={flags}",
        ]
    run(*command)


def library_members(build: Path) -> list[str]:
    (library,) = build.rglob("libsernet*.a")
    names = run("ar", "t", library).split()
    return sorted(re.sub(r"\.(o|obj)$", "", name) for name in names)


@pytest.fixture
def arm() -> Core:
    core = CORES["m4"]
    if shutil.which(core.compiler[0]) is None or shutil.which("cmake") is None:
        pytest.skip("needs gcc-arm-none-eabi, libnewlib-arm-none-eabi and cmake")
    return core


def test_cmake_builds_the_library_for_arm(lay: Lay, tmp_path: Path, arm: Core) -> None:
    configure(lay("cmake"), tmp_path, arm)
    run("cmake", "--build", tmp_path)
    assert library_members(tmp_path) == compiled_files(lay("cmake"))


@pytest.mark.slow
def test_cmake_builds_the_demo_and_runs_the_self_test(lay: Lay, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    configure(lay("cmake"), tmp_path, None)
    run("cmake", "--build", tmp_path)
    run("ctest", "--test-dir", tmp_path)
    assert (tmp_path / "demo_host").is_file()


# Stand-ins for the CMake functions of ESP-IDF and Zephyr that a bundle calls.
_STUBS = {
    "esp-idf": """
function(idf_component_register)
    cmake_parse_arguments(A "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
    add_library(sernet STATIC ${A_SRCS})
    target_include_directories(sernet PUBLIC ${A_INCLUDE_DIRS})
    set(COMPONENT_LIB sernet PARENT_SCOPE)
endfunction()
add_subdirectory(@FOLDER@ sernet)
""",
    "zephyr": """
set(CONFIG_SERNET y)
set(CONFIG_SERNET_PORTABLE y)
function(zephyr_compile_definitions_ifdef condition)
    if(${condition})
        add_compile_definitions(${ARGN})
    endif()
endfunction()
macro(zephyr_include_directories)
    include_directories(${ARGN})
endmacro()
function(zephyr_library)
    add_library(sernet STATIC)
endfunction()
function(zephyr_library_sources)
    target_sources(sernet PRIVATE ${ARGN})
endfunction()
add_subdirectory(@FOLDER@/zephyr sernet)
""",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fpu",
    [
        pytest.param(True, id="fpu"),
        pytest.param(False, id="no fpu", marks=pytest.mark.cores),
    ],
)
@pytest.mark.parametrize("layout", _STUBS)
def test_the_sources_that_a_component_lists_compile_for_arm(
    layout: str, fpu: bool, lay: Lay, tmp_path: Path, arm: Core
) -> None:
    stub = _STUBS[layout].replace("@FOLDER@", str(lay(layout)))
    project = "cmake_minimum_required(VERSION 3.16)\nproject(stub C ASM)\n"
    (tmp_path / "CMakeLists.txt").write_text(
        project + "set(CMAKE_C_STANDARD 99)\nset(CMAKE_C_EXTENSIONS OFF)\n" + stub
    )
    core = arm if fpu else CORES["m0plus"]
    configure(tmp_path, tmp_path / "build", core, f"-DCONFIG_SOC_CPU_HAS_FPU={int(fpu)}")
    run("cmake", "--build", tmp_path / "build", "--verbose")
    assert library_members(tmp_path / "build") == compiled_files(lay(layout))


@pytest.fixture
def licences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give PlatformIO the list of licences that it would download."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "from platformio.package.manifest.schema import ManifestSchema\n"
        "known = {'licenses': [{'licenseId': 'Apache-2.0'}]}\n"
        "ManifestSchema.load_spdx_licenses = staticmethod(lambda: known)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("licences")
@pytest.mark.parametrize("layout", quickly(["platformio", "arduino"], 1))
def test_platformio_packs_the_library(layout: str, lay: Lay, tmp_path: Path) -> None:
    pio = tool("pio", "platformio")
    out = run(pio, "pkg", "pack", lay(layout), "-o", tmp_path / "packed.tar.gz", cwd=tmp_path)
    assert "packed.tar.gz" in out
    listed = run("tar", "tzf", tmp_path / "packed.tar.gz").split()
    assert {f"src/{name}" for name in compiled_files(lay(layout))} <= set(listed)


@pytest.mark.usefixtures("licences")
@pytest.mark.parametrize("layout", quickly(["platformio", "arduino"], 1))
def test_platformio_refuses_a_manifest_without_its_version(
    layout: str, lay: Lay, tmp_path: Path
) -> None:
    pio, manifest = tool("pio", "platformio"), "library.properties"
    folder = tmp_path / "library"
    shutil.copytree(lay(layout), folder)
    if layout == "platformio":
        manifest = "library.json"
    text = (folder / manifest).read_text()
    (folder / manifest).write_text(text.replace("1.2.3", "?"))
    done = subprocess.run(
        [pio, "pkg", "pack", str(folder)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode != 0


def test_compote_packs_the_component(lay: Lay, tmp_path: Path) -> None:
    compote = tool("compote", "idf-component-manager")
    folder = tmp_path / "sernet"
    shutil.copytree(lay("esp-idf"), folder)
    run(compote, "component", "pack", "--name", "sernet", cwd=folder)
    (packed,) = folder.rglob("*.tgz")
    assert "1.2.3" in packed.name
    listed = {name.removeprefix("./") for name in run("tar", "tzf", packed).split()}
    assert {f"src/{name}" for name in compiled_files(folder)} <= listed


def test_zephyrs_kconfig_offers_plain_c(lay: Lay) -> None:
    kconfiglib = pytest.importorskip("kconfiglib", reason="pip install kconfiglib")
    kconfig = lay("zephyr") / "zephyr" / "Kconfig"
    found = kconfiglib.Kconfig(str(kconfig), warn_to_stderr=False)
    assert found.warnings == []
    found.syms["SERNET_PORTABLE"].set_value(2)
    assert found.syms["SERNET_PORTABLE"].str_value == "n"
    found.syms["SERNET"].set_value(2)
    assert found.syms["SERNET_PORTABLE"].str_value == "y"


def test_zephyrs_module_names_files_that_exist(lay: Lay) -> None:
    folder = lay("zephyr")
    text = (folder / "zephyr" / "module.yml").read_text()
    named = dict(re.findall(r"(\w+): (\S+)", text))
    assert named["name"] == "sernet"
    assert (folder / named["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / named["kconfig"]).is_file()
    assert (folder / "samples").is_dir()


def test_an_arduino_sketch_lies_in_a_folder_of_its_name(lay: Lay) -> None:
    sketches = sorted((lay("arduino") / "examples").rglob("*.ino"))
    assert (
        [s.parent.name for s in sketches]
        == [s.stem for s in sketches]
        == ["BoardTest", "Emotions", "SelfTest"]
    )
    for line in (lay("arduino") / "keywords.txt").read_text().splitlines():
        assert re.fullmatch(r"\w+\t(KEYWORD1|KEYWORD2|LITERAL1)", line)
    properties = (lay("arduino") / "library.properties").read_text()
    fields = dict(line.split("=", 1) for line in properties.splitlines())
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category"}
    assert required | {"url", "architectures"} <= set(fields)


# Stand-ins for the headers of Arduino, ESP-IDF and Zephyr, enough to compile the examples.


def test_the_sketches_compile_with_arduinos_declarations(lay: Lay, tmp_path: Path) -> None:
    (tmp_path / "PDM.h").write_text(
        """
struct Pdm { int read(void *, unsigned); void onReceive(void (*)()); int begin(int, long); };
extern Pdm PDM;
"""
    )
    (tmp_path / "Arduino.h").write_text(
        """
struct Port {
    void begin(long); operator bool();
    void print(const char *); void print(char); void println(const char *);
    void println(long); void println(float); void println(double);
    int available(); int read(); unsigned write(const unsigned char *, unsigned long);
};
extern Port Serial;
void delay(unsigned long);
"""
    )
    for sketch in (lay("arduino") / "examples").rglob("*.ino"):
        run(
            "g++", "-std=gnu++11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-include",
            tmp_path / "Arduino.h", f"-I{tmp_path}", f"-I{lay('arduino') / 'src'}", "-x", "c++",
            sketch,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("board", on_cores(["m4", "m7", "m55"]))
def test_the_plain_bundle_runs_bare_metal_as_its_readme_says(
    board: str, lay: Lay, tmp_path: Path
) -> None:
    if CORES[board].missing:
        pytest.skip(f"{' and '.join(CORES[board].missing)} not installed")
    copy = tmp_path / "bundle"
    shutil.copytree(lay("plain"), copy)
    out = run("make", "qemu", f"BOARD={board}", "CFLAGS=-Werror", cwd=copy)
    assert "warning" not in out
    assert "scores that differ: 0\n" in out and "heard: " in out
    assert int(re.findall(r"stack, bytes: (\d+)", out)[0]) < 2048


# clang needs the path of Debian's newlib headers; it links nothing here.
_CLANG = {
    name: ["clang", "--target=arm-none-eabi", "-isystem", "/usr/include/newlib"]
    for name in ("m0plus", "m3", "m4", "m7", "m33", "m55")
}


CONVERSIONS = ("-Wconversion", "-Wsign-conversion")
"""Warnings that firmware teams turn on because safety standards for C require them."""


def compile_strictly(compiler: list[str], core: Core, src: Path, folder: Path) -> None:
    for source in sorted(src.iterdir()):
        if source.suffix in COMPILED:
            command = [*compiler, *core.flags, *cross.STRICT, *CONVERSIONS, "-O2"]
            run(*command, "-c", source, "-o", folder / f"{source.name}.o")


@pytest.mark.parametrize("name", on_cores())
def test_every_source_compiles_strictly_for_every_core(name: str, lay: Lay, tmp_path: Path) -> None:
    core = CORES[name]
    if shutil.which(core.compiler[0]) is None:
        pytest.skip(f"{core.compiler[0]} is not installed")
    compile_strictly(list(core.compiler), core, lay("plain") / "src", tmp_path)
    # Outside the bundle only functions of every C library, and the compiler's own arithmetic.
    nm = core.compiler[0].replace("gcc", "nm")
    listed = run(nm, *tmp_path.glob("*.o"))
    names = {line.split()[-1] for line in listed.splitlines() if " U " in line}
    outside = {name for name in names if not name.startswith(("sernet_", "__"))}
    assert outside <= {"memcpy", "memset", "memmove"}
    assert not any("cxa" in name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("name", on_cores(_CLANG))
def test_clang_compiles_every_source_strictly(name: str, lay: Lay, tmp_path: Path) -> None:
    if shutil.which("clang") is None or not Path("/usr/include/newlib").is_dir():
        pytest.skip("needs clang and libnewlib-arm-none-eabi")
    compile_strictly(_CLANG[name], CORES[name], lay("plain") / "src", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["clang", "gcc"])
def test_every_source_compiles_strictly_for_this_computer(
    compiler: str, lay: Lay, tmp_path: Path
) -> None:
    sources = [p for p in sorted((lay("plain") / "src").iterdir()) if p.suffix in COMPILED]
    for source in (*sources, *(lay("plain") / "examples").glob("*.c")):
        strict = (*cross.STRICT, *CONVERSIONS, "-O2", f"-I{lay('plain') / 'src'}")
        run(compiler, *strict, "-c", source, "-o", tmp_path / "object.o")


@pytest.mark.parametrize("standard", quickly(["c++17", "c++11", "c++20"], 1))
@pytest.mark.parametrize("compiler", quickly(["arm-none-eabi-g++", "g++", "clang++"], 1))
def test_every_header_is_clean_in_every_c_plus_plus(
    compiler: str, standard: str, lay: Lay, tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    # sernet_dwt.h uses registers of a Cortex-M.
    target = ["-mthumb", "-mcpu=cortex-m4"] if compiler.startswith("arm") else []
    strict = [f"-std={standard}", *cross.STRICT[1:], *CONVERSIONS, "-fsyntax-only", *target]
    for header in sorted((lay("plain") / "src").glob("*.h")):
        program = tmp_path / "program.cc"
        program.write_text(f'#include "{header.name}"\n')
        run(compiler, *strict, f"-I{header.parent}", program)
