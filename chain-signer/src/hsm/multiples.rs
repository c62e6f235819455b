//! A point's multiples, kept so that multiplying it is adding some of them.

use k256::{AffinePoint, ProjectivePoint, Scalar, elliptic_curve::BatchNormalize};

/// Digits of a scalar, eight bits each.
const DIGITS: usize = 32;
/// Values of a digit that add something.
const VALUES: usize = 255;

/// d · 256^i times the point, for each place i and each digit d from 1 to 255: 700 KB.
///
/// # Caveats
/// How long a multiplication takes tells of the scalar. What is multiplied here, to check a signature,
/// is public.
pub struct Multiples(Vec<AffinePoint>);

impl Multiples {
    /// Takes some ten milliseconds.
    pub fn of(point: ProjectivePoint) -> Self {
        let mut base = point;
        let mut all = Vec::with_capacity(DIGITS * VALUES);
        for _ in 0..DIGITS {
            let mut sum = base;
            for _ in 0..VALUES {
                all.push(sum);
                sum += base;
            }
            base = sum;
        }
        Self(<ProjectivePoint as BatchNormalize<[ProjectivePoint]>>::batch_normalize(&all))
    }

    /// The scalar times the point, plus `sum`.
    pub fn multiply_add(&self, scalar: &Scalar, mut sum: ProjectivePoint) -> ProjectivePoint {
        let bytes = scalar.to_bytes();
        for (multiples, digit) in self.0.chunks_exact(VALUES).zip(bytes.iter().rev()) {
            if let Some(multiple) = usize::from(*digit).checked_sub(1).and_then(|at| multiples.get(at)) {
                sum += multiple;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::{U256, elliptic_curve::ops::Reduce};
    use sha3::{Digest, Keccak256};

    #[test]
    fn multiples_add_up_to_what_the_curve_multiplies() {
        let point = ProjectivePoint::GENERATOR * Scalar::from(7_919u64);
        let multiples = Multiples::of(point);
        let hashed = (0..100u64).map(|n| {
            let hash: [u8; 32] = Keccak256::digest(n.to_le_bytes()).into();
            <Scalar as Reduce<U256>>::reduce_bytes(&hash.into())
        });
        let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(16u64), Scalar::from(u64::MAX)];
        for scalar in hashed.chain(edges) {
            let sum = ProjectivePoint::GENERATOR;
            assert_eq!(multiples.multiply_add(&scalar, sum), point * scalar + sum, "{scalar:?}");
        }
    }
}
