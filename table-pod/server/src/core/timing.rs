//! Think times for the hand's record, measured in this process: from sending the turn to the arrival of the action.

use super::{Core, Deal, Input, Step};
use purr_engine::{Event, Millis, SeatIndex};
use purr_protocol::timing::{ActionTiming, Rtt};

/// How a player's command reached the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// By the table's clock, in milliseconds; `None`: not measured.
    pub at: Option<Millis>,
    pub rtt: Rtt,
}

/// The running turn and the command that is being carried out.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    arrival: Arrival,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    seat: SeatIndex,
    sent: Sent,
}

#[derive(Debug)]
enum Sent {
    /// The step that starts the turn is not shown yet.
    Pending,
    At(Millis),
    /// The turn was sent by the previous process.
    Elsewhere,
}

impl Core {
    /// Handles one input of a player, with the time of its arrival.
    pub fn handle_arrived(&mut self, now: Millis, arrival: Arrival, input: Input) -> Step {
        self.thinking.arrival = arrival;
        let step = self.handle(now, input);
        self.thinking.arrival = Arrival::default();
        step
    }

    /// Notes that a step has been sent; a turn that it started is timed from now on.
    pub fn sent(&mut self, now: Millis) {
        if let Some(Turn { sent: sent @ Sent::Pending, .. }) = self.thinking.turn.as_mut() {
            *sent = Sent::At(now);
        }
    }

    /// A turn that the process before this one had sent is not measured.
    pub(super) fn forget_turn(&mut self) {
        if let Some(turn) = self.thinking.turn.as_mut() {
            turn.sent = Sent::Elsewhere;
        }
    }

    /// Notes one timing for each action among the events.
    pub(super) fn time_actions(&mut self, events: &[Event], deal: &mut Deal) {
        let acted = |events: &[Event]| events.iter().filter(|e| matches!(e, Event::Acted { .. })).count();
        // A release that measured nothing may have played the hand's first actions.
        deal.timings.resize(acted(&deal.events), ActionTiming::default());
        for event in events {
            match event {
                // A clock that continues announces the same turn again.
                Event::TurnStarted { seat, .. }
                    if self.thinking.turn.as_ref().is_none_or(|turn| turn.seat != *seat) =>
                {
                    self.thinking.turn = Some(Turn { seat: *seat, sent: Sent::Pending });
                }
                Event::Acted { seat, timed_out, .. } => {
                    deal.timings.push(self.time_action(*seat, *timed_out));
                }
                Event::HandEnded(_) => self.thinking.turn = None,
                _ => {}
            }
        }
    }

    /// A command causes one action; further actions of the same step are the table's own.
    fn time_action(&mut self, seat: SeatIndex, timed_out: bool) -> ActionTiming {
        let turn = self.thinking.turn.take();
        let Arrival { at, rtt } = std::mem::take(&mut self.thinking.arrival);
        if timed_out {
            return ActionTiming::default();
        }
        let sent = match turn {
            Some(Turn { seat: on_turn, sent: Sent::At(sent) }) if on_turn == seat => Some(sent),
            _ => None,
        };
        let think = at.zip(sent).map(|(at, sent)| at.saturating_sub(sent));
        ActionTiming { think_ms: think.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)), rtt }
    }
}
