//! Steps of a fleet: decided, remembered until the watch shows them, and carried out.

/// Why a table is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Fewer tables are wanted.
    ScaleIn,
    /// The template has another game.
    Template,
    /// The fleet is being deleted.
    Deleted,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScaleIn => "scale-in",
            Self::Template => "template",
            Self::Deleted => "deleted",
        }
    }
}

/// One write. Steps of different tables are independent of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    AddFinalizer,
    ReleaseFinalizer,
    Create {
        name: String,
    },
    /// No new players.
    Close {
        uid: String,
        why: Why,
    },
    /// Takes back a [`Step::Close`].
    Open {
        uid: String,
    },
    /// Gives a table clock and pod of the template.
    Move {
        uid: String,
    },
    Pause {
        uid: String,
        paused: bool,
    },
    /// Only of a table that nobody can be at.
    Delete {
        uid: String,
    },
}

impl Step {
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::AddFinalizer | Self::ReleaseFinalizer | Self::Create { .. } => None,
            Self::Close { uid, .. }
            | Self::Open { uid }
            | Self::Move { uid }
            | Self::Pause { uid, .. }
            | Self::Delete { uid } => Some(uid),
        }
    }

    /// For metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddFinalizer | Self::ReleaseFinalizer => "finalizer",
            Self::Create { .. } => "create",
            Self::Close { .. } => "close",
            Self::Open { .. } => "open",
            Self::Move { .. } => "move",
            Self::Pause { .. } => "pause",
            Self::Delete { .. } => "delete",
        }
    }
}
