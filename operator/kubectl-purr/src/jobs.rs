//! Jobs from the chart's CronJobs: an immediate backup, and a dry run of a restore.

use crate::exit::Exit;
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, Job},
        core::v1::EnvVar,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the release's chart does not know {0}: nothing was started")]
pub struct UnknownVariable(pub String);

/// A Job as `kubectl create job --from` makes it, with other values of variables that the CronJob's containers have.
///
/// # Errors
/// Names the first variable that no container has.
pub fn from(cron: &CronJob, name: &str, set: &[(&str, &str)]) -> Result<Job, UnknownVariable> {
    let template = cron.spec.job_template.clone();
    let mut spec = template.spec.unwrap_or_default();
    let pod = spec.template.spec.get_or_insert_default();
    for (variable, value) in set {
        let mut known = false;
        let containers = pod.init_containers.iter_mut().flatten().chain(&mut pod.containers);
        for env in containers.flat_map(|container| container.env.iter_mut().flatten()) {
            if env.name == *variable {
                *env = EnvVar { name: env.name.clone(), value: Some((*value).to_owned()), value_from: None };
                known = true;
            }
        }
        if !known {
            return Err(UnknownVariable((*variable).to_owned()));
        }
    }
    let mut annotations =
        BTreeMap::from([("cronjob.kubernetes.io/instantiate".to_owned(), "manual".to_owned())]);
    annotations
        .extend(template.metadata.as_ref().and_then(|meta| meta.annotations.clone()).unwrap_or_default());
    let owner = cron.metadata.name.clone().zip(cron.metadata.uid.clone()).map(|(name, uid)| OwnerReference {
        api_version: "batch/v1".into(),
        kind: "CronJob".into(),
        name,
        uid,
        controller: Some(true),
        ..OwnerReference::default()
    });
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: cron.metadata.namespace.clone(),
        labels: template.metadata.and_then(|meta| meta.labels),
        annotations: Some(annotations),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    Ok(Job { metadata, spec: Some(spec), status: None })
}

/// How a Job ended; `None`: it runs.
pub fn ended(job: &Job) -> Option<Exit> {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().filter(|condition| condition.status == "True").find_map(|condition| {
        match condition.type_.as_str() {
            "Complete" => Some(Exit::Done),
            "Failed" => Some(Exit::Stopped),
            _ => None,
        }
    })
}

/// A name that sorts by time: of a Job at most 63 characters.
pub fn name(release: &str, what: &str, now: jiff::Timestamp) -> String {
    format!("{release}-{what}-{}", now.strftime("%Y%m%d%H%M%S"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cron() -> CronJob {
        serde_json::from_value(json!({
            "metadata": {"name": "purr-restore", "namespace": "purr", "uid": "u"},
            "spec": {"schedule": "@daily", "suspend": true, "jobTemplate": {"spec": {"backoffLimit": 0, "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "initContainers": [{"name": "store", "env": [{"name": "DRY_RUN", "value": ""}, {"name": "X", "value": "x"}]}],
                    "containers": [{"name": "last", "env": [{"name": "DRY_RUN", "value": ""}]}],
                },
            }}}},
        }))
        .unwrap()
    }

    #[test]
    fn a_job_is_the_cron_jobs_with_the_variables_that_were_set() {
        let job = from(&cron(), "purr-restore-1", &[("DRY_RUN", "1")]).unwrap();
        let job = serde_json::to_value(&job).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(
            pod["initContainers"][0]["env"],
            json!([{"name": "DRY_RUN", "value": "1"}, {"name": "X", "value": "x"}])
        );
        assert_eq!(pod["containers"][0]["env"][0]["value"], "1");
        assert_eq!(job["spec"]["backoffLimit"], 0);
        assert_eq!(job["metadata"]["ownerReferences"][0]["name"], "purr-restore");
        assert_eq!(job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
    }

    /// An older chart has no such variable, and the Job would restore.
    #[test]
    fn a_variable_that_the_chart_does_not_know_is_refused() {
        assert_eq!(from(&cron(), "n", &[("DRY_RUN", "1"), ("DRYRUN", "1")]).unwrap_err().0, "DRYRUN");
    }

    #[test]
    fn a_job_has_ended_by_its_last_condition_alone() {
        let job = |kind: &str, status: &str| -> Job {
            let conditions =
                json!([{"type": "SuccessCriteriaMet", "status": "True"}, {"type": kind, "status": status}]);
            serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap()
        };
        assert_eq!(ended(&job("Complete", "True")), Some(Exit::Done));
        assert_eq!(ended(&job("Failed", "True")), Some(Exit::Stopped));
        assert_eq!(ended(&job("Failed", "False")), None);
        assert_eq!(ended(&Job::default()), None);
    }

    #[test]
    fn names_sort_by_time() {
        assert_eq!(name("purr", "backup", jiff::Timestamp::UNIX_EPOCH), "purr-backup-19700101000000");
    }
}
