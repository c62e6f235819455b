//! The order in which requests are refused when there are too many.

/// Priority of a request, the last to be refused first. A path alone never gives one of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A verified token of somebody who has a seat, or is an administrator.
    Seated,
    /// A verified token, or an address from which somebody with a seat has just played.
    Player,
    /// Everything else but newcomers: tables, keys, sockets whose token comes later.
    Lobby,
    /// Newcomers.
    SignIn,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::Seated, Self::Player, Self::Lobby, Self::SignIn];

    /// A label of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seated => "seated",
            Self::Player => "player",
            Self::Lobby => "lobby",
            Self::SignIn => "sign_in",
        }
    }

    /// How much of the room may be taken before this one is refused, in per cent.
    pub(crate) const fn share(self) -> u64 {
        match self {
            Self::Seated => 100,
            Self::Player => 90,
            Self::Lobby => 75,
            Self::SignIn => 50,
        }
    }
}
