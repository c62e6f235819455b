"""Counts poker statistics from hand records, from the definitions alone, and compares them with what purr-facts says.

Written apart from the Rust code, with none of its ideas: each statistic is found by looking over the whole list of
decisions of a hand, not by a state that is carried along. Equity is enumerated here with a hand evaluator of its own.

usage: count.py --expect N [--preflop N] [--sample] < lines of {"record": ..., "facts": [...]}
"""

import argparse
import itertools
import json
import sys
from collections import Counter
from fractions import Fraction
from functools import lru_cache

RANKS = "23456789TJQKA"
STREETS = ["preflop", "flop", "turn", "river"]


# --- cards -----------------------------------------------------------------------------------------------------------


def straight(ranks):
    """The highest card of a straight among these ranks, or -1."""
    have = set(ranks)
    if 12 in have:
        have.add(-1)
    for top in range(12, 2, -1):
        if all(top - back in have for back in range(5)):
            return top
    return -1


# A card is rank + 13 * suit.
def card(text):
    return RANKS.index(text[0]) + 13 * "cdhs".index(text[1])


STRAIGHTS = [straight([r for r in range(13) if mask >> r & 1]) for mask in range(1 << 13)]
TOPS = {}
for mask_ in range(1 << 13):
    TOPS[mask_] = [r for r in range(12, -1, -1) if mask_ >> r & 1]


@lru_cache(maxsize=None)
def by_counts(counts):
    """Strength of seven cards without a flush, by how many there are of each rank."""
    mask = sum(1 << r for r in range(13) if counts[r])
    quads = [r for r in range(12, -1, -1) if counts[r] == 4]
    trips = [r for r in range(12, -1, -1) if counts[r] == 3]
    pairs = [r for r in range(12, -1, -1) if counts[r] == 2]
    if quads:
        return (7, quads[0], max(r for r in TOPS[mask] if r != quads[0]))
    if trips and (len(trips) > 1 or pairs):
        return (6, trips[0], max(trips[1:] + pairs))
    if STRAIGHTS[mask] >= 0:
        return (4, STRAIGHTS[mask])
    if trips:
        return (3, trips[0], *[r for r in TOPS[mask] if r != trips[0]][:2])
    if len(pairs) > 1:
        return (2, pairs[0], pairs[1], max(r for r in TOPS[mask] if r not in pairs[:2]))
    if pairs:
        return (1, pairs[0], *[r for r in TOPS[mask] if r != pairs[0]][:3])
    return (0, *TOPS[mask][:5])


