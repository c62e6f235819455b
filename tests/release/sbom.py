"""The bill of materials of one program, as CycloneDX 1.6 JSON: every crate that is linked into it.

usage: sbom.py PACKAGE IMAGE DIGEST     PACKAGE: of the workspace; IMAGE and DIGEST of the image that it is in
Reads Cargo.lock by `cargo metadata` and `cargo tree`, offline. No time and no random number is in it: two runs are equal.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments, "--locked", "--offline"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"sbom.py: cargo {arguments[0]}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def linked(package):
    """(name, version) of what normal dependencies bring in for this machine, the package first."""
    text = cargo("tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}")
    found = dict.fromkeys(re.match(r"(\S+) v(\S+)", line).groups() for line in text.splitlines() if line.strip())
    return list(found)


def main(package, image, digest):
    packages = {(one["name"], one["version"]): one for one in json.loads(cargo("metadata", "--format-version", "1"))["packages"]}
    lock = (ROOT / "Cargo.lock").read_text()
    sums = {(name, version): value for name, version, value in re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]{64})"', lock)}

    def component(key):
        name, version = key
        of = packages[key]
        made = {"type": "library", "bom-ref": f"pkg:cargo/{name}@{version}", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
        if of.get("license"):
            made["licenses"] = [{"expression": of["license"].replace("/", " OR ")}]
        if key in sums:
            made["hashes"] = [{"alg": "SHA-256", "content": sums[key]}]
        return made

    all_of = linked(package)
    foreign = [key for key in all_of if packages[key]["source"]]
    if missing := [key for key in foreign if key not in sums]:
        sys.exit(f"sbom.py: no checksum of {missing[0]} in Cargo.lock")
    program = component(all_of[0]) | {"type": "application"}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": program,
            "properties": [
                {"name": "purr:image", "value": image},
                {"name": "purr:image-digest", "value": digest},
                {"name": "purr:without", "value": "the image's Debian packages, which its own package database no longer names"},
            ],
        },
        "components": [component(key) for key in sorted(all_of[1:])],
    }
    print(json.dumps(document, indent=1))


if len(sys.argv) != 4:
    sys.exit(__doc__)
main(*sys.argv[1:])
