//! The Secret with a table's certificate: made, renewed, and put back where somebody removed or changed it.

use super::{
    apply::{ApplyError, api, name, namespace},
    build,
};
use crate::{
    certificates::{Issued, seconds},
    context::{Context, MANAGER, jittered},
    defaults::Defaults,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use purr_crds::PokerTable;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};

/// Generation of a table's first pod.
const FIRST: u64 = 1;
/// A new controller looks at the certificates of tables that serve within this time.
const LOOK_WITHIN: Duration = Duration::from_secs(300);
/// The watch shows what was written by then.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// What this process remembers of a table's Secret; may be lost with the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// When the certificate is due, in seconds since 1970; 0: not looked at yet.
    pub renew_at_s: i64,
    /// The version that was last read or written.
    checked: Option<String>,
    written: Option<Instant>,
}

/// What the decision to look at a Secret depends on.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The next pod is the table's first.
    first: bool,
    /// A pod of the table serves with what there is.
    serves: bool,
    /// The watch has all Secrets of the namespace.
    listed: bool,
    /// The version that the watch shows; `None`: no Secret.
    shown: Option<String>,
    checked: Option<String>,
    /// This process has written it a moment ago.
    written_lately: bool,
    renew_at_s: i64,
    now_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing is to be done.
    Later,
    /// Nothing yet: the watch does not show what was written.
    Soon,
    /// Some time from now: ten thousand Secrets are not read at once.
    Spread,
    /// Read it, and put right what is not as it should be.
    Now,
    /// Nobody has made it, so it is not read first.
    New,
}

fn look(known: &Known) -> Look {
    if known.first && known.renew_at_s == 0 {
        return Look::New;
    }
    match (&known.shown, &known.checked) {
        (None, _) if known.listed && known.written_lately => return Look::Soon,
        (None, _) if known.listed => return Look::Now,
        (Some(shown), Some(checked)) if is_newer(shown, checked) => return Look::Now,
        _ => {}
    }
    if known.renew_at_s > known.now_s {
        return Look::Later;
    }
    if known.renew_at_s == 0 && known.serves { Look::Spread } else { Look::Now }
}

/// Resource versions of one resource are numbers that grow with each write (KEP-5504). One that is no number is another one.
fn is_newer(shown: &str, checked: &str) -> bool {
    match (shown.parse::<u128>(), checked.parse::<u128>()) {
        (Ok(shown), Ok(checked)) => shown > checked,
        _ => shown != checked,
    }
}

/// Sees to the Secret. Returns after how many seconds to look again, where that is soon.
///
/// # Errors
/// Where the API refuses, the CA cannot sign, or somebody else has a Secret of this name.
pub async fn ensure(
    context: &Context,
    table: &PokerTable,
    generation: u64,
) -> Result<Option<u64>, ApplyError> {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let secret_name = build::secret_name(name(table));
    let now = SystemTime::now();
    let memory = context.memory(uid, |memory| memory.secret.clone());
    let known = Known {
        first: generation == FIRST,
        serves: table.status.as_ref().is_some_and(|status| status.endpoint.is_some()),
        listed: context.secrets_listed.has(namespace(table)),
        shown: context.secret_index.version(namespace(table), &secret_name),
        checked: memory.checked,
        written_lately: memory.written.is_some_and(|at| at.elapsed() < SHOWN_WITHIN),
        renew_at_s: memory.renew_at_s,
        now_s: seconds(now),
    };
    match look(&known) {
        Look::Later => Ok(None),
        Look::Soon => Ok(Some(SHOWN_WITHIN.as_secs())),
        Look::Spread => {
            let wait = i64::try_from(jittered(LOOK_WITHIN).as_secs()).unwrap_or_default();
            context.memory(uid, |memory| memory.secret.renew_at_s = seconds(now) + wait);
            Ok(None)
        }
        Look::New if create(context, table, now).await? => Ok(None),
        Look::New | Look::Now => restore(context, table, now).await.map(|()| None),
    }
}

/// A new Secret. False where something of this name is there already.
async fn create(context: &Context, table: &PokerTable, now: SystemTime) -> Result<bool, ApplyError> {
    let issued = context.authority.issue(table.metadata.uid.as_deref().unwrap_or_default(), now)?;
    let secret = build::secret(table, &context.fleet, &issued);
    let params = PostParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    match context.secrets(namespace(table)).create(&params, &secret).await {
        Ok(made) => {
            wrote(context, table, &made, Some(&issued));
            Ok(true)
        }
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(source) => Err(api("create secret")(source)),
    }
}

