//! Where a player sits relative to blinds and button, by the players dealt in.

use purr_engine::{Event, SeatIndex, event::Post, history::HandHistory, ids::SEATS_MAX};

/// Big and small blind are the players who post them. Other positions are counted backwards from the button over the
/// players dealt in. With a dead button, the last to act after the flop has the button's position; with a dead small
/// blind nobody has the small blind's, and the two of ten players farthest from the button are both `Early1`. Heads-up
/// the small blind has the button.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    #[default]
    Button,
    Cutoff,
    Hijack,
    Lojack,
    /// Four before the button.
    Middle,
    /// Five before it.
    Early3,
    Early2,
    Early1,
    SmallBlind,
    BigBlind,
}

impl Position {
    pub const ALL: [Self; 10] = [
        Self::Button,
        Self::Cutoff,
        Self::Hijack,
        Self::Lojack,
        Self::Middle,
        Self::Early3,
        Self::Early2,
        Self::Early1,
        Self::SmallBlind,
        Self::BigBlind,
    ];

    /// A stable number for storage: the place in [`Self::ALL`].
    pub fn code(self) -> i16 {
        self as i16
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|position| position.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Button => "btn",
            Self::Cutoff => "co",
            Self::Hijack => "hj",
            Self::Lojack => "lj",
            Self::Middle => "mp",
            Self::Early3 => "ep3",
            Self::Early2 => "ep2",
            Self::Early1 => "ep1",
            Self::SmallBlind => "sb",
            Self::BigBlind => "bb",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|position| position.name() == name)
    }
}

/// By seat.
#[derive(Clone, Copy)]
pub(crate) struct Positions([Position; SEATS_MAX]);

impl Positions {
    pub(crate) fn of(&self, seat: SeatIndex) -> Position {
        self.0.get(seat.index()).copied().unwrap_or_default()
    }
}

pub(crate) fn positions(history: &HandHistory) -> Positions {
    let posted = |wanted: Post| {
        history.events.iter().find_map(|event| match event {
            Event::Posted { seat, post, .. } if *post == wanted => Some(*seat),
            _ => None,
        })
    };
    // A player who buys the button posts both blinds, and nobody else does.
    let big = posted(Post::BigBlind).or_else(|| posted(Post::Live));
    let heads_up = history.seats.len() == 2;
    let small = posted(Post::SmallBlind).filter(|_| !heads_up);
    let mut positions = [Position::Button; SEATS_MAX];
    let mut back = 0;
    for start in history.seats.iter().rev() {
        let Some(position) = positions.get_mut(start.seat.index()) else { continue };
        *position = if Some(start.seat) == big {
            Position::BigBlind
        } else if Some(start.seat) == small {
            Position::SmallBlind
        } else {
            back += 1;
            Position::ALL[(back - 1).min(7)]
        };
    }
    Positions(positions)
}
