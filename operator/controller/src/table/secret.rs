//! The Secret with a table's certificate: made, renewed, and put back where somebody removed or changed it.

mod memory;

pub use memory::Memory;

use super::{
    apply::{ApplyError, api, name, namespace},
    build,
};
use crate::{
    certificates::{Issued, seconds},
    context::Context,
    defaults::Defaults,
    names::MANAGER,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::events::{Event, EventType},
};
use purr_crds::PokerTable;
use purr_runtime::jittered;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};

/// Generation of a table's first pod.
const FIRST: u64 = 1;
/// A new controller looks at the certificates of tables that serve within this time.
const LOOK_WITHIN: Duration = Duration::from_secs(300);
/// The watch shows what was written by then.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// Reason of the event for a Secret without its owner.
const UNOWNED: &str = "SecretUnowned";

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

/// What the decision to look at the Secret depends on.
fn known(context: &Context, table: &PokerTable, generation: u64, now: SystemTime) -> Known {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let secret_name = build::secret_name(name(table));
    let memory = context.memory(uid, |memory| memory.secret.clone());
    Known {
        first: generation == FIRST,
        serves: table.status.as_ref().is_some_and(|status| status.endpoint.is_some()),
        listed: context.secrets_listed.has(namespace(table)),
        shown: context.secret_index.version(namespace(table), &secret_name),
        checked: memory.checked,
        written_lately: memory.written.is_some_and(|at| at.elapsed() < SHOWN_WITHIN),
        renew_at_s: memory.renew_at_s,
        now_s: seconds(now),
    }
}

