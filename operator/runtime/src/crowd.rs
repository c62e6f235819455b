//! Connections by address, so that one address cannot have all places.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts the open connections of each address that has any. An IPv6 /64 counts as one address, because one household
/// has all of it.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
    max: u32,
}

/// One counted connection.
pub(crate) struct Counted {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    pub fn new(max: u32) -> Self {
        Self { open: Arc::default(), max }
    }

    /// `None` when this address already has its maximum of open connections.
    pub fn enter(&self, address: IpAddr) -> Option<Counted> {
        let address = household(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&address).copied().unwrap_or_default();
        if count >= self.max {
            return None;
        }
        open.insert(address, count + 1);
        Some(Counted { crowd: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.crowd.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_no_more_and_gets_them_back() {
        let crowd = Crowd::new(2);
        let enter = |text: &str| crowd.enter(text.parse().unwrap());
        let (one, _two) = (enter("192.0.2.1").unwrap(), enter("::ffff:192.0.2.1").unwrap());
        assert!(enter("192.0.2.1").is_none());
        let other = enter("192.0.2.2").unwrap();
        drop(one);
        assert!(enter("192.0.2.1").is_some());
        // Two addresses of different households.
        let _household = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none() && enter("2001:db8:0:1::3").is_some());
        drop(other);
        assert_eq!(crowd.open.lock().unwrap().len(), 2, "who has left is forgotten");
    }
}
