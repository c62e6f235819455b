"""Reads hands' text by PokerKit's parser of PokerStars histories, and compares with the engine. usage: trackers.py --expect N

PokerKit plays the parsed hand again: players, seats, stacks at the start, every action and the board must be the engine's.
Hands that the layout can write and this parser cannot read (a straddle, a post of a newcomer, an ante, two boards) are
counted by their reason and not read; the others must all agree.
"""

import argparse
import collections
import json
import sys

from pokerkit import HandHistory
from pokerkit.notation import PokerStarsParser


def unread(history):
    """Why PokerKit's parser does not know this hand."""
    events = history["events"]
    posts = [event["posted"]["post"] for event in events if "posted" in event]
    for kind in ("ante", "straddle", "dead", "live"):
        if kind in posts:
            return kind
    # It takes who posts less than a blind for one who posts less by choice.
    blinds = {"smallBlind": history["config"]["smallBlind"], "bigBlind": history["config"]["bigBlind"]}
    if any("posted" in e and e["posted"]["amount"] < blinds[e["posted"]["post"]] for e in events):
        return "short blind"
    if sorted(posts) != ["bigBlind", "smallBlind"]:
        return "no small blind"
    if any("streetDealt" in event and event["streetDealt"].get("board", 0) == 1 for event in events):
        return "two boards"
    if not any("acted" in event for event in events):
        return "no action"
    acted = {event["acted"]["seat"] for event in events if "acted" in event}
    posted = {event["posted"]["seat"] for event in events if "posted" in event}
    # Players are those who are named by a line of the play.
    if len(acted | posted) < len(history["seats"]):
        return "a player without a line"
    return None


def check(line):
    history, text = line["history"], line["text"]
    reason = unread(history)
    if reason:
        return reason
    (parsed,) = PokerStarsParser()(text, error_status=True)
    assert isinstance(parsed, HandHistory)
    starts = {start["player"]: (start["seat"] + 1, start["stack"]) for start in history["seats"]}
    found = {
        player: (seat, stack)
        for player, seat, stack in zip(parsed.players, parsed.seats, parsed.starting_stacks)
    }
    assert found == starts, (found, starts)
    bets, wanted = {}, []
    for event in history["events"]:
        if "posted" in event:
            bets[event["posted"]["seat"]] = event["posted"]["amount"]
        elif "streetDealt" in event:
            bets = {}
            wanted.append(("board", "".join(event["streetDealt"]["cards"])))
        elif "acted" in event:
            acted = event["acted"]
            name = next(start["player"] for start in history["seats"] if start["seat"] == acted["seat"])
            if acted["action"] == "fold":
                wanted.append((name, "f"))
            elif acted["action"] in ("check", "call"):
                wanted.append((name, "cc"))
            else:
                wanted.append((name, f"cbr {acted['total']}"))
    found = []
    for action in parsed.actions:
        action = action.split(" #")[0]
        who, _, what = action.partition(" ")
        if who == "d":
            if what.startswith("db"):
                found.append(("board", what[3:]))
        elif not what.startswith("sm"):
            found.append((parsed.players[int(who[1:]) - 1], what))
    assert found == wanted, (found, wanted)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect", type=int, required=True)
    expect = parser.parse_args().expect
    reasons, read = collections.Counter(), 0
    for number, text in enumerate(sys.stdin):
        line = json.loads(text)
        try:
            reason = check(line)
        except Exception:
            print(line["text"])
            print(f"hand {number} is read otherwise than it was played", file=sys.stderr)
            raise
        reasons[reason] += 1
        read += reason is None
    total = sum(reasons.values())
    assert total == expect, f"{total} hands, not {expect}"
    assert read * 10 >= total, f"only {read} of {total} hands could be read"
    skipped = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common() if reason)
    print(f"{read} of {total} texts read by PokerKit as they were played; not its cases: {skipped}")


main()
