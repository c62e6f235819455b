//! Images and nodes that a PokerTable may name. The chart's admission policy checks the same rules where it is in force.

use purr_crds::PodTemplate;
use std::fmt;

/// Entry of a list of keys that allows every key.
pub const ANY: &str = "*";
/// Most entries of one list.
pub const ENTRIES_MAX: usize = 64;

/// What `spec.pod` may hold beside the chart's own image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// References of images. An entry that ends in `/`, `:` or `@` allows all references that begin with it.
    pub images: Vec<String>,
    /// Labels that a node selector may have, or [`ANY`].
    pub node_selector_keys: Vec<String>,
    /// Keys of taints that may be tolerated, or [`ANY`].
    pub toleration_keys: Vec<String>,
}

/// Why a PokerTable gets no pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    #[error("spec.pod.image: {0} is not allowed; the chart's value table.allowed.images lists what is")]
    Image(String),
    #[error(
        "spec.pod.nodeSelector: the label {0} is not allowed; the chart's value table.allowed.nodeSelectorKeys lists \
         what is"
    )]
    NodeSelector(String),
    #[error(
        "spec.pod.tolerations: the key {0} is not allowed; the chart's value table.allowed.tolerationKeys lists what is"
    )]
    Toleration(TolerationKey),
}

/// The key of a toleration; without one it tolerates every taint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TolerationKey(Option<String>);

impl fmt::Display for TolerationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(key) => f.write_str(key),
            None => f.write_str("that is left out (every taint)"),
        }
    }
}

impl NotAllowed {
    /// Of the condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Image(_) => "ImageNotAllowed",
            Self::NodeSelector(_) | Self::Toleration(_) => "PlacementNotAllowed",
        }
    }
}

impl Allowed {
    /// Checks what a table says of its pod. `chart_image` is always allowed.
    ///
    /// # Errors
    /// Names the first image, label or taint that is not in the lists.
    pub fn check(&self, pod: &PodTemplate, chart_image: &str) -> Result<(), NotAllowed> {
        if let Some(image) = &pod.image
            && image != chart_image
            && !self.images.iter().any(|allowed| covers(allowed, image))
        {
            return Err(NotAllowed::Image(image.clone()));
        }
        for key in pod.node_selector.keys() {
            if !has(&self.node_selector_keys, key) {
                return Err(NotAllowed::NodeSelector(key.clone()));
            }
        }
        for toleration in &pod.tolerations {
            let key = toleration.key.as_deref().unwrap_or_default();
            if !has(&self.toleration_keys, key) {
                let key = Some(key.to_owned()).filter(|key| !key.is_empty());
                return Err(NotAllowed::Toleration(TolerationKey(key)));
            }
        }
        Ok(())
    }
}

/// A prefix ends where a name, a tag or a digest begins, so that no image of a longer name is allowed by mistake.
fn covers(allowed: &str, image: &str) -> bool {
    allowed == image || (allowed.ends_with(['/', ':', '@']) && image.starts_with(allowed))
}

fn has(keys: &[String], key: &str) -> bool {
    keys.iter().any(|allowed| allowed == ANY || allowed == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Toleration;

    const CHART: &str = "registry.example/purr/table:1";

    fn images(allowed: &[&str], image: &str) -> bool {
        let allowed = allowed.iter().map(ToString::to_string).collect();
        let pod = PodTemplate { image: Some(image.into()), ..Default::default() };
        Allowed { images: allowed, ..Default::default() }.check(&pod, CHART).is_ok()
    }

    #[test]
    fn without_a_list_only_the_charts_own_image_is_allowed() {
        assert!(Allowed::default().check(&PodTemplate::default(), CHART).is_ok());
        assert!(images(&[], CHART));
        for other in ["registry.example/purr/table:2", "registry.example/purr/table:11", "evil", ""] {
            assert!(!images(&[], other), "{other}");
        }
    }

    #[test]
    fn a_prefix_covers_tags_digests_and_folders_and_no_longer_name() {
        let digest = format!("registry.example/purr/table@sha256:{}", "a".repeat(64));
        assert!(images(&["registry.example/purr/"], "registry.example/purr/table:9"));
        assert!(images(&["registry.example/purr/table:"], "registry.example/purr/table:9"));
        assert!(images(&["registry.example/purr/table@"], &digest));
        assert!(images(&[&digest], &digest));
        assert!(!images(&[&digest], "registry.example/purr/table:9"));
        // A name without an end is one image, not a prefix.
        assert!(!images(&["registry.example/purr/table"], "registry.example/purr/table-evil:9"));
        assert!(!images(&["registry.example/purr/"], "registry.example.evil/purr/table:9"));
        assert!(!images(&["registry.example/purr/table:"], "registry.example/purr/table"));
    }

    #[test]
    fn labels_and_taints_that_are_not_listed_are_named() {
        let allowed = Allowed {
            node_selector_keys: vec!["topology.kubernetes.io/zone".into()],
            toleration_keys: vec!["poker".into()],
            ..Default::default()
        };
        let mut pod = PodTemplate::default();
        pod.node_selector.insert("topology.kubernetes.io/zone".into(), "a".into());
        let toleration = |key: Option<&str>| Toleration { key: key.map(Into::into), ..Default::default() };
        pod.tolerations = vec![toleration(Some("poker"))];
        assert_eq!(allowed.check(&pod, CHART), Ok(()));
        pod.tolerations.push(toleration(Some("node-role.kubernetes.io/control-plane")));
        let refused = allowed.check(&pod, CHART).unwrap_err();
        assert_eq!(refused.reason(), "PlacementNotAllowed");
        assert!(refused.to_string().contains("node-role.kubernetes.io/control-plane"), "{refused}");
        // A toleration without a key tolerates everything.
        pod.tolerations = vec![toleration(None)];
        assert!(allowed.check(&pod, CHART).unwrap_err().to_string().contains("every taint"));
        let any = Allowed { toleration_keys: vec![ANY.into()], ..allowed.clone() };
        assert_eq!(any.check(&pod, CHART), Ok(()));
        pod.tolerations.clear();
        pod.node_selector.insert("kubernetes.io/hostname".into(), "n1".into());
        assert_eq!(
            allowed.check(&pod, CHART),
            Err(NotAllowed::NodeSelector("kubernetes.io/hostname".into()))
        );
    }
}
