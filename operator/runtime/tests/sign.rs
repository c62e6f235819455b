//! A signature with a role's certificate proves that role only, whoever presents it later.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/certificates.rs"]
mod certificates;

use certificates::Authority as Ca;
use purr_runtime::{
    Identity, Role,
    sign::{Authority, NotSigned, verify},
};
use std::time::{Duration, Instant, SystemTime};

fn table(n: usize) -> Role {
    Role::Table(format!("0a0b0c0d-0000-4000-8000-00000000000{n}"))
}

#[test]
fn a_signature_is_its_certificates_over_its_own_text_and_the_certificate_its_roles() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Ca::new(), Ca::new());
    for (ca, name, role) in
        [(&ours, "one", table(1)), (&ours, "two", table(2)), (&theirs, "foreign", table(1))]
    {
        ca.issue(&dir.path().join(name), &[&role.to_string()]);
    }
    let certified = |name: &str| Identity::load(&dir.path().join(name)).unwrap().certified().unwrap();
    let authority = Authority::load(&dir.path().join("one/ca.crt")).unwrap();
    let (one, two, foreign) = (certified("one"), certified("two"), certified("foreign"));
    let signature = one.sign(b"thirty chips").unwrap();
    verify(one.certificate(), b"thirty chips", &signature).unwrap();

    let refused =
        |certificate: &[u8], text: &[u8], signature: &[u8]| verify(certificate, text, signature).unwrap_err();
    assert!(matches!(refused(one.certificate(), b"forty chips", &signature), NotSigned::Signature));
    assert!(matches!(refused(two.certificate(), b"thirty chips", &signature), NotSigned::Signature));
    let mut changed = signature.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(refused(one.certificate(), b"thirty chips", &changed), NotSigned::Signature));
    assert!(matches!(refused(one.certificate(), b"thirty chips", &signature[..1]), NotSigned::Scheme));
    assert!(matches!(refused(one.certificate(), b"thirty chips", &[0; 40]), NotSigned::Scheme));
    assert!(matches!(refused(b"no certificate", b"thirty chips", &signature), NotSigned::Certificate));

    let now = Some(SystemTime::now());
    for at in [now, None] {
        authority.speaks_for(one.certificate(), &table(1), at).unwrap();
        let other = authority.speaks_for(two.certificate(), &table(1), at).unwrap_err();
        assert!(matches!(other, NotSigned::Role(Some(role)) if role == table(2)));
        let stranger = authority.speaks_for(foreign.certificate(), &table(1), at).unwrap_err();
        assert!(matches!(stranger, NotSigned::Chain(_)), "{stranger}");
    }
    // An expired certificate can sign no new entry; its earlier signatures stay valid.
    let late = Some(SystemTime::now() + Duration::from_secs(5_000 * 365 * 86_400));
    assert!(matches!(authority.speaks_for(one.certificate(), &table(1), late), Err(NotSigned::Chain(_))));
}

#[test]
fn a_renewed_key_signs_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    ca.issue(dir.path(), &[&table(1).to_string()]);
    let identity = Identity::load(dir.path()).unwrap();
    let (old, again) = (identity.certified().unwrap(), identity.certified().unwrap());
    assert_eq!(old.certificate(), again.certificate());
    ca.issue(dir.path(), &[&table(1).to_string()]);
    let new = identity.certified().unwrap();
    assert_ne!(new.certificate(), old.certificate());
    verify(new.certificate(), b"chips", &new.sign(b"chips").unwrap()).unwrap();
}

#[test]
fn a_signature_is_made_and_checked_within_milliseconds() {
    let dir = tempfile::tempdir().unwrap();
    Ca::new().issue(dir.path(), &[&table(1).to_string()]);
    let certified = Identity::load(dir.path()).unwrap().certified().unwrap();
    let authority = Authority::load(&dir.path().join("ca.crt")).unwrap();
    let micros = |begun: Instant| begun.elapsed().as_micros() / 200;
    let begun = Instant::now();
    let signatures: Vec<Vec<u8>> = (0..200_u8).map(|n| certified.sign(&[n]).unwrap()).collect();
    let made = micros(begun);
    let begun = Instant::now();
    for (n, signature) in (0..200_u8).zip(&signatures) {
        verify(certified.certificate(), &[n], signature).unwrap();
    }
    let checked = micros(begun);
    let begun = Instant::now();
    for _ in 0..200 {
        authority.speaks_for(certified.certificate(), &table(1), None).unwrap();
    }
    println!("microseconds: {made} to sign, {checked} to check, {} for the certificate", micros(begun));
    assert!(made < 20_000 && checked < 20_000, "{made} and {checked} µs");
}
