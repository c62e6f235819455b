#!/usr/bin/env python3
"""Undoes each fix of the money path by a small change, and sees the tests fail that are named for it.

usage: run.py KIND [NAME...]   runs the mutants of KIND.toml, or those whose name contains a NAME
       run.py --all           runs all
       run.py --check         fails where a mutant no longer matches the code exactly once
       run.py --table         writes README.md from the files

Changes are made in a copy. PURR_CARGO is the command that runs cargo (default: tests/cargo.sh of the copy).
A mutant of which a named test passes is an error, and so is one that does not compile. Mutants of one `batch` touch
different decisions and share a build; each has its own tests.
"""
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONTRACTS = "chain-signer/contracts"
KINDS = [kind for kind in ("contracts", "books", "signer") if (HERE / f"{kind}.toml").exists()]


def mutants(kind):
    with open(HERE / f"{kind}.toml", "rb") as file:
        return tomllib.load(file)["mutant"]


def changed(text, mutant):
    for was, now in mutant["edits"]:
        if text.count(was) != 1:
            raise SystemExit(f"error: {mutant['name']}: found {text.count(was)} times in {mutant['file']}: {was!r}")
        text = text.replace(was, now)
    return text


def batches(chosen):
    """Mutants by batch, in their order; one without is a batch of its own."""
    by_name = {}
    for mutant in chosen:
        by_name.setdefault(mutant.get("batch", mutant["name"]), []).append(mutant)
    return list(by_name.values())


@contextlib.contextmanager
def changes(root, batch):
    """The batch's changes in the copy, taken back at the end."""
    before = {}
    try:
        for mutant in batch:
            path = root / mutant["file"]
            text = path.read_text()
            before.setdefault(path, text)
            path.write_text(changed(text, mutant))
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)


def report(name, wanted, failed, output, code):
    """True where every named test failed."""
    missing = [test for test in wanted if test not in failed]
    for test in wanted:
        print(f"{'CAUGHT' if test in failed else 'MISSED'}  {name}  {test}  {failed.get(test, '')}", flush=True)
    if missing and code != 0 and not failed:
        print("\n".join(output.splitlines()[-40:]), flush=True)
    return not missing


def forge(root, tests, *options):
    contracts = root / CONTRACTS
    bin_ = contracts / "node_modules/@foundry-rs/forge-linux-amd64/bin/forge"
    names = "^(" + "|".join(re.escape(test) for test in tests) + r")(\(|$)"
    # Tests load the vault's code when they run: a change of the vault compiles the vault alone.
    command = [bin_, "test", "--dynamic-test-linking", *options, "--match-test", names]
    done = subprocess.run(command, cwd=contracts, capture_output=True, text=True)
    failed = {test: why for why, test in re.findall(r"^\[FAIL(?:: (.*?))?\] (\w+)\(", done.stdout, re.M)}
    return failed, done.stdout + done.stderr, done.returncode


def contracts(chosen):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for part in ("src", "test", "foundry.toml", "solc-native", "package.json"):
            source, copy = ROOT / CONTRACTS / part, root / CONTRACTS / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        (root / CONTRACTS / "node_modules").symlink_to((ROOT / CONTRACTS / "node_modules").resolve())
        everything = sorted({test for mutant in chosen for test in mutant["tests"]})
        failed, output, code = forge(root, everything)
        if code != 0 or failed:
            raise SystemExit(f"error: the tests fail without a change:\n{output[-4000:]}")
        good = True
        for batch in batches(chosen):
            with changes(root, batch):
                options = batch[0].get("options", [])
                failed, output, code = forge(root, [test for mutant in batch for test in mutant["tests"]], *options)
            for mutant in batch:
                good &= report(mutant["name"], mutant["tests"], failed, output, code)
        return good


def cargo(root, runs):
    """Runs each target's tests; answers what failed, and how."""
    failed, output, code = {}, "", 0
    for crate, (targets, tests) in runs.items():
        command = shlex.split(os.environ.get("PURR_CARGO", "tests/cargo.sh"))
        command += ["test", "--release", "--no-fail-fast", "-p", crate, *sorted(targets), "--", "--exact", *sorted(tests)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        output, code = output + done.stdout + done.stderr, code or done.returncode
        for test in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. FAILED", done.stdout, re.M):
            why = re.search(rf"^---- {re.escape(test)} stdout ----\n(?:.*\n)*?thread .*panicked at .*\n(.*)$", done.stdout, re.M)
            failed[test] = why.group(1)[:160] if why else ""
    return failed, output, code


def rust(chosen):
    root = pathlib.Path(os.environ.get("PURR_MUTANTS_COPY") or tempfile.mkdtemp())
    if not (root / ".git").exists():
        subprocess.run(["git", "clone", "-q", ROOT, root], check=True)
    good = True
    for batch in batches(chosen):
        runs = {}
        for mutant in batch:
            targets, tests = runs.setdefault(mutant["crate"], (set(), set()))
            targets.update(mutant["target"].replace("--test ", "--test=").split())
            tests.update(mutant["tests"])
        with changes(root, batch):
            failed, output, code = cargo(root, runs)
        for mutant in batch:
            good &= report(mutant["name"], mutant["tests"], failed, output, code)
    return good


def check():
    for kind in KINDS:
        for mutant in mutants(kind):
            changed((ROOT / mutant["file"]).read_text(), mutant)


def table():
    rows = [mutant | {"kind": kind} for kind in KINDS for mutant in mutants(kind)]
    rows.sort(key=lambda mutant: (mutant["item"], KINDS.index(mutant["kind"])))
    lines = [
        "# Changes that undo the fixes, and the tests that notice",
        "",
        "Written by `run.py --table` from the `.toml` files beside it; `make money-mutants` runs them. Item: the number in the",
        "table of `../README.md`. File: within `chain-signer`, unless it begins elsewhere.",
        "",
        "| item | what the change does | file | tests that fail |",
        "|---|---|---|---|",
    ]
    for mutant in rows:
        tests = ", ".join(f"`{test}`" for test in mutant["tests"])
        lines.append(f"| {mutant['item']} | {mutant['name']} | `{mutant['file'].removeprefix('chain-signer/')}` | {tests} |")
    (HERE / "README.md").write_text("\n".join(lines) + "\n")


def run(kind, names):
    chosen = [mutant for mutant in mutants(kind) if not names or any(name in mutant["name"] for name in names)]
    if not chosen:
        raise SystemExit(f"error: no mutant of {kind} has a name with one of {names}")
    good = contracts(chosen) if kind == "contracts" else rust(chosen)
    print(f"{len(chosen)} mutants of {kind}: {'all caught' if good else 'NOT all caught'}")
    return good


def main(arguments):
    if arguments == ["--table"]:
        table()
    elif arguments == ["--check"]:
        check()
    elif arguments == ["--all"]:
        if not all([run(kind, []) for kind in KINDS]):
            raise SystemExit(1)
    elif arguments and arguments[0] in KINDS:
        if not run(arguments[0], arguments[1:]):
            raise SystemExit(1)
    else:
        raise SystemExit(__doc__)


main(sys.argv[1:])
