"""The rule book where PokerKit 0.7.7 differs from it.

`Judge` follows one hand and says, from the rules' text alone, what the player to act owes and may raise to. A
difference between PokerKit and the judge is accepted only where one of REASONS explains it; each is counted. Rule
numbers are those of the WSOP Live Action Rules 2024.
"""

from pokerkit import State

REASONS = {
    "shortBlind": "WSOP 150: who calls a short big blind or straddle owes it in full, and raises start from there; "
    "PokerKit measures the first raise, and so every later one, from the short blind",
    "shortAllIn": "WSOP 170-173: who has acted and faces less than a full raise may only call or fold",
    "openFold": "TDA 2022 58: a fold in turn with no bet to answer is binding; PokerKit refuses it in tournaments",
    "emptyRaise": "not in the rule books: a raise that nobody can call more of goes back uncalled and plays as a call",
    "emptyTurn": "not in the rule books: PokerKit asks for a check from whom nobody can bet against; no chip can move",
    "halfBet": "WSOP 172, fixed limit: an all-in of half a bet or more is a full bet, a smaller one is none; PokerKit "
    "adds each to the size or the count of raises",
    "betsMax": "fixed limit, Robert's Rules of Poker 11, betting and raising 3: a bet and three raises; the big blind is "
    "that bet, and PokerKit does not count it",
    "pushedFirst": "WSOP 145, last sentence: with the betting over before the river, who pushed all-in shows first, else "
    "who bet last, else the left of the button; PokerKit begins with who raised last on that street, before the flop at "
    "the left of the blinds",
    "sidePotFirst": "WSOP 145, 149: the players of the last side pot show before who is all-in for less; PokerKit goes "
    "around once",
    "riverMuck": "WSOP 145: after betting on the river who cannot win may muck; PokerKit turns all hands up where anybody "
    "is all-in, as TDA 16 says for tournaments",
    "oddChips": "WSOP 148-149: odd chips go one at a time clockwise from the button; PokerKit gives all to the first, "
    "and joins pots when those who lost them are out",
}


class Judge:
    """What the rule book says about the betting of one hand."""

    def __init__(self, state, hand):
        self.state = state
        players = len(hand["stacks"])
        self.street = None
        self.opening_bet = max(hand["bets"])
        self.min_bet = hand["min_bet"]
        self.limit = hand["limit"]
        self.players = range(players)
        self.short_all_in = False
        self.base_was_short = False
        # For the showdown: the street of the last choice, who bet last on it, and who last pushed all-in on any.
        self.last_street = 0
        self.last_bettor = None
        self.pushed = None

    def choice(self, player, raised_to):
        """Notices what a player chose, before it is carried out."""
        if self.last_street != self.state.street_index:
            self.last_street, self.last_bettor = self.state.street_index, None
        if raised_to is not None:
            self.last_bettor = player
            if raised_to == self.state.stacks[player] + self.state.bets[player]:
                self.pushed = player

    def on_street(self):
        """Notices a new street: nobody has acted, and the least raise is the least bet."""
        if self.street != self.state.street_index:
            self.street = self.state.street_index
            self.acted_at = [None for _ in self.players]
            self.raise_size = self.min_bet
            # The bet in full steps, and how many there were, for a fixed limit. The big blind is the first.
            self.full_bet = self.opening_bet if self.street == 0 else 0
            self.bets = 1 if self.full_bet else 0
            self.short_all_in = False
            self.base_was_short = False

    def bet(self):
        """What has to be matched. A blind is owed in full though its player was short (WSOP 150)."""
        highest = max(self.state.bets)
        return max(highest, self.opening_bet) if self.street == 0 else highest

    def short_blind(self):
        """Whether PokerKit's bet of this street is, or was when it was raised, less than the blind that is owed."""
        return self.base_was_short or self.bet() > max(self.state.bets)

    def inflated(self):
        """Whether a raise from a short blind left PokerKit with a least raise above the rule book's. What was a full
        raise since is a short one to PokerKit, and closes the betting."""
        size = self.limit_size() if self.limit else self.raise_size
        return self.base_was_short and self.state.completion_betting_or_raising_amount > size

    def call(self, player):
        """Table stakes (WSOP 60): a bet that no opponent can match whole costs what the largest of them can."""
        state = self.state
        most = max(state.bets[i] + state.stacks[i] for i in self.players if i != player and state.statuses[i])
        return min(state.stacks[player], max(0, min(self.bet(), most) - state.bets[player]))

    def limit_size(self):
        return self.limit[0] if self.street < 2 else self.limit[1]

    def capped(self):
        return self.limit is not None and self.bets >= self.limit[2]

    def closed(self, player):
        """A player who has acted may raise again only when facing a full raise, in one or in several steps (WSOP 172)."""
        at = self.acted_at[player]
        if at is None:
            return False
        if self.limit:
            return self.full_bet <= at
        return self.bet() - at < self.raise_size

    def others_with_chips(self, player):
        state = self.state
        return [i for i in self.players if i != player and state.statuses[i] and state.stacks[i]]

    def raise_bounds(self, player):
        all_in = self.state.stacks[player] + self.state.bets[player]
        if self.closed(player) or self.capped() or all_in <= self.bet() or not self.others_with_chips(player):
            return None
        if self.limit:
            total = min(self.full_bet + self.limit_size(), all_in)
            return (total, total)
        return (min(self.bet() + self.raise_size, all_in), all_in)

    def called(self, player):
        self.acted_at[player] = max(self.bet(), self.full_bet)

    def raised(self, player, total):
        size = total - self.bet()
        self.base_was_short = self.short_blind()
        if self.limit:
            step = self.limit_size()
            self.short_all_in = self.short_all_in or total != self.full_bet + step
            # Half a bet or more is a whole one.
            if 2 * (total - self.full_bet) >= step:
                self.full_bet += step
                self.bets += 1
        else:
            self.short_all_in = self.short_all_in or size < self.raise_size
            self.raise_size = max(self.raise_size, size)
        self.acted_at[player] = max(total, self.full_bet)


