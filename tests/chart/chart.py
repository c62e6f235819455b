"""The chart's values: schema, comments, README and programs' options beside each other.

usage: chart.py agree VALUES_JSON     values.yaml and values.schema.json have the same keys; every value but images has a comment
       chart.py readme [--write]      the table in helm/purr/README.md is the one of values.yaml
       chart.py options DIR           every option of every program is set by the chart, or listed below with the reason
VALUES_JSON: values.yaml as helm reads it. DIR: one file of rendered manifests for each program.
"""

import json
import pathlib
import re
import sys

import generated

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/purr"

# Maps whose keys are Kubernetes' own or the user's: one row of the table each.
FREE = {"resources", "storage", "pod"}

# Options that have no value of their own, and why.
PATHS = "the chart mounts this path"
LISTEN = "probes, Services and policies of the chart name this port"
AUDIT = "of the command audit, which somebody runs by hand"
WIRED = {
    "PURR_TLS_DIR": PATHS,
    "PURR_CA_DIR": PATHS,
    "PURR_STATE_DIR": PATHS,
    "PURR_DATA_KEY_DIR": PATHS,
    "PURR_FAIRPLAY_KEY_DIR": PATHS,
    "PURR_ASSERTION_KEYS_FILE": PATHS,
    "PURR_LISTEN": LISTEN,
    "PURR_INTERNAL_LISTEN": LISTEN,
    "PURR_REDIS_LISTEN": LISTEN,
    "PURR_REDIS_PORT": LISTEN,
    "PURR_SENTINEL_PORT": LISTEN,
    "PURR_DATA_DIR": PATHS,
    "PURR_RUN_DIR": PATHS,
    "PURR_CONFIG_DIR": PATHS,
    "PURR_PASSWORD_DIR": PATHS,
    "PURR_OPS_LISTEN": LISTEN,
    "HOSTNAME": "Kubernetes sets it to the pod's name",
    "PURR_DEPLOYER_KEY_FILE": "of the command deploy, which does not run in the cluster",
    "PURR_DEPLOYER_KEY": "of the command deploy, which does not run in the cluster",
    "PURR_EXPORT_FROM": "of the command export by hand; the chart says how many days back",
    "PURR_EXPORT_TO": "of the command export by hand; the chart exports up to now",
    "PURR_AUDIT_RPC_URLS": AUDIT,
    "PURR_AUDIT_CA_FILE": AUDIT,
    "PURR_AUDIT_CHECKPOINT": AUDIT,
    "PURR_AUDIT_CHECKPOINT_KEY": AUDIT,
    "PURR_HAND_GAP_MS": "pace of a table, for which the controller has no option",
    "PURR_REVEAL_MS": "pace of a table, for which the controller has no option",
}
# Programs: sources of their options, by the name of the rendered file.
PROGRAMS = {
    "controller": ["operator/controller/src/options.rs", "operator/namespaces/src/options.rs"],
    "bootstrap": ["operator/controller/src/bootstrap/mod.rs"],
    "gateway": ["operator/gateway/src/options.rs", "operator/namespaces/src/options.rs"],
    "records": ["operator/records/src/options.rs"],
    "fairplay": ["operator/fairplay/src/service/options.rs"],
    "signer": ["chain-signer/src/options.rs"],
    "redis": ["table-pod/redis-node/src/options.rs"],
    "table": ["table-pod/server/src/options.rs"],
}
SHARED = "table-pod/store/src/link.rs"


def rows():
    """Lines of values.yaml that are a block or a value: (path, default or None, comment)."""
    comment, stack, free_at = [], [], None
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if not text:
            comment = []
            continue
        indent = len(line) - len(line.lstrip())
        if text.startswith("#"):
            comment.append(text.lstrip("#").strip())
            continue
        key, value = re.fullmatch(r"([A-Za-z0-9]+):\s*(.*)", text).groups()
        if free_at is not None and indent > free_at:
            continue
        free_at = None
        stack = [(depth, name) for depth, name in stack if depth < indent]
        path = [name for _, name in stack] + [key]
        if key in FREE and not value:
            free_at, value = indent, "…"
        if not value:
            stack.append((indent, key))
        yield path, value or None, " ".join(comment)
        comment = []


