"""Secrets in the whole history: every line that any commit added, by patterns and by entropy behind telling names.

usage: secrets.py            scans, lists what is found and is not in ACCEPTED; exit code 1 where there is any
       secrets.py --test     plants one of each kind in a repository of its own and must find them

What is accepted is named by the SHA-256 of its text, so that the list itself is no secret, with the reason.
"""

import collections
import hashlib
import math
import pathlib
import re
import subprocess
import sys
import tempfile

PATTERNS = {
    "private key (PEM)": re.compile(r"-----BEGIN (?:RSA |EC |OPENSSH |ENCRYPTED )?PRIVATE KEY-----[\sA-Za-z0-9+/=\\n]{40,}"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}"),
    "login in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'<>${}]+:([^\s/:@\"'<>${}]{6,})@"),
    "node's key in a URL": re.compile(r"https?://[^\s\"']*(?:alchemy|infura|quiknode|ankr)[^\s\"']*/[A-Za-z0-9_-]{24,}"),
    "key of 32 bytes": re.compile(r"(?i)(?:secret|private|priv|deployer|signing)[a-z_]*key[a-z_]*[\"']?\s*[:=]-?\s*[\"']?(?:0x)?([0-9a-f]{64})\b"),
}
# A name that says it is a secret, and its value.
NAMED = re.compile(
    r"(?i)\b[a-z_-]*(?:password|passwd|secret|api_?key|access_?token|auth_?token|client_?secret)[a-z_-]*[\"']?\s*[:=]\s*[\"']([^\"'\s${}<>]{12,})[\"']"
)
ENTROPY_MIN = 3.3

# sha256 of the text: why it is no secret.
ACCEPTED = {
    "bc1a50966c9e6486bc4ebf880b51611a2a97fcb8e7a6976e9b81a9e3e8ca0e3c": "the first account of every anvil and hardhat chain, known to everybody",
    "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7": "planted by the tests of kubectl-purr, which must take it out",
    "76e26f1b7eb07fd43dbc39fa490b5024d559b699b966dc940a593f4f921ba98b": "planted by the tests of kubectl-purr, which must take it out",
}


def entropy(text):
    counts = collections.Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def found_in(line):
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(line):
            yield kind, match[match.lastindex or 0]
    for match in NAMED.finditer(line):
        value = match[1]
        # Names, paths, placeholders and format strings are no values.
        if entropy(value) >= ENTROPY_MIN and re.search(r"\d", value) and not re.search(r"[/.](?:pem|key|crt|rs|sh)\b|^/|::|\(", value):
            yield "value of a telling name", value


def added_lines(repository):
    """(commit, file, line) of every line that a commit added, over all branches."""
    log = subprocess.Popen(
        ["git", "-C", str(repository), "log", "--all", "--no-color", "--unified=0", "--format=commit %H", "--patch", "--no-ext-diff"],
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    commit = file = ""
    for line in log.stdout:
        if line.startswith("commit "):
            commit = line.split()[1]
        elif line.startswith("+++ b/"):
            file = line[6:].strip()
        elif line.startswith("+") and not line.startswith("+++"):
            yield commit, file, line[1:].rstrip("\n")
    if log.wait() != 0:
        sys.exit("secrets.py: git log has failed")


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def scan(repository):
    seen, lines = {}, 0
    for commit, file, line in added_lines(repository):
        lines += 1
        # What a compiler or a package manager wrote is long; keys stand in short lines too.
        for kind, text in found_in(line[:4000]):
            seen[digest(text)] = (kind, file, commit[:12], text)
    return lines, seen


def report(repository):
    lines, seen = scan(repository)
    bad = {key: what for key, what in seen.items() if key not in ACCEPTED}
    print(f"{lines} added lines of the history: {len(seen)} look like secrets, {len(seen) - len(bad)} of them accepted")
    for key, (kind, file, commit, text) in sorted(bad.items(), key=lambda one: one[1][1:3]):
        print(f"- {kind} in {file}, commit {commit}, {len(text)} characters beginning with {text[:4]!r}, sha256 {key}")
    return bool(bad)


def test():
    """Each kind is found, also after a later commit has removed it; ordinary lines are not."""
    hex_key = "4c0883a69102937d6231471b5dbb6204" + "fe5129617082792ae468d01a3f362318"
    planted = [
        "-----BEGIN EC PRIVATE KEY-----" + "\\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY",
        "AKIA" + "ABCDEFGHIJ234567",
        "ghp_" + "a1" * 18,
        "xoxb-" + "1234567890-abc",
        "AIza" + "Sy" + "a1B2c" * 6 + "xyz",
        "eyJhbGciOiJFUzI1NiJ9x." + "eyJzdWIiOiIweDEyMzQ1Njc4In0." + "c2lnbmF0dXJlMTIzNDU2Nzg5MA",
        "postgres://admin:" + "hunter2-x@db.example/purr",
        "https://eth.g.alchemy.com/v2/" + "a1B2c3D4e5F6" * 3,
        "deployer_key = \"0x" + hex_key + '"',
        "password: \"" + 'k9#fQ2!vL7pZ"',
    ]
    clean = ["let secret = read(path);", 'password_file: "/etc/purr/redis/table"', 'secretName: "purr-gateway-tls"', "image: purr/table@sha256:" + "0" * 64]
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@localhost"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        file = pathlib.Path(folder) / "x"
        for text in ("\n".join(planted + clean) + "\n", "nothing\n"):
            file.write_text(text)
            subprocess.run([*git, "add", "x"], check=True)
            subprocess.run([*git, "commit", "--quiet", "--message", "x"], check=True)
        _, seen = scan(folder)
    kinds = {kind for kind, *_ in seen.values()}
    wanted = {*PATTERNS, "value of a telling name"}
    if kinds != wanted:
        sys.exit(f"secrets.py: not found: {sorted(wanted - kinds)}")
    lines = {text for *_, text in seen.values()}
    if wrong := [line for line in clean if any(text in line for text in lines)]:
        sys.exit(f"secrets.py: found, and no secret: {wrong}")
    print(f"{len(wanted)} kinds of secrets are found in a history that has removed them")


if sys.argv[1:] == ["--test"]:
    test()
else:
    sys.exit(report(pathlib.Path(__file__).resolve().parents[2]))