class House(State):
    """PokerKit's state while an action is carried out that the judge allows and PokerKit would not."""

    judge = None

    @property
    def checking_or_calling_amount(self):
        return None if self.actor_index is None else self.judge.call(self.actor_index)

    def verify_completion_betting_or_raising_to(self, amount=None):
        # The bounds were compared before.
        return amount

    def verify_folding(self):
        if not self.actor_indices:
            raise ValueError("nobody is to act")


def showdown(judge, live, pots, ranks):
    """Who shows first, whether all hands are turned up, and who shows (True) or mucks in which order (WSOP 145, 149).
    `pots` are the places that can win each, the main pot first."""
    players = len(judge.players)
    all_up = judge.last_street < 3
    first = judge.last_bettor
    if all_up and judge.pushed is not None:
        first = judge.pushed
    if first is None or first not in live:
        first = live[0]
    return first, all_up, show(first, all_up, [pot for pot in reversed(pots) if len(pot) > 1], live, ranks, players)


def show(first, all_up, pots, live, ranks, players):
    """Goes around from `first`, once for each group of places in `pots`: a hand that loses to one that was shown before
    it in its group is mucked in the end."""
    around = [i % players for i in range(first, first + players) if i % players in live]
    shown = []
    for pot in pots:
        for place in (i for i in around if i in pot and i not in shown):
            best = max((ranks[i] for i in shown if i in pot), default=None)
            if all_up or best is None or ranks[place] >= best:
                shown.append(place)
    return [(place, True) for place in shown] + [(place, False) for place in around if place not in shown]


def shares(state):
    """What each place gets at a showdown. Each pot is split on its own, whoever else lost it, and its odd chips go one
    at a time from the button's left, which is place 0 (WSOP 148-149)."""
    right = [0 for _ in state.stacks]
    hands = list(state.get_up_hands(0, 0))
    for pot in state.pots:
        best = max(hands[i] for i in pot.player_indices)
        winners = [i for i in pot.player_indices if hands[i] == best]
        share, odd = divmod(pot.amount, len(winners))
        for turn, winner in enumerate(winners):
            right[winner] += share + (turn < odd)
    return right


def only_odd_chips(pots, peer, right):
    """Whether two ways of paying the pots differ by no more than odd chips."""
    odd = len(pots) * len(right)
    return sum(peer) == sum(right) and all(abs(a - b) <= odd for a, b in zip(peer, right))
