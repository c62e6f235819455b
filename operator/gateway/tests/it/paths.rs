//! Names in paths that are meant to lead elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    UID, World, http,
    wallet::{JWT_KEY, Wallet, sign},
};
use purr_runtime::token::{Claims, UserRole};

/// Invalid texts in place of a table's UID.
fn tricks() -> Vec<String> {
    let fixed = [
        "..",
        "%2e%2e",
        "%2E%2e",
        ".",
        "%2f",
        "..%2f..%2fhealth",
        "..%5c..",
        "%00",
        "\\",
        // Encoded twice: decoded once, the text still is no UID.
        "%252e%252e",
        "%252f",
        // Control characters that would end a line of a request or of a log.
        "%0d%0ahost:%20evil",
        "%0a",
        "%09",
        "%7f",
        // Look-alikes, overlong forms, half a character, another case.
        "%ef%bc%8e%ef%bc%8e",
        "%c0%ae%c0%ae",
        "%c0%af",
        "%e0%80%af",
        "%ff",
        "%f0%9f%82%a1",
        "0A0B0C0D-0000-4000-8000-000000000000",
        // Characters with a meaning in other systems.
        "*",
        "?",
        "%3f",
        "#",
        "%23",
        ";x=1",
        "a:b@c",
        "-",
        "--",
        "-a",
        "a-",
        "$(x)",
        "'",
        "%25",
    ];
    let long = [64, 255, 4_096, 30_000].map(|length| "a".repeat(length));
    let near =
        ["%00", "%2f", "%20", ".", ".table.role.purr.internal", "%0a"].map(|end| format!("{UID}{end}"));
    fixed.into_iter().map(str::to_owned).chain(long).chain(near).collect()
}

#[tokio::test]
async fn no_trick_in_a_tables_name_leads_anywhere() {
    let world = World::new().await;
    let roles = vec![UserRole::Player, UserRole::Auditor, UserRole::Admin];
    let token = sign(&Claims { roles, ..Wallet::new(1).claims() }, Some("k1"), &JWT_KEY);
    let asked = world.signer_asked();
    let mut tried = 0;
    for trick in tricks() {
        for rest in ["", "/socket", "/hands", "/hands/1", "/hands/1/audit"] {
            let bearer = [("authorization", format!("Bearer {token}"))];
            let path = format!("/v1/tables/{trick}{rest}");
            let answer = http::request(&world, "GET", &path, &bearer, "").await;
            let shown = path.get(..80).unwrap_or(&path);
            // `?` and `#` end the path: the rest is the list of tables, or no route.
            assert!(matches!(answer.status, 400 | 404 | 414), "{shown}: {}", answer.status);
            assert!(!answer.body.contains("box") && !answer.body.contains("hand 1"), "{shown}");
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
    assert_eq!(world.signer_asked(), asked, "the signer was asked for a made-up table");
}
