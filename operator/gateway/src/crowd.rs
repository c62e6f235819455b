//! Counts by key, for instance requests of each address.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts by key. Keys with a count of zero are removed, so there are never more keys than counted things.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<Mutex<HashMap<Arc<str>, u32>>>);

/// One counted request, until dropped.
#[derive(Debug)]
pub struct Counted {
    crowd: Crowd,
    key: Arc<str>,
}

impl Crowd {
    /// Counts one more; `None` if the key has reached `max`.
    pub fn enter(&self, key: &str, max: u32) -> Option<Counted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, count) = counts
            .get_key_value(key)
            .map_or_else(|| (Arc::from(key), 0), |(key, count)| (key.clone(), *count));
        if count >= max {
            return None;
        }
        counts.insert(key.clone(), count + 1);
        Some(Counted { crowd: self.clone(), key })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_bound_and_gets_its_places_back() {
        let crowd = Crowd::default();
        let (one, _two) = (crowd.enter("a", 2).unwrap(), crowd.enter("a", 2).unwrap());
        assert!(crowd.enter("a", 2).is_none());
        let other = crowd.enter("b", 2).unwrap();
        drop(one);
        assert!(crowd.enter("a", 2).is_some());
        drop(other);
        assert_eq!(crowd.0.lock().unwrap().len(), 1, "who has left is forgotten");
    }
}
