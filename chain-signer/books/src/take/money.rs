//! Free balances, and the reservations and vouchers that are made from them.

use super::{Moves, Taking, moves, seat_account};
use crate::{
    books::{Change, Promise},
    ledger::{Account, Subject},
    promise::{PromiseEvent, PromiseId, PromiseKind, PromiseState, next},
};
use purr_engine::PlayerId;

/// Order in which reservations and vouchers end: first those that no entry or signature uses.
fn rank(id: &PromiseId, promise: &Promise) -> u8 {
    match (id.kind, promise.state) {
        (PromiseKind::Permit, PromiseState::Held) => 0,
        (PromiseKind::Voucher, _) => 1,
        (PromiseKind::Permit, _) => 2,
    }
}

impl Taking<'_> {
    /// Books a deposit. Amounts that the chain paid beyond the books are repaid from it first.
    pub(super) fn deposited(&mut self, key: &str, player: PlayerId, amount: u64) {
        let suspense = Account::Suspense(Subject::Player(player));
        let owed = self.books.ledger.amount(&suspense).min(0).unsigned_abs().min(amount);
        let moves = vec![
            (Account::Chain, -i128::from(amount)),
            (suspense, owed.into()),
            (Account::Free(player), (amount - owed).into()),
        ];
        self.post(key, "deposit", &Subject::Player(player), moves);
    }

    /// Books what left a player's free balance on chain: from the free account first, then from amounts reserved for
    /// seats and vouchers. A final chain event is never rejected for lack of free balance; reservations that it leaves
    /// uncovered end.
    pub(super) fn spend(
        &mut self,
        key: &str,
        kind: &'static str,
        player: PlayerId,
        amount: u64,
        to: Account,
    ) {
        let free = self.books.free(player).min(amount);
        let moves: Moves = vec![
            (Account::Free(player), -i128::from(free)),
            (Account::Reserved(player), -i128::from(amount - free)),
            (to, amount.into()),
        ];
        self.post(key, kind, &Subject::Player(player), moves);
        if free < amount {
            self.uncover(key, player);
        }
    }

    /// Ends reservations and vouchers until the rest is covered; amounts left over become free. Later events of the
    /// ended ones go through [`Self::spend`].
    fn uncover(&mut self, key: &str, player: PlayerId) {
        let reserved = self.books.reserved(player);
        let live = self.books.promises_of(player).filter(|(_, promise)| promise.state.is_live());
        let mut live: Vec<_> =
            live.map(|(id, promise)| (rank(id, promise), promise.amount, *id, promise.state)).collect();
        live.sort_by_key(|(rank, amount, id, _)| (*rank, *amount, id.nonce));
        let mut promised: u64 = live.iter().map(|(_, amount, ..)| amount).sum();
        for (_, amount, id, state) in live {
            if promised <= reserved {
                break;
            }
            let Ok(state) = next(id.kind, state, PromiseEvent::Uncover) else { continue };
            self.change(Change::Promise { id, state });
            promised -= amount;
        }
        let over = reserved.saturating_sub(promised);
        if over > 0 {
            let moves = moves(Account::Reserved(player), Account::Free(player), over);
            self.post(&format!("{key}:uncovered"), "release", &Subject::Player(player), moves);
        }
    }

    /// Sets aside again what the chain may still pay for vouchers from before an exit, so that nobody else can reserve
    /// it.
    pub(super) fn cover(&mut self, key: &str, player: PlayerId) {
        let open =
            self.books.promises_of(player).filter(|(_, promise)| promise.state == PromiseState::Uncovered);
        let open: Vec<(PromiseId, u64)> = open.map(|(id, promise)| (*id, promise.amount)).collect();
        for (id, amount) in open {
            let Ok(state) = next(id.kind, PromiseState::Uncovered, PromiseEvent::Cover) else { continue };
            if self.books.free(player) < amount {
                continue;
            }
            self.change(Change::Promise { id, state });
            let moves = moves(Account::Free(player), Account::Reserved(player), amount);
            let key = format!("{key}:cover:{}", id.nonce);
            self.post(&key, "cover", &Subject::Player(player), moves);
        }
    }

    /// A voucher's amount was set aside when it was signed, unless that promise has ended since.
    pub(super) fn withdrawn(&mut self, key: &str, player: PlayerId, amount: u64, nonce: u64) {
        let id = PromiseId { kind: PromiseKind::Voucher, player, nonce };
        let made = self.books.promises.get(&id).map(|promise| (promise.state, promise.amount));
        let paid = made.and_then(|(state, _)| next(id.kind, state, PromiseEvent::Pay).ok());
        if let Some(state) = paid {
            self.change(Change::Promise { id, state });
        }
        if paid.is_some() && made == Some((PromiseState::Held, amount)) {
            let moves = moves(Account::Reserved(player), Account::Chain, amount);
            self.post(key, "withdraw", &Subject::Player(player), moves);
        } else {
            self.spend(key, "withdraw", player, amount, Account::Chain);
        }
    }

    /// The chips of a sit or top-up: what was reserved for its permit. An exit on chain takes promises with it; a seating
    /// that comes after is out of new money.
    pub(super) fn seat_money(
        &mut self,
        key: &str,
        uid: &str,
        seat: u8,
        player: PlayerId,
        amount: u64,
        nonce: u64,
    ) {
        let to = seat_account(uid, seat);
        let id = PromiseId { kind: PromiseKind::Permit, player, nonce };
        let made = self.books.promises.get(&id).filter(|promise| promise.amount == amount);
        let seated = made.and_then(|promise| next(id.kind, promise.state, PromiseEvent::Seat).ok());
        match seated {
            Some(state) => {
                self.change(Change::Promise { id, state });
                let moves = moves(Account::Reserved(player), to, amount);
                self.post(key, "seat", &Subject::Player(player), moves);
            }
            None => {
                self.release(player, nonce, PromiseEvent::Refuse);
                self.spend(key, "seat", player, amount, to);
            }
        }
    }
}
