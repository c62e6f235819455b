//! A load generator's view of a protocol: how to attach, what was received, how to act.

use super::setup::Setup;
use purr_runtime::ws::Message;
use tokio_tungstenite::tungstenite::handshake::client::Request;

/// The actions of a player whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    pub hand: u64,
    pub check: bool,
    /// The cost of a call, where one can be made.
    pub call: Option<u64>,
    pub raise_min: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Fold,
    Check,
    Call,
    RaiseTo(u64),
}

/// The content of one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The current state of the table has arrived.
    pub attached: bool,
    /// An action was shown: where in the table's history.
    pub shown: Option<Shown>,
    pub turn: Option<Turn>,
    pub answer: Option<Answer>,
    /// Goes out at once: a protocol's own heartbeat, or the next step of coming in.
    pub reply: Option<Message>,
    /// The table is paused.
    pub paused: bool,
    /// The player's own clock ran out.
    pub timed_out: bool,
    /// The connection is over, and why.
    pub ended: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Rises with every message of the table; the same for all who see it.
    pub offset: u64,
    /// One of the shown actions is this connection's own.
    pub own: bool,
}

/// The answer to a message of this id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub id: u64,
    pub refused: Option<String>,
    /// The request was only too early: repeat it later.
    pub again: bool,
}

/// The client side of a protocol for one connection: frames in and out, no sockets and no clock.
pub trait Side {
    /// The request that opens the WebSocket. What was known of a connection before is forgotten.
    ///
    /// # Errors
    /// Where no request can be made of this address.
    fn open(&mut self, address: &str) -> anyhow::Result<Request>;

    /// The first frame, where the client speaks first.
    fn hello(&mut self, token: &str) -> Option<Message>;

    /// # Errors
    /// Where a frame is none of this protocol.
    fn hear(&mut self, frame: &Message) -> anyhow::Result<Heard>;

    /// Whether this player has a seat, or wants none.
    fn settled(&self) -> bool;

    /// Whether it has one.
    fn seated(&self) -> bool;

    /// A request other than an action, for instance to sit down: its id and the frame.
    fn wish(&mut self, setup: &Setup) -> Option<(u64, Message)>;

    /// An action, and its id.
    fn act(&mut self, hand: u64, choice: Choice) -> (u64, Message);

    /// Gives the seat back, if there is one, and asks for no other.
    fn leave(&mut self) -> Option<Message>;

    /// A newer token, where the protocol takes one.
    fn renew(&mut self, token: &str) -> Option<Message>;
}

/// Calls and checks; the first to speak before the flop raises to the least. So every seat acts about four times a hand,
/// and stacks last long.
pub(crate) fn choose(turn: &Turn, big_blind: u64) -> Choice {
    let unraised = turn.call == Some(big_blind) && turn.raise_min == Some(2 * big_blind);
    match (turn.check, turn.call) {
        (true, _) => Choice::Check,
        (false, Some(_)) if unraised => Choice::RaiseTo(2 * big_blind),
        (false, Some(_)) => Choice::Call,
        (false, None) => Choice::Fold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_speak_raises_once_and_all_others_call_or_check() {
        let turn = |check, call, raise_min| Turn { hand: 1, check, call, raise_min };
        assert_eq!(choose(&turn(false, Some(10), Some(20)), 10), Choice::RaiseTo(20));
        assert_eq!(choose(&turn(false, Some(20), Some(30)), 10), Choice::Call);
        // The big blind after a raise: the call costs the same, but the minimum raise shows that there was one.
        assert_eq!(choose(&turn(false, Some(10), Some(30)), 10), Choice::Call);
        assert_eq!(choose(&turn(true, None, Some(10)), 10), Choice::Check);
        assert_eq!(choose(&turn(false, None, None), 10), Choice::Fold);
    }
}
