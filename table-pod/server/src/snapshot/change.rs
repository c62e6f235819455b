//! Differences between two nodes: the children that differ, by position.
//!
//! A change is a list of edits of a list's or a map's children. Each edit begins with a number: its three lowest bits
//! are its kind, the others count the unchanged children before it.

use super::{
    encode::close,
    malformed::{DEPTH_MAX, Malformed},
    node,
};

/// The next child has another value, which follows.
const REPLACE: u64 = 0;
/// The next child has changed inside: edits follow.
const INSIDE: u64 = 1;
/// All children from here on are replaced: their length and the new children follow. Ends the list of edits.
const TAIL: u64 = 2;
/// All remaining children stay, and this many bytes of new children follow. Ends the list of edits.
const REST: u64 = 3;
/// The next child was removed, and the one after it takes its position: for lists that drop their oldest entry.
const GONE: u64 = 4;
const KIND_BITS: u32 = 3;
/// Most children that are searched for one that has moved to the front.
const AHEAD_MAX: usize = 8;

/// Appends to `out` the change from `old` to `new`; both are whole nodes.
pub(super) fn between(old: &[u8], new: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    children(old, new, false, 0, out)
}

/// Applies `change` to `old`.
pub(super) fn apply(old: &[u8], change: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(old.len() + change.len());
    let mut rest = change;
    edits(old, &mut rest, false, 0, &mut out)?;
    if rest.is_empty() { Ok(out) } else { Err(Malformed::Long) }
}

fn children(
    mut old: &[u8],
    mut new: &[u8],
    map: bool,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    loop {
        let same = common(old, new);
        if same == old.len() {
            let more = &new[same..];
            put(out, more.len(), REST);
            out.extend_from_slice(more);
            return Ok(());
        }
        // Equal bytes mean equal children, so the next child that differs contains the first byte that differs.
        let (stay, kept) = before(old, same, map)?;
        (old, new) = (&old[kept..], &new[kept..]);
        let new_rest = new;
        if new.is_empty() || (map && node::whole(&mut old)? != node::whole(&mut new)?) {
            put(out, stay, TAIL);
            node::put_size(out, new_rest.len());
            out.extend_from_slice(new_rest);
            return Ok(());
        }
        if old.is_empty() || new.is_empty() {
            // A key without its value.
            return Err(Malformed::Short);
        }
        let (was, is) = (node::whole(&mut old)?, node::whole(&mut new)?);
        let nested = !map && is_container(was[0]) && is_container(is[0]);
        let gone = if nested { ahead(old, is)? } else { None };
        if let Some(gone) = gone {
            put(out, stay, GONE);
            for _ in 0..gone {
                node::whole(&mut old)?;
                put(out, 0, GONE);
            }
            new = new_rest;
            continue;
        }
        let start = out.len();
        if depth < DEPTH_MAX && is_container(was[0]) && was[0] == is[0] {
            put(out, stay, INSIDE);
            children(body(was)?, body(is)?, was[0] == node::MAP, depth + 1, out)?;
            if out.len() - start <= is.len() {
                continue;
            }
            // Little has stayed the same, so an edit saves nothing.
            out.truncate(start);
        }
        put(out, stay, REPLACE);
        out.extend_from_slice(is);
    }
}

/// Length of the common beginning.
fn common(old: &[u8], new: &[u8]) -> usize {
    const CHUNK: usize = 32;
    let ((old_chunks, _), (new_chunks, _)) = (old.as_chunks::<CHUNK>(), new.as_chunks::<CHUNK>());
    let chunks = old_chunks.iter().zip(new_chunks).take_while(|(old, new)| old == new).count() * CHUNK;
    let bytes = old[chunks..].iter().zip(&new[chunks..]).take_while(|(old, new)| old == new).count();
    chunks + bytes
}

/// The number of children that end within the first `same` bytes, and the end of the last of them.
fn before(children: &[u8], same: usize, map: bool) -> Result<(usize, usize), Malformed> {
    let (mut rest, mut count) = (children, 0);
    loop {
        let start = rest;
        if !rest.is_empty() && map {
            node::whole(&mut rest)?;
        }
        if !rest.is_empty() {
            node::whole(&mut rest)?;
        }
        if start.is_empty() || children.len() - rest.len() > same {
            return Ok((count, children.len() - start.len()));
        }
        count += 1;
    }
}

/// Number of children before this one.
fn ahead(mut old: &[u8], is: &[u8]) -> Result<Option<usize>, Malformed> {
    for before in 0..AHEAD_MAX {
        if old.is_empty() {
            break;
        }
        if node::whole(&mut old)? == is {
            return Ok(Some(before));
        }
    }
    Ok(None)
}

fn edits(
    mut old: &[u8],
    change: &mut &[u8],
    map: bool,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    loop {
        let edit = u64::try_from(node::number(change)?).map_err(|_| Malformed::Change)?;
        let (kind, count) = (
            edit & ((1 << KIND_BITS) - 1),
            usize::try_from(edit >> KIND_BITS).map_err(|_| Malformed::Change)?,
        );
        if kind == REST {
            out.extend_from_slice(old);
            out.extend_from_slice(node::take(change, count)?);
            return Ok(());
        }
        let before = old;
        for _ in 0..count {
            if map {
                node::whole(&mut old)?;
            }
            node::whole(&mut old)?;
        }
        if map && kind != TAIL {
            node::whole(&mut old)?;
        }
        out.extend_from_slice(&before[..before.len() - old.len()]);
        match kind {
            TAIL => {
                let length = node::size(change)?;
                out.extend_from_slice(node::take(change, length)?);
                return Ok(());
            }
            REPLACE => {
                node::whole(&mut old)?;
                out.extend_from_slice(node::whole(change)?);
            }
            GONE => {
                node::whole(&mut old)?;
            }
            INSIDE => {
                let was = node::whole(&mut old)?;
                if depth >= DEPTH_MAX || !is_container(was[0]) {
                    return Err(Malformed::Change);
                }
                out.extend_from_slice(&[was[0], 0]);
                let start = out.len();
                edits(body(was)?, change, was[0] == node::MAP, depth + 1, out)?;
                close(out, start);
            }
            _ => return Err(Malformed::Change),
        }
    }
}

fn put(out: &mut Vec<u8>, count: usize, kind: u64) {
    node::put_number(out, (count as u64) << KIND_BITS | kind);
}

const fn is_container(tag: u8) -> bool {
    matches!(tag, node::LIST | node::MAP)
}

/// The children of a container.
fn body(mut container: &[u8]) -> Result<&[u8], Malformed> {
    node::byte(&mut container)?;
    let length = node::size(&mut container)?;
    node::take(&mut container, length)
}
