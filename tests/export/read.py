#!/usr/bin/env python3
"""Reads an export with DuckDB and ClickHouse (chdb) and compares their sums with PostgreSQL's.

usage: read.py README.md FOLDER

FOLDER has `export` and `expected.json` (both from `cargo test --test export`). The queries are the README's own, so that
they stay true; a third one sums every counter by every key.
"""

import collections
import datetime
import json
import os
import re
import sys
import time

import chdb
import duckdb

KEY = ["player", "day", "small_blind", "big_blind", "dealt_in", "position"]
EPOCH = datetime.date(1970, 1, 1)


def recipes(readme, engine):
    """The SQL blocks below the heading of an engine, each as its statements."""
    section = readme.split(f"#### {engine}\n", 1)[1].split("\n#### ", 1)[0].split("\n**", 1)[0]
    blocks = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2, f"{engine}: {len(blocks)} queries in the README"
    return [[part.strip() for part in block.split(";") if part.strip()] for block in blocks]


def by_duckdb(statements):
    connection = duckdb.connect()
    for statement in statements:
        answer = connection.execute(statement)
    return [tuple(row) for row in answer.fetchall()]


def by_clickhouse(statements):
    (statement,) = statements
    answer = str(chdb.query(statement, "JSONCompactEachRow"))
    return [tuple(json.loads(line)) for line in answer.splitlines()]


def expected(found):
    """What the two queries of the README must say, and every counter by every key."""
    players = collections.defaultdict(lambda: [0, 0, 0])
    keys = {}
    for row in found["counters"]:
        counts = {name: int(value) for name, value in row["counts"].items()}
        for at, name in enumerate(["hands", "won", "rake"]):
            players[row["key"][0]][at] += counts[name]
        player, day, *more = row["key"]
        keys[tuple(map(str, [player, EPOCH + datetime.timedelta(days=day), *more]))] = tuple(counts.values())
    stakes = [(small, big, hands, int(pot), int(rake)) for small, big, hands, pot, rake in found["stakes"]]
    return {(player, *sums) for player, sums in players.items()}, set(stakes), keys


def whole(rows):
    """Sums come as decimals, numbers or text."""
    return {tuple(v if isinstance(v, str) and not v.lstrip("-").isdigit() else int(v) for v in row) for row in rows}


def every_counter(statement, names, number, ask):
    """`statement` ends where the grouping begins."""
    sums = ", ".join(f"CAST(sum({name}) AS {number})" for name in names)
    keys = [f"CAST({key} AS {number}) AS {key}_" if key == "day" else key for key in KEY]
    rows = ask(f"SELECT {', '.join(keys)}, {sums} {statement} GROUP BY {', '.join(KEY)}")
    return {tuple(map(str, row[:6])): tuple(map(int, row[6:])) for row in rows}


def main():
    readme, folder = sys.argv[1:]
    text = open(readme, encoding="utf-8").read()
    found = json.load(open(os.path.join(folder, "expected.json"), encoding="utf-8"))
    os.chdir(folder)
    players, stakes, keys = expected(found)
    names = list(found["counters"][0]["counts"])
    failed = 0
    for engine, ask, number in [("DuckDB", by_duckdb, "VARCHAR"), ("ClickHouse", by_clickhouse, "String")]:
        begun = time.monotonic()
        blocks = recipes(text, engine)
        for block, wanted in zip(blocks, [players, stakes], strict=True):
            said = whole(ask(block))
            if said != wanted:
                failed += 1
                print(f"{engine}: {block[-1]}\n  only PostgreSQL: {sorted(wanted - said)[:3]}\n  only here: {sorted(said - wanted)[:3]}")
        source = "FROM " + blocks[0][-1].split("FROM ", 1)[1].split("\nGROUP BY", 1)[0]
        said = every_counter(source, names, number, lambda sql: ask([*blocks[0][:-1], sql]))
        for key in sorted(keys.keys() | said.keys()):
            if keys.get(key) != said.get(key):
                failed += 1
                if failed < 20:
                    print(f"{engine}: {key}: PostgreSQL {keys.get(key)}, here {said.get(key)}")
        seconds = time.monotonic() - begun
        print(f"{engine}: {len(said)} rows of {len(names)} counters, {len(players)} players, {len(stakes)} stakes in {seconds:.1f} s")
    hands = sum(row[2] for row in stakes)
    print(f"{hands} hands: {failed} differences to PostgreSQL")
    sys.exit(failed > 0 or not keys)


if __name__ == "__main__":
    main()
