//! The length of a data node's history, as numbers that only grow along one history.
//!
//! Data nodes that start after an outage of all of them compare these numbers: the longest history becomes the master.
//! An acknowledged commit is on two nodes, so all nodes but one hold every acknowledged commit between them.

use std::str::FromStr;

/// Key of the number of promotions in a group. Each master adds one, so that after a split the side that went on
/// outranks the side that was cut off. A restore leaves it alone.
pub const ERA: &str = "era";

/// Read-only script (`EVAL_RO`) that answers with "era commits keys". Commits are the sum of the commits and epochs of all
/// tables. The keys tell histories of the sessions group apart, which has no tables.
pub const SCRIPT: &str = r#"local sum, cursor = 0, "0"
repeat
  local page = redis.call("SCAN", cursor, "MATCH", "t:*:head", "COUNT", 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local head = redis.call("HMGET", key, "commit", "epoch")
    sum = sum + tonumber(head[1] or "0") + tonumber(head[2] or "0")
  end
until cursor == "0"
return (redis.call("GET", "era") or "0") .. " " .. string.format("%.0f", sum) .. " " .. redis.call("DBSIZE")"#;

/// Histories compare by era, then by commits, then by keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct History {
    pub era: u64,
    pub commits: u64,
    pub keys: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a history: three numbers are expected")]
pub struct BadHistory(String);

impl FromStr for History {
    type Err = BadHistory;

    fn from_str(text: &str) -> Result<Self, BadHistory> {
        let bad = || BadHistory(text.to_owned());
        let numbers: Vec<u64> =
            text.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| bad())?;
        let [era, commits, keys] = numbers[..] else { return Err(bad()) };
        Ok(Self { era, commits, keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_three_numbers_and_the_era_counts_most() {
        let parse = |text: &str| text.parse::<History>();
        assert_eq!(parse("3 41 7"), Ok(History { era: 3, commits: 41, keys: 7 }));
        assert!(parse("4 1 1").unwrap() > parse("3 900 900").unwrap());
        assert!(parse("3 2 1").unwrap() > parse("3 1 900").unwrap());
        assert!(parse("3 1 2").unwrap() > parse("3 1 1").unwrap());
        for bad in ["", "3 41", "3 41 7 1", "a b c", "-1 2 3", "LOADING Redis is loading"] {
            assert_eq!(parse(bad), Err(BadHistory(bad.to_owned())));
        }
    }

    #[test]
    fn the_script_reads_the_heads_that_commits_write_and_the_era() {
        let head = &crate::redis_store::keys("uid")[0];
        assert!(head.starts_with("t:") && head.ends_with(":head"), "{head}");
        assert!(SCRIPT.contains(r#""t:*:head""#) && SCRIPT.contains(&format!(r#""GET", "{ERA}""#)));
    }
}
