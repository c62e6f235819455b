#!/usr/bin/env python3
"""Works out button, blinds, posts and who is dealt in, from the rules alone, and compares with the engine's.

usage: rotation.py [--expect HANDS] <tables.jsonl

Each line is a table from its first player on: who sat down, left, sat out, came back and wished what, and what each hand
began with. Nothing is accepted: any difference is printed with its table, and the program fails. Rule numbers are those
of the WSOP Live Action Rules 2024 where nothing else is said. What the model holds to:

- 151: the big blind moves to the next player; the small blind comes to where the big blind was and the button to where
  the small blind was, whether or not anybody sits there.
- Tournament 87: nobody has the big blind in two hands running, whatever chair they take.
- 153: of two players, the button has the small blind.
- 154: a newcomer owes a big blind: it comes to them, or they post one, anywhere but on the button.
- 156: who was away when the big blind passed owes both blinds, who was away for the small blind owes that one. They wait
  for the big blind or post; the small blind is dead.
- The game goes on, with its debts, as long as anybody of the last hand is ready. Else it begins at the first chair.

Where two rules collide, these decide:

- If only one player could be dealt in, the big blind goes on to the next, who owes it (154 before 151): a player alone
  with newcomers does not pay again for each of them.
- A player who leaves and comes back is a newcomer (154). If that player had the last big blind and only one other is
  ready, that big blind counts: the other has it now, and nothing is owed (Tournament 87 before 154).
"""

import argparse
import collections
import json
import sys

SHOWN_MAX = 10


class Person:
    """Somebody on a chair."""

    def __init__(self, name):
        self.name = name
        self.away = False
        self.going = False
        self.debt = set()
        self.posts = False
        self.wish = False


