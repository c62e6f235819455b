//! Reads the data for the overview of a release.

use crate::{
    api::{Api, ApiError},
    overview::{Certificate, Schedule, Scraped, Seen, Unread, Workload},
    scrape,
};
use futures::future::join_all;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{Pod, PodTemplateSpec, Secret},
};
use kube::api::ObjectMeta;
use std::collections::BTreeMap;
use x509_parser::{parse_x509_certificate, pem::parse_x509_pem};

/// Programs whose metrics are read. Tables are not among them: there may be thousands.
const PROGRAMS: [&str; 5] = ["controller", "gateway", "records", "chain-signer", "fair-play"];
/// Pods that are asked for metrics.
const PODS_MAX: usize = 32;
const COMPONENT: &str = "app.kubernetes.io/component";

pub(super) fn of_release(release: &str) -> String {
    format!("app.kubernetes.io/part-of=purr,app.kubernetes.io/instance={release}")
}

pub(super) fn component(labels: Option<&BTreeMap<String, String>>) -> String {
    labels.and_then(|labels| labels.get(COMPONENT)).cloned().unwrap_or_default()
}

/// A workload without a number of replicas wants one.
fn workload(meta: &ObjectMeta, pod: &PodTemplateSpec, wanted: Option<i32>, ready: i32) -> Workload {
    let labels = pod.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice());
    Workload {
        component: component(labels),
        name: meta.name.clone().unwrap_or_default(),
        wanted: wanted.unwrap_or(1),
        ready,
        images: containers.unwrap_or_default().iter().filter_map(|one| one.image.clone()).collect(),
        version: meta.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/version").cloned()),
    }
}

async fn workloads(api: &Api, labels: &str) -> Result<Vec<Workload>, ApiError> {
    let deployments: Vec<Deployment> = api.list(labels, "").await?;
    let sets: Vec<StatefulSet> = api.list(labels, "").await?;
    let mut found: Vec<Workload> = deployments
        .iter()
        .map(|one| {
            let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
            workload(&one.metadata, &one.spec.template, one.spec.replicas, ready)
        })
        .collect();
    found.extend(sets.iter().map(|one| {
        let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
        workload(&one.metadata, &one.spec.template, one.spec.replicas, ready)
    }));
    Ok(found)
}

/// The expiry of a Secret's certificate. Other data of the Secret is not read.
pub(super) fn certificate(secret: &Secret) -> Option<Certificate> {
    let (_, pem) = parse_x509_pem(&secret.data.as_ref()?.get("tls.crt")?.0).ok()?;
    let (_, certificate) = parse_x509_certificate(&pem.contents).ok()?;
    Some(Certificate {
        secret: secret.metadata.name.clone()?,
        not_after_s: certificate.validity().not_after.timestamp(),
    })
}

pub(super) async fn seen(api: &Api, release: &str) -> Result<Seen, ApiError> {
    let labels = of_release(release);
    let workloads = workloads(api, &labels).await?;
    let backup = api.cron_job(&format!("{release}-backup")).await?.map(|cron| Schedule {
        cron: cron.spec.schedule,
        suspended: cron.spec.suspend.unwrap_or_default(),
        last_success_s: cron.status.and_then(|status| status.last_successful_time).map(|at| at.0.as_second()),
    });
    let of_tables = format!("{labels},{COMPONENT}!=table");
    let secrets = api.list::<Secret>(&of_tables, "type=kubernetes.io/tls").await;
    let certificates = secrets.map(|all| all.iter().filter_map(certificate).collect());
    let programs = format!("{labels},{COMPONENT} in ({})", PROGRAMS.join(","));
    let pods: Vec<Pod> = api.list(&programs, "status.phase=Running").await?;
    let scrape = async |pod: &Pod| {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let samples = api.metrics(&name).await;
        Scraped {
            component: component(pod.metadata.labels.as_ref()),
            samples: samples
                .map(|text| scrape::samples(&text))
                .map_err(|error| Unread::Metrics(error.to_string())),
            pod: name,
        }
    };
    Ok(Seen {
        namespace: api.namespace.clone(),
        release: release.to_owned(),
        now_s: jiff::Timestamp::now().as_second(),
        workloads,
        backup,
        certificates: certificates.map_err(|error| Unread::Secrets(error.to_string())),
        scraped: join_all(pods.iter().take(PODS_MAX).map(scrape)).await,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    #[test]
    fn a_secret_says_when_its_certificate_ends_and_one_without_says_nothing() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        let mut secret = Secret::default();
        secret.metadata.name = Some("purr-gateway-tls".into());
        assert_eq!(certificate(&secret), None);
        secret.data = Some([("tls.crt".to_owned(), ByteString(pem.into_bytes()))].into());
        assert_eq!(certificate(&secret).unwrap().not_after_s, 1_893_456_000);
        secret.data = Some([("tls.crt".to_owned(), ByteString(b"nonsense".to_vec()))].into());
        assert_eq!(certificate(&secret), None);
    }
}
