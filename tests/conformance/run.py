#!/usr/bin/env python3
"""Run the Hugging Face client's own test suite against a hub that speaks its protocol.

    run.py ENDPOINT --user NAME:TOKEN --other NAME:TOKEN [--org-admin NAME:TOKEN --org ORG]
           [--client 2.4.0] [--work DIR] [--report FILE] [--jobs N] [-- PYTEST ARGS]

The suite comes with the client's source package, so what judges the hub is what its users run. ENDPOINT is a running
hub; the named users must exist on it, each with a write token; ORG is an organisation whose repos are private by
default and whose admin is the --org-admin user. The suite counts the tests listed in suite/scope.txt: those
that talk to a hub and need nothing that only the public Hub has. The last line printed is
'N passed, N failed, N skipped' over that scope; --report takes a JSON file: {test id: outcome}.
Exit status: 0 all passed, 1 some failed, 2 the suite could not run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# The client's conftest has another name here: our own pytest must not take it for ours.
SUITE = Path(__file__).resolve().parent / "suite"
STAGING = "https://hub-ci.huggingface.co"
PATIENCE_S = 120  # one test


def named(value: str) -> tuple[str, str]:
    name, _, token = value.partition(":")
    if not token:
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME:TOKEN")
    return name, token


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("--user", type=named, required=True)
    parser.add_argument("--other", type=named, required=True)
    parser.add_argument("--org-admin", type=named)
    parser.add_argument("--org", default="EnterpriseOrgPrivate")
    parser.add_argument("--client", default="2.4.0")
    parser.add_argument("--work", type=Path, default=Path(".conformance"))
    parser.add_argument("--report", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--scope", type=Path, default=SUITE / "scope.txt")
    parser.add_argument("--only", help="a pytest -k expression")
    parser.add_argument("pytest", nargs="*")
    return parser.parse_args()


def suite(work: Path, version: str) -> tuple[Path, Path]:
    """The client's source tree and a Python that has its test dependencies; both are made once and kept in `work`."""
    source, home = work / f"huggingface_hub-{version}", work / "venv"
    python = home / "bin" / "python"
    if not source.exists():
        work.mkdir(parents=True, exist_ok=True)
        get = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            ":all:",
            f"huggingface_hub=={version}",
        ]
        subprocess.run([*get, "-d", str(work)], check=True)
        with tarfile.open(work / f"huggingface_hub-{version}.tar.gz") as package:
            package.extractall(work, filter="data")
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", f"{source}[testing]", "pytest-timeout"], check=True)
    return source, python


def lay_out(source: Path, args: argparse.Namespace) -> Path:
    """A copy of the source tree whose staging endpoint, users and tokens are those of the hub under test."""
    tree = source.with_name("under-test")
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(source, tree)
    shutil.copy(SUITE / "client_conftest.py", tree / "tests" / "conftest.py")
    (tree / "tests" / "__init__.py").touch()
    cards = tree / "tests" / "fixtures" / "cards"
    cards.mkdir(parents=True, exist_ok=True)
    shutil.copy(SUITE / "sample_simple.md", cards)
    admin = args.org_admin or args.user
    swaps = {
        STAGING: args.endpoint.rstrip("/"),
        "__DUMMY_HUB_USER__": args.user[0],
        "hf_HubCITokenXXXXXXXXXXXXXXXXXXXXX": args.user[1],
        "DVUser": args.other[0],
        "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": args.other[1],
        "EnterpriseAdmin": admin[0],
        "EnterpriseOrgPrivate": args.org,
        "hf_enterprise_admin_token": admin[1],
    }
    for file in [*tree.glob("src/**/*.py"), *tree.glob("tests/*.py")]:
        text = old = file.read_text()
        for before, after in swaps.items():
            text = text.replace(before, after)
        if text != old:
            file.write_text(text)
    return tree


def main() -> int:
    args = arguments()
    source, python = suite(args.work.resolve(), args.client)
    tree = lay_out(source, args)
    scope = [line for line in args.scope.read_text().splitlines() if line and not line.startswith("#")]
    files = sorted({test.split("::")[0] for test in scope})
    results = tree / "results.xml"
    env = {
        **os.environ,
        "PYTHONPATH": str(tree / "src"),
        "HF_TOKEN": "",
        "HUGGINGFACE_CO_STAGING": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=--strict-markers",
        "-m",
        "not production",
    ]
    command += [
        "--timeout",
        str(PATIENCE_S),
        "--junitxml",
        str(results),
        *(["-n", str(args.jobs)] if args.jobs > 1 else []),
    ]
    command += [*(["-k", args.only] if args.only else []), *args.pytest, *files]
    subprocess.run(command, cwd=tree, env=env, check=False)
    if not results.exists():
        print("the suite did not run", file=sys.stderr)
        return 2
    outcomes = {}
    for case in ElementTree.parse(results).iter("testcase"):
        name = case.get("classname", "").split(".")
        at = next((i for i, part in enumerate(name) if part.startswith("test_")), 0)
        test = "::".join(["/".join(name[: at + 1]) + ".py", *name[at + 1 :], case.get("name", "")])
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        if outcomes.get(test) != "failed":
            outcomes[test] = outcome
    inside = {test: outcomes.get(test, "not run") for test in scope if not args.only or test in outcomes}
    if args.report:
        args.report.write_text(json.dumps(inside, indent=1, sort_keys=True))
    count = {
        kind: sum(outcome == kind for outcome in inside.values()) for kind in ("passed", "failed", "skipped", "not run")
    }
    for test, outcome in inside.items():
        if outcome in ("failed", "not run"):
            print(f"{outcome.upper()} {test}")
    print(f"{count['passed']} passed, {count['failed'] + count['not run']} failed, {count['skipped']} skipped")
    return int(count["failed"] + count["not run"] > 0)


if __name__ == "__main__":
    sys.exit(main())
