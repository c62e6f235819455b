#!/usr/bin/env python3
"""Criterion's estimates and the peers' figures as one table and one file. usage: report.py CRITERION FOLDER OUT

Benches are named group/case/library: `purr` is ours, every other library of a case is a peer. What has no peer is
reported alone. Values of throughput are the best that the estimate of the median says.
"""

import json
import pathlib
import re
import sys

OURS = "purr"
# The goal of every ratio: to be ahead.
GOAL = 1.0


def read(path):
    return json.loads(path.read_text())


def criterion(folder):
    """Every bench as (name, library) -> (elements or None, seconds)."""
    found = {}
    for path in sorted(folder.glob("**/new/benchmark.json")):
        bench = read(path)
        parts = re.split("/", bench["full_id"])
        seconds = read(path.parent / "estimates.json")["median"]["point_estimate"] / 1e9
        throughput = bench.get("throughput") or {}
        found["/".join(parts[:-1]), parts[-1]] = (throughput.get("Elements"), seconds)
    return found


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def row(name, value, unit, peer=None, peer_value=None, goal=None):
    # Where less is better, the ratio is turned round: above 1 is always ahead.
    less = unit in ("ns", "bytes", "calls")
    ratio = None
    if peer_value:
        ratio = peer_value / value if less else value / peer_value
    if goal is None and peer is not None:
        goal = GOAL
    if peer is not None:
        met = ratio is not None and ratio >= goal
    else:
        met = None if goal is None else value <= goal
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio,
            "goal": goal, "met": met}


def engine_rows(found, folder):
    """Hands and actions a second beside the arena and PokerKit, time and bytes of an `apply`."""
    peers = {line["players"]: line for line in lines(folder / "pokerkit.jsonl")}
    allocations = {line["players"]: line for line in lines(folder / "allocations.jsonl")}
    rows = []
    for players in (2, 6, 10):
        name = f"engine/{players}"
        if (name, OURS) not in found:
            continue
        hands, seconds = found[name, OURS]
        with open(folder / f"hands-{players}.jsonl", encoding="utf-8") as file:
            actions = sum(len(json.loads(line)["steps"]) for line in file)
        ours = {"hands": hands / seconds, "actions": actions / seconds}
        arena = found.get((name, "rs_poker"))
        for what, count in (("hands", hands), ("actions", actions)):
            unit = f"{what}/s"
            if arena:
                rows.append(row(f"{name}/{what}", ours[what], unit, "rs_poker 4.1.0 arena", count / arena[1]))
            if players in peers:
                peer = peers[players]
                rows.append(row(f"{name}/{what}", ours[what], unit, f"pokerkit {peer['version']}",
                                peer[what] / peer["seconds"]))
        rows.append(row(f"{name}/apply", seconds / (actions + hands) * 1e9, "ns"))
    for players, line in allocations.items():
        rows.append(row(f"engine/{players}/apply-bytes", line["act_bytes"] / line["actions"], "bytes", goal=0))
        rows.append(row(f"engine/{players}/deal-bytes", line["deal_bytes"] / line["hands"], "bytes"))
    return rows


def main():
    found, folder = criterion(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2])
    rows = engine_rows(found, folder)
    for case, library in sorted(found):
        ours = library == OURS
        if case.startswith("engine/") or (not ours and (case, OURS) in found):
            continue
        elements, seconds = found[case, library]
        value = elements / seconds if elements else seconds * 1e9
        unit = "1/s" if elements else "ns"
        # What has no peer is a case of ours: the last part of its name is no library.
        peers = [peer for other, peer in sorted(found) if ours and other == case and peer != OURS]
        if not peers:
            rows.append(row(case if ours else f"{case}/{library}", value, unit))
        for peer in peers:
            count, spent = found[case, peer]
            rows.append(row(case, value, unit, peer, count / spent if count else spent * 1e9))
    # These write rows of their own.
    for name in ("sockets.json", "commits.json", "money.json"):
        rows += read(folder / name) if (folder / name).exists() else []
    number = lambda value: "" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    for entry in rows:
        ratio = "" if entry["ratio"] is None else f"{entry['ratio']:.2f} x"
        met = {None: "", True: "met", False: "MISSED"}[entry["met"]]
        print(f"{entry['name']:34} {number(entry['value']):>15} {entry['unit']:9} {entry['peer'] or '':24} "
              f"{number(entry['peer_value']):>15} {ratio:>11} {met}")
    pathlib.Path(sys.argv[3]).write_text(json.dumps(rows, indent=1) + "\n")
    if not rows:
        sys.exit("no bench has left a result")


if __name__ == "__main__":
    main()