def resolve(schema, node):
    while "$ref" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
    return node


def closed(node, path):
    """Paths of objects with fixed keys that take other keys too."""
    if isinstance(node, dict):
        if "properties" in node and node.get("additionalProperties") is not False:
            yield path
        for key, below in node.items():
            yield from closed(below, f"{path}/{key}")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            yield from closed(below, f"{path}/{index}")


def differences(schema, node, values, path):
    reference = node.get("$ref", "").rsplit("/", 1)[-1]
    # Documented at one place, and the same everywhere.
    if reference in {"pod", "resources"} and path != ["pods"]:
        return
    node = resolve(schema, node)
    if "properties" not in node or not isinstance(values, dict):
        return
    redis = schema["definitions"]["redisGroup"]["properties"]
    for key in sorted(values.keys() - node["properties"].keys()):
        yield f"{'.'.join([*path, key])} is in values.yaml and not in values.schema.json"
    for key, below in node["properties"].items():
        where = [*path, key]
        if key in values:
            yield from differences(schema, below, values[key], where)
        # helm's own; and redisSessions takes from redis what is left out.
        elif where != ["global"] and not (path == ["redisSessions"] and key in redis):
            yield f"{'.'.join(where)} is in values.schema.json and not in values.yaml"


def put_null(values, path):
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values.setdefault(path[-1], None)


def agree(values_json):
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = json.loads(pathlib.Path(values_json).read_text())
    found = [f"{path} of values.schema.json takes any key" for path in closed(schema, "")]
    for path, value, comment in rows():
        # helm leaves a null out.
        if value == "null":
            put_null(values, path)
        if value is not None and not comment and path[0] != "images":
            found.append(f"{'.'.join(path)} has no comment in values.yaml")
    found += differences(schema, schema, values, [])
    return found


def table():
    lines = ["| value | default | what |", "|---|---|---|"]
    for path, value, comment in rows():
        name, what = ".".join(path), comment.replace("|", "\\|")
        if value is None:
            if what:
                lines.append(f"| **{name}** | | {what} |")
            continue
        lines.append(f"| `{name}` | `{value}` | {what} |")
    return "\n".join(lines)


def readme(write):
    if not generated.part(CHART / "README.md", "values", table(), write):
        return ["the values in helm/purr/README.md are not those of values.yaml: run tests/chart.sh --write"]
    return []


def envs(source):
    return set(re.findall(r'env = "([A-Z0-9_]+)"', (ROOT / source).read_text()))


def options(folder):
    found, known = [], set()
    shared = envs(SHARED)
    for program, sources in PROGRAMS.items():
        own = set().union(*map(envs, sources))
        known |= own | shared
        if program == "table":
            # The controller writes a table pod's environment.
            text = (ROOT / "operator/controller/src/table/build.rs").read_text()
        else:
            text = (pathlib.Path(folder) / program).read_text()
        for env in sorted(own - WIRED.keys()):
            if not re.search(rf"\b{env}\b", text):
                found.append(f"{env} of {sources[0]} is set by no value of the chart")
        if program != "table":
            for env in sorted(set(re.findall(r"\bPURR_[A-Z0-9_]+\b", text)) - own - shared):
                found.append(f"{env} is set for {program}, which has no such option")
    found += [f"{env} is no option any more: take it out of WIRED" for env in sorted(WIRED.keys() - known)]
    return found


def main():
    match sys.argv[1:]:
        case ["agree", values_json]:
            found = agree(values_json)
        case ["readme", *write]:
            found = readme(write == ["--write"])
        case ["options", folder]:
            found = options(folder)
        case _:
            sys.exit(__doc__)
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(bool(found))


main()
