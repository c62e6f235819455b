//! Where a player sits relative to blinds and button, by the players dealt in.

use purr_engine::{Ante, Event, SeatIndex, event::Post, history::HandHistory, ids::SEATS_MAX};

/// The big and the small blind are who posts them, or would where the ante took the whole stack. The others are counted back from the button over the players dealt in:
/// with a dead button the last to act after the flop has the button's position, and with a dead small blind nobody has
/// the small blind's: of ten players the two farthest from the button are both `Early1` then. Heads-up the small blind has
/// the button.
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
    let blinds = Blinds::of(history);
    let mut positions = [Position::Button; SEATS_MAX];
    let mut back = 0;
    for start in history.seats.iter().rev() {
        let Some(position) = positions.get_mut(start.seat.index()) else { continue };
        *position = if Some(start.seat) == blinds.big {
            Position::BigBlind
        } else if Some(start.seat) == blinds.small {
            Position::SmallBlind
        } else {
            back += 1;
            Position::ALL[(back - 1).min(7)]
        };
    }
    Positions(positions)
}

/// Who has the blinds. A player whose whole stack the ante took has a blind without posting it.
struct Blinds {
    /// Nobody where it is dead. Heads-up the button has it, and counts as the button.
    small: Option<SeatIndex>,
    big: Option<SeatIndex>,
}

impl Blinds {
    fn of(history: &HandHistory) -> Self {
        let posted = |wanted: Post| {
            history.events.iter().find_map(|event| match event {
                Event::Posted { seat, post, .. } if *post == wanted => Some(*seat),
                _ => None,
            })
        };
        let spent = |seat: &SeatIndex| {
            let all = |event: &Event| matches!(event, Event::Posted { seat: of, post: Post::Ante, stack: 0, .. } if of == seat);
            history.events.iter().any(all)
        };
        // In the order of the deal, which the button ends.
        let seats = || history.seats.iter().map(|start| start.seat);
        let heads_up = history.seats.len() == 2;
        let small = posted(Post::SmallBlind);
        let after = |small: SeatIndex| seats().chain(seats()).skip_while(|seat| *seat != small).nth(1);
        let big = match history.config.ante {
            // The big blind alone pays it.
            Ante::BigBlind(_) => posted(Post::BigBlind).or_else(|| posted(Post::Ante)),
            // Who buys the button posts both blinds, and nobody else does.
            Ante::None | Ante::Each(_) => posted(Post::BigBlind)
                .or_else(|| small.and_then(after).filter(spent))
                .or_else(|| posted(Post::Live))
                .or_else(|| seats().take(if heads_up { 1 } else { 2 }).take_while(spent).last()),
        };
        let before = || {
            let big = big.filter(|big| Some(*big) != posted(Post::Live))?;
            seats().take_while(|seat| *seat != big).last().filter(spent)
        };
        let small = if heads_up { None } else { small.or_else(before) };
        Self { small, big }
    }
}
