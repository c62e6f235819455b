use super::*;
use crate::scrape::samples;

fn scraped(component: &str, text: &str) -> Scraped {
    Scraped { component: component.into(), pod: format!("purr-{component}-0"), samples: Ok(samples(text)) }
}

const CONTROLLER: &str = "purr_controller_leader 1\npurr_controller_store_masters{store=\"default\"} 1\n\
    purr_controller_tables{phase=\"Running\"} 4\npurr_controller_tables{phase=\"Degraded\"} 0\n\
    purr_build_info{version=\"0.1.0\",revision=\"abc\"} 1\npurr_fleet_stalled{fleet_namespace=\"purr\",fleet=\"nl\"} 0\n";
const SIGNER: &str = "purr_signer_leading 1\npurr_signer_up{part=\"chain\"} 1\npurr_signer_reconciled 1\n\
    purr_signer_differing 0\npurr_signer_transactions_in_flight 1\npurr_signer_block_head 90\npurr_signer_block_final 88\n";

fn seen() -> Seen {
    let workload = |component: &str| Workload {
        component: component.into(),
        name: format!("purr-{component}"),
        wanted: 2,
        ready: 2,
        images: vec![format!("registry.example:5000/purr/{component}:0.1.0")],
        version: Some("0.1.0".into()),
    };
    Seen {
        namespace: "poker".into(),
        release: "purr".into(),
        now_s: 1_000_000,
        workloads: vec![workload("controller"), workload("chain-signer")],
        backup: Some(Schedule {
            cron: "@daily".into(),
            suspended: false,
            last_success_s: Some(1_000_000 - 7200),
        }),
        certificates: Ok(vec![Certificate {
            secret: "purr-gateway-tls".into(),
            not_after_s: 1_000_000 + 40 * DAY_S,
        }]),
        scraped: vec![scraped("controller", CONTROLLER), scraped("chain-signer", SIGNER)],
    }
}

fn line(seen: &Seen, name: &str) -> (State, String) {
    let found = of(seen).into_iter().find(|part| part.part == name).unwrap();
    (found.state, found.says)
}

#[test]
fn a_release_that_works_is_well_and_each_part_says_its_figures() {
    let seen = seen();
    assert!(is_well(&of(&seen)), "{:?}", of(&seen));
    assert_eq!(
        line(&seen, "release").1,
        "purr in namespace poker, application 0.1.0; programs say 0.1.0 (abc)"
    );
    assert_eq!(line(&seen, "controller").1, "2 of 2 ready; controller:0.1.0");
    assert_eq!(line(&seen, "stores").1, "default has 1 master");
    assert_eq!(
        line(&seen, "signer").1,
        "purr-chain-signer-0 sends, 1 transaction on the way; ledger and chain agree"
    );
    assert_eq!(line(&seen, "chain").1, "head 90, in the ledger up to 88");
    assert_eq!(line(&seen, "tables").1, "4 Running");
    assert_eq!(line(&seen, "backups").1, "the last one 2 h ago (@daily)");
    assert_eq!(line(&seen, "certificates").1, "1, the first to end is purr-gateway-tls in 40 days");
}

#[test]
fn every_part_that_is_not_as_it_should_be_is_bad() {
    let bad = |name: &str, change: &dyn Fn(&mut Seen)| {
        let mut seen = seen();
        change(&mut seen);
        assert_eq!(line(&seen, name).0, State::Bad, "{:?}", line(&seen, name));
        assert!(!is_well(&of(&seen)));
        line(&seen, name).1
    };
    bad("release", &|seen| seen.workloads.clear());
    bad("controller", &|seen| seen.workloads[0].ready = 1);
    let put = |seen: &mut Seen, at: usize, from: &str, to: &str| {
        let text = if at == 0 { CONTROLLER } else { SIGNER };
        assert!(text.contains(from));
        seen.scraped[at].samples = Ok(samples(&text.replace(from, to)));
    };
    bad("stores", &|seen| put(seen, 0, "masters{store=\"default\"} 1", "masters{store=\"default\"} 2"));
    let says = bad("signer", &|seen| put(seen, 1, "purr_signer_differing 0", "purr_signer_differing 3"));
    assert!(says.ends_with("3 tables and players that differ from the chain"), "{says}");
    let failed = "purr_signer_reconciled 0\npurr_signer_reconcile_failures_total 1";
    bad("signer", &|seen| put(seen, 1, "purr_signer_reconciled 1", failed));
    bad("signer", &|seen| put(seen, 1, "purr_signer_leading 1", "purr_signer_leading 0"));
    bad("chain", &|seen| put(seen, 1, "up{part=\"chain\"} 1", "up{part=\"chain\"} 0"));
    bad("tables", &|seen| put(seen, 0, "phase=\"Degraded\"} 0", "phase=\"Degraded\"} 2"));
    let says = bad("tables", &|seen| put(seen, 0, "fleet=\"nl\"} 0", "fleet=\"nl\"} 1"));
    assert!(says.contains("stalled: nl"), "{says}");
    bad("backups", &|seen| seen.backup.as_mut().unwrap().last_success_s = None);
    bad("backups", &|seen| seen.backup.as_mut().unwrap().suspended = true);
    bad("backups", &|seen| seen.now_s += 37 * HOUR_S);
    let says = bad("certificates", &|seen| seen.now_s += 41 * DAY_S);
    assert!(says.contains("in -1 days"), "{says}");
}

#[test]
fn what_cannot_be_seen_is_unknown_and_not_well() {
    let mut seen = seen();
    seen.scraped[1].samples = Err(Unread::Metrics("forbidden".into()));
    seen.certificates = Err(Unread::Secrets("forbidden".into()));
    assert_eq!(line(&seen, "signer"), (State::Unknown, "chain-signer: metrics: forbidden".into()));
    assert_eq!(line(&seen, "chain").0, State::Unknown);
    assert_eq!(line(&seen, "certificates"), (State::Unknown, "secrets: forbidden".into()));
    assert!(!is_well(&of(&seen)));
}

#[test]
fn a_signer_that_has_not_compared_yet_is_not_said_to_differ() {
    let mut seen = seen();
    let text = SIGNER.replace("purr_signer_reconciled 1", "purr_signer_reconciled 0");
    seen.scraped[1].samples = Ok(samples(&text));
    let (state, says) = line(&seen, "signer");
    assert_eq!(state, State::Unknown);
    assert!(says.ends_with("not compared yet"), "{says}");
}

#[test]
fn backups_that_are_switched_off_are_no_fault() {
    let mut seen = seen();
    seen.backup = None;
    assert_eq!(line(&seen, "backups").0, State::Off);
    assert!(is_well(&of(&seen)));
}

#[test]
fn an_image_is_named_by_its_last_part_and_the_head_of_its_digest() {
    assert_eq!(image("registry.example:5000/purr/table:1"), "table:1");
    let digest = "0123456789abcdef".repeat(4);
    assert_eq!(image(&format!("r/purr/table@sha256:{digest}")), "table@sha256:0123456789ab");
}