/// Reads it, and writes what is not as it should be.
async fn restore(context: &Context, table: &PokerTable, now: SystemTime) -> Result<(), ApplyError> {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let secret_name = build::secret_name(name(table));
    let secrets = context.secrets(namespace(table));
    let Some(held) = secrets.get_opt(&secret_name).await.map_err(api("get secret"))? else {
        if create(context, table, now).await? {
            return Ok(());
        }
        return Err(ApplyError::Pod(format!("Secret {secret_name} comes and goes")));
    };
    if !belongs(&held, table) {
        let leftover = held.owner_references().iter().any(|owner| owner.kind == "PokerTable");
        return Err(ApplyError::Foreign { name: secret_name, leftover });
    }
    let part = |key: &str| held.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice());
    let good_until = part("tls.crt").and_then(|pem| context.authority.renew_at_s(pem, uid));
    let same_ca = part("ca.crt") == Some(context.authority.ca()?.as_bytes());
    let has_key = part("tls.key").is_some_and(|key| !key.is_empty());
    if let Some(at) = good_until.filter(|at| same_ca && has_key && *at > seconds(now)) {
        if is_marked(&held, table, &context.fleet) {
            let read = held.metadata.resource_version.clone();
            context.memory(uid, |memory| memory.secret.checked = read);
        } else {
            let marks = build::secret_marks(table, &context.fleet);
            let patch = json!({"metadata": {"resourceVersion": held.metadata.resource_version,
                "labels": marks.labels, "ownerReferences": marks.owner_references}});
            let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
            let patched = secrets.patch(&secret_name, &params, &Patch::Merge(&patch)).await;
            wrote(context, table, &patched.map_err(api("restore secret"))?, None);
        }
        context.memory(uid, |memory| memory.secret.renew_at_s = at);
        return Ok(());
    }
    let issued = context.authority.issue(uid, now)?;
    let secret = build::secret(table, &context.fleet, &issued);
    let apply = PatchParams::apply(MANAGER).force();
    let applied = secrets.patch(&secret_name, &apply, &Patch::Apply(&secret)).await;
    wrote(context, table, &applied.map_err(api("apply secret"))?, Some(&issued));
    Ok(())
}

/// Whether a Secret was made for this table, by its owner or its label: one of both may have been edited.
fn belongs(secret: &Secret, table: &PokerTable) -> bool {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let labelled = secret.labels().get(build::LABEL_UID).is_some_and(|label| label == uid);
    labelled || secret.owner_references().iter().any(|owner| owner.uid == uid)
}

fn is_marked(secret: &Secret, table: &PokerTable, fleet: &Defaults) -> bool {
    build::marks(&secret.metadata) == build::marks(&build::secret_marks(table, fleet))
}

fn wrote(context: &Context, table: &PokerTable, secret: &Secret, issued: Option<&Issued>) {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let renew_at_s = issued
        .map(|issued| context.authority.renew_at_s(issued.certificate.as_bytes(), uid).unwrap_or_default());
    context.memory(uid, |memory| {
        memory.secret.renew_at_s = renew_at_s.unwrap_or(memory.secret.renew_at_s);
        memory.secret.checked = secret.metadata.resource_version.clone();
        memory.secret.written = Some(Instant::now());
    });
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    match issued {
        Some(issued) => tracing::info!(secret = name, not_after_s = issued.not_after_s, "certificate issued"),
        None => tracing::warn!(secret = name, "labels and owner put back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fleet, table};

    fn known() -> Known {
        Known {
            serves: true,
            listed: true,
            shown: Some("7".into()),
            checked: Some("7".into()),
            renew_at_s: 2_000,
            now_s: 1_000,
            ..Known::default()
        }
    }

    #[test]
    fn a_secret_that_is_gone_is_made_again_at_once_whatever_is_remembered_of_its_renewal() {
        let gone = Known { shown: None, ..known() };
        assert_eq!(look(&gone), Look::Now);
        assert_eq!(
            look(&Known { checked: None, renew_at_s: 0, ..gone.clone() }),
            Look::Now,
            "by a new controller"
        );
        assert_eq!(look(&Known { written_lately: true, ..gone.clone() }), Look::Soon, "not shown yet");
        assert_eq!(look(&Known { listed: false, ..gone }), Look::Later, "nobody knows");
    }

    #[test]
    fn a_secret_that_somebody_changed_is_looked_at_and_an_own_write_is_not() {
        assert_eq!(look(&known()), Look::Later);
        assert_eq!(look(&Known { shown: Some("10".into()), ..known() }), Look::Now);
        assert_eq!(look(&Known { shown: Some("6".into()), ..known() }), Look::Later);
    }

    #[test]
    fn a_new_table_reads_nothing_and_a_new_controller_reads_no_ten_thousand_secrets_at_once() {
        let new = Known { first: true, renew_at_s: 0, shown: None, checked: None, ..known() };
        assert_eq!(look(&new), Look::New);
        assert_eq!(look(&Known { renew_at_s: 0, checked: None, ..known() }), Look::Spread);
        assert_eq!(look(&Known { renew_at_s: 0, checked: None, serves: false, ..known() }), Look::Now);
        assert_eq!(look(&Known { now_s: 2_000, ..known() }), Look::Now, "it is due");
    }

    #[test]
    fn a_secret_is_the_tables_by_its_owner_or_its_label_and_is_put_right_where_one_of_both_is_edited() {
        let (table, fleet) = (table(), fleet());
        let whole = Secret { metadata: build::secret_marks(&table, &fleet), ..Secret::default() };
        assert!(belongs(&whole, &table) && is_marked(&whole, &table, &fleet));
        let mut bare = whole.clone();
        bare.metadata.labels = None;
        assert!(belongs(&bare, &table) && !is_marked(&bare, &table, &fleet));
        let mut orphan = whole.clone();
        orphan.metadata.owner_references = None;
        assert!(belongs(&orphan, &table) && !is_marked(&orphan, &table, &fleet));
        bare.metadata.owner_references = None;
        assert!(!belongs(&bare, &table), "somebody else's");
        let mut more = whole;
        more.metadata.labels.as_mut().unwrap().insert("team".into(), "poker".into());
        assert!(is_marked(&more, &table, &fleet), "labels of others are theirs");
    }
}
