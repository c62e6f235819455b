//! Errors of the binary form.

/// Maximum depth of nested nodes: far more than any state has, and too few to overflow the stack.
pub(super) const DEPTH_MAX: usize = 64;

/// Errors in the bytes of a node or of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it ends too early")]
    Short,
    #[error("tag {0:#04x} is unknown")]
    Tag(u8),
    #[error("name {0} is unknown: a later release wrote it")]
    Name(u8),
    #[error("a number has more than 128 bits")]
    Number,
    #[error("text is not UTF-8")]
    Text,
    #[error("{DEPTH_MAX} nodes are inside each other")]
    Deep,
    #[error("bytes follow the end")]
    Long,
    #[error("a change does not fit the state that it applies to")]
    Change,
}
