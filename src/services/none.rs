//! The service of a mail system whose readers see a change by themselves: nothing is ever owed.

use async_trait::async_trait;

use super::{Instance, Observed, Service, ServiceError};
use crate::model::{AccountId, Finding};
use crate::plan::policy::{Action, Profile};

/// A service that never owes a restart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

#[async_trait]
impl Service for Nothing {
    fn profile(&self) -> Profile {
        Profile { key: "none".into(), name: "none".into(), action: Action::None, instances: Vec::new() }
    }

    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        Ok(Vec::new())
    }

    async fn restart(&self, _instance: &Instance, _disabled: &[AccountId]) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn ready(&self, _instance: &Instance) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn preflight(&self) -> Vec<Finding> {
        Vec::new()
    }
}
