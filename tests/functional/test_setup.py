"""Set-up: what is pinned, what the compiler's command line answers, and what heals by itself."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from consentry.store.kubo import TESTED
from tools.setup import __main__ as whole
from tools.setup import base, golang, keep, node, python

ROOT = Path(__file__).resolve().parents[2]
SOLC = ROOT / "tools/solcx/solc-v0.8.37"
EXACT = re.compile(r"\d+\.\d+\.\d+")


def solc(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([SOLC, *words], input=stdin, capture_output=True, text=True, check=False)


def standard_json(source: str, *words: str, **settings: object) -> dict:
    wanted = {"*": {"*": ["abi", "evm.bytecode.object"], "": ["ast"]}}
    request = {
        "language": "Solidity",
        "sources": {"A.sol": {"content": source}},
        "settings": {"outputSelection": wanted, **settings},
    }
    return json.loads(solc("--standard-json", *words, stdin=json.dumps(request)).stdout)


# --- Pins -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_npm_tool_has_an_exact_version():
    assert all(EXACT.fullmatch(pin) for pin in node.pins().values())


def test_ape_and_its_plugins_have_exact_versions_and_only_where_they_resolve(project):
    dev = project["dependency-groups"]["dev"]
    ape = [line for line in dev if "ape" in line.split("=")[0] or line.startswith("py-solc-x")]
    assert len(ape) == 4
    assert all(re.fullmatch(r"[a-z-]+==[\d.]+; python_version < '3.13'", line) for line in ape)


def test_the_installed_package_needs_no_ape(project):
    names = [re.split(r"[<>=]", line)[0] for line in project["project"]["dependencies"]]
    assert "web3" in names
    assert not [name for name in names if "ape" in name]


def test_ape_reads_its_own_config_file():
    assert "[tool." + "ape" not in (ROOT / "pyproject.toml").read_text()


def test_the_lock_names_no_index_but_pypi():
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_ape_and_forge_compile_with_the_same_compiler_for_the_same_fork():
    ape = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    assert ape["version"] == node.pins()["solc"] == "0.8.37"
    assert ape["evm_version"] == forge["evm_version"] == "shanghai"
    assert ape["optimization_runs"] == forge["optimizer_runs"] == 10_000
    assert ape["optimize"] is forge["optimizer"] is True
    assert (ROOT / forge["solc"]).samefile(SOLC)


def test_plain_python_of_the_environment_finds_compiler_and_anvil_without_exports():
    code = "import os, shutil; print(os.environ['SOLCX_BINARY_PATH'], shutil.which('anvil'), sep='\\n')"
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", code], env={}, capture_output=True, text=True, check=True
    )
    folder, anvil = done.stdout.splitlines()
    assert Path(folder).samefile(SOLC.parent)
    assert Path(anvil).parent.samefile(ROOT / ".venv/bin")


def test_a_failing_forge_is_seen_to_fail():
    assert subprocess.run([ROOT / ".venv/bin/forge", "no-such-command"], capture_output=True).returncode


# --- The compiler's command line --------------------------------------------------------------


def test_solc_names_itself_as_the_native_build_does():
    assert re.search(
        r"^Version: 0\.8\.37\+commit\.[0-9a-f]{8}\.Linux\.g\+\+$", solc("--version").stdout, re.M
    )


def test_solc_lists_for_py_solc_x_what_combined_json_gives():
    line = next(line for line in solc("--help").stdout.splitlines() if line.startswith("  --combined-json "))
    assert {"abi", "ast", "bin", "bin-runtime", "srcmap", "hashes"} <= set(line.split()[-1].split(","))


def test_solc_prints_an_answer_far_over_a_pipe_s_64_kib_whole():
    functions = "\n".join(
        f"function f{n}(uint256 a) public pure returns (uint256) {{ return a + {n}; }}" for n in range(200)
    )
    source = f"// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\ncontract A {{ {functions} }}"
    answer = standard_json(source)
    assert len(json.dumps(answer)) > 4 * 65_536
    assert len(answer["contracts"]["A.sol"]["A"]["abi"]) == 200


def test_solc_reads_below_its_folders_and_nowhere_else(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "B.sol").write_text("pragma solidity 0.8.37; contract B {}")
    (outside / "C.sol").write_text("pragma solidity 0.8.37; contract C {}")
    (inside / "Linked.sol").symlink_to(outside / "B.sol")

    def errors(imported: str, *words: str) -> list[str]:
        answer = standard_json(
            f'pragma solidity 0.8.37; import "{imported}";', "--base-path", str(inside), *words
        )
        return [e["message"] for e in answer.get("errors", []) if e["severity"] == "error"]

    assert errors("B.sol") == []
    assert errors(str(inside / "B.sol")) == []
    for imported in ("x/../../outside/B.sol", str(outside / "B.sol"), "Linked.sol"):
        assert "outside of allowed directories" in errors(imported)[0]
    assert errors(str(outside / "B.sol"), "--allow-paths", str(outside)) == []
    assert errors("C.sol", "--include-path", str(outside)) == []
    assert "not found" in errors("C.sol")[0]


@pytest.mark.parametrize("words", [["--bogus"], ["--standard-json", "--bogus=1"]])
def test_solc_refuses_a_flag_that_it_does_not_know(words):
    done = solc(*words, stdin="{}")
    assert done.returncode == 1
    assert "unrecognised option '--bogus'" in done.stderr


def test_solc_says_what_is_wrong_with_a_source_and_fails(tmp_path):
    (tmp_path / "A.sol").write_text("pragma solidity 0.8.37; contract A { uint256 x = true; }")
    done = solc("--combined-json", "abi", str(tmp_path / "A.sol"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "TypeError" in done.stderr


def test_py_solc_x_gets_the_same_code_from_files_as_from_standard_json(tmp_path):
    solcx = pytest.importorskip("solcx")
    source = (
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\ncontract A { uint256 public x; }"
    )
    (tmp_path / "A.sol").write_text(source)
    files = solcx.compile_files(
        [tmp_path / "A.sol"],
        output_values=["abi", "bin", "srcmap-runtime", "ast"],
        base_path=tmp_path,
        evm_version="shanghai",
        optimize=True,
        solc_version="0.8.37",
    )
    answer = standard_json(source, evmVersion="shanghai", optimizer={"enabled": True, "runs": 200})
    assert files["A.sol:A"]["bin"] == answer["contracts"]["A.sol"]["A"]["evm"]["bytecode"]["object"]
    assert files["A.sol:A"]["abi"] == answer["contracts"]["A.sol"]["A"]["abi"]
    with pytest.raises(solcx.exceptions.SolcError):
        solcx.compile_source("contract {", solc_version="0.8.37")


# --- What heals -------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path) -> tuple[Path, Path]:
    """A folder with a file and a link in it, and the archive that keeps it."""
    tree, archive = tmp_path / "tree", tmp_path / "cache" / "tree.tar"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(100_000))
    (tree / "link").symlink_to("file")
    keep.keep(tree, archive)
    return tree, archive


def test_a_kept_folder_comes_back_as_it_was(kept):
    tree, archive = kept
    content = (tree / "file").read_bytes()
    (tree / "file").write_text("broken")
    (tree / "extra").write_text("left over")
    assert keep.restore(archive, tree)
    assert (tree / "file").read_bytes() == (tree / "link").read_bytes() == content
    assert sorted(path.name for path in tree.iterdir()) == ["file", "link"]


def cut(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-4096])


def flip(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)


def orphan(archive: Path) -> None:
    keep.checksum_of(archive).unlink()


def vanish(archive: Path) -> None:
    archive.unlink()


@pytest.mark.parametrize("harm", [cut, flip, orphan, vanish])
def test_a_kept_folder_that_is_not_whole_is_thrown_away_and_leaves_the_old_one(kept, harm):
    tree, archive = kept
    before = (tree / "file").read_bytes()
    harm(archive)
    assert not keep.restore(archive, tree)
    assert list(archive.parent.iterdir()) == []
    assert (tree / "file").read_bytes() == before
    keep.keep(tree, archive)
    assert keep.restore(archive, tree)


def test_keeping_a_folder_leaves_nothing_half_behind_when_it_breaks_off(tmp_path, monkeypatch):
    tree, archive = tmp_path / "tree", tmp_path / "cache" / "tree.tar"
    tree.mkdir()

    def power_cut(path: Path) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(keep, "file_digest", power_cut)
    with pytest.raises(KeyboardInterrupt):
        keep.keep(tree, archive)
    assert list(archive.parent.iterdir()) == []


def test_a_folder_that_stands_in_the_way_is_emptied_once(tmp_path):
    cache = tmp_path / "uv"
    cache.mkdir()
    (cache / "half").write_text("written")

    def install() -> None:
        if (cache / "half").exists():
            raise base.SetupError("invalid archive")
        cache.mkdir()
        (cache / "whole").touch()

    keep.healing(cache, tmp_path / "attic", install)
    assert [path.name for path in cache.iterdir()] == ["whole"]
    assert list((tmp_path / "attic").iterdir()) == []


def test_a_folder_comes_back_when_it_was_not_the_cause(tmp_path):
    cache = tmp_path / "uv"
    cache.mkdir()
    (cache / "good").write_text("kept")
    tries = []

    def install() -> None:
        tries.append(cache.exists())
        cache.mkdir(exist_ok=True)
        raise base.SetupError(f"no network, {len(tries)}")

    with pytest.raises(base.SetupError, match="no network, 1"):
        keep.healing(cache, tmp_path / "attic", install)
    assert tries == [True, False]
    assert (cache / "good").read_text() == "kept"


def test_a_package_with_a_file_cut_or_gone_is_named_though_it_imports(tmp_path):
    site = tmp_path / "lib/python3.11/site-packages"
    for name in ("sound", "cut", "gone"):
        (site / name).mkdir(parents=True)
        (site / name / "code.py").write_text("1234")
        (site / f"{name}-1.0.dist-info").mkdir()
        (site / f"{name}-1.0.dist-info/RECORD").write_text(f"{name}/code.py,sha256=x,4\n{name}/a.pyc,,\n")
    (site / "cut/code.py").write_text("12")
    (site / "gone/code.py").unlink()
    assert python.incomplete(tmp_path) == ["cut", "gone"]


def test_no_two_locked_packages_write_the_same_file():
    assert python.incomplete(base.VENV) == []


def test_the_stamp_changes_with_each_file_that_steers_set_up(tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "ROOT", tmp_path)
    files = ["pyproject.toml", "uv.lock", "tools/package.json", "tools/setup/base.py"]
    seen = set()
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    for name in files:
        (tmp_path / name).write_text("2")
        seen.add(whole.stamp_key())
    assert len(seen) == len(files)


# --- Programs in Go ---------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path, monkeypatch) -> Path:
    """A machine with an empty cache, and PATH and `.venv` of its own; the folder of its PATH."""
    folder, venv = tmp_path / "bin", tmp_path / "venv"
    folder.mkdir()
    (venv / "bin").mkdir(parents=True)
    monkeypatch.setattr(golang, "VENV", venv)
    monkeypatch.setattr(base, "VENV", venv)
    (folder / "chmod").symlink_to(str(shutil.which("chmod")))
    monkeypatch.setenv("PATH", f"{venv / 'bin'}:{folder}")
    return folder


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def go_that_builds(bare: Path, version: str = "go1.26.4") -> Path:
    """A Go that builds an `ipfs` which says 0.42.0, and counts what it built."""
    count = bare.parent / "built"
    program(
        bare / "go",
        f'[ "$1" = env ] && echo {version} && exit\n'
        f'while [ "$1" != -o ]; do shift; done; echo x >> {count}\n'
        'printf "#!/bin/sh\\necho 0.42.0\\n" > "$2"; chmod +x "$2"',
    )
    return count


def kept_ipfs(cache: Path) -> Path:
    return next(path for path in cache.glob("ipfs-*") if path.suffix != ".sha256")


def test_kubo_is_pinned_to_the_line_that_the_store_was_tested_with():
    assert (golang.KUBO.oldest, golang.KUBO.newest) == TESTED
    pin = re.search(r"^require github.com/ipfs/kubo v(\S+)$", (ROOT / "tools/kubo/go.mod").read_text(), re.M)
    assert TESTED[0] <= golang.numbers(pin[1])[:2] <= TESTED[1]


def test_the_go_from_pypi_is_one_that_builds_what_is_pinned(project):
    (line,) = project["dependency-groups"]["go"]
    pypi = golang.numbers(line.split("==")[1])
    for one in golang.PROGRAMS.values():
        wanted = golang.numbers(re.search(r"^go (\S+)$", one.sources[0].read_text(), re.M)[1])
        assert pypi[:2] == wanted[:2]
        assert pypi >= wanted


def test_every_module_of_a_build_has_its_checksum():
    for one in golang.PROGRAMS.values():
        required = re.findall(r"^(?:require|\t)\s*(\S+) (v\S+)", one.sources[0].read_text(), re.M)
        sums = "".join(path.read_text() for path in one.sources if path.name == "go.sum")
        assert bool(required) == bool(sums)
        assert [name for name in required if f"{name[0]} {name[1]}/go.mod h1:" not in sums] == []


def test_an_ipfs_on_path_is_used_and_nothing_is_built(bare, tmp_path, capsys):
    count = go_that_builds(bare)
    program(bare / "ipfs", "echo 0.42.7")
    golang.install(golang.KUBO, tmp_path / "cache")
    assert re.search(rf"^  found    ipfs +0\.42\.7  {bare}/ipfs$", capsys.readouterr().out, re.M)
    assert not count.exists()
    assert not golang.KUBO.link.exists()


@pytest.mark.parametrize("answer", ["echo 0.12.0", "echo 0.43.1", "exit 1"])
def test_an_ipfs_on_path_that_was_not_tested_is_named_and_passed_by(bare, tmp_path, capsys, answer):
    go_that_builds(bare)
    program(bare / "ipfs", answer)
    golang.install(golang.KUBO, tmp_path / "cache")
    said = capsys.readouterr().out
    assert f"{bare}/ipfs is not a version that the tests ran against" in said
    assert golang.KUBO.link.resolve() == kept_ipfs(tmp_path / "cache")


def test_ipfs_is_built_once_and_then_comes_from_the_cache(bare, tmp_path, capsys):
    count, cache = go_that_builds(bare), tmp_path / "cache"
    golang.install(golang.KUBO, cache)
    assert re.search(
        r"^  building ipfs .*three minutes.*\n  built    ipfs +0\.42\.0$", capsys.readouterr().out, re.M
    )
    golang.install(golang.KUBO, cache)
    assert capsys.readouterr().out == "  cached   ipfs          0.42.0\n"
    assert count.read_text() == "x\n"
    assert not (cache / "go").exists()


@pytest.mark.parametrize("harm", [cut, flip, orphan, vanish])
def test_an_ipfs_in_the_cache_that_is_not_whole_is_built_again(bare, tmp_path, harm):
    count, cache = go_that_builds(bare), tmp_path / "cache"
    golang.install(golang.KUBO, cache)
    harm(kept_ipfs(cache))
    golang.install(golang.KUBO, cache)
    assert count.read_text() == "x\nx\n"
    assert golang.KUBO.version(golang.KUBO.link) == (0, 42, 0)


def test_a_build_that_breaks_off_leaves_nothing_that_looks_like_a_program(bare, tmp_path):
    cache = tmp_path / "cache"
    go_that_builds(bare)
    broken = (bare / "go").read_text().replace("chmod +x", "exit 1; chmod")
    program(bare / "go", broken)
    with pytest.raises(base.SetupError, match="ended with 1"):
        golang.install(golang.KUBO, cache)
    assert list(cache.glob("*ipfs*")) == []
    go_that_builds(bare)
    golang.install(golang.KUBO, cache)
    assert golang.KUBO.version(golang.KUBO.link) == (0, 42, 0)


@pytest.mark.parametrize("version", ["go1.26.3", "go1.25.9", "go1.27.3", "devel"])
def test_a_go_that_does_not_build_kubo_is_not_used(bare, tmp_path, monkeypatch, version):
    go_that_builds(bare, version)
    fetched = []

    def fetch_go(environment: Path, cache: Path) -> str:
        fetched.append(environment)
        go_that_builds(bare)
        return str(bare / "go")

    monkeypatch.setattr(golang, "fetch_go", fetch_go)
    golang.install(golang.KUBO, tmp_path / "cache")
    assert len(fetched) == 1
    assert not fetched[0].exists()


# --- What is missing --------------------------------------------------------------------------


def test_a_machine_without_a_fitting_python_is_told_which_is_needed(monkeypatch):
    monkeypatch.setattr(python, "fits", lambda executable: False)
    with pytest.raises(base.SetupError, match=r"Python 3\.11 or 3\.12 .* is needed"):
        python.find_python()


def test_tools_that_did_not_come_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(node, "MODULES", tmp_path)
    named = node.missing()
    assert "@foundry-rs/anvil 1.7.1" in named
    assert "viem 2.57.20" in named


def test_a_program_that_fails_is_quoted():
    with pytest.raises(base.SetupError, match="ended with 3:\nno such luck"):
        base.run(["sh", "-c", "echo no such luck >&2; exit 3"])
