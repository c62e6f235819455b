//! Versions of the type that permits are signed as.

/// The EIP-712 type of permits. Each vault accepts one type and reports it as `permitVersion`; a vault without a
/// version takes the first type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PermitVersion {
    /// `SeatPermit`: valid for any seat of the table, and also for a top-up.
    #[default]
    AnySeat,
    /// `SitPermit` and `TopUpPermit`, which name the seat.
    NamedSeat,
}

impl PermitVersion {
    /// The number in the vault's `permitVersion`.
    pub fn number(self) -> u8 {
        match self {
            Self::AnySeat => 1,
            Self::NamedSeat => 2,
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::AnySeat => Self::NamedSeat,
            Self::NamedSeat => Self::AnySeat,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vault takes permits of version {0}, and this program signs and checks 1 and 2: update it")]
pub struct UnknownPermitVersion(pub u8);

impl TryFrom<u8> for PermitVersion {
    type Error = UnknownPermitVersion;

    fn try_from(number: u8) -> Result<Self, UnknownPermitVersion> {
        match number {
            1 => Ok(Self::AnySeat),
            2 => Ok(Self::NamedSeat),
            _ => Err(UnknownPermitVersion(number)),
        }
    }
}
