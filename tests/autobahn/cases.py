"""The Autobahn cases against an echo server. usage: cases.py HOST:PORT

Twice: with raised limits no case may fail; with the limits that players meet, the cases with larger messages must end
with close code 1009, and no other may fail. Sections 12 and 13 are about compression, which is not offered: there the
suite must say UNIMPLEMENTED of every case."""

import asyncio
import os
import sys
import time
from collections import Counter

from kosoku import FailureError, run_fuzzingclient
from kosoku.cases import CASES

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits",
    "10": "automatic fragmentation",
    "12": "compression",
    "13": "compression options",
}
COMPRESSION = ("12", "13")
# The largest message of production (MESSAGE_BYTES_MAX in table-pod/protocol/src/codec.rs), in bytes.
MESSAGE_MAX = 64 * 1024
# Sizes are not told by all cases: these are sections in which every case sends 1 MiB or more, and 7.1.6 sends 256 KiB.
LARGE = ("9.3.", "9.4.", "9.5.", "9.6.")
CLOSE_TOO_BIG = 1009
AT_ONCE = 8
SECTION_S_MAX = 120


def section(case):
    return case.split(".")[0]


def too_large(case):
    if case == "7.1.6" or case.startswith(LARGE):
        return True
    kind = CASES[case](None) if case.startswith(("9.1.", "9.2.")) else None
    return kind is not None and kind.DATALEN > MESSAGE_MAX


def verdict(result, production):
    """None, or what is wrong."""
    behaviour, closing = result.behavior.value, result.behavior_close.value
    seen = f"{behaviour}, closing {closing}, code {result.remote_close_code}: {result.result} {result.result_close}"
    if section(result.case_id) in COMPRESSION:
        good = behaviour == "UNIMPLEMENTED" and closing == "OK"
    elif production and too_large(result.case_id):
        good = result.remote_close_code == CLOSE_TOO_BIG
    else:
        good = result.passed
    return None if good else seen


async def run(url, names):
    try:
        running = run_fuzzingclient(url, names, None, AT_ONCE)
        return await asyncio.wait_for(running, SECTION_S_MAX)
    except FailureError as failure:
        return failure.results


async def against(url, production):
    wrong = []
    print(f"{'section':<28}{'cases':>6}{'seconds':>9}  verdicts", flush=True)
    for number, name in SECTIONS.items():
        names = [case for case in CASES if section(case) == number]
        begun = time.monotonic()
        results = await run(url, names)
        ran = sorted(result.case_id for result in results)
        if ran != sorted(names):
            wrong.append(f"section {number}: {len(ran)} of {len(names)} cases ran")
        kinds = Counter()
        for result in results:
            why = verdict(result, production)
            large = production and too_large(result.case_id)
            kinds["FAILED" if why else "closed with 1009" if large else result.behavior.value] += 1
            if why:
                wrong.append(f"{result.case_id}: {why}")
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        print(f"{number + ' ' + name:<28}{len(results):>6}{time.monotonic() - begun:>9.1f}  {told}", flush=True)
    return wrong


async def main(address):
    wrong = []
    assert set(map(section, CASES)) == set(SECTIONS), "the suite has other sections than this knows"
    for path, production in (("raised", False), ("production", True)):
        print(f"-- {path} limits", flush=True)
        wrong += [f"{path}: {what}" for what in await against(f"ws://{address}/{path}", production)]
    for what in wrong:
        print(f"FAILED {what}")
    print(f"{2 * len(CASES)} cases, {len(wrong)} failed", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    code = asyncio.run(main(sys.argv[1]))
    sys.stdout.flush()
    # The library's own threads abort the process now and then when the interpreter takes itself down.
    os._exit(code)
