"""The rule book where PokerKit 0.7.7 differs from it.

`Judge` follows one hand and says, from the rules' text alone, what the player to act owes and may raise to. A
difference between PokerKit and the judge is accepted only where one of REASONS explains it; each is counted. Rule
numbers are those of the WSOP Live Action Rules 2024.
"""

from pokerkit import State

REASONS = {
    "shortBlind": "WSOP 150: who calls a short big blind or straddle owes it in full, and raises start from there",
    "shortAllIn": "WSOP 170-173: who has acted and faces less than a full raise may only call or fold",
    "openFold": "no rule forbids to fold where a check is free; PokerKit refuses it in tournaments",
    "emptyRaise": "no rule forbids a raise that nobody can call more of: it goes back uncalled, and plays as a call",
    "emptyTurn": "PokerKit asks for a check from a player whom nobody can bet against: no chip can move",
    "oddChips": "WSOP 148-149: odd chips go one at a time clockwise from the button; PokerKit gives all to the first",
}


class Judge:
    """What the rule book says about the betting of one hand."""

    def __init__(self, state, hand):
        self.state = state
        players = len(hand["stacks"])
        # In places: PokerKit names the blinds of two players the other way round.
        self.street = None
        self.opening_bet = max(hand["bets"])
        self.min_bet = hand["min_bet"]
        self.limit = hand["limit"]
        self.players = range(players)
        self.short_all_in = False
        self.base_was_short = False

    def on_street(self):
        """Notices a new street: nobody has acted, and the least raise is the least bet."""
        if self.street != self.state.street_index:
            self.street = self.state.street_index
            self.acted_at = [None for _ in self.players]
            self.raise_size = self.min_bet
            self.raises = 0
            self.short_all_in = False
            self.base_was_short = False

    def bet(self):
        """What has to be matched. A blind is owed in full though its player was short (WSOP 150)."""
        highest = max(self.state.bets)
        return max(highest, self.opening_bet) if self.street == 0 else highest

    def short_blind(self):
        """Whether PokerKit's bet of this street is, or was when it was raised, less than the blind that is owed."""
        return self.base_was_short or self.bet() > max(self.state.bets)

    def call(self, player):
        return min(self.state.stacks[player], self.bet() - self.state.bets[player])

    def closed(self, player):
        """A player who has acted may raise again only when facing a full raise, in one or in several steps (WSOP 172)."""
        at = self.acted_at[player]
        return at is not None and self.bet() - at < self.raise_size

    def others_with_chips(self, player):
        state = self.state
        return [i for i in self.players if i != player and state.statuses[i] and state.stacks[i]]

    def raise_bounds(self, player):
        all_in = self.state.stacks[player] + self.state.bets[player]
        if self.closed(player) or all_in <= self.bet() or not self.others_with_chips(player):
            return None
        return (min(self.bet() + self.raise_size, all_in), all_in)

    def called(self, player):
        self.acted_at[player] = self.bet()

    def raised(self, player, total):
        size = total - self.bet()
        self.base_was_short = self.short_blind()
        self.short_all_in = self.short_all_in or size < self.raise_size
        self.raise_size = max(self.raise_size, size)
        self.acted_at[player] = total
        self.raises += 1


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


def push_by_rule(state):
    """Pays the next pot, its odd chips one at a time from the button's left: place 0 (WSOP 148). Says whether that
    differs from PokerKit."""
    before = list(state.bets)
    live = [i for i, status in enumerate(state.statuses) if status]
    hands = list(state.get_up_hands(0, 0)) if len(live) > 1 else None
    operation = state.push_chips()
    paid = list(operation.amounts)
    amount = sum(paid)
    eligible = [i for i in state._pots[operation.pot_index].player_indices if i in live]
    if hands is None:
        winners = live
    else:
        best = max(hands[i] for i in eligible)
        winners = [i for i in eligible if hands[i] == best]
    share, odd = divmod(amount, len(winners))
    right = [0] * len(paid)
    for turn, winner in enumerate(winners):
        right[winner] = share + (turn < odd)
    for i, value in enumerate(right):
        state.bets[i] = before[i] + value
    return right != paid
