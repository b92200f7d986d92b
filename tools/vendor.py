"""Copy front-end packages from node_modules into static/vendor, and verify what is committed.

``python tools/vendor.py``          re-creates static/vendor and the icon sprite (after ``npm ci``)
``python tools/vendor.py --check``  compares the committed files with their recorded sha256 (needs no node_modules)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_MODULES = ROOT / "node_modules"
STATIC = ROOT / "static"
MANIFEST = STATIC / "vendor" / "MANIFEST.json"
SPRITE = "icons/sprite.svg"

# package -> {file in the package: file under static/}
COPIES: dict[str, dict[str, str]] = {
    "htmx.org": {
        "dist/htmx.min.js": "vendor/htmx/htmx.min.js",
        "LICENSE": "vendor/htmx/LICENSE",
    },
    "hash-wasm": {
        "dist/sha256.umd.min.js": "vendor/hash-wasm/sha256.umd.min.js",
        "LICENSE": "vendor/hash-wasm/LICENSE",
    },
    "@fontsource-variable/inter": {
        "files/inter-latin-opsz-normal.woff2": "vendor/fonts/inter-latin-opsz-normal.woff2",
        "files/inter-latin-ext-opsz-normal.woff2": "vendor/fonts/inter-latin-ext-opsz-normal.woff2",
        "files/inter-latin-wght-italic.woff2": "vendor/fonts/inter-latin-wght-italic.woff2",
        "LICENSE": "vendor/fonts/LICENSE-inter",
    },
    "@fontsource-variable/jetbrains-mono": {
        "files/jetbrains-mono-latin-wght-normal.woff2": "vendor/fonts/jetbrains-mono-latin-wght-normal.woff2",
        "files/jetbrains-mono-latin-ext-wght-normal.woff2": "vendor/fonts/jetbrains-mono-latin-ext-wght-normal.woff2",
        "LICENSE": "vendor/fonts/LICENSE-jetbrains-mono",
    },
    "lucide-static": {"LICENSE": "icons/LICENSE-lucide"},
}

# The whole icon vocabulary of the interface: a name not listed here does not exist.
ICONS = """
activity arrow-down arrow-right arrow-up audio-lines bell bell-off binary bookmark boxes brain building-2 check chevron-down chevron-left
chevron-right chevron-up circle circle-alert circle-check circle-dashed circle-dot circle-question-mark circle-stop
circle-x clock copy cpu database download ellipsis external-link eye eye-off file file-archive file-audio file-code
file-image file-json file-text file-video folder folder-open git-branch git-commit-horizontal git-compare globe hash
heart history house image info key-round languages layers link list loader-circle lock log-in log-out mail menu
message-circle-more message-square monitor moon package panel-left pause pencil pin play plus rotate-cw scale scan-text
rss search send settings shield shield-check sliders-horizontal square star sun table-2 tag terminal trash-2
triangle-alert type upload user users video x zap box text-cursor-input book-open network
""".split()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package_version(package: str) -> str:
    """Return the version of an installed npm package."""
    return str(json.loads((NODE_MODULES / package / "package.json").read_text())["version"])


def build_sprite() -> str:
    """Return one SVG with a ``<symbol>`` per icon; stroke and colour are left to CSS."""
    symbols = []
    for name in sorted(set(ICONS)):
        source = (NODE_MODULES / "lucide-static" / "icons" / f"{name}.svg").read_text()
        body = re.search(r"<svg[^>]*>(.*)</svg>", source, re.DOTALL)
        if body is None:
            raise SystemExit(f"{name}.svg: no <svg> element")
        shapes = re.sub(r"\s*\n\s*", "", body.group(1)).strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    version = package_version("lucide-static")
    head = f"<!-- Icons from lucide-static {version}, ISC licence: see LICENSE-lucide. Made by tools/vendor.py. -->"
    return f'{head}\n<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def vendor() -> None:
    """Copy every file, write the sprite and record the sums."""
    packages = []
    for package, copies in COPIES.items():
        for source, target in copies.items():
            (STATIC / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(NODE_MODULES / package / source, STATIC / target)
        targets = list(copies.values()) + ([SPRITE] if package == "lucide-static" else [])
        if SPRITE in targets:
            (STATIC / SPRITE).write_text(build_sprite())
        files = {target: sha256_of(STATIC / target) for target in sorted(targets)}
        licence = json.loads((NODE_MODULES / package / "package.json").read_text())["license"]
        packages.append(
            {
                "name": package,
                "version": package_version(package),
                "license": licence,
                "files": files,
            }
        )
    MANIFEST.write_text(json.dumps({"packages": packages}, indent=2) + "\n")


def problems() -> list[str]:
    """Return one sentence per committed file that is missing, changed or not recorded."""
    recorded: dict[str, str] = {}
    for package in json.loads(MANIFEST.read_text())["packages"]:
        recorded.update(package["files"])
    found = [f"{name}: missing" for name in recorded if not (STATIC / name).is_file()]
    found += [
        f"{name}: changed"
        for name, sha in recorded.items()
        if (STATIC / name).is_file() and sha256_of(STATIC / name) != sha
    ]
    on_disk = {str(path.relative_to(STATIC)) for path in (STATIC / "vendor").rglob("*") if path.is_file()}
    return found + [
        f"{name}: not in the manifest" for name in sorted(on_disk - set(recorded) - {"vendor/MANIFEST.json"})
    ]


def main() -> int:
    """Run from the command line; 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="verify only")
    if not parser.parse_args().check:
        vendor()
    found = problems()
    print("\n".join(found) or "static/vendor: every file matches its recorded sha256")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
