//! Fair-play cases for staff: who may read, who may open and decide, and that the person comes from the token.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{World, wallet::Wallet};
use serde_json::{Value, json};

#[tokio::test]
async fn a_reviewer_opens_and_decides_under_the_own_address_whatever_the_body_says() {
    let world = World::new().await;
    let wallet = Wallet::reviewer();
    let token = wallet.sign_in(&world).await.access;
    let own = wallet.address();
    let asked = world.get("/v1/integrity/cases?state=dissent&before=9&limit=7", Some(&token)).await;
    assert_eq!(asked.json()["asked"], "GET /v1/cases?limit=7&state=dissent&before=9");
    let asked = world.get("/v1/integrity/cases/3", Some(&token)).await;
    assert_eq!(asked.json()["asked"], json!(format!("GET /v1/cases/3?by={own}")));
    let opened = world.post("/v1/integrity/cases/3/evidence/1", Some(&token), &Value::Null).await;
    let said = opened.json();
    assert_eq!(
        (&said["asked"], &said["body"]),
        (&json!("POST /v1/cases/3/evidence/1"), &json!({ "by": own }))
    );
    let opinion = json!({ "action": "keepApart", "reasons": "r", "innocentExplanation": "i" });
    let given = world.post("/v1/integrity/cases/3/opinions", Some(&token), &opinion).await.json();
    let expected = json!({ "by": own, "action": "keepApart", "reasons": "r", "innocentExplanation": "i" });
    assert_eq!(given["body"], expected);
    // A reviewer cannot write an opinion in another's name.
    let other = json!({ "by": "0xother", "action": "clear", "reasons": "r" });
    assert_eq!(world.post("/v1/integrity/cases/3/opinions", Some(&token), &other).await.status, 400);
    let refund = json!({ "hands": [{ "table": "0a", "hand": 7 }], "withRake": true });
    let ordered = world.post("/v1/integrity/cases/3/refunds", Some(&token), &refund).await.json();
    assert_eq!(
        (&ordered["asked"], &ordered["body"]["by"]),
        (&json!("POST /v1/cases/3/refunds"), &json!(own))
    );
    for (path, asked) in [
        ("/v1/integrity/openings?people=true", "GET /v1/openings?after=0&limit=200&people=true"),
        ("/v1/integrity/report?month=2026-11", "GET /v1/report?month=2026-11"),
    ] {
        assert_eq!(world.get(path, Some(&token)).await.json()["asked"], json!(asked), "{path}");
    }
    for bad in
        ["/v1/integrity/report?month=2026-1&x", "/v1/integrity/cases?state=guilty", "/v1/integrity/cases/x"]
    {
        assert_eq!(world.get(bad, Some(&token)).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn support_reads_cases_without_hidden_cards_and_a_player_can_only_appeal() {
    let world = World::new().await;
    let support = Wallet::support().sign_in(&world).await.access;
    assert_eq!(world.get("/v1/integrity/cases/3", Some(&support)).await.status, 200);
    let wallet = Wallet::new(1);
    let player = wallet.sign_in(&world).await.access;
    for token in [&support, &player] {
        for path in ["evidence/0", "opinions", "refunds"] {
            let answer = world.post(&format!("/v1/integrity/cases/3/{path}"), Some(token), &json!({})).await;
            assert_eq!(answer.problem(), "role", "{path}");
        }
    }
    assert_eq!(world.get("/v1/integrity/cases", Some(&player)).await.problem(), "role");
    let appeal = json!({ "text": "we only tilt" });
    let said = world.post("/v1/integrity/cases/3/appeals", Some(&player), &appeal).await.json();
    assert_eq!(said["asked"], "POST /v1/cases/3/appeals");
    assert_eq!(said["body"], json!({ "by": wallet.address(), "text": "we only tilt" }));
}
