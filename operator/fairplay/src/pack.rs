//! Detector state as bytes, so that a restart continues from the last checkpoint.
//!
//! Little-endian numbers in the order of the fields; lengths before lists. The format belongs to [`VERSION`]: a state of
//! another version is not read, and the hands are scored again.

use purr_engine::PlayerId;

/// Raised with each change of what is counted, or how.
pub(crate) const VERSION: u32 = 2;

pub(crate) trait Pack: Sized {
    fn pack(&self, out: &mut Vec<u8>);
    /// `None`: the bytes end early, or are no such value.
    fn unpack(from: &mut &[u8]) -> Option<Self>;
}

/// Implements [`Pack`] field by field; a field that is forgotten does not compile.
macro_rules! packed {
    ($($name:ident { $($field:ident),* $(,)? })*) => { $(
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($crate::pack::Pack::pack($field, out);)*
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                $(let $field = $crate::pack::Pack::unpack(from)?;)*
                Some(Self { $($field),* })
            }
        }
    )* };
}
pub(crate) use packed;

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Pack for $number {
            fn pack(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )* };
}
numbers!(u8, u16, u32, u64, f32, f64);

impl<T: Pack, const N: usize> Pack for [T; N] {
    fn pack(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.pack(out));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let values: Vec<T> = (0..N).map(|_| T::unpack(from)).collect::<Option<_>>()?;
        values.try_into().ok()
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u64).pack(out);
        self.iter().for_each(|value| value.pack(out));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(u64::unpack(from)?).ok()?;
        // Every value has at least one byte, so a false length cannot reserve memory.
        if length > from.len() {
            return None;
        }
        (0..length).map(|_| T::unpack(from)).collect()
    }
}

impl Pack for String {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u64).pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(Vec::unpack(from)?).ok()
    }
}

impl Pack for PlayerId {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Pack::unpack(from).map(Self)
    }
}