class Model:
    def __init__(self, table):
        self.size = table["seats"]
        self.small, self.big = table["small"], table["big"]
        self.straddles = table["straddle"]
        self.alone = table["newcomer_posts_big_alone"]
        self.straddle_back = table["straddle_back_in"]
        self.chairs = {}
        self.last = None
        self.running = None
        self.counts = collections.Counter()

    def round_from(self, chair):
        """All chairs, from the left of this one around to itself."""
        return [(chair + step) % self.size for step in range(1, self.size + 1)]

    # What players do.

    def sit(self, seat, player):
        person = self.chairs[seat] = Person(player)
        if self.last is not None:
            person.debt = {"big"}

    def leave(self, seat):
        if self.running and seat in self.running["dealt"]:
            self.chairs[seat].going = True
        else:
            del self.chairs[seat]

    def out(self, seat):
        self.chairs[seat].away = True
        self.chairs[seat].posts = False

    def come_in(self, seat, post):
        self.chairs[seat].away = False
        self.chairs[seat].posts = post

    # A hand.

    def ready(self):
        return {seat for seat, person in self.chairs.items() if not person.away and not person.going}

    def may_play(self, seat, button, small, big):
        """"due" without choosing it, "posts" by choice, or not at all."""
        person = self.chairs[seat]
        if not person.debt or seat == big or (seat == small and person.debt == {"small"}):
            return "due"
        return "posts" if person.posts and seat != button else None

    def dealt(self, ready, spot):
        found = {seat: self.may_play(seat, *spot) for seat in ready}
        return {seat: how for seat, how in found.items() if how}

    def first_hand(self, ready):
        order = sorted(ready)
        if len(order) == 2:
            return order[0], order[0], order[1]
        return order[0], order[1], order[2]

    def spots(self, ready):
        """Button, small and big blind for each who could have the big blind, in the order of their turn."""
        last = self.last
        for big in self.round_from(last["big"]):
            if big not in ready or self.chairs[big].name == last["payer"]:
                continue
            others = ready - {big}
            if len(others) == 1:
                (other,) = others
                yield other, other, big
                continue
            small, button = last["big"], last["small"]
            if button in (small, big):
                # It was heads-up: the button is behind the small blind.
                before = [seat for seat in self.round_from(small) if seat in others - {small}]
                button = before[-1]
            yield button, small, big

    def choose(self, ready):
        """Where button and blinds are, and who is dealt in."""
        for spot in self.spots(ready):
            dealt = self.dealt(ready, spot)
            if len(dealt) == 2 and set(dealt.values()) == {"due"}:
                (other,) = set(dealt) - {spot[2]}
                return (other, other, spot[2]), dealt
            if len(dealt) > 2:
                return spot, dealt
            self.counts["big blind goes on to who owes it"] += 1
        return None

    def forgive(self, seats):
        for seat in seats:
            self.chairs[seat].debt = set()
            self.chairs[seat].posts = False

    def buyer(self, ready, spot, dealt):
        """154: both blinds between button and small blind buy the button."""
        button, small, _ = spot
        if len(dealt) < 3:
            return None
        for seat in self.round_from(button):
            if seat == small:
                return None
            person = self.chairs.get(seat)
            if seat == button or seat not in dealt or not person.posts or "big" not in person.debt:
                continue
            if self.alone and person.debt == {"big"}:
                continue
            return seat if len(self.dealt(ready, (button, seat, seat))) > 2 else None
        return None

    def note_missed(self, spot):
        button, small, big = spot
        for seat in self.round_from(self.last["big"]):
            if seat == big:
                break
            person = self.chairs.get(seat)
            if person and (person.away or person.going):
                # Of a newcomer only the big blind is asked.
                if "big" not in person.debt:
                    person.debt.add("small")
                person.debt.add("big")
        person = self.chairs.get(small)
        if small != big and person and (person.away or person.going) and "big" not in person.debt:
            person.debt.add("small")

    def hand(self):
        ready = self.ready()
        before = self.last
        debts = {person.name: (set(person.debt), person.posts) for person in self.chairs.values()}
        people = {self.chairs[seat] for seat in ready}
        buyer = None
        if before is None or not people & before["people"]:
            self.counts["games begun"] += 1
            self.forgive(ready)
            spot = self.first_hand(ready)
            dealt = self.dealt(ready, spot)
        else:
            found = self.choose(ready)
            if found is None:
                self.counts["the last big blind came back"] += 1
                self.forgive(seat for seat in ready if self.chairs[seat].name == before["payer"])
                found = self.choose(ready)
            spot, dealt = found
            buyer = self.buyer(ready, spot, dealt)
            if buyer is None:
                self.note_missed(spot)
            else:
                spot = (spot[0], buyer, buyer)
                dealt = self.dealt(ready, spot)
        button, small, big = spot
        posts = self.posts(spot, dealt, buyer)
        straddler = next((seat for seat, kind, _ in posts if kind == "straddle"), None)
        last_bet = big if straddler is None else straddler
        first = next(seat for seat in self.round_from(last_bet) if seat in dealt)
        self.last = {
            "small": small,
            "big": before["big"] if buyer is not None else big,
            "payer": self.chairs[big].name,
            "people": {self.chairs[seat] for seat in dealt},
        }
        self.running = {"dealt": set(dealt), "before": before, "debts": debts}
        self.counts["hands"] += 1
        self.counts["heads-up"] += len(dealt) == 2
        self.counts["somebody waits"] += len(dealt) < len(ready)
        self.counts["dead button"] += button not in dealt
        self.counts["dead small blind"] += small not in dealt
        self.counts["button bought"] += buyer is not None
        self.counts["posts"] += sum(kind in ("live", "dead") for _, kind, _ in posts)
        self.counts["straddles"] += straddler is not None
        return {"button": button, "dealt": sorted(dealt), "posts": sorted(posts), "first": first}

    def posts(self, spot, dealt, buyer):
        button, small, big = spot
        posts = []
        if buyer is not None:
            posts += [(buyer, "dead", self.small), (buyer, "live", self.big)]
        else:
            posts.append((big, "bigBlind", self.big))
            if small in dealt and "big" not in self.chairs[small].debt:
                posts.append((small, "smallBlind", self.small))
        under = next(seat for seat in self.round_from(big) if seat in dealt)
        straddler = under if self.straddles and len(dealt) > 2 and self.chairs[under].wish else None
        for seat in dealt:
            person = self.chairs[seat]
            debt, person.debt, person.posts = person.debt, set(), False
            if seat == big or (seat == small and "big" not in debt) or not debt:
                continue
            if seat == straddler and self.straddle_back:
                self.counts["straddles for blinds"] += 1
                continue
            if seat == straddler and "big" in debt:
                # Their live bet is posted already.
                straddler = None
            if "small" in debt or (seat == small and not self.alone):
                posts.append((seat, "dead", self.small))
            if "big" in debt:
                posts.append((seat, "live", self.big))
                self.counts["newcomer posts alone before the small blind"] += (
                    self.alone and debt == {"big"} and seat in self.between(button, small)
                )
        if straddler is not None:
            posts.append((straddler, "straddle", 2 * self.big))
        return posts

    def between(self, button, small):
        seats = self.round_from(button)
        return seats[: seats.index(small)] if small != button else []

    def end(self, void):
        running, self.running = self.running, None
        if void:
            self.counts["void hands"] += 1
            self.last = running["before"]
            for seat in running["dealt"]:
                person = self.chairs[seat]
                debt, posts = running["debts"][person.name]
                person.debt |= debt
                person.posts |= posts
        for seat in running["dealt"]:
            if self.chairs[seat].going:
                del self.chairs[seat]


def run(table, counts):
    """The first difference, or None."""
    model = Model(table)
    model.counts = counts
    for number, entry in enumerate(table["log"]):
        do = entry["do"]
        if do == "sit":
            model.sit(entry["seat"], entry["player"])
        elif do == "leave":
            model.leave(entry["seat"])
        elif do == "out":
            model.out(entry["seat"])
        elif do == "in":
            model.come_in(entry["seat"], entry["post"])
        elif do == "wish":
            model.chairs[entry["seat"]].wish = entry["on"]
        elif do == "end":
            model.end(entry["void"])
        else:
            right = model.hand()
            engine = {key: entry[key] for key in right}
            engine["posts"] = sorted(tuple(post) for post in engine["posts"])
            if engine != right:
                return f"entry {number}, the hand begins with\n  {engine}, by the rules\n  {right}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--expect", type=int, default=None, help="how many hands there must be")
    options = parser.parse_args()
    counts, wrong, tables = collections.Counter(), 0, 0
    for line in sys.stdin:
        table = json.loads(line)
        tables += 1
        problem = run(table, counts)
        if problem:
            wrong += 1
            if wrong <= SHOWN_MAX:
                print(f"table {table['session']}: {problem}")
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {count:7} x {name}")
    print(f"{counts['hands']} hands at {tables} tables: {wrong} tables differ from the rules")
    if wrong or options.expect not in (None, counts["hands"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
