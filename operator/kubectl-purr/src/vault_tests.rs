use super::*;

fn table() -> PokerTable {
    let mut table: PokerTable =
        serde_yaml::from_str(include_str!("../../../crds/examples/table.yaml")).unwrap();
    table.metadata.uid = Some("00112233-4455-6677-8899-aabbccddeeff".into());
    table
}

#[test]
fn amounts_have_all_their_decimals() {
    assert_eq!(amount(1_500_000, 6), "1.500000");
    assert_eq!(amount(7, 6), "0.000007");
    assert_eq!(amount(7, 0), "7");
}

#[test]
fn a_range_begins_after_the_chains_last_number() {
    assert!(check_range(8, 8, 7).is_ok());
    assert!(check_range(8, 30, 7).is_ok());
    let said = check_range(9, 9, 7).unwrap_err().to_string();
    assert_eq!(said, "--first 9 is not 8: the chain has numbers up to 7");
    assert_eq!(check_range(8, 7, 7).unwrap_err().to_string(), "--last 7 is below --first 8");
}

#[test]
fn a_table_that_has_not_run_names_no_vault() {
    assert!(matches!(bound(&table()), Err(VaultError::Unbound(name)) if name == "nl100-1"));
}

#[test]
fn terms_are_what_the_table_was_opened_with() {
    let table = table();
    let [uid, seats, rake, cap, big] = table_terms(&table).unwrap();
    assert_eq!(uid, abi::uid("00112233-4455-6677-8899-aabbccddeeff").unwrap());
    assert_eq!(abi::number(&seats), Some(table.spec.seats.try_into().unwrap()));
    assert_eq!(abi::number(&rake), Some(table.spec.rake.basis_points.try_into().unwrap()));
    let highest = table.spec.rake.cap.iter().map(|cap| cap.amount).max().unwrap_or_default();
    assert_eq!(abi::number(&cap), Some(highest.try_into().unwrap()));
    assert_eq!(abi::number(&big), Some(table.spec.blinds.big.try_into().unwrap()));
    let mut unnamed = table;
    unnamed.metadata.uid = None;
    assert!(table_terms(&unnamed).unwrap_err().to_string().contains("metadata.uid"));
}

/// Compares with the compiler's own list of selectors.
#[test]
fn signatures_are_those_of_the_vaults_abi() {
    let abi: Value =
        serde_json::from_str(include_str!("../../../chain-signer/contracts/abi/PurrVault.json")).unwrap();
    let entries = abi.as_array().or_else(|| abi["abi"].as_array()).unwrap();
    let kind = |input: &Value| match input["components"].as_array() {
        Some(parts) => {
            let parts: Vec<&str> = parts.iter().filter_map(|part| part["type"].as_str()).collect();
            format!("({})", parts.join(","))
        }
        None => input["type"].as_str().unwrap().to_owned(),
    };
    let known: Vec<String> = entries
        .iter()
        .filter(|entry| entry["type"] == "function")
        .map(|entry| {
            let inputs: Vec<String> = entry["inputs"].as_array().unwrap().iter().map(kind).collect();
            format!("{}({})", entry["name"].as_str().unwrap(), inputs.join(","))
        })
        .collect();
    for used in [
        TABLE_ID,
        VOID_RANGE,
        "tableOf(bytes32)",
        "actionNumber()",
        "totalHeld()",
        "reserve()",
        "outflowLeft()",
        "paused()",
    ] {
        assert!(known.iter().any(|one| one == used), "{used} is no function of the vault: {known:?}");
    }
}