def strength(cards):
    suits = [0, 0, 0, 0]
    counts = [0] * 13
    for c in cards:
        suits[c // 13] |= 1 << c % 13
        counts[c % 13] += 1
    plain = by_counts(tuple(counts))
    for mask in suits:
        if mask.bit_count() >= 5:
            if STRAIGHTS[mask] >= 0:
                return (8, STRAIGHTS[mask])
            return max(plain, (5, *TOPS[mask][:5]))
    return plain


# Before the flop there are up to 1,712,304 boards: only so many such pots are enumerated here.
PREFLOP = [3]


class Skipped(Exception):
    pass


@lru_cache(maxsize=4096)
def equities(holes, board, dead):
    """Each hand's part of a pot over every board that can come, as a fraction."""
    if not board:
        if PREFLOP[0] == 0:
            raise Skipped
        PREFLOP[0] -= 1
    gone = set(board) | set(dead) | {c for hole in holes for c in hole}
    deck = [c for c in range(52) if c not in gone]
    wins = [Counter() for _ in holes]
    boards = 0
    for more in itertools.combinations(deck, 5 - len(board)):
        ranks = [strength((*hole, *board, *more)) for hole in holes]
        best = max(ranks)
        winners = [at for at, rank in enumerate(ranks) if rank == best]
        for at in winners:
            wins[at][len(winners)] += 1
        boards += 1
    return [sum((Fraction(n, ways) for ways, n in won.items()), Fraction(0)) / boards for won in wins]


# --- one hand --------------------------------------------------------------------------------------------------------


class Decision:
    """One action with everything that was true before it."""

    __slots__ = (
        "seat", "street", "kind", "to", "facing", "may_raise", "raises", "first", "earlier", "before",
    )


class Hand:
    def __init__(self, record):
        history = record["history"]
        self.config = history["config"]
        self.seats = [start["seat"] for start in history["seats"]]
        self.players = {start["seat"]: start["player"] for start in history["seats"]}
        self.void = record["end"]["void"]
        self.results = {r["seat"]: r["delta"] for r in record["end"]["results"]}
        self.rake = record["end"]["rake"]
        self.decisions = []
        self.folded = set()
        self.won = Counter()
        self.pots = Counter()
        self.cards = {}
        self.flop_live = None
        self.posts = {}
        # Seats whose ante was all they had.
        self.broke = set()
        self.paid = Counter()
        self.layered = Counter()
        self.dead = 0
        self.stack = {start["seat"]: start["stack"] for start in history["seats"]}
        self.board = []
        self.board_at_last_chip = 0
        self.run(history["events"])

    def run(self, events):
        big = self.config["bigBlind"]
        ante = self.config["ante"]
        bb_ante = isinstance(ante, dict) and "bigBlind" in ante
        street, to_match, step = "preflop", big, big
        front, last_seen = Counter(), {}
        for event in events:
            if isinstance(event, str):
                continue
            name, e = next(iter(event.items()))
            if name == "posted":
                seat, post, amount = e["seat"], e["post"], e["amount"]
                self.posts.setdefault(post, []).append(seat)
                self.stack[seat] -= amount
                self.paid[seat] += amount
                if post == "ante" and self.stack[seat] == 0:
                    self.broke.add(seat)
                if post == "dead" or (post == "ante" and bb_ante):
                    self.dead += amount
                    continue
                self.layered[seat] += amount
                if post != "ante":
                    front[seat] += amount
                    to_match = max(to_match, front[seat])
                if post == "straddle" and self.stack[seat] == 0:
                    # Twice the big blind is owed, also where the straddler has less.
                    to_match = max(to_match, 2 * big)
            elif name == "acted":
                seat, action = e["seat"], e["action"]
                kind = action if isinstance(action, str) else next(iter(action))
                d = Decision()
                d.seat, d.street, d.kind, d.to = seat, street, kind, e["total"]
                d.facing = to_match > front[seat]
                others = [
                    s for s in self.seats if s != seat and s not in self.folded and self.stack[s] > 0
                ]
                closed = seat in last_seen and to_match - last_seen[seat] < step
                d.may_raise = bool(others) and not closed and front[seat] + self.stack[seat] > to_match
                d.before = len(self.decisions)
                same = [x for x in self.decisions if x.street == street]
                d.raises = sum(x.kind == "raiseTo" for x in same)
                d.earlier = same
                d.first = all(x.seat != seat for x in same)
                self.decisions.append(d)
                put_in = self.stack[seat] - e["stack"]
                if put_in:
                    self.board_at_last_chip = len(self.board)
                self.stack[seat] = e["stack"]
                self.paid[seat] += put_in
                self.layered[seat] += put_in
                if kind == "raiseTo":
                    step = max(step, e["total"] - to_match)
                    to_match = e["total"]
                front[seat] = e["total"]
                last_seen[seat] = to_match
                if kind == "fold":
                    self.folded.add(seat)
            elif name == "uncalled":
                self.stack[e["seat"]] += e["amount"]
                self.paid[e["seat"]] -= e["amount"]
                self.layered[e["seat"]] -= e["amount"]
            elif name == "streetDealt" and not e.get("board"):
                street, to_match, step = e["street"], 0, big
                front, last_seen = Counter(), {}
                self.board += [card(c) for c in e["cards"]]
                if street == "flop":
                    self.flop_live = set(self.seats) - self.folded
            elif name == "shown":
                self.cards[e["seat"]] = tuple(card(c) for c in e["cards"])
            elif name == "potWon":
                self.won[e["seat"]] += e["amount"]
                self.pots[e["pot"]] += e["amount"]
        self.live = [s for s in self.seats if s not in self.folded]

    def of(self, street):
        return [d for d in self.decisions if d.street == street]

    def blinds(self):
        """Small and big blind, or None. Whoever has nothing left after the ante has a blind and posts none."""
        first = {post: seats[0] for post, seats in self.posts.items()}
        small, big = first.get("smallBlind"), first.get("bigBlind")
        ante = self.config["ante"]
        if isinstance(ante, dict) and "bigBlind" in ante:
            return small, big if big is not None else first.get("ante")
        # Clockwise from the button's left.
        order, broke = self.seats, self.broke
        if big is None and small is not None:
            behind = order[(order.index(small) + 1) % len(order)]
            big = behind if behind in broke else None
        if big is None and "live" in first:
            return small, first["live"]
        if big is None:
            both = len(order) > 2 and set(order[:2]) <= broke
            big = order[1] if both else order[0] if order[0] in broke else None
        if small is None and big is not None and order.index(big) > 0:
            ahead = order[order.index(big) - 1]
            small = ahead if ahead in broke else None
        return small, big

    def positions(self):
        """Blinds by who has them, everybody else counted back from the button."""
        named = {}
        small, big = self.blinds()
        if big is not None:
            named[big] = "bb"
        if small is not None and len(self.seats) > 2:
            named.setdefault(small, "sb")
        rest = [s for s in reversed(self.seats) if s not in named]
        # Ten players and a dead small blind leave nine: the two farthest from the button share a name.
        for seat, name in zip(rest, ["btn", "co", "hj", "lj", "mp", "ep3", "ep2", "ep1", "ep1"]):
            named[seat] = name
        return named


def preflop(hand, seat, where, count):
    all_ = hand.of("preflop")
    own = [d for d in all_ if d.seat == seat]
    count["walks"] = int(where[seat] == "bb" and not own)
    count["vpip"] = int(any(d.kind in ("call", "raiseTo") for d in own))
    count["pfr"] = int(any(d.kind == "raiseTo" for d in own))
    count["pfr_of"] = int(any(d.may_raise for d in own))
    for name, raises in (("three_bet", 1), ("four_bet", 2)):
        turns = [d for d in own if d.raises == raises and d.may_raise]
        count[name + "_of"] = len(turns)
        count[name] = sum(d.kind == "raiseTo" for d in turns)
    facing = [d for d in own if d.raises == 2]
    count["fold_three_bet_of"] = len(facing)
    count["fold_three_bet"] = sum(d.kind == "fold" for d in facing)
    opener = next((d.seat for d in all_ if d.kind == "raiseTo"), None)
    facing = facing if opener == seat else []
    count["open_fold_three_bet_of"] = len(facing)
    count["open_fold_three_bet"] = sum(d.kind == "fold" for d in facing)
    # Steals.
    def may_steal(d):
        folded_to = all(x.kind == "fold" for x in d.earlier)
        return where[d.seat] in ("co", "btn", "sb") and d.first and folded_to and d.may_raise

    turns = [d for d in own if may_steal(d)]
    count["steal_of"] = len(turns)
    count["steal"] = sum(d.kind == "raiseTo" for d in turns)
    stolen = any(may_steal(d) and d.kind == "raiseTo" for d in all_)
    answers = [d for d in own if d.raises == 1 and not may_steal(d)] if stolen else []
    answers = answers[:1] if where[seat] in ("sb", "bb") else []
    count["fold_steal_of"] = len(answers)
    count["fold_steal"] = sum(d.kind == "fold" for d in answers)


def continuation(hand):
    """By street: who could make a continuation bet, and the decision with which it was made."""
    raisers = [d.seat for d in hand.of("preflop") if d.kind == "raiseTo"]
    found = {}
    if not raisers:
        return found
    for street in STREETS[1:]:
        turn = next((d for d in hand.of(street) if d.seat == raisers[-1]), None)
        if turn is None or turn.raises:
            break
        found[street] = (turn, turn.kind == "raiseTo")
        if turn.kind != "raiseTo":
            break
    return found


def postflop(hand, seat, cbets, count):
    late = [d for d in hand.decisions if d.seat == seat and d.street != "preflop"]
    count["aggressive"] = sum(d.kind == "raiseTo" for d in late)
    count["calls"] = sum(d.kind == "call" for d in late)
    count["folds"] = sum(d.kind == "fold" for d in late)
    for street in STREETS[1:]:
        turn, made = cbets.get(street, (None, False))
        own = [d for d in late if d.street == street]
        mine = turn is not None and turn.seat == seat
        count[f"cbet_{street}_of"] = int(mine)
        count[f"cbet_{street}"] = int(mine and made)
        answer = None
        if made and not mine:
            # The first decision after the bet, unless somebody has raised it.
            after = [d for d in own if d.before > turn.before]
            answer = after[0] if after and after[0].raises == 1 else None
        count[f"fold_cbet_{street}_of"] = int(answer is not None)
        count[f"fold_cbet_{street}"] = int(answer is not None and answer.kind == "fold")
        check = next((d for d in own if d.kind == "check"), None)
        faced = [d for d in own if check and d.before > check.before and d.facing]
        count["check_raise_of"] += bool(faced)
        count["check_raise"] += any(d.kind == "raiseTo" for d in faced)


def rake_parts(hand):
    """Pro rata to net winnings, down, the odd units to the winners in seat order; nobody won: those who lost least."""
    seats = sorted(hand.seats)
    net = {s: hand.won[s] - hand.paid[s] for s in seats}
    best = max(net.values())
    weight = {s: max(net[s], 0) if best > 0 else int(net[s] == best) for s in seats}
    total = sum(weight.values())
    parts = {s: hand.rake * weight[s] // total for s in seats}
    # Without permits the first of the winners takes all that rounding left.
    first = next(s for s in seats if weight[s])
    parts[first] += hand.rake - sum(parts.values())
    return parts


def adjusted(hand):
    """None where nothing is adjusted, "unknown" where cards are missing, else chips won by seat."""
    able = [s for s in hand.live if hand.stack[s] > 0]
    if len(hand.live) < 2 or len(able) > 1 or hand.board_at_last_chip >= 5:
        return None
    if any(s not in hand.cards for s in hand.live):
        return "unknown"
    # Main pot first: layers by what those who show down have in; dead money belongs to the lowest.
    levels = sorted({hand.layered[s] for s in hand.live})
    pots = []
    if hand.dead:
        pots.append(frozenset(hand.live))
    for level in levels:
        if level > 0:
            pots.append(frozenset(s for s in hand.live if hand.layered[s] >= level))
    who = []
    for eligible in pots:
        if not who or who[-1] != eligible:
            who.append(eligible)
    won = Counter()
    board = tuple(hand.board[: hand.board_at_last_chip])
    for index, eligible in enumerate(who):
        amount, seats = hand.pots[index], sorted(eligible)
        if len(seats) == 1:
            won[seats[0]] += amount
            continue
        holes = tuple(hand.cards[s] for s in seats)
        dead = tuple(c for s in hand.live if s not in eligible for c in hand.cards[s])
        parts = [amount * share.numerator // share.denominator for share in equities(holes, board, dead)]
        parts[0] += amount - sum(parts)
        for seat, part in zip(seats, parts):
            won[seat] += part
    assert sum(won.values()) == sum(hand.pots.values()), "pots"
    return {s: won[s] - hand.paid[s] for s in hand.live}


def count(hand):
    where, cbets, parts = hand.positions(), continuation(hand), rake_parts(hand)
    try:
        luck = adjusted(hand)
    except Skipped:
        luck = "skipped"
    counted = {}
    for seat in hand.seats:
        c = Counter(hands=1)
        preflop(hand, seat, where, c)
        postflop(hand, seat, cbets, c)
        saw = hand.flop_live is not None and seat in hand.flop_live
        shown = len(hand.live) > 1 and seat in hand.live
        won = hand.won[seat] > 0
        c["saw_flop"], c["showdowns"] = int(saw), int(shown)
        c["won_showdown"], c["won_saw_flop"] = int(shown and won), int(saw and won)
        net = hand.results[seat]
        c["rake"], c["won"], c["won_before_rake"] = parts[seat], net, net + parts[seat]
        known = luck == "skipped" and seat in hand.live or isinstance(luck, dict) and seat in luck
        c["adjusted"] = luck[seat] if known and luck != "skipped" else net
        c["all_in_hands"] = int(known)
        c["all_in_unknown"] = int(luck == "unknown" and seat in hand.live)
        for name in ("won", "won_before_rake", "adjusted"):
            c[name + "_sq"] = c[name] ** 2
        if luck == "skipped" and seat in hand.live:
            c["adjusted"] = c["adjusted_sq"] = None
        counted[seat] = (where[seat], c)
    return counted


# --- comparison ------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect", type=int, required=True)
    parser.add_argument("--preflop", type=int, default=3, help="pots all-in before the flop that are enumerated")
    parser.add_argument("--sample", action="store_true", help="some things may never happen in these hands")
    options = parser.parse_args()
    PREFLOP[0] = options.preflop
    hands = differences = 0
    totals, kinds = Counter(), Counter()
    for line in sys.stdin:
        line = json.loads(line)
        hands += 1
        record, told = line["record"], {f["seat"]: f for f in line["facts"]}
        hand = Hand(record)
        if hand.void:
            kinds["void"] += 1
            expected = {}
        else:
            expected = count(hand)
            kinds["straddled"] += "straddle" in hand.posts
            kinds["with antes"] += "ante" in hand.posts
            kinds["with a blind that the ante took"] += bool(hand.broke & set(hand.blinds()))
            kinds["with dead or late blinds"] += "dead" in hand.posts or "live" in hand.posts
            kinds["run twice"] += any(
                isinstance(e, dict) and e.get("streetDealt", {}).get("board") for e in record["history"]["events"]
            )
            kinds["side pots"] += len(hand.pots) > 1
            kinds["all-in adjusted"] += any(c["all_in_hands"] for _, c in expected.values())
            kinds["all-in unknown"] += any(c["all_in_unknown"] for _, c in expected.values())
        where = f"hand {record['history']['hand']} of {record['table']}"
        if set(expected) != set(told):
            differences += 1
            print(f"{where}: seats {sorted(expected)} here, {sorted(told)} there", file=sys.stderr)
            continue
        for seat, (position, counters) in expected.items():
            f = told[seat]
            if (f["position"], f["dealt_in"]) != (position, len(hand.seats)):
                differences += 1
                print(f"{where}, seat {seat}: position {position} here, {f['position']} there", file=sys.stderr)
            if not set(counters) <= set(f["counters"]):
                raise SystemExit(f"not counted there: {set(counters) - set(f['counters'])}")
            if sum(int(told[s]["counters"]["adjusted"]) for s in told) != -hand.rake:
                raise SystemExit(f"{where}: the adjusted results do not sum to the rake")
            for name, value in f["counters"].items():
                totals[name] += int(value) != 0
                if counters[name] is None:
                    kinds["results not enumerated here (all-in before the flop)"] += name == "adjusted"
                elif counters[name] != int(value):
                    differences += 1
                    print(f"{where}, seat {seat}: {name} is {counters[name]} here, {value} there", file=sys.stderr)
    for name, times in totals.items():
        # The engine turns every hand up where the betting ends before the river (WSOP 145): only hands of earlier releases,
        # and hands played elsewhere, have unknown cards in an all-in.
        if times == 0 and not options.sample and name != "all_in_unknown":
            raise SystemExit(f"{name} never happened: these hands show nothing about it")
    if hands != options.expect:
        raise SystemExit(f"{hands} hands, not {options.expect}")
    print(f"{hands} hands, {sum(1 for _ in totals)} counters: {differences} differences")
    print(", ".join(f"{times} {kind}" for kind, times in sorted(kinds.items())))
    sys.exit(differences > 0)


main()
