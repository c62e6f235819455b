use super::*;
use proptest::prelude::*;

fn redacted(text: &str) -> String {
    Redactor::default().text(text)
}

#[test]
fn wallets_hashes_and_keys_get_one_number_each_and_image_digests_stay() {
    let wallet = "0xAbCdEf0123456789abcdef0123456789abcdef01";
    let key = "4f".repeat(32);
    let said =
        redacted(&format!("{wallet} paid {} with {key}, image table@sha256:{key}", wallet.to_lowercase()));
    assert_eq!(said, format!("<hex-1> paid <hex-1> with <hex-2>, image table@sha256:{key}"));
}

#[test]
fn what_a_reader_needs_stays() {
    for text in [
        "table 0198c7a2-11aa-7bbb-8ccc-0123456789ab hand 17 in 5s at 2026-01-01T00:00:00.123456Z",
        "purr-gateway-7d9f8b6c5d-x2x9z ReplicaSetCreatedSuccessfully for purr.poker/v1alpha1",
        "commit took 12.5 ms; retried 3 times; purr_table::actor::commit PurrSloActionsFastBurn",
        r#"{"level":"INFO","fields":{"message":"ready","condition":"journal"},"target":"purr_runtime::ops"}"#,
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn secrets_are_taken_out_in_every_way_that_they_are_written() {
    for (text, kept) in [
        ("password=hunter2 user=a", "password=<taken out> user=a"),
        (r#"{"pgPassword": "hunter2", "a": 1}"#, r#"{"pgPassword": "<taken out>", "a": 1}"#),
        ("Authorization: Bearer abc.def next", "Authorization: <taken out> next"),
        ("pin: 1234", "pin: <taken out>"),
        (
            "https://user:hunter2@rpc.example:8545/v2/hunter2?key=1 is slow",
            "https://<login>@rpc.example:8545/<path> is slow",
        ),
        ("a -----BEGIN EC PRIVATE KEY-----\\nMHc\\n-----END EC PRIVATE KEY----- b", "a <pem> b"),
        ("cut off -----BEGIN PRIVATE KEY-----\nMHc", "cut off <pem>"),
        (
            "got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIweDEyMzQ1Njc4In0.c2lnbmF0dXJlMTIzNDU2Nzg5MA ok",
            "got <secret>.<secret>.<secret> ok",
        ),
        ("sent Zm9vYmFyQmF6MTIzNDU2/Nzg5MA== on", "sent <secret> on"),
    ] {
        assert_eq!(redacted(text), kept);
    }
}

#[test]
fn cards_are_taken_out_and_times_are_not() {
    for (text, kept) in [
        ("seat 1 holds AsKd now", "seat 1 holds <cards> now"),
        ("flop 2h 7d Tc turn", "flop <cards> turn"),
        (r#"shown "Ah","Kh" by"#, r#"shown "<cards>" by"#),
        (r#"{"cards":["As"],"hand":3}"#, r#"{"cards":<taken out>,"hand":3}"#),
        (r#"{"board":"As","hand":3}"#, r#"{"board":"<taken out>","hand":3}"#),
        ("A♠K♥", "<cards>"),
        ("waits 5s, then 8s; As said", "waits 5s, then 8s; As said"),
        ("after 5s of 20s", "after 5s of 20s"),
    ] {
        assert_eq!(redacted(text), kept);
    }
}

#[test]
fn ip_addresses_get_a_number_and_keep_their_port() {
    let said = redacted("peer=192.0.2.7:4242 by 192.0.2.7, [2001:db8::1]:443 at 12:30:45, purr::a");
    assert_eq!(said, "peer=<ip-1>:4242 by <ip-1>, [<ip-2>]:443 at 12:30:45, purr::a");
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1)).collect();
    let sign = |six: &[bool]| {
        let at = (0..6).fold(0, |sum, at| sum * 2 + usize::from(six.get(at).copied().unwrap_or_default()));
        char::from(SIGNS[at])
    };
    bits.chunks(6).map(sign).collect::<String>() + "="
}

proptest! {
    /// Keys of 32 bytes, and wallets of 20, however they stand in a text.
    #[test]
    fn no_key_stays_whatever_stands_around_it(
        key in prop::array::uniform32(any::<u8>()),
        wallet in prop::array::uniform20(any::<u8>()),
        before in "[ -~]{0,30}[ \"=:,(]",
        after in "[ \",)\n][ -~]{0,30}",
    ) {
        let (hex, wallet, sixty_four) = (hex::encode(key), hex::encode(wallet), base64(&key));
        for secret in [&hex, &hex.to_uppercase(), &format!("0x{wallet}"), &sixty_four] {
            let said = redacted(&format!("{before}{secret}{after}"));
            let bare = secret.trim_start_matches("0x").trim_end_matches('=');
            prop_assert!(!said.contains(bare), "{said}");
            // Half of the secret must not appear either.
            prop_assert!(!said.contains(&bare[..bare.len() / 2]), "{said}");
        }
    }

    #[test]
    fn any_text_is_borne(text in any::<String>()) {
        redacted(&text);
    }
}