/// Whether [`ensure`] has anything to do now, and after how many seconds to look again, where that is soon.
pub fn due(context: &Context, table: &PokerTable, generation: u64) -> (bool, Option<u64>) {
    match look(&known(context, table, generation, SystemTime::now())) {
        Look::Later => (false, None),
        Look::Soon => (false, Some(SHOWN_WITHIN.as_secs())),
        Look::Spread | Look::Now | Look::New => (true, None),
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
    let now = SystemTime::now();
    match look(&known(context, table, generation, now)) {
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
    if !belongs(&held, table) && !is_left_behind(&held, table) {
        let leftover = held.owner_references().iter().any(|owner| owner.kind == "PokerTable");
        return Err(ApplyError::Foreign { name: secret_name, leftover });
    }
    if !is_owned(&held, table) {
        say_unowned(context, table, &held).await;
    }
    let part = |key: &str| held.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice());
    let good_until = part("tls.crt").and_then(|pem| context.authority.renew_at_s(pem, uid));
    let same_ca = part("ca.crt") == Some(context.authority.ca()?.as_bytes());
    let has_key = part("tls.key").is_some_and(|key| !key.is_empty());
    let good_until = good_until.filter(|at| same_ca && has_key && *at > seconds(now));
    if let Some(at) = good_until.filter(|_| is_labelled(&held, table, &context.fleet)) {
        let read = held.metadata.resource_version.clone();
        context.memory(uid, |memory| (memory.secret.checked, memory.secret.renew_at_s) = (read, at));
        return Ok(());
    }
    let issued = match good_until {
        Some(_) => None,
        None => Some(context.authority.issue(uid, now)?),
    };
    let patch = patch(&held, table, &context.fleet, issued.as_ref());
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    let patched = secrets.patch(&secret_name, &params, &Patch::Merge(&patch)).await;
    wrote(context, table, &patched.map_err(api("restore secret"))?, issued.as_ref());
    if let Some(at) = good_until {
        context.memory(uid, |memory| memory.secret.renew_at_s = at);
    }
    Ok(())
}

/// Whether a Secret was made for this table, by its owner or its label: one of both may have been edited.
fn belongs(secret: &Secret, table: &PokerTable) -> bool {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let labelled = secret.labels().get(build::LABEL_UID).is_some_and(|label| label == uid);
    labelled || is_owned(secret, table)
}

/// Whether a Secret was made for an earlier table of this name and has lost its owner reference, so that the API server
/// did not remove it with that table.
fn is_left_behind(secret: &Secret, table: &PokerTable) -> bool {
    let wanted = [
        (build::LABEL_MANAGED_BY, MANAGER),
        (build::LABEL_PART_OF, "purr"),
        (build::LABEL_COMPONENT, "table"),
        (build::LABEL_TABLE, name(table)),
    ];
    let is = |(key, value): (&str, &str)| secret.labels().get(key).is_some_and(|label| label == value);
    secret.owner_references().is_empty() && wanted.into_iter().all(is)
}

fn is_owned(secret: &Secret, table: &PokerTable) -> bool {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    secret.owner_references().iter().any(|owner| owner.uid == uid)
}

fn is_labelled(secret: &Secret, table: &PokerTable, fleet: &Defaults) -> bool {
    build::own_labels(&secret.metadata) == build::own_labels(&build::secret_marks(table, fleet))
}

/// Labels as they should be, and a new certificate where one is due. A Secret's owner is given when the Secret is made and never
/// later: the API server lets only those change it who may delete the Secret (OwnerReferencesPermissionEnforcement), and a right
/// to delete Secrets cannot be limited to the tables' names.
fn patch(held: &Secret, table: &PokerTable, fleet: &Defaults, issued: Option<&Issued>) -> serde_json::Value {
    let marks = build::secret_marks(table, fleet);
    let mut patch = json!({"metadata": {"resourceVersion": held.metadata.resource_version,
        "labels": build::own_labels(&marks)}});
    if let Some(issued) = issued {
        patch["data"] = json!(build::secret(table, fleet, issued).data);
    }
    patch
}

/// One event for a Secret that will outlive its table, with the command that helps.
async fn say_unowned(context: &Context, table: &PokerTable, held: &Secret) {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let is_said = context.memory(uid, |memory| {
        let before = std::mem::replace(&mut memory.secret.unowned, held.metadata.uid.clone());
        before == held.metadata.uid
    });
    if is_said {
        return;
    }
    let (namespace, name) = (namespace(table), build::secret_name(name(table)));
    let note = format!(
        "somebody took the owner off Secret {name}, so it stays when the table goes. It is made again with its owner, and the \
         table plays on, after: kubectl -n {namespace} delete secret {name}"
    );
    tracing::warn!(secret = name, "{note}");
    let event = Event {
        type_: EventType::Warning,
        reason: UNOWNED.into(),
        note: Some(note),
        action: "Restore".into(),
        secondary: None,
    };
    if !context.may_say(&event) {
        context.metrics.events_dropped.inc();
    } else if let Err(error) = context.recorder.publish(&event, &table.object_ref(&())).await {
        tracing::warn!(%error, reason = event.reason, "event");
    }
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
        None => tracing::warn!(secret = name, "labels put back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fleet::LABEL_FLEET,
        testing::{self, fleet, table},
    };

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
    fn a_secret_is_the_tables_by_its_owner_or_its_label_and_its_labels_are_put_right() {
        let (table, fleet) = (table(), fleet());
        let whole = Secret { metadata: build::secret_marks(&table, &fleet), ..Secret::default() };
        assert!(belongs(&whole, &table) && is_labelled(&whole, &table, &fleet) && is_owned(&whole, &table));
        let mut bare = whole.clone();
        bare.metadata.labels = None;
        assert!(belongs(&bare, &table) && !is_labelled(&bare, &table, &fleet));
        let mut orphan = whole.clone();
        orphan.metadata.owner_references = None;
        assert!(
            belongs(&orphan, &table) && is_labelled(&orphan, &table, &fleet) && !is_owned(&orphan, &table)
        );
        bare.metadata.owner_references = None;
        assert!(!belongs(&bare, &table) && !is_left_behind(&bare, &table), "somebody else's");
        let mut more = whole;
        more.metadata.labels.as_mut().unwrap().insert("team".into(), "poker".into());
        assert!(is_labelled(&more, &table, &fleet), "labels of others are theirs");
        more.metadata.labels.as_mut().unwrap().insert(LABEL_FLEET.into(), "none".into());
        assert!(!is_labelled(&more, &table, &fleet), "it is in no fleet");
    }

    #[test]
    fn a_secret_that_outlived_a_table_of_this_name_is_used_again_and_a_foreign_one_never() {
        let (table, fleet) = (table(), fleet());
        let mut before = table.clone();
        before.metadata.uid = Some("before".into());
        let mut left = Secret { metadata: build::secret_marks(&before, &fleet), ..Secret::default() };
        assert!(!belongs(&left, &table) && !is_left_behind(&left, &table), "it goes with its owner soon");
        left.metadata.owner_references = None;
        assert!(is_left_behind(&left, &table));
        for key in [build::LABEL_MANAGED_BY, build::LABEL_COMPONENT, build::LABEL_TABLE] {
            let mut other = left.clone();
            other.metadata.labels.as_mut().unwrap().insert(key.into(), "other".into());
            assert!(!is_left_behind(&other, &table), "{key}");
        }
    }

    #[test]
    fn a_patch_of_a_secret_never_says_who_owns_it_and_removes_labels_of_ours_that_are_wrong() {
        let (table, fleet) = (table(), fleet());
        let held = Secret { metadata: build::secret_marks(&table, &fleet), ..Secret::default() };
        let text = |text: &str| text.to_owned();
        let issued = Issued { certificate: text("C"), key: text("K"), ca: text("A"), not_after_s: 0 };
        for issued in [None, Some(&issued)] {
            let patch = patch(&held, &table, &fleet, issued);
            assert!(patch["metadata"].get("ownerReferences").is_none(), "{patch}");
            assert_eq!(patch["metadata"]["labels"][build::LABEL_UID], testing::UID);
            assert!(patch["metadata"]["labels"][LABEL_FLEET].is_null());
            let parts = patch.get("data").map_or(0, |data| data.as_object().unwrap().len());
            assert_eq!(parts, if issued.is_some() { 3 } else { 0 });
        }
    }
}
