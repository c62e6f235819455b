#!/usr/bin/env python3
"""Reads the text for trackers back with PokerKit's parser of PokerStars hands, which knows nothing of this project, and
compares seats, stacks, every decision with its amount, the board, shown cards, and what the pots pay with the hand's own
history.

usage: readback.py [--expect N] <hands.jsonl     (lines of `purr-statistics --text`)

The parser has no antes, straddles, posts out of turn and second boards: such hands are counted and left to `count.py`. It
plays each hand again, too: a text whose decisions are not legal is not read.
"""

import argparse
import collections
import contextlib
import io
import json
import sys
import warnings

from pokerkit.notation import PokerStarsParser

SHOWN_MAX = 10
KNOWN_POSTS = {"smallBlind", "bigBlind"}


def kind_of(event):
    return (event, {}) if isinstance(event, str) else next(iter(event.items()))


def raises_alone(history):
    """Whether somebody raises though everybody else who is in the hand has no chip beyond the bet."""
    stacks = {start["seat"]: start["stack"] for start in history["seats"]}
    live, bets = set(stacks), collections.Counter()
    for kind, body in map(kind_of, history["events"]):
        if kind == "streetDealt":
            bets.clear()
        elif kind == "posted":
            bets[body["seat"]] += body["amount"]
            stacks[body["seat"]] = body["stack"]
        elif kind == "acted":
            seat, action = body["seat"], body["action"]
            if isinstance(action, dict):
                most = max(bets.values(), default=0)
                if all(stacks[other] + bets[other] <= most for other in live - {seat}):
                    return True
            if action == "fold":
                live.discard(seat)
            bets[seat], stacks[seat] = body["total"], body["stack"]
    return False


def beyond_the_parser(history):
    """Why the parser has no words for a hand; None where it has."""
    if history["config"]["ante"] != "none":
        return "ante"
    posts = [body["post"] for kind, body in map(kind_of, history["events"]) if kind == "posted"]
    if set(posts) - KNOWN_POSTS:
        return "straddle or post out of turn"
    if sorted(posts) != sorted(KNOWN_POSTS):
        return "a blind is missing or doubled"
    config = history["config"]
    blinds = {"smallBlind": config["smallBlind"], "bigBlind": config["bigBlind"]}
    posted = [body for kind, body in map(kind_of, history["events"]) if kind == "posted"]
    if any(body["amount"] < blinds[body["post"]] for body in posted):
        # It takes the short blind for the bet that a raise is on top of.
        return "a blind is short"
    dealt_in = next(body["dealt_in"] for kind, body in map(kind_of, history["events"]) if kind == "handStarted")
    small = next(body["seat"] for body in posted if body["post"] == "smallBlind")
    if len(dealt_in) > 2 and dealt_in[0] != small:
        # It has the small blind act first after the flop.
        return "a player between button and small blind"
    if raises_alone(history):
        # PokerKit knows no raise that nobody has the chips to match; the table allows it (a player may not know).
        return "a raise that nobody can match"
    if any(body.get("board") for kind, body in map(kind_of, history["events"]) if kind == "streetDealt"):
        return "two boards"
    return None


def told(history):
    """What the history says, in the parser's words."""
    names = {start["seat"]: start["player"] for start in history["seats"]}
    decisions, board, shown = [], "", {}
    for kind, body in map(kind_of, history["events"]):
        if kind == "acted":
            action = body["action"]
            word = "f" if action == "fold" else "cc" if action in ("check", "call") else f"cbr {body['total']}"
            decisions.append((names[body["seat"]], word))
        elif kind == "streetDealt":
            board += "".join(body["cards"])
        elif kind == "shown":
            shown[names[body["seat"]]] = "".join(body["cards"])
    return {
        "seats": {start["player"]: start["seat"] + 1 for start in history["seats"]},
        "stacks": {start["player"]: start["stack"] for start in history["seats"]},
        "decisions": decisions,
        "board": board,
        "shown": shown,
    }


def read(text):
    """What the parser makes of the text."""
    complaints = io.StringIO()
    with contextlib.redirect_stderr(complaints):
        hands = list(PokerStarsParser()(text))
    if len(hands) != 1:
        raise ValueError((complaints.getvalue().strip().splitlines() or ["no hand"])[-1])
    (hand,) = hands
    decisions, board, shown = [], "", {}
    for action in hand.actions:
        who, word, *rest = action.split(" #")[0].split()
        if (who, word) == ("d", "db"):
            board += rest[0]
        elif who != "d" and word == "sm":
            if rest and "?" not in rest[0]:
                shown[hand.players[int(who[1:]) - 1]] = rest[0]
        elif who != "d":
            decisions.append((hand.players[int(who[1:]) - 1], " ".join([word, *rest])))
    return {
        "seats": dict(zip(hand.players, hand.seats, strict=True)),
        "stacks": dict(zip(hand.players, hand.starting_stacks, strict=True)),
        "decisions": decisions,
        "board": board,
        "shown": shown,
        "results": dict(zip(hand.players, [*hand][-1].payoffs, strict=True)),
    }


def without_idle_checks(want, have):
    """The parser lets a blind check though everybody else is all-in or has folded; the table asks nobody who has nothing to
    decide. Returns the decisions without such checks, and their number."""
    kept, idle = [], 0
    for decision in have:
        if len(kept) < len(want) and decision == want[len(kept)]:
            kept.append(decision)
        elif decision[1] == "cc":
            idle += 1
        else:
            kept.append(decision)
    return kept, idle


def results_fit(hand, results):
    """The parser pays the pots by its own evaluation and takes no rake: nobody has more than it says, but for the odd chip
    of each split pot, and all together have the rake less."""
    end, events = hand["end"], map(kind_of, hand["history"]["events"])
    pots = len({body["pot"] for kind, body in events if kind == "potWon"})
    less = [results[result["player"]] - result["delta"] for result in end["results"]]
    return sum(less) == end["rake"] and all(part >= -pots for part in less)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect", type=int, default=1)
    expected = parser.parse_args().expect
    counts, beyond, shown = collections.Counter(), collections.Counter(), 0
    for line in sys.stdin:
        hand = json.loads(line)
        counts["hands"] += 1
        if hand["text"] is None:
            counts["void"] += 1
            continue
        why = beyond_the_parser(hand["history"])
        if why is not None:
            beyond[why] += 1
            continue
        want = told(hand["history"])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                have = read(hand["text"])
            have["decisions"], idle = without_idle_checks(want["decisions"], have["decisions"])
            counts["idle checks"] += idle
            wrong = [field for field in want if have[field] != want[field]]
            if not results_fit(hand, have["results"]):
                want["results"], wrong = hand["end"], [*wrong, "results"]
        except ValueError as error:
            have, wrong = {}, [f"not read: {error}"]
        counts["read"] += 1
        counts["differing"] += bool(wrong)
        if wrong and shown < SHOWN_MAX:
            shown += 1
            print(hand["text"], file=sys.stderr)
            for field in wrong:
                print(f"{field}: history {want.get(field)}, parser {have.get(field)}", file=sys.stderr)
    print(f"{counts['read']} of {counts['hands']} hands read back from their text: {counts['differing']} differ; "
          f"{counts['idle checks']} checks of players with nothing to decide; not in the parser's language: {dict(beyond)}, "
          f"void {counts['void']}")
    sys.exit(counts["differing"] > 0 or counts["hands"] < expected or counts["read"] < counts["hands"] // 10)


if __name__ == "__main__":
    main()
