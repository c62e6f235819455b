//! The classes of requests that limits count apart.

/// A class of requests, with limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nonces and sign-ins of an address, and refresh tokens that nobody issued: each costs a signature or a write.
    SignIn,
    /// Everything else of an address.
    Address,
    /// Requests with one player's token.
    Player,
    /// Sockets that an address opens: each costs a handshake with a pod.
    Socket,
    /// Withdrawals and admin's requests of one person: each costs a signature, or is meant to be rare.
    Money,
    /// Refreshes of one sign-in, by a token that a gateway issued: no neighbour of its address uses them up.
    Refresh,
}

impl Class {
    pub const ALL: [Self; 6] =
        [Self::SignIn, Self::Address, Self::Player, Self::Socket, Self::Money, Self::Refresh];

    /// A label of metrics, and the policy's name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Address => "address",
            Self::Player => "player",
            Self::Socket => "socket",
            Self::Money => "money",
            Self::Refresh => "refresh",
        }
    }
}
