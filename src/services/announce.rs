//! The service of a target without settings: it only says what would have to learn of the change.

use async_trait::async_trait;

use super::{Instance, Observed, Service, ServiceError};
use crate::model::{AccountId, Finding};
use crate::plan::policy::{Action, Profile};

/// A service that logs one line instead of touching anything.
#[derive(Clone, Debug)]
pub struct Announce {
    /// What would be restarted, for a person: `the mail server`.
    pub name: String,
}

impl Default for Announce {
    fn default() -> Self {
        Self { name: "the mail server".into() }
    }
}

#[async_trait]
impl Service for Announce {
    fn profile(&self) -> Profile {
        Profile {
            key: format!("announce:{}", self.name),
            name: self.name.clone(),
            action: Action::Announce,
            instances: vec![Instance::local(&*self.name)],
        }
    }

    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        Ok(vec![Observed::unknown(Instance::local(&*self.name))])
    }

    async fn restart(&self, instance: &Instance, disabled: &[AccountId]) -> Result<(), ServiceError> {
        let users = match disabled.len() {
            0 => "nobody lost POP3".to_owned(),
            1 => "1 user lost POP3".to_owned(),
            many => format!("{many} users lost POP3"),
        };
        tracing::info!(
            disabled = disabled.len(),
            "This is where {instance} would be restarted: {users}. No service is set, so nothing was touched."
        );
        Ok(())
    }

    async fn ready(&self, _instance: &Instance) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn preflight(&self) -> Vec<Finding> {
        vec![Finding::ok("no service is set: popgate only says when one would be restarted")]
    }
}
